"""AUPR as it would be if a given share of all scores were positive, whatever the sizes of the two sets."""

import numpy as np

from lib.metrics.detection import Positive, ThresholdCurve


def aupr_at_share(curve: ThresholdCurve, *, positive: Positive, share: float) -> float:
    """Average precision with precision = share TPR / (share TPR + (1 - share) FPR).

    A precision depends on how many of either kind there are. The pre-training paper (2019) fixes one other image to
    five test images by throwing other images away, and averages over five draws; weighting the rates instead uses every
    score and leaves nothing to a draw. With `share` = P / (P + N) it is "average_precision" of `lib.metrics.detection`,
    with one half its "balanced_rates".

    Args:
        curve: of both sets of scores, from `lib.metrics.detection.curve`.
        positive: which set is to be retrieved, "id" or "ood".
        share: of the positives, in (0, 1); it is also the AUPR of chance. 1/6 in the paper.

    Returns:
        A fraction in (0, 1].

    >>> from lib.metrics.detection import curve
    >>> aupr_at_share(curve([3, 2], [1]), positive="ood", share=1 / 6)
    1.0

    Raises:
        ValueError: a share outside (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be a fraction in (0, 1), found {share}")
    tp, fp = (counts[1:] for counts in curve.accepted(positive))  # (T,) each
    found, wrong = share * tp / tp[-1], (1 - share) * fp / fp[-1]
    return float((np.diff(tp, prepend=0) / tp[-1] * found / (found + wrong)).sum())
