"""Pure functions from scores and seeds to numbers."""

from lib.metrics.calibration import (
    ReliabilityCurve,
    calibration_error,
    calibration_noise_floor,
    fit_temperature,
    mad_calibration_error,
    reliability_curve,
    rms_calibration_error,
    signed_confidence_error,
)
from lib.metrics.classification import (
    accuracy,
    brier,
    confidence_and_correct,
    log_softmax,
    nll,
    nll_from_logits,
    softmax,
)
from lib.metrics.corruption import corruption_error, flip_probability, mean_corruption_error, mean_flip_rate
from lib.metrics.detection import (
    Sweep2018,
    ThresholdCurve,
    aupr,
    auroc,
    curve,
    detection_accuracy,
    fpr_at_tpr,
    sweep_2018,
)
from lib.metrics.intervals import Interval, interval, kendall_tau

__all__ = [
    "Interval",
    "ReliabilityCurve",
    "Sweep2018",
    "ThresholdCurve",
    "accuracy",
    "aupr",
    "auroc",
    "brier",
    "calibration_error",
    "calibration_noise_floor",
    "confidence_and_correct",
    "corruption_error",
    "curve",
    "detection_accuracy",
    "fit_temperature",
    "flip_probability",
    "fpr_at_tpr",
    "interval",
    "kendall_tau",
    "log_softmax",
    "mad_calibration_error",
    "mean_corruption_error",
    "mean_flip_rate",
    "nll",
    "nll_from_logits",
    "reliability_curve",
    "rms_calibration_error",
    "signed_confidence_error",
    "softmax",
    "sweep_2018",
]
