"""Error under corruption and instability under small perturbations, both as in Hendrycks and Dietterich (2019).

Noisy Student (2020) reports both relative to AlexNet on ImageNet-C and ImageNet-P. A relative number means nothing
without its normaliser, so `baseline` has no default here. All results are fractions: 1.0 is "as the baseline", which
the papers print as 100.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lib.metrics.arrays import Floats, as_array, choice


def corruption_error(errors: Mapping[str, ArrayLike]) -> float:
    """Mean error over corruptions and severities: the mean over corruptions of the mean over severities.

    Args:
        errors: error rates in [0, 1] by corruption, each (S,) over severities.

    Returns:
        A fraction in [0, 1]; 1 minus it is the "top-1" that Noisy Student gives for ImageNet-C.

    >>> corruption_error({"fog": [0.25, 0.5], "blur": [0.5, 0.75]})
    0.5
    """
    return float(np.mean([_rates(errors, name, "errors").mean() for name in _names(errors, "errors")]))


def mean_corruption_error(errors: Mapping[str, ArrayLike], *, baseline: Mapping[str, ArrayLike]) -> float:
    """The mCE, mean over corruptions c of sum_s E_(c,s) / sum_s B_(c,s), with severities s.

    Args:
        errors: error rates in [0, 1] of the model by corruption, each (S,) over severities.
        baseline: error rates of the normaliser for the same corruptions, each (S,), or (1,) for its mean over
            severities. AlexNet for ImageNet-C; for any other set say which model it is wherever the result is shown.

    Returns:
        At least 0; below 1 is better than the baseline.

    Raises:
        ValueError: other corruptions or severities in the two, or a baseline without any error.

    >>> mean_corruption_error({"fog": [0.25, 0.5]}, baseline={"fog": [0.5, 1.0]})
    0.5
    """
    return _mean_ratio(errors, baseline)


def flip_probability(predictions: ArrayLike, *, reference: Literal["previous", "first"]) -> float:
    """How often the answer changes along a sequence of slightly perturbed images: mean over frames of [y_j != y_ref].

    Args:
        predictions: (M, L) predicted classes of M sequences of L >= 2 frames.
        reference: the frame to compare with: "previous", or "first" for perturbations by noise, whose frames have no
            order (the rule of the evaluation released with ImageNet-P).

    Returns:
        A fraction in [0, 1] of the M (L - 1) comparisons.

    >>> flip_probability([[1, 1, 2]], reference="previous")
    0.5
    """
    answers = as_array(predictions, "predictions", ndim=2)
    if answers.shape[1] < 2:
        raise ValueError(f"predictions must hold at least 2 frames a sequence, found shape {answers.shape}")
    choice("reference", reference, ("previous", "first"))
    compared = answers[:, :-1] if reference == "previous" else answers[:, :1]
    return float((answers[:, 1:] != compared).mean())


def mean_flip_rate(flip_probabilities: Mapping[str, float], *, baseline: Mapping[str, float]) -> float:
    """The mFR, mean over perturbations p of FP_p / FP_p(baseline), with FP the `flip_probability`.

    Args:
        flip_probabilities: of the model, by perturbation.
        baseline: of the normaliser, for the same perturbations.

    Returns:
        At least 0; below 1 is steadier than the baseline.

    >>> mean_flip_rate({"snow": 0.25}, baseline={"snow": 0.5})
    0.5
    """
    as_vectors = ({name: [value] for name, value in values.items()} for values in (flip_probabilities, baseline))
    return _mean_ratio(*as_vectors)


def _names(values: Mapping[str, ArrayLike], what: str) -> list[str]:
    if not values:
        raise ValueError(f"{what} is empty; pass the rates of at least one corruption")
    return sorted(values)  # sorted: the sum must not depend on the order of insertion


def _rates(values: Mapping[str, ArrayLike], name: str, what: str) -> Floats:
    rates = as_array(values[name], f"{what}[{name!r}]", ndim=1)
    if rates.min() < 0 or rates.max() > 1:
        raise ValueError(f"{what}[{name!r}] must lie in [0, 1], found {rates.min():g} to {rates.max():g}; percent?")
    return rates


def _mean_ratio(values: Mapping[str, ArrayLike], baseline: Mapping[str, ArrayLike]) -> float:
    names = _names(values, "values")
    if names != _names(baseline, "baseline"):
        raise ValueError(f"the baseline must cover the same names, found {names} and {sorted(baseline)}")
    return float(np.mean([_ratio(values, baseline, name) for name in names]))


def _ratio(values: Mapping[str, ArrayLike], baseline: Mapping[str, ArrayLike], name: str) -> float:
    ours, theirs = _rates(values, name, "values"), _rates(baseline, name, "baseline")
    if len(theirs) not in (1, len(ours)):
        raise ValueError(f"{name!r} has {len(ours)} severities, {len(theirs)} in the baseline; pass the same for both")
    if not theirs.any():
        raise ValueError(f"baseline[{name!r}] is 0; a ratio to it does not exist, take a normaliser that makes errors")
    return float(ours.mean() / theirs.mean())
