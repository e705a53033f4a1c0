"""Does a confidence of 0.8 mean right four times in five? Calibration errors, their noise floor, temperature scaling.

Everywhere `confidence` is (N,) in [0, 1], the probability of the class that was answered, and `correct` is (N,),
whether the answer was right. Answers are put into bins by confidence. With acc_b, conf_b and n_b the share of right
answers, the mean confidence and the number of answers in bin b,

    l1   sum_b n_b/N |acc_b - conf_b|            "ECE" with uniform bins (JEM 2020: 20 of them),
                                                 "MAD" with adaptive bins of 100 answers (using pre-training, 2019)
    l2   sqrt(sum_b n_b/N (acc_b - conf_b)^2)    "RMS" with adaptive bins of 100 answers (using pre-training, 2019)
    max  max_b |acc_b - conf_b|                  "MCE"

Uniform bins are closed on the right, ((b-1)/B, b/B], the first one also on the left: confidence 0 and 1 count like all
others. Adaptive bins hold equally many answers, sorted by confidence. Where the border of such a bin runs through
answers of equal confidence, each side gets the mean correctness of the tied answers, so that no result depends on the
order in which the answers were given. All results are fractions.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lib.metrics.arrays import Booleans, Floats, Integers, as_array, as_confidence, as_correct, as_labels, choice
from lib.metrics.classification import softmax

Norm = Literal["l1", "l2", "max"]
Binning = Literal["uniform", "adaptive"]
Definition = Literal["all_bins", "dropped_bin"]

CACHED = 2**15  # answers binned at once, few enough for the processor's cache: twice as fast on a million


class ReliabilityCurve(NamedTuple):
    """The bins that hold at least one answer, from low to high confidence; all arrays have shape (B,).

    Attributes:
        lower: left border of the bin (uniform), or its smallest confidence (adaptive).
        upper: right border of the bin (uniform), or its largest confidence (adaptive).
        confidence: mean confidence in the bin.
        accuracy: share of right answers in the bin.
        size: number of answers in the bin.
    """

    lower: Floats
    upper: Floats
    confidence: Floats
    accuracy: Floats
    size: Integers


def calibration_error(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    norm: Norm = "l1",
    binning: Binning = "uniform",
    bins: int = 15,
    bin_size: int | None = None,
    definition: Definition = "all_bins",
) -> float:
    """Distance between confidence and accuracy over bins, as defined at the top of this file.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) booleans or 0 and 1.
        norm: "l1" (mean absolute gap), "l2" (root of the mean squared gap) or "max" (largest gap).
        binning: "uniform" (equal width on [0, 1]; Guo et al. 2017) or "adaptive" (equal number of answers).
        bins: number of bins.
        bin_size: answers per adaptive bin, in place of `bins`: floor(N / bin_size) bins, at least one, of which the
            last (the most confident) takes the remainder.
        definition: "all_bins", or "dropped_bin" as in the code released with "Using Pre-Training Can Improve Model
            Robustness and Uncertainty" (2019): the most confident adaptive bin is left out of the sum while N still
            counts its answers. With fewer than two full bins that leaves nothing: 0.

    Returns:
        A fraction in [0, 1]. Not 0 for a perfectly calibrated model: see `calibration_noise_floor`.

    >>> calibration_error([0.75, 0.75, 0.75, 0.75], [1, 1, 0, 0])
    0.25
    """
    choice("norm", norm, ("l1", "l2", "max"))
    if choice("definition", definition, ("all_bins", "dropped_bin")) == "dropped_bin" and binning != "adaptive":
        raise ValueError(f"definition='dropped_bin' belongs to binning='adaptive', found binning={binning!r}")
    curve = reliability_curve(confidence, correct, binning=binning, bins=bins, bin_size=bin_size)
    gap = np.abs(curve.accuracy - curve.confidence)  # (B,)
    weight = curve.size / curve.size.sum()  # (B,): n_b / N
    if definition == "dropped_bin":
        gap, weight = gap[:-1], weight[:-1]
    if norm == "max":
        return float(gap.max(initial=0.0))
    return float((weight * gap).sum()) if norm == "l1" else float(np.sqrt((weight * gap**2).sum()))


def rms_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, *, bin_size: int = 100, definition: Definition = "all_bins"
) -> float:
    """RMS calibration error of the pre-training paper (2019, section 4 and table 5): l2 over adaptive bins of 100.

    Its released code computes `definition="dropped_bin"`; arguments and result are those of `calibration_error`.

    >>> rms_calibration_error([0.75, 0.75, 0.75, 0.75], [1, 1, 0, 0])
    0.25
    """
    return calibration_error(
        confidence, correct, norm="l2", binning="adaptive", bin_size=bin_size, definition=definition
    )


def mad_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, *, bin_size: int = 100, definition: Definition = "all_bins"
) -> float:
    """MAD calibration error of the pre-training paper (2019, section 4 and table 5): l1 over adaptive bins of 100.

    Its released code computes `definition="dropped_bin"`; arguments and result are those of `calibration_error`.

    >>> mad_calibration_error([0.75, 0.75, 0.75, 0.75], [1, 1, 0, 0])
    0.25
    """
    return calibration_error(
        confidence, correct, norm="l1", binning="adaptive", bin_size=bin_size, definition=definition
    )


def signed_confidence_error(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence minus accuracy, in [-1, 1]: positive for an over-confident model, negative for the opposite.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) booleans or 0 and 1.

    >>> signed_confidence_error([0.75, 0.75, 0.75, 0.75], [1, 1, 0, 0])  # over-confident
    0.25
    """
    confidences = as_confidence(confidence)
    return float(confidences.mean() - as_correct(correct, count=len(confidences)).mean())


def calibration_noise_floor(
    confidence: ArrayLike,
    *,
    norm: Norm = "l1",
    binning: Binning = "uniform",
    bins: int = 15,
    bin_size: int | None = None,
    definition: Definition = "all_bins",
    draws: int = 200,
    seed: int = 0,
) -> float:
    """The mean calibration error of a perfectly calibrated model with these confidences.

    Such a model answers right with probability exactly c_i, yet a bin of n_b answers misses its mean confidence by
    chance, with variance sum c_i (1 - c_i) / n_b^2. With bins of 100 the l2 floor is close to
    sqrt(mean of c (1 - c) / 100), whatever N. A measured error near the floor says nothing about calibration.

    Args:
        confidence: (N,) in [0, 1].
        norm: as in `calibration_error`, like the four arguments after it.
        binning: see there.
        bins: see there.
        bin_size: see there.
        definition: see there.
        draws: number of simulated models; 200 give the l1 and l2 floors to about 1 %.
        seed: of the simulation.

    Returns:
        A fraction in [0, 1].

    >>> calibration_noise_floor([1.0, 1.0])  # always right, so chance has no part
    0.0
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, found {draws}")
    c = np.sort(as_confidence(confidence))  # (N,), sorted: the floor must not depend on the order
    rng = np.random.default_rng(seed)
    errors = [
        calibration_error(
            c,
            rng.random(len(c)) < c,  # right with probability c_i
            norm=norm,
            binning=binning,
            bins=bins,
            bin_size=bin_size,
            definition=definition,
        )
        for _ in range(draws)
    ]
    return float(np.mean(errors))


def reliability_curve(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    binning: Binning = "uniform",
    bins: int = 15,
    bin_size: int | None = None,
) -> ReliabilityCurve:
    """Accuracy against confidence in bins: what a reliability diagram draws and every error above is computed from.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) booleans or 0 and 1.
        binning: "uniform" or "adaptive".
        bins: number of bins; empty ones are left out of the result.
        bin_size: answers per adaptive bin, in place of `bins`.

    >>> reliability_curve([0.2, 0.9, 0.9], [0, 1, 0], bins=2).accuracy.tolist()
    [0.0, 0.5]
    """
    confidences = as_confidence(confidence)  # (N,)
    right = as_correct(correct, count=len(confidences))  # (N,)
    for name, number in (("bins", bins), ("bin_size", bin_size)):
        if number is not None and (number < 1 or number != int(number)):
            raise ValueError(f"{name} must be a whole number of at least 1, found {number}")
    if choice("binning", binning, ("uniform", "adaptive")) == "adaptive":
        return _adaptive(confidences, right, _starts(len(confidences), bins, bin_size))
    if bin_size is not None:
        raise ValueError(f"bin_size belongs to binning='adaptive', found bin_size={bin_size} with binning='uniform'")
    return _uniform(confidences, right, bins)


def _uniform(confidence: Floats, right: Booleans, bins: int) -> ReliabilityCurve:
    edges = np.arange(bins + 1) / bins
    left = np.append(-1.0, edges[1:])  # the first bin is closed on the left
    hits, size, total = np.zeros(bins), np.zeros(bins, dtype=np.int64), np.zeros(bins)
    for start in range(0, len(confidence), CACHED):
        piece = slice(start, start + CACHED)
        index = _bin_of(confidence[piece], left)
        counts = np.bincount(2 * index + right[piece], minlength=2 * bins).reshape(bins, 2)  # wrong, right
        size += counts.sum(axis=1)
        hits += counts[:, 1]
        total += np.bincount(index, weights=confidence[piece], minlength=bins)
    held = size > 0
    size, total, hits = size[held], total[held], hits[held]
    return ReliabilityCurve(edges[:-1][held], edges[1:][held], total / size, hits / size, size)


def _bin_of(confidence: Floats, left: Floats) -> NDArray[np.intp]:
    """Index of the bin (left_b, left_(b+1)] of each confidence; `left` ends with the right border of the last bin."""
    index = (confidence * (len(left) - 1)).astype(np.intp)  # closed on the left; rounding may reach the next edge early
    index -= confidence <= left[index]  # closed on the right, by comparison with the edge itself
    return index


def _starts(answers: int, bins: int, bin_size: int | None) -> Integers:
    """Where each adaptive bin starts in the sorted answers, (B,)."""
    if bin_size is None:
        return np.unique(np.arange(bins) * answers // bins)  # sizes differ by one at most
    return np.arange(max(answers // bin_size, 1)) * bin_size


def _adaptive(confidence: Floats, right: Booleans, starts: Integers) -> ReliabilityCurve:
    ordered = np.sort(confidence)  # (N,)
    of_right = np.sort(confidence[right])  # confidences of the right answers
    size = np.diff(starts, append=len(ordered))
    # Right answers before each start: those of lower confidence, and of those that tie with it the average share.
    at = ordered[starts]
    below, up_to = np.searchsorted(ordered, at, "left"), np.searchsorted(ordered, at, "right")
    right_below, right_up_to = np.searchsorted(of_right, at, "left"), np.searchsorted(of_right, at, "right")
    share = (right_up_to - right_below) / (up_to - below)
    hits = np.diff(right_below + (starts - below) * share, append=len(of_right))
    upper = ordered[starts + size - 1]
    return ReliabilityCurve(at, upper, np.add.reduceat(ordered, starts) / size, hits / size, size)


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, bounds: tuple[float, float] = (0.05, 20.0)) -> float:
    """The temperature T that minimises the negative log-likelihood of softmax(logits / T) (Guo et al. 2017).

    The likelihood is convex in beta = 1/T; its slope, the mean of E_softmax(beta z)[z] - z_y, is brought to zero by
    Newton steps, with bisection where a step would leave the bracket.

    Args:
        logits: (N, K) of held-out answers: never those the network was trained or is tested on.
        labels: (N,) class indices 0 .. K - 1.
        bounds: smallest and largest T. The pre-training paper's code searches [0.2, 5].

    Returns:
        T > 0. A result at a bound means that the best T lies beyond it; if all answers are right, for example, ever
        smaller T are ever better. Logits that are constant in each row do not depend on T and give T = 1, or the bound
        nearest to it.

    >>> round(fit_temperature([[2, 0], [2, 0], [2, 0], [2, 0]], [0, 0, 0, 1]), 3)  # 2 / log 3
    1.82
    """
    z = as_array(logits, "logits", ndim=2)
    z = z - z.max(axis=1, keepdims=True)  # (N, K)
    indices = as_labels(labels, "labels", count=len(z), classes=z.shape[1])
    if not 0 < bounds[0] < bounds[1] < np.inf:
        raise ValueError(f"bounds must be 0 < smallest T < largest T, found {bounds}")
    low, high = 1 / bounds[1], 1 / bounds[0]  # the bracket of beta
    beta = min(max(1.0, low), high)
    for _ in range(200):
        slope, curvature = _slope_and_curvature(z, indices, beta)
        if slope == 0 or high - low <= 1e-13 * high:
            break
        low, high = (beta, high) if slope < 0 else (low, beta)
        newton = beta - slope / curvature if curvature > 0 else -np.inf
        if abs(newton - beta) <= 1e-13 * beta:
            break
        beta = newton if low < newton < high else (low + high) / 2
    return 1 / beta


def _slope_and_curvature(z: Floats, labels: Integers, beta: float) -> tuple[float, float]:
    """First and second derivative of the negative log-likelihood of softmax(beta z) by beta."""
    p = softmax(beta * z)  # (N, K)
    mean = (p * z).sum(axis=1)  # (N,): E[z]
    variance = (p * (z - mean[:, None]) ** 2).sum(axis=1)  # (N,)
    return float((mean - z[np.arange(len(z)), labels]).mean()), float(variance.mean())
