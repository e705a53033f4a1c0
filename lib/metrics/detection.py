"""Telling in-distribution (ID) from out-of-distribution (OOD) inputs by one score: higher = more in-distribution.

Every function takes the scores of both sets, or a `ThresholdCurve` made of them once by `curve(id_scores, ood_scores)`:
one sort then serves all metrics. With `positive="id"` a score is taken for positive where it is >= the threshold, with
`positive="ood"` where it is <= the threshold. P and N are the numbers of positive and negative scores, tp and fp how
many of each are taken for positive, TPR = tp / P (also called recall) and FPR = fp / N. AUPR and FPR depend on which
set is the positive one, so that must always be said. The papers differ:

    Confidence-calibrated classifiers (2018)   positive "id", reports 1 - FPR as "TNR at TPR 95 %", and AUPR both ways;
                                               its released evaluator sweeps equal steps of the score: `sweep_2018`
    Using pre-training (2019)                  positive "ood": AUPR "average_precision" with one OOD score to five ID
                                               scores; FPR "nearest" in its code
    JEM (2020)                                 AUROC
    OpenOOD, pytorch-ood                       FPR "exact"

Only the order of the scores matters, except in "window", "saturating_sum" and `sweep_2018`. All results are fractions.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lib.metrics.arrays import Floats, Integers, as_array, choice

Positive = Literal["id", "ood"]

STEPS_2018 = 200_000  # thresholds of the 2018 evaluator
HALF_WINDOW_2018 = 0.01  # it averages over TPR 0.94 .. 0.96


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """How many ID and OOD scores lie below each threshold: all that the metrics of this file need.

    Attributes:
        scores: (T,) the distinct scores of both sets, rising.
        id_below: (T + 1,) number of ID scores among the k lowest distinct scores, k = 0 .. T; the last is their total.
        ood_below: (T + 1,) the same for OOD scores.
    """

    scores: Floats
    id_below: Integers
    ood_below: Integers

    def mirrored(self) -> "ThresholdCurve":
        """The curve of the negated scores with the two sets exchanged: what was OOD is now the set of high scores."""
        return ThresholdCurve(
            scores=-self.scores[::-1],
            id_below=(self.ood_below[-1] - self.ood_below)[::-1],
            ood_below=(self.id_below[-1] - self.id_below)[::-1],
        )

    def accepted(self, positive: Positive) -> tuple[Integers, Integers]:
        """tp and fp, each (T + 1,), from (0, 0), where nothing is taken for positive, to (P, N), where all is."""
        if choice("positive", positive, ("id", "ood")) == "ood":
            return self.ood_below, self.id_below
        return (self.id_below[-1] - self.id_below)[::-1], (self.ood_below[-1] - self.ood_below)[::-1]


def curve(id_scores: ArrayLike, ood_scores: ArrayLike) -> ThresholdCurve:
    """Sort both sets of scores once, for any number of metrics.

    Args:
        id_scores: (P,) finite scores of in-distribution inputs.
        ood_scores: (N,) finite scores of out-of-distribution inputs.

    Raises:
        ValueError: a set is empty, not one-dimensional, or holds NaN or infinity.

    >>> curve([3, 2], [1, 2]).scores.tolist()
    [1.0, 2.0, 3.0]
    """
    of_id, of_ood = as_array(id_scores, "id_scores", ndim=1), as_array(ood_scores, "ood_scores", ndim=1)
    both = np.concatenate([of_id, of_ood])
    both[: len(of_id)].sort()
    both[len(of_id) :].sort()
    order = np.argsort(both, kind="stable")  # a mere merge of two sorted runs, five times faster than sorting indices
    merged = both[order]
    last = np.flatnonzero(np.append(merged[1:] != merged[:-1], True))  # (T,): where each group of equal scores ends
    ood_below = np.append(0, np.cumsum(order >= len(of_id))[last])
    id_below = np.append(0, last + 1) - ood_below
    return ThresholdCurve(merged[last], id_below, ood_below)


def auroc(
    id_scores: ArrayLike | ThresholdCurve,
    ood_scores: ArrayLike | None = None,
    *,
    definition: Literal["exact", "saturating_sum"] = "exact",
) -> float:
    """Area under the ROC curve: P(s_id > s_ood) + P(s_id = s_ood) / 2 for one random score of each set.

    Args:
        id_scores: (P,) scores, or a `ThresholdCurve` of both sets.
        ood_scores: (N,) scores; left out with a `ThresholdCurve`.
        definition: "exact", or "saturating_sum" as in the 2018 evaluator (see `sweep_2018`).

    Returns:
        A fraction in [0, 1], the same whichever set is called positive. 0.5 is chance.

    >>> auroc([3, 2], [1, 2])  # three of four pairs are in order, one ties
    0.875
    """
    if choice("definition", definition, ("exact", "saturating_sum")) == "saturating_sum":
        return sweep_2018(id_scores, ood_scores).auroc
    c = _as_curve(id_scores, ood_scores)
    total_id, total_ood = int(c.id_below[-1]), int(c.ood_below[-1])
    id_above = 2 * total_id - c.id_below[:-1] - c.id_below[1:]  # (T,): 2 x (ID scores above + half of those that tie)
    return int((np.diff(c.ood_below) * id_above).sum()) / (2 * total_id * total_ood)


def aupr(
    id_scores: ArrayLike | ThresholdCurve,
    ood_scores: ArrayLike | None = None,
    *,
    positive: Positive,
    definition: Literal["average_precision", "balanced_rates"] = "average_precision",
) -> float:
    """Area under the precision-recall curve: sum over thresholds of (recall_k - recall_(k-1)) precision_k.

    Args:
        id_scores: (P,) scores, or a `ThresholdCurve` of both sets.
        ood_scores: (N,) scores; left out with a `ThresholdCurve`.
        positive: which set is to be retrieved. Always stated, the two values are not related.
        definition: "average_precision": precision = tp / (tp + fp), so the result depends on the sizes of the sets, and
            chance is the share of positives (pre-training paper, 2019; scikit-learn). "balanced_rates": precision =
            TPR / (TPR + FPR), as if both sets were equally large (confidence-calibrated classifiers, 2018), chance 0.5.

    Returns:
        A fraction in (0, 1].

    >>> aupr([3, 2], [1], positive="id")
    1.0
    """
    tp, fp = (counts[1:] for counts in _as_curve(id_scores, ood_scores).accepted(positive))  # (T,) each
    if choice("definition", definition, ("average_precision", "balanced_rates")) == "average_precision":
        precision = tp / (tp + fp)
    else:
        precision = (tp / tp[-1]) / (tp / tp[-1] + fp / fp[-1])
    return float((np.diff(tp, prepend=0) * precision).sum() / tp[-1])


def fpr_at_tpr(
    id_scores: ArrayLike | ThresholdCurve,
    ood_scores: ArrayLike | None = None,
    *,
    positive: Positive,
    tpr: float = 0.95,
    definition: Literal["exact", "nearest", "window"] = "exact",
) -> float:
    """Share of negatives taken for positive where the share `tpr` of positives is accepted.

    Args:
        id_scores: (P,) scores, or a `ThresholdCurve` of both sets.
        ood_scores: (N,) scores; left out with a `ThresholdCurve`.
        positive: which set is accepted. Always stated, the two values are not related.
        tpr: the share of positives, in (0, 1].
        definition: which threshold.
            "exact": the strictest one with TPR >= tpr (OpenOOD, pytorch-ood).
            "nearest": the one whose TPR is nearest to tpr, the higher TPR and then the higher FPR if several are
            (code of the pre-training paper, 2019; distances are compared in float64, as there).
            "window": the mean over all of the 200,000 equally spaced thresholds with |TPR - tpr| <= 0.01; 1 if there is
            none (evaluator of the confidence-calibrated paper, 2018).

    Returns:
        A fraction in [0, 1]; lower is better.

    >>> fpr_at_tpr([3, 2], [1, 4], positive="id")
    0.5
    """
    if not 0 < tpr <= 1:
        raise ValueError(f"tpr must be a fraction in (0, 1], found {tpr}")
    choice("definition", definition, ("exact", "nearest", "window"))
    c = _as_curve(id_scores, ood_scores)
    tp, fp = c.accepted(positive)
    if definition == "window":
        return _window_fpr(c if positive == "id" else c.mirrored(), tpr, STEPS_2018)
    recall = tp / tp[-1]  # (T + 1,), rising
    if definition == "exact":
        at = np.searchsorted(recall, tpr)  # the first with recall >= tpr
    else:
        full = np.searchsorted(recall, 1.0)  # past full recall only fp grows; "nothing is positive" is no threshold
        at = full - np.abs(recall[full:0:-1] - tpr).argmin()
    return float(fp[at] / fp[-1])


def detection_accuracy(id_scores: ArrayLike | ThresholdCurve, ood_scores: ArrayLike | None = None) -> float:
    """Accuracy of the best single threshold when both sets are equally likely: max over thresholds (1 + TPR - FPR) / 2.

    The definition of the confidence-calibrated paper (2018), 1 - min (P(s_id < t) + P(s_ood >= t)) / 2.

    Args:
        id_scores: (P,) scores, or a `ThresholdCurve` of both sets.
        ood_scores: (N,) scores; left out with a `ThresholdCurve`.

    Returns:
        A fraction in [0.5, 1]: accepting everything gives 0.5.

    >>> detection_accuracy([3, 2], [1, 4])
    0.75
    """
    tp, fp = _as_curve(id_scores, ood_scores).accepted("id")
    return float((1 + (tp / tp[-1] - fp / fp[-1]).max()) / 2)


class Sweep2018(NamedTuple):
    """The five numbers of the 2018 evaluator, as fractions."""

    tnr_at_tpr95: float
    auroc: float
    detection_accuracy: float
    aupr_in: float
    aupr_out: float


def sweep_2018(
    id_scores: ArrayLike | ThresholdCurve, ood_scores: ArrayLike | None = None, *, steps: int = STEPS_2018
) -> Sweep2018:
    """What the evaluator released with "Training Confidence-calibrated Classifiers" (2018) reports for these scores.

    It visits the thresholds numpy.arange(min, max, (max - min) / steps): `steps` of them, or one more where the last,
    by rounding, is still below the maximum, and for the out version numpy.arange(max, min, -(max - min) / steps). It
    takes
    TPR_i = P(s_id >= t_i), FPR_i = P(s_ood > t_i). Its AUROC sum_i (FPR_(i-1) - FPR_i) TPR_i, with FPR_(-1) = 1, ends
    one step below the maximum: OOD scores above the last threshold add nothing. A softmax that saturates at 1 has many
    of them, so its AUROC comes out too low. AUPR weights each step of recall by the precision TPR / (TPR + FPR) at its
    lower end; the out version runs down from the maximum with strict comparisons. Detection accuracy counts scores
    equal to the threshold as errors of neither set. TNR is 1 - `fpr_at_tpr(..., positive="id", definition="window")`.

    Args:
        id_scores: (P,) scores, or a `ThresholdCurve` of both sets.
        ood_scores: (N,) scores; left out with a `ThresholdCurve`.
        steps: number of thresholds, up to numpy's rounding; 200,000 in the released code.

    Raises:
        ValueError: all scores are equal, so that there is no step.

    >>> sweep_2018([1, 1, 1, 0.5], [1, 1, 0, 0], steps=2).auroc  # exactly 11 / 16
    0.5
    """
    c = _as_curve(id_scores, ood_scores)
    total_id, total_ood = c.id_below[-1], c.ood_below[-1]
    tpr, fpr, at = _swept_rates(c, steps)  # (steps or steps + 1,) each
    reached = (total_ood - c.ood_below[at]) / total_ood  # P(s_ood >= t)
    falling = np.searchsorted(c.scores, np.arange(c.scores[-1], c.scores[0], -_gap(c, steps)), "left")
    missed = c.id_below[at] / total_id  # P(s_id < t)
    return Sweep2018(
        tnr_at_tpr95=1 - _window_fpr(c, 0.95, steps),
        auroc=float((-np.diff(fpr, prepend=1.0) * tpr).sum()),
        detection_accuracy=float(1 - ((missed + fpr) / 2).min()),
        aupr_in=_swept_aupr(tpr, reached),
        aupr_out=_swept_aupr(c.ood_below[falling] / total_ood, c.id_below[falling] / total_id),
    )


def _as_curve(id_scores: ArrayLike | ThresholdCurve, ood_scores: ArrayLike | None) -> ThresholdCurve:
    if isinstance(id_scores, ThresholdCurve):
        if ood_scores is not None:
            raise ValueError("a ThresholdCurve already holds both sets of scores; leave ood_scores out")
        return id_scores
    if ood_scores is None:
        raise ValueError("ood_scores is missing; pass the scores of both sets, or a ThresholdCurve")
    return curve(id_scores, ood_scores)


def _gap(c: ThresholdCurve, steps: int) -> float:
    """Distance between two thresholds of the sweep."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, found {steps}")
    if len(c.scores) == 1:
        raise ValueError(f"all scores equal {c.scores[0]:g}, so the sweep has no range; use the exact definitions")
    return float(c.scores[-1] - c.scores[0]) / steps


def _swept_rates(c: ThresholdCurve, steps: int) -> tuple[Floats, Floats, Integers]:
    """P(s_id >= t), P(s_ood > t), and how many distinct scores lie below t, at each threshold of the sweep."""
    thresholds = np.arange(c.scores[0], c.scores[-1], _gap(c, steps))  # (steps,), or one more
    at, above = np.searchsorted(c.scores, thresholds, "left"), np.searchsorted(c.scores, thresholds, "right")
    total_id, total_ood = c.id_below[-1], c.ood_below[-1]
    return (total_id - c.id_below[at]) / total_id, (total_ood - c.ood_below[above]) / total_ood, at


def _window_fpr(c: ThresholdCurve, tpr: float, steps: int) -> float:
    tprs, fprs, _ = _swept_rates(c, steps)
    low, high = round(tpr - HALF_WINDOW_2018, 9), round(tpr + HALF_WINDOW_2018, 9)  # 0.94, not 0.9399999...
    inside = (low <= tprs) & (tprs <= high)
    return float(fprs[inside].mean()) if inside.any() else 1.0


def _swept_aupr(recall: Floats, false_rate: Floats) -> float:
    """Each step down of recall times the precision after it, closed by the rectangle left at the last threshold."""
    accepted = recall + false_rate
    # Where rounding puts the last threshold past all scores, the released code divides 0 by 0.
    precision = np.divide(recall, accepted, out=np.zeros_like(recall), where=accepted > 0)
    return float((-np.diff(recall, prepend=1.0) * precision).sum() + recall[-1] * precision[-1])
