"""Accuracy and the two proper scoring rules, from class scores of shape (N, K) and labels of shape (N,)."""

import numpy as np
from numpy.typing import ArrayLike

from lib.metrics.arrays import Booleans, Floats, as_array, as_labels, as_probabilities


def softmax(logits: ArrayLike, *, temperature: float = 1.0) -> Floats:
    """Class probabilities p_ik = exp(z_ik / T) / sum_j exp(z_ij / T).

    Args:
        logits: (N, K), finite; adding a constant to a row changes nothing.
        temperature: T > 0; above 1 it flattens, below 1 it sharpens.

    Returns:
        (N, K) float64, each row in [0, 1] with sum 1.

    >>> softmax([[0, 0]]).tolist()
    [[0.5, 0.5]]
    """
    return np.exp(log_softmax(logits, temperature=temperature))


def log_softmax(logits: ArrayLike, *, temperature: float = 1.0) -> Floats:
    """The logarithm of `softmax`, (N, K) float64, each entry at most 0; precise where a probability would underflow.

    >>> log_softmax([[0, 0]]).round(3).tolist()
    [[-0.693, -0.693]]
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be positive and finite, found {temperature}")
    scaled = as_array(logits, "logits", ndim=2)
    scaled = (scaled - scaled.max(axis=1, keepdims=True)) / temperature  # largest entry 0: exp cannot overflow
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def accuracy(scores: ArrayLike, labels: ArrayLike) -> float:
    """Share of answers whose highest-scoring class is the label.

    Args:
        scores: (N, K) logits or probabilities; of equal highest scores the first class is the answer.
        labels: (N,) class indices 0 .. K - 1.

    Returns:
        A fraction in [0, 1].

    >>> accuracy([[2, 1], [0, 3]], [0, 0])
    0.5
    """
    return float(_right(as_array(scores, "scores", ndim=2), labels).mean())


def confidence_and_correct(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, Booleans]:
    """What the calibration metrics take: the largest probability of each row, and whether it was the right class.

    Args:
        probabilities: (N, K), rows summing to 1.
        labels: (N,) class indices 0 .. K - 1.

    Returns:
        Confidence (N,) in [1 / K, 1] and correct (N,) boolean.

    >>> confidence, correct = confidence_and_correct([[0.9, 0.1], [0.4, 0.6]], [0, 0])
    >>> confidence.tolist(), correct.tolist()
    ([0.9, 0.6], [True, False])
    """
    rows = as_probabilities(probabilities)
    answers = rows.argmax(axis=1)
    confidence = rows[np.arange(len(rows)), answers]  # the maximum, without looking for it again
    return np.minimum(confidence, 1.0), answers == as_labels(labels, "labels", count=len(rows), classes=rows.shape[1])


def nll(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Negative log-likelihood -1/N sum_i log p(y_i | x_i), in nats.

    Args:
        probabilities: (N, K), rows summing to 1.
        labels: (N,) class indices 0 .. K - 1.

    Returns:
        At least 0; infinite as soon as one label has probability 0. Where the logits are at hand, `nll_from_logits` is
        more precise: a float32 softmax rounds small probabilities to 0.

    >>> round(nll([[0.5, 0.5]], [1]), 3)
    0.693
    """
    rows = as_probabilities(probabilities)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the right answer here
        return float(-np.log(_of_labels(rows, labels)).mean()) + 0.0  # + 0.0 turns -0.0 into 0.0


def nll_from_logits(logits: ArrayLike, labels: ArrayLike, *, temperature: float = 1.0) -> float:
    """Negative log-likelihood of softmax(logits / temperature), in nats: at least 0 and always finite.

    Args:
        logits: (N, K), finite.
        labels: (N,) class indices 0 .. K - 1.
        temperature: T > 0, 1 for the network as it is.

    >>> round(nll_from_logits([[0, 0]], [1]), 3)
    0.693
    """
    return float(-_of_labels(log_softmax(logits, temperature=temperature), labels).mean()) + 0.0


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Brier score 1/N sum_i sum_k (p_ik - [k = y_i])^2, summed over all classes as in Brier (1950).

    Args:
        probabilities: (N, K), rows summing to 1.
        labels: (N,) class indices 0 .. K - 1.

    Returns:
        A number in [0, 2]. For two classes it is twice the score that scikit-learn gives for the positive class alone.

    >>> brier([[0.5, 0.5]], [1])
    0.5
    """
    rows = as_probabilities(probabilities)
    indices = as_labels(labels, "labels", count=len(rows), classes=rows.shape[1])
    errors = rows - np.eye(rows.shape[1])[indices]  # (N, K): p_ik - [k = y_i]
    return float((errors**2).sum(axis=1).mean())


def _right(scores: Floats, labels: ArrayLike) -> Booleans:
    return scores.argmax(axis=1) == as_labels(labels, "labels", count=len(scores), classes=scores.shape[1])


def _of_labels(values: Floats, labels: ArrayLike) -> Floats:
    """The entry of each row that belongs to its label: (N, K) -> (N,)."""
    indices = as_labels(labels, "labels", count=len(values), classes=values.shape[1])
    return values[np.arange(len(values)), indices]
