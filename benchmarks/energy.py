"""SGLD steps with the weights frozen against the way everybody writes them first: time, memory, equal samples."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.compare import OURS, Disagreement, Row, Side
from lib.methods.sgld import Langevin, langevin, langevin_the_obvious_way
from lib.models.small_cnn import norm_free_cnn

BATCH, STEPS, TOLERANCE = 64, 20, 1e-5
SAMPLER = Langevin(STEPS, 1.0, 0.01, clamp=True)


def rows() -> dict[str, Callable[[int], Row]]:
    """The row of this file by its key."""
    return {"sgld": chains}


def chains(divide: int) -> Row:
    """Chains of 20 steps on 64 grey images of 14 x 14, the small net without normalisation."""
    starts = [torch.rand(BATCH, 1, 14, 14, generator=torch.Generator().manual_seed(i)) for i in range(11)]
    return Row(
        key="sgld",
        measure=f"SGLD, {STEPS} steps, batches of {BATCH}, 14 x 14",
        unit="images",
        goal=1.4,
        sides={OURS: partial(side, langevin), ".backward() with all weights": partial(side, langevin_the_obvious_way)},
        rounds=starts[1 : max(3, len(starts) // divide)],
        first=starts[0],
        count=len,
        check=same_samples,
        note="The forward pass and the way back to the images are needed either way.",
    )


def side(way: Callable[..., Tensor]) -> Side:
    """One way to run the chains, from the same weights with the same noise."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        net = norm_free_cnn(10, in_channels=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return lambda start, number: way(net, start, SAMPLER, torch.Generator().manual_seed(number))


def same_samples(ours: list[Tensor], theirs: list[Tensor]) -> str:
    """The same noise must give the same samples."""
    apart = max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
    if not apart <= TOLERANCE:
        raise Disagreement(f"samples differ by {apart:.1e}, more than {TOLERANCE:.0e}")
    return f"samples equal to {TOLERANCE:.0e}"
