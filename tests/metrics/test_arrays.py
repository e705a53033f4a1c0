"""Every public metric rejects what it cannot measure, says why, and accepts lists, arrays and tensors alike."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from lib import metrics
from lib.metrics import arrays

PROBABILITIES = [[0.9, 0.1], [0.4, 0.6]]
TWO_SETS = {
    "auroc": lambda a, b: metrics.auroc(a, b),
    "auroc_saturating": lambda a, b: metrics.auroc(a, b, definition="saturating_sum"),
    "aupr_id": lambda a, b: metrics.aupr(a, b, positive="id"),
    "aupr_balanced": lambda a, b: metrics.aupr(a, b, positive="ood", definition="balanced_rates"),
    "fpr_exact": lambda a, b: metrics.fpr_at_tpr(a, b, positive="id"),
    "fpr_nearest": lambda a, b: metrics.fpr_at_tpr(a, b, positive="ood", definition="nearest"),
    "fpr_window": lambda a, b: metrics.fpr_at_tpr(a, b, positive="id", definition="window"),
    "detection_accuracy": metrics.detection_accuracy,
    "sweep_2018": metrics.sweep_2018,
}
CONFIDENCE = {
    "l1": metrics.calibration_error,
    "rms": metrics.rms_calibration_error,
    "mad": metrics.mad_calibration_error,
    "signed": metrics.signed_confidence_error,
    "curve": metrics.reliability_curve,
    "floor": lambda confidence, correct: metrics.calibration_noise_floor(confidence, draws=2),
}
WITH_LABELS = {
    "accuracy": metrics.accuracy,
    "nll": metrics.nll,
    "nll_from_logits": metrics.nll_from_logits,
    "brier": metrics.brier,
    "confidence_and_correct": metrics.confidence_and_correct,
    "fit_temperature": metrics.fit_temperature,
}


@pytest.mark.parametrize("metric", TWO_SETS.values(), ids=TWO_SETS)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "is empty"),
        ([1.0, np.nan], "1 of 2 values are NaN or infinite, the first at index 1"),
        ([np.inf, 0.0], "the first at index 0"),
        ([0.0, -np.inf], "NaN or infinite"),
        ([[1.0], [2.0]], r"found shape \(2, 1\)"),
        (3.0, "1 dimension"),
        (["high", "low"], "rectangular array of numbers"),
    ],
)
def test_a_detection_metric_names_the_bad_set(metric, side, bad, message):
    sets = [[0.5, 1.5], [0.25, 0.75]]
    sets[side] = bad
    with pytest.raises(ValueError, match=message) as caught:
        metric(*sets)
    assert ("id_scores", "ood_scores")[side] in str(caught.value)


@pytest.mark.parametrize("metric", CONFIDENCE.values(), ids=CONFIDENCE)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "is empty"),
        ([0.5, np.nan], "NaN or infinite"),
        ([0.5, np.inf], "NaN or infinite"),
        ([0.5, 1.01], r"must lie in \[0, 1\]"),
        ([0.5, -0.01], r"must lie in \[0, 1\]"),
        ([50.0, 99.0], "percent or logits"),
        ([[0.5, 0.5]], "1 dimension"),
    ],
)
def test_confidence_is_checked(metric, bad, message):
    with pytest.raises(ValueError, match=message):
        metric(bad, np.ones(np.size(bad), dtype=bool))


@pytest.mark.parametrize("metric", [f for name, f in CONFIDENCE.items() if name != "floor"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [([1, 0, 1], "3 entries for 2"), ([1, 7], "only 0 and 1"), ([0.5, 1], "only 0 and 1"), ([1, np.nan], "NaN")],
)
def test_correct_is_checked(metric, bad, message):
    with pytest.raises(ValueError, match=message):
        metric([0.5, 0.75], bad)


@pytest.mark.parametrize("metric", WITH_LABELS.values(), ids=WITH_LABELS)
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.empty((0, 2)), [], "is empty"),
        ([0.9, 0.1], [0], "2 dimension"),
        ([[np.nan, 0.5]], [0], "NaN or infinite"),
        (PROBABILITIES, [0], "1 entries for 2"),
        (PROBABILITIES, [0, 2], "from 0 to 1"),
        (PROBABILITIES, [0, -1], "from 0 to 1"),
        (PROBABILITIES, [0, 0.5], "whole numbers"),
        (PROBABILITIES, [[1, 0], [0, 1]], "1 dimension"),
    ],
)
def test_scores_and_labels_are_checked(metric, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, labels)


@pytest.mark.parametrize("metric", [metrics.nll, metrics.brier, metrics.confidence_and_correct])
@pytest.mark.parametrize("rows", [[[2.0, -1.0]], [[0.5, 0.6]], [[0.2, 0.3]], [[3.0, 8.0]]])
def test_logits_are_not_taken_for_probabilities(metric, rows):
    with pytest.raises(ValueError, match="apply softmax first"):
        metric(rows, [0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.auroc([1.0], [0.0], definition="sum"),  # type: ignore[arg-type]
        lambda: metrics.aupr([1.0], [0.0], positive="in"),  # type: ignore[arg-type]
        lambda: metrics.aupr([1.0], [0.0], positive="id", definition="trapezoid"),  # type: ignore[arg-type]
        lambda: metrics.fpr_at_tpr([1.0], [0.0], positive=1),  # type: ignore[arg-type]
        lambda: metrics.fpr_at_tpr([1.0], [0.0], positive="id", definition="first"),  # type: ignore[arg-type]
        lambda: metrics.calibration_error([0.5], [1], norm="l3"),  # type: ignore[arg-type]
        lambda: metrics.calibration_error([0.5], [1], binning="quantile"),  # type: ignore[arg-type]
        lambda: metrics.calibration_error([0.5], [1], definition="published"),  # type: ignore[arg-type]
        lambda: metrics.flip_probability([[1, 2]], reference="last"),  # type: ignore[arg-type]
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(call):
    with pytest.raises(ValueError, match="must be one of '"):
        call()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_tensors_give_the_same_as_arrays(dtype):
    high = torch.tensor([0.5, 1.0, 0.25, 0.75], dtype=dtype, requires_grad=True)
    low = torch.tensor([0.5, 0.125, 0.0], dtype=dtype)
    right = torch.tensor([True, True, False, True])
    expected = metrics.auroc([0.5, 1.0, 0.25, 0.75], [0.5, 0.125, 0.0])
    assert metrics.auroc(high, low) == expected
    assert metrics.calibration_error(high, right) == metrics.calibration_error([0.5, 1, 0.25, 0.75], [1, 1, 0, 1])
    assert metrics.accuracy(high[:, None], torch.zeros(4, dtype=torch.int64)) == 1
    assert high.requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_softmax_of_half_precision_is_taken_for_probabilities(dtype):
    logits = torch.randn(2000, 10, generator=torch.Generator().manual_seed(0))
    rows = torch.softmax(logits.to(dtype), dim=1)
    labels = torch.arange(2000) % 10
    assert metrics.nll(rows, labels) == pytest.approx(metrics.nll_from_logits(logits, labels), rel=0.01)
    assert (rows.double().sum(dim=1) - 1).abs().max() > (1e-3 if dtype == torch.bfloat16 else 1e-4)


def test_a_float32_softmax_may_exceed_one_by_rounding():
    assert metrics.calibration_error(np.array([1.0000002], dtype=np.float32), [1]) == 0
    assert arrays.as_probabilities(np.array([[1.0, 1e-7]], dtype=np.float32)).shape == (1, 2)


def test_inputs_are_not_changed():
    confidence, correct, scores = np.array([0.9, 0.2, 0.5]), np.array([True, False, True]), np.array([3.0, 1.0, 2.0])
    metrics.rms_calibration_error(confidence, correct)
    metrics.curve(scores, scores)
    assert confidence.tolist() == [0.9, 0.2, 0.5] and correct.tolist() == [True, False, True]
    assert scores.tolist() == [3.0, 1.0, 2.0]


def test_the_room_is_imported_without_heavy_libraries():
    code = (
        "import sys, lib.metrics; print([m for m in ('torch', 'sklearn', 'scipy.stats', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
