"""Signs that a robust accuracy cannot be trusted, as data.

Each flag says what was measured, the threshold, what it means and what to do, after the list of AutoAttack (Croce &
Hein 2020) and the advice of Athalye et al. (2018) and Carlini et al. (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.attacks.guard import input_gradient
from lib.attacks.losses import cross_entropy


@dataclass(frozen=True)
class Flag:
    """One raised sign: its name, the value measured, the threshold it passed, what that means and what to do."""

    name: str
    value: float
    threshold: float
    meaning: str
    remedy: str


def probe(model: nn.Module, images: Tensor, labels: Tensor, *, averaging: bool = False) -> tuple[Flag, ...]:
    """Looks at a few images for properties of the model that make gradient attacks fail.

    Args:
        model: classifier in eval mode (see `lib.attacks.guard.attacking`).
        images: (N, ...) a few clean images on the model's device.
        labels: (N,) their classes.
        averaging: whether attack and verdict average over passes, so that a randomised output is taken care of.

    Returns:
        The flags raised, out of "randomised output", "output depends on the batch" and "zero gradients".
    """
    gradients, _, logits = input_gradient(model, images, lambda z: cross_entropy(z, labels))
    again, scale = model(images), logits.abs().amax().item() or 1.0
    half = max(1, len(images) // 2)
    randomness = (again - logits).abs().amax().item() / scale
    dependence = (model(images[:half]) - again[:half]).abs().amax().item() / scale
    without = (gradients.flatten(1) == 0).all(1).double().mean().item()
    random = randomised_output(randomness)
    found = [
        None if averaging else random,
        zero_gradients(without),
        None if random else batch_dependent_output(dependence),  # a randomised output differs in any case
    ]
    return tuple(flag for flag in found if flag is not None)


def randomised_output(difference: float, threshold: float = 1e-4) -> Flag | None:
    """Two passes over the same images differ by more than rounding, relative to the largest logit."""
    return _raise_above(
        Flag(
            "randomised output",
            difference,
            threshold,
            "two passes over the same images give different logits, so one gradient and one verdict are draws",
            'attack and judge the mean: samples=20 in robust_accuracy, version="rand" in autoattack',
        )
    )


def batch_dependent_output(difference: float, threshold: float = 1e-3) -> Flag | None:
    """The logits of an image depend on the other images in its batch."""
    return _raise_above(
        Flag(
            "output depends on the batch",
            difference,
            threshold,
            "an image's logits change with the images beside it, so an image broken in one batch may stand in another",
            "use statistics fixed in training (batch norm in eval mode)",
        )
    )


def zero_gradients(share: float, threshold: float = 0.05) -> Flag | None:
    """The cross-entropy has no gradient at some clean images."""
    return _raise_above(
        Flag(
            "zero gradients",
            share,
            threshold,
            "the gradient of the loss is exactly zero at this share of the images, so gradient attacks do not move",
            "run Square, which needs no gradient, or attack a differentiable stand-in of the layer that blocks it",
        )
    )


def black_box_better(share: float, threshold: float = 0.0) -> Flag | None:
    """A black-box or transferred attack breaks images that the white-box attacks left standing."""
    return _raise_above(
        Flag(
            "black-box better than white-box",
            share,
            threshold,
            "an attack without gradients breaks this share of the images although those with gradients did not",
            "suspect masked gradients: more steps and restarts, other losses, or an attack adapted to the model",
        )
    )


def rising_accuracy(over: str, accuracies: Sequence[float], images: int) -> Flag | None:
    """Accuracy rises where the attack became stronger, by more than chance explains.

    Args:
        over: what was raised, "eps" or "steps".
        accuracies: robust accuracies in order of rising strength, each measured on its own.
        images: number of images; the threshold is one image or 1 % of them, whichever is more.
    """
    lowest, rise = accuracies[0], 0.0
    for accuracy in accuracies[1:]:
        rise, lowest = max(rise, accuracy - lowest), min(lowest, accuracy)
    return _raise_above(
        Flag(
            f"accuracy rises with {over}",
            rise,
            max(1 / images, 0.01) + 1e-9,  # one image exactly is no rise, whatever its rounding
            f"raising {over} made the attack weaker, so it has not found what it could have",
            "more steps, a smaller step size or another loss",
        )
    )


def above_chance_at_largest(accuracy: float, chance: float, images: int) -> Flag | None:
    """The largest eps of a curve leaves more images standing than a constant answer would."""
    slack = 2 * (chance * (1 - chance) / images) ** 0.5
    return _raise_above(
        Flag(
            "largest eps does not reach chance",
            accuracy,
            chance + slack,
            "the accuracy at the largest eps is above that of the commonest class",
            "extend the curve; if it stays so at eps = 0.5 (Linf), where every image can be made grey, "
            "the attack fails",
        )
    )


def commonest_share(labels: Tensor) -> float:
    """The accuracy of always answering the commonest class."""
    return torch.bincount(labels).amax().item() / len(labels)


def _raise_above(flag: Flag) -> Flag | None:
    return flag if flag.value > flag.threshold else None
