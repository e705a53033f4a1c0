"""A constant added to all logits of an image: what softmax and log density make of it in finite precision."""

from typing import NamedTuple

import torch
from torch import Tensor

from lib.methods.energy import log_density

Measured = dict[str, float]


def effect_of_shift(logits: Tensor, shift: Tensor) -> Measured:
    """What changes when `shift` (N,) is added to the logits (N, K) of each image, all computed in their common dtype.

    softmax subtracts the largest logit first. If every sum f + c is exact, so are all differences (f + c) - max(f + c),
    and p(y|x) is the same to the last bit. What is lost is lost in the sum: half a unit in the last place of c, about
    |c| 2^-53 in float64, |c| 2^-24 in float32, |c| 2^-9 in bfloat16.
    """
    moved = logits + shift[:, None]
    before, after = logits.softmax(1), moved.softmax(1)
    rise = log_density(moved).double() - log_density(logits).double()
    return {
        "sums without rounding": share((rounding(logits, shift[:, None]) == 0).all(1)),
        "p(y|x) same to the last bit": share((before == after).all(1)),
        "change of p(y|x)": largest(before.double() - after.double()),
        "change of log p(x) minus the shift": largest(rise - shift.double()),
        "class changed": share(logits.argmax(1) != moved.argmax(1)),
        "softmax as written is not a number": share(softmax_as_written(moved).isnan().any(1)),
    }


def rounding(a: Tensor, b: Tensor) -> Tensor:
    """What is lost when a + b is rounded, exactly (Knuth's two-sum)."""
    total = a + b
    of_b = total - a
    return (a - (total - of_b)) + (b - of_b)


def softmax_as_written(logits: Tensor) -> Tensor:
    """exp f[y] / sum_y exp f[y] (N, K), as the formula stands: overflows where a logit is above 88 in float32."""
    weights = logits.exp()
    return weights / weights.sum(1, keepdim=True)


class Gates(NamedTuple):
    """What shows that the measurement would see a change."""

    one_logit: float  # mean over images of the largest change of p(y|x) when the least likely class's logit rises
    spread: float  # deviation over images of what the shift adds to log p(x), in nats


def gates(logits: Tensor, shift: Tensor) -> Gates:
    """`shift` (N,) added to all logits (N, K) of an image, and its size to the smallest of them alone."""
    alone = logits.clone()
    alone[torch.arange(len(logits), device=logits.device), logits.argmin(1)] += shift.abs()
    changed = (alone.softmax(1) - logits.softmax(1)).abs().amax(1).mean()
    return Gates(float(changed), float((log_density(logits + shift[:, None]) - log_density(logits)).std()))


def share(yes: Tensor) -> float:
    """Share of True."""
    return yes.double().mean().item()


def largest(differences: Tensor) -> float:
    """Largest absolute value."""
    return differences.abs().max().item()
