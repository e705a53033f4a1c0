"""What the papers invented: one file per idea."""

from lib.methods.capacity import (
    least_squares_signs_fit,
    linear_rademacher,
    rademacher_bound,
    rademacher_from_error,
    vc_bound,
    vc_reading,
)
from lib.methods.memorise import DeepMemory, FitReport, TwoLayerMemory, fit_report, memorise, memorise_deep
from lib.methods.self_training import (
    ChanceTeacher,
    MissingTeacher,
    balance_as_coded,
    balance_as_published,
    check_teacher,
    confident,
    consistency_loss,
    joint_loss,
    load_teacher,
    pseudo_labels,
)

__all__ = [
    "ChanceTeacher",
    "DeepMemory",
    "FitReport",
    "MissingTeacher",
    "TwoLayerMemory",
    "balance_as_coded",
    "balance_as_published",
    "check_teacher",
    "confident",
    "consistency_loss",
    "fit_report",
    "joint_loss",
    "least_squares_signs_fit",
    "linear_rademacher",
    "load_teacher",
    "memorise",
    "memorise_deep",
    "pseudo_labels",
    "rademacher_bound",
    "rademacher_from_error",
    "vc_bound",
    "vc_reading",
]
