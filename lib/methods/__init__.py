"""What the papers invented: one file per idea."""

from lib.methods.adversarial_training import adversarial_loss, freeze_trunk, last_linear, passes, transplant
from lib.methods.capacity import (
    least_squares_signs_fit,
    linear_rademacher,
    rademacher_bound,
    rademacher_from_error,
    vc_bound,
    vc_reading,
)
from lib.methods.confidence_loss import confidence_loss, energy_score, kl_from_uniform, softmax_score
from lib.methods.memorise import DeepMemory, FitReport, TwoLayerMemory, fit_report, memorise, memorise_deep

__all__ = [
    "DeepMemory",
    "FitReport",
    "TwoLayerMemory",
    "adversarial_loss",
    "confidence_loss",
    "energy_score",
    "fit_report",
    "freeze_trunk",
    "kl_from_uniform",
    "last_linear",
    "least_squares_signs_fit",
    "linear_rademacher",
    "memorise",
    "memorise_deep",
    "passes",
    "rademacher_bound",
    "rademacher_from_error",
    "softmax_score",
    "transplant",
    "vc_bound",
    "vc_reading",
]
