"""Robust accuracy over a grid of eps, or of steps, from one call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from lib.attacks.flags import Flag, above_chance_at_largest, commonest_share, rising_accuracy
from lib.attacks.harness import AttackReport, robust_accuracy
from lib.attacks.norms import Norm


@dataclass(frozen=True)
class RobustnessCurve:
    """Robust accuracy at each value of a grid.

    Attributes:
        over: what varies, "eps" or "steps".
        values: the grid, rising.
        accuracy: share of images that withstood the attack at this value and, since what breaks an image in a small
            ball or in few steps does so in a larger or with more, at every smaller one.
        separate: share that withstood the attack at this value alone; the flags are judged on it.
        reports: the report at each value.
        flags: signs that the curve cannot be trusted, those of the reports included, each once.
    """

    over: str
    values: tuple[float, ...]
    accuracy: tuple[float, ...]
    separate: tuple[float, ...]
    reports: tuple[AttackReport, ...]
    flags: tuple[Flag, ...]


def robustness_curve(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: Callable[..., Tensor],
    values: Sequence[float],
    *,
    over: Literal["eps", "steps"] = "eps",
    batch_size: int,
    norm: Norm = "linf",
    samples: int = 1,
    fold: bool = True,
) -> RobustnessCurve:
    """Attacks every image at every value of the grid.

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64 true classes.
        attack: called as attack(model, images, labels, eps=value), or steps=value.
        values: the grid, strictly rising.
        over: which keyword of the attack the grid is for.
        batch_size: images attacked at once.
        norm: the ball's norm, for the check of what the attack returns where the grid is over eps.
        samples: passes averaged for stochastic models.
        fold: attack a faster copy with folded batch norms; the model itself judges.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> from lib.attacks.fgsm import fgsm
    >>> robustness_curve(net, image, label, fgsm, [0.0, 0.04, 0.1], batch_size=1).accuracy
    (1.0, 1.0, 0.0)
    """
    if len(values) == 0 or any(b <= a for a, b in pairwise(values)):
        raise ValueError(f"the grid must rise strictly and not be empty, found {list(values)}")
    reports = tuple(
        robust_accuracy(
            model,
            images,
            labels,
            partial(attack, **{over: value}),
            batch_size=batch_size,
            eps=value if over == "eps" else None,
            norm=norm,
            samples=samples,
            fold=fold,
        )
        for value in values
    )
    standing = torch.stack([report.robust for report in reports]).cummin(0).values  # (V, N)
    accuracy = tuple(standing.double().mean(1).tolist())
    separate = tuple(report.accuracy for report in reports)
    flags = _flags(over, separate, accuracy[-1], labels) + tuple(flag for report in reports for flag in report.flags)
    once = tuple({flag.name: flag for flag in flags}.values())
    return RobustnessCurve(over, tuple(values), accuracy, separate, reports, once)


def _flags(over: str, separate: tuple[float, ...], last: float, labels: Tensor) -> tuple[Flag, ...]:
    found = [rising_accuracy(over, separate, len(labels))]
    if over == "eps":
        found.append(above_chance_at_largest(last, commonest_share(labels), len(labels)))
    return tuple(flag for flag in found if flag is not None)
