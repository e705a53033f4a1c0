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
from lib.methods.class_constants import fit_class_constants
from lib.methods.confidence_loss import confidence_loss, energy_score, kl_from_uniform, softmax_score
from lib.methods.energy import class_log_density, frozen, log_density, log_density_gradient
from lib.methods.jem import Guard, JointLoss, Recipe, jem_loss, passes_per_step
from lib.methods.jem_training import JointRun, Rescue, train_jointly
from lib.methods.joint_gan import (
    Gan,
    Pull,
    discriminator_loss,
    fooling_loss,
    gan_step,
    joint_step,
    pull_away,
    train_gan,
    train_joint,
)
from lib.methods.memorise import DeepMemory, FitReport, TwoLayerMemory, fit_report, memorise, memorise_deep
from lib.methods.sample_quality import features, frechet_distance, nearest
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
from lib.methods.sgld import Langevin, ReplayBuffer, langevin

__all__ = [
    "ChanceTeacher",
    "DeepMemory",
    "FitReport",
    "Gan",
    "Guard",
    "JointLoss",
    "JointRun",
    "Langevin",
    "MissingTeacher",
    "Pull",
    "Recipe",
    "ReplayBuffer",
    "Rescue",
    "TwoLayerMemory",
    "adversarial_loss",
    "balance_as_coded",
    "balance_as_published",
    "check_teacher",
    "class_log_density",
    "confidence_loss",
    "confident",
    "consistency_loss",
    "discriminator_loss",
    "energy_score",
    "features",
    "fit_class_constants",
    "fit_report",
    "fooling_loss",
    "frechet_distance",
    "freeze_trunk",
    "frozen",
    "gan_step",
    "jem_loss",
    "joint_loss",
    "joint_step",
    "kl_from_uniform",
    "langevin",
    "last_linear",
    "least_squares_signs_fit",
    "linear_rademacher",
    "load_teacher",
    "log_density",
    "log_density_gradient",
    "memorise",
    "memorise_deep",
    "nearest",
    "passes",
    "passes_per_step",
    "pseudo_labels",
    "pull_away",
    "rademacher_bound",
    "rademacher_from_error",
    "softmax_score",
    "train_gan",
    "train_joint",
    "train_jointly",
    "transplant",
    "vc_bound",
    "vc_reading",
]
