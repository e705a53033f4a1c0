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
from lib.methods.memorise import DeepMemory, FitReport, TwoLayerMemory, fit_report, memorise, memorise_deep

__all__ = [
    "DeepMemory",
    "FitReport",
    "TwoLayerMemory",
    "adversarial_loss",
    "fit_report",
    "freeze_trunk",
    "last_linear",
    "least_squares_signs_fit",
    "linear_rademacher",
    "memorise",
    "memorise_deep",
    "passes",
    "rademacher_bound",
    "rademacher_from_error",
    "transplant",
    "vc_bound",
    "vc_reading",
]
