"""Detection metrics against scikit-learn, calibration error against torchmetrics."""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.compare import OURS, Disagreement, Row, Side, peer
from lib.metrics.arrays import Booleans, Floats, Integers
from lib.metrics.calibration import calibration_error
from lib.metrics.classification import confidence_and_correct, softmax
from lib.metrics.detection import aupr, auroc, curve, fpr_at_tpr

COUNT, BINS, CLASSES = 1_000_000, 15, 10


def rows() -> dict[str, Callable[[int], Row]]:
    """The rows of this file by their keys, each made when it is its turn, its counts divided by a number."""
    return {"detection": detection, "calibration": from_confidences, "calibration-rows": from_probabilities}


def detection(divide: int) -> Row:
    """AUROC, AUPR and FPR at 95 % TPR together, of a million scores, half of them positive."""
    scores = COUNT // divide
    rng = np.random.default_rng(0)
    inputs = Detection(rng.normal(1.0, 1.0, scores // 2), rng.normal(0.0, 1.0, scores // 2))
    return Row(
        key="detection",
        measure=f"AUROC + AUPR + FPR at 95 % TPR, exact, {scores:,} scores",
        unit="scores",
        goal=8,
        sides={OURS: our_detection, "scikit-learn": sklearn_detection},
        rounds=[inputs] * 7,
        first=inputs,
        count=lambda inputs: len(inputs.scores),
        check=lambda ours, theirs: equal_to(1e-12, ours, theirs),
    )


class Detection:
    """The scores in the form that each side takes."""

    def __init__(self, positives: Floats, negatives: Floats) -> None:
        """Mix them into one array with labels, as scikit-learn's users have them."""
        self.positives, self.negatives = positives, negatives
        order = np.random.default_rng(1).permutation(len(positives) + len(negatives))
        self.labels = np.repeat([1, 0], [len(positives), len(negatives)])[order]  # (N,)
        self.scores = np.concatenate([positives, negatives])[order]  # (N,)


def our_detection() -> Side:
    """One sort serves all three."""

    def three(inputs: Detection, number: int) -> tuple[float, ...]:
        sorted_once = curve(inputs.positives, inputs.negatives)
        return auroc(sorted_once), aupr(sorted_once, positive="id"), fpr_at_tpr(sorted_once, positive="id")

    return three


def sklearn_detection() -> Side:
    """Its functions sort anew each."""
    sklearn = peer("sklearn.metrics")

    def three(inputs: Detection, number: int) -> tuple[float, ...]:
        labels, scores = inputs.labels, inputs.scores
        fpr, tpr, _ = sklearn.roc_curve(labels, scores, drop_intermediate=False)
        at_95 = fpr[np.searchsorted(tpr, 0.95)]
        return sklearn.roc_auc_score(labels, scores), sklearn.average_precision_score(labels, scores), at_95

    return three


def from_confidences(divide: int) -> Row:
    """Calibration error from confidence and correctness of each answer."""
    rng, answers = np.random.default_rng(0), COUNT // divide
    confidence = rng.random(answers)
    inputs = confidence, rng.random(answers) < confidence**1.2
    return Row(
        key="calibration",
        measure=f"calibration error, {BINS} bins, {answers:,} predictions, from confidence and correctness",
        unit="predictions",
        goal=5,
        sides={OURS: our_error, "torchmetrics": torchmetrics_binary},
        rounds=[inputs] * 15,
        first=inputs,
        count=lambda inputs: len(inputs[0]),
        check=lambda ours, theirs: equal_to(1e-9, ours, theirs),
    )


def our_error() -> Side:
    """From arrays."""
    return lambda inputs, number: (calibration_error(*inputs, bins=BINS),)


def torchmetrics_binary() -> Side:
    """From tensors of the same memory; float64 as ours, since its float32 sums are good to three digits only."""
    error = peer("torchmetrics.functional.classification").binary_calibration_error

    def binary(inputs: tuple[Floats, Booleans], number: int) -> tuple[float, ...]:
        confidence, correct = map(torch.from_numpy, inputs)
        return (error(confidence, correct.long(), n_bins=BINS, norm="l1").item(),)

    return binary


def from_probabilities(divide: int) -> Row:
    """Calibration error from the probabilities of all classes and the labels."""
    rng, answers = np.random.default_rng(0), COUNT // divide
    logits = 2 * rng.normal(size=(answers, CLASSES))
    probabilities = softmax(logits)  # (N, K)
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from the probabilities
    labels = np.where(rng.random(answers) < 0.1, 0, labels)  # and some of them wrong, so that there is an error
    return Row(
        key="calibration-rows",
        measure=f"calibration error, {BINS} bins, {answers:,} predictions, from probabilities of {CLASSES} classes",
        unit="predictions",
        goal=5,
        sides={OURS: our_error_of_rows, "torchmetrics": torchmetrics_multiclass},
        rounds=[(probabilities, labels)] * 7,
        first=(probabilities, labels),
        count=lambda inputs: len(inputs[0]),
        check=lambda ours, theirs: equal_to(1e-6, ours, theirs),
        note="From probabilities most of the time goes to checking that each row is a distribution and to finding its "
        "largest entry, in NumPy; the binning itself, which the row above times alone, is a small part.",
    )


def our_error_of_rows() -> Side:
    """From arrays."""
    return lambda inputs, number: (calibration_error(*confidence_and_correct(*inputs), bins=BINS),)


def torchmetrics_multiclass() -> Side:
    """From tensors of the same memory; it sums in float32 whatever it is given, hence the wider tolerance."""
    error = peer("torchmetrics.functional.classification").multiclass_calibration_error

    def multiclass(inputs: tuple[Floats, Integers], number: int) -> tuple[float, ...]:
        probabilities, labels = map(torch.from_numpy, inputs)
        return (error(probabilities, labels, num_classes=CLASSES, n_bins=BINS, norm="l1").item(),)

    return multiclass


def equal_to(tolerance: float, ours: list[tuple[float, ...]], theirs: list[tuple[float, ...]]) -> str:
    """Says that all values agree, or raises."""
    apart = float(np.abs(np.subtract(ours, theirs)).max())
    if not apart <= tolerance:
        raise Disagreement(f"values differ by {apart:.1e}, more than {tolerance:.0e}")
    return f"equal to {tolerance:.0e}"
