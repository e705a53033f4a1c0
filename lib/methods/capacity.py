"""Readings of Zhang et al. 2017, section 2.2: what fitting random labels says about classical complexity measures.

A net that fits every random labelling of its n points has an empirical Rademacher complexity of 1 and a VC dimension
of at least n, and the bounds on the test error that rest on them exceed 1. A linear learner, whose complexity is
known in closed form, is the control: it shows that the readings are not 1 for everything.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def rademacher_from_error(train_errors: Sequence[float]) -> np.ndarray:
    """One reading of the empirical Rademacher complexity for each draw of random signs: 1 - 2 err (equation 1).

    R_n(H) = E_sigma sup_h (1/n) sum_i sigma_i h(x_i), and for h with values -1 and 1 the mean is 1 - 2 err. Training
    stands in for the supremum, so the mean of the readings estimates the complexity from below: it is that of the
    model together with its optimiser.

    Args:
        train_errors: (S,) training error on each sign vector, fractions.

    Returns:
        (S,) readings: 1 where the signs are fitted, 0 at chance.

    Raises:
        ValueError: if an error is not a fraction.
    """
    errors = np.asarray(train_errors, dtype=np.float64)
    _check_fractions(errors)
    return 1 - 2 * errors


def linear_rademacher(n: int, d: int) -> float:
    """Expected reading for the sign of a least-squares fit to random signs, on d generic features of n points.

    The fit is P sigma with a projection P of rank d, where P_ii = d/n on average. Its value at point i is P_ii
    sigma_i and the sum of the others, nearly Gaussian with variance P_ii (1 - P_ii); so it has the sign of sigma_i
    with probability Phi(sqrt(d / (n - d))), and 1 - 2 err = 2 Phi(sqrt(d / (n - d))) - 1. For d much smaller than n
    this is sqrt(2 d / (pi n)).

    Args:
        n: number of points.
        d: number of features, a constant one included.

    Returns:
        The reading in [0, 1]; 1 for d >= n.

    Raises:
        ValueError: if n < 1 or d < 0.
    """
    if n < 1 or d < 0:
        raise ValueError(f"n = {n} points and d = {d} features: n must be at least 1 and d at least 0")
    if d >= n:
        return 1.0
    return math.erf(math.sqrt(d / (n - d) / 2))  # 2 Phi(z) - 1 = erf(z / sqrt(2))


def least_squares_signs_fit(features: Tensor, signs: Tensor) -> tuple[Tensor, int]:
    """Training error of the sign of a least-squares fit, the control for `rademacher_from_error`, and the fit's rank.

    The fitted values are P sigma with the projection P = X (X^T X)^+ X^T on the column space of the features, here
    from the eigenvectors of the smaller of X^T X and X X^T, once for all sign vectors.

    Args:
        features: (n, d), used as they are: add a column of ones for an intercept.
        signs: (n,) or (n, S) of -1 and 1.

    Returns:
        The fraction of points where the fit has another sign, for each sign vector, () or (S,), where a fit of exactly
        zero counts as an error; and the rank of the features, which is the d of `linear_rademacher`.

    Raises:
        ValueError: if shapes do not match or a sign is neither -1 nor 1.
    """
    if features.ndim != 2 or signs.ndim not in (1, 2) or len(signs) != len(features):
        raise ValueError(f"features {tuple(features.shape)} and signs {tuple(signs.shape)}: need (n, d) and (n,)")
    if not (signs.abs() == 1).all():
        raise ValueError("signs must be -1 or 1: map classes 0 and 1 by 2 y - 1")
    X, sigma = features.detach().double().cpu(), signs.double().cpu().reshape(len(signs), -1)  # (n, d), (n, S)
    tall = X.shape[0] > X.shape[1]
    eigenvalues, vectors = torch.linalg.eigh(X.T @ X if tall else X @ X.T)
    kept = eigenvalues > eigenvalues.max().clamp(min=0) * max(X.shape) * torch.finfo(X.dtype).eps
    basis = vectors[:, kept]  # (d or n, rank)
    if tall:
        fit = X @ (basis @ (basis.T @ (X.T @ sigma) / eigenvalues[kept, None]))  # X V L^-1 V^T X^T sigma
    else:
        fit = basis @ (basis.T @ sigma)  # U U^T sigma
    errors = (fit.sign() != sigma).double().mean(dim=0)  # (S,)
    return errors.reshape(signs.shape[1:]), int(kept.sum())


def rademacher_bound(train_error: float, complexity: float, n: int, delta: float) -> float:
    """Bound on the test error that holds with probability 1 - delta: err + R + 3 sqrt(ln(2/delta) / (2n)).

    The form with the empirical complexity (Mohri et al., Foundations of Machine Learning, theorem 3.5 of the second
    edition), for classifiers with two classes.

    Args:
        train_error: fraction.
        complexity: the empirical Rademacher complexity, or a mean of readings of it, which noise may bring below 0.
        n: number of training points.
        delta: probability that the bound fails, in (0, 1).

    Returns:
        The bound, not cut at 1: what exceeds 1 says nothing about the net.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_fractions(np.array([train_error, abs(complexity)]))
    _check_sample(n, delta)
    return train_error + complexity + 3 * math.sqrt(math.log(2 / delta) / (2 * n))


def vc_bound(train_error: float, d_vc: float, n: int, delta: float) -> float:
    """Vapnik's bound on the test error: err + sqrt((d (ln(2n/d) + 1) + ln(4/delta)) / n), with probability 1 - delta.

    d (ln(2n/d) + 1) is Sauer's bound on the logarithm of the number of labellings of 2n points. It holds for d <= 2n
    and would fall again beyond, even below zero, while the number of labellings does not: a larger dimension counts
    as 2n, where the bound exceeds 1.4.

    Args:
        train_error: fraction.
        d_vc: VC dimension, or a lower reading of it.
        n: number of training points.
        delta: probability that the bound fails, in (0, 1).

    Returns:
        The bound, not cut at 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_fractions(np.array([train_error]))
    _check_sample(n, delta)
    if d_vc <= 0:
        raise ValueError(f"the VC dimension must be positive, not {d_vc}")
    d = min(d_vc, 2 * n)
    return train_error + math.sqrt((d * (math.log(2 * n / d) + 1) + math.log(4 / delta)) / n)


def vc_reading(train_errors: Mapping[int, Sequence[float]]) -> int:
    """Largest n whose random labellings were all fitted without an error: a lower reading of the VC dimension.

    A set of n points is shattered when all 2^n labellings can be fitted, and then the dimension is at least n. A few
    random labellings are evidence of that and no proof. A learner that fails a labelling may also have missed it, so
    nothing is said from above. The known case is the linear classifier with an intercept, of dimension d + 1.

    Args:
        train_errors: for each n, the training errors on random labellings of n points.

    Returns:
        The largest n with errors all zero; 0 if there is none.

    Raises:
        ValueError: if an n has no errors, or an error is not a fraction.
    """
    for n, errors in train_errors.items():
        if len(errors) == 0:
            raise ValueError(f"no training error was given for n = {n}")
        _check_fractions(np.asarray(errors, dtype=np.float64))
    return max((n for n, errors in train_errors.items() if not any(errors)), default=0)


def _check_fractions(values: np.ndarray) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"errors and complexities are fractions in [0, 1], found {values.tolist()}")


def _check_sample(n: int, delta: float) -> None:
    if n < 1 or not 0 < delta < 1:
        raise ValueError(f"n = {n} and delta = {delta}: n must be at least 1 and delta in (0, 1)")
