"""What an attack maximises, one number per image, and when it has won.

All losses take logits (N, K) and labels (N,) and return (N,); higher means closer to, or further into, an error.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor

FEW_CLASSES = (
    'use the cross-entropy or the margin, in AutoAttack version="custom" with members "apgd-ce", "fab-t", "square", '
    "which serve from two classes"
)
LossName = Literal["ce", "margin", "dlr"]
Loss = Callable[..., Tensor]  # (logits, labels) or, for the targeted DLR, (logits, labels, targets) -> (N,)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(z)_y, the loss of Madry et al. (2018)."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """max_{i != y} z_i - z_y: positive exactly where the image is misclassified, ties aside."""
    others = logits.scatter(1, labels[:, None], float("-inf"))
    return others.amax(1) - _logit(logits, labels)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio, Croce & Hein (2020), equation 6; unchanged by shifting or scaling the logits.

    Raises:
        ValueError: with fewer than three classes, where the ratio is not defined.
    """
    _need_classes(logits, 3, "the DLR loss")
    ordered = logits.sort(1, descending=True).values  # z_pi1 >= z_pi2 >= ...
    return margin(logits, labels) / (ordered[:, 0] - ordered[:, 2] + 1e-12)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """(z_t - z_y) / (z_pi1 - (z_pi3 + z_pi4) / 2), Croce & Hein (2020), equation 7.

    Raises:
        ValueError: with fewer than four classes, where the ratio is not defined.
    """
    _need_classes(logits, 4, "the targeted DLR loss")
    ordered = logits.sort(1, descending=True).values
    scale = ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
    return (_logit(logits, targets) - _logit(logits, labels)) / (scale + 1e-12)


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "margin": margin, "dlr": dlr}


class Goal(NamedTuple):
    """What a gradient attack climbs and what counts as success: an error, or with `targeted` the class asked for."""

    loss: Loss
    targeted: bool

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The quantity to maximise, (N,)."""
        value = self.loss(logits, labels)
        return -value if self.targeted else value

    def reached(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether each image has reached the goal, (N,) bool."""
        predicted = logits.argmax(1)
        return predicted == labels if self.targeted else predicted != labels


def find_loss(name: str) -> Loss:
    """Looks a loss up by name; an unknown name is refused with the names there are."""
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}: choose one of {', '.join(LOSSES)}")
    return LOSSES[name]


def _logit(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None]).squeeze(1)


def _need_classes(logits: Tensor, least: int, what: str) -> None:
    if logits.shape[1] < least:
        raise ValueError(f"{what} needs at least {least} classes and the model has {logits.shape[1]}; {FEW_CLASSES}")
