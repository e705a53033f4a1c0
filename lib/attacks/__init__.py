"""Adversarial attacks: one harness, white-box and black-box members, and flags where a number cannot be trusted."""

from lib.attacks.apgd import apgd
from lib.attacks.autoattack import autoattack
from lib.attacks.curve import RobustnessCurve, robustness_curve
from lib.attacks.fab import fab
from lib.attacks.fgsm import fgsm
from lib.attacks.flags import Flag
from lib.attacks.fooling import fooling_images
from lib.attacks.harness import AttackReport, robust_accuracy
from lib.attacks.pgd import pgd
from lib.attacks.square import square
from lib.attacks.stochastic import Averaged
from lib.attacks.transfer import from_source

__all__ = [
    "AttackReport",
    "Averaged",
    "Flag",
    "RobustnessCurve",
    "apgd",
    "autoattack",
    "fab",
    "fgsm",
    "fooling_images",
    "from_source",
    "pgd",
    "robust_accuracy",
    "robustness_curve",
    "square",
]
