"""Adversarial attacks: one harness, white-box and black-box members, and flags where a number cannot be trusted."""

from lib.attacks.fgsm import fgsm
from lib.attacks.flags import Flag
from lib.attacks.harness import AttackReport, robust_accuracy
from lib.attacks.pgd import pgd
from lib.attacks.stochastic import Averaged

__all__ = ["AttackReport", "Averaged", "Flag", "fgsm", "pgd", "robust_accuracy"]
