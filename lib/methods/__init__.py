"""What the papers invented: one file per idea."""

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
    "confidence_loss",
    "energy_score",
    "fit_report",
    "kl_from_uniform",
    "least_squares_signs_fit",
    "linear_rademacher",
    "memorise",
    "memorise_deep",
    "rademacher_bound",
    "rademacher_from_error",
    "softmax_score",
    "vc_bound",
    "vc_reading",
]
