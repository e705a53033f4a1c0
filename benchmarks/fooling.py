"""Generations of evolving images as one batch against the loop over individuals that one writes first: time, champions.

Both sides have the same draws. The loop varies, renders and scores one offspring after the other, in tensors too.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.compare import OURS, Disagreement, Row, Side
from lib.attacks.evolution import Pixels, evolve, log_odds, polynomial_step, simulated_binary_crossover
from lib.models.lenet import lenet

SHAPE, POPULATION, CLASSES, TOLERANCE = (1, 28, 28), 200, 10, 1e-4


def rows() -> dict[str, Callable[[int], Row]]:
    """The row of this file by its key."""
    return {"evolution": evolution}


def evolution(divide: int) -> Row:
    """Generations of 200 directly encoded images of 28 x 28, LeNet."""
    generations = max(2, 10 // divide)
    return Row(
        key="evolution",
        measure=f"evolution of fooling images, direct encoding, {POPULATION} images a generation, LeNet, 28 x 28",
        unit="generations",
        goal=20,
        sides={OURS: in_batches, "one offspring after the other": one_by_one},
        rounds=[generations] * 3,
        first=generations,
        count=int,
        check=same_champions,
        note="The forward pass of LeNet is needed either way and takes most of our time.",
    )


def net() -> torch.nn.Module:
    """LeNet with the weights of one seed."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return lenet(CLASSES).eval()


def in_batches() -> Side:
    """Ours."""
    model = net()

    def run(generations: Any, number: int) -> Any:
        return evolve(
            model, Pixels(SHAPE), classes=CLASSES, generations=generations, population=POPULATION, seed=number
        ).log_odds

    return run


def one_by_one() -> Side:
    """A loop over offspring, with the draws of a generation made as ours makes them."""
    model = net()

    @torch.no_grad()
    def run(generations: Any, number: int) -> Any:
        generator = torch.Generator().manual_seed(number)
        best, champions = torch.full((CLASSES,), -torch.inf), torch.zeros(CLASSES, *SHAPE)
        for generation in range(generations + 1):
            if generation == 0:
                drawn = torch.rand(POPULATION, *SHAPE, generator=generator)
                children = list(drawn)
            else:
                pairs = torch.randint(CLASSES, (2, POPULATION), generator=generator).T.tolist()
                crossed = torch.rand(POPULATION, 1, 1, 1, generator=generator) < 0.5
                spread, mutated, steps = (torch.rand(POPULATION, *SHAPE, generator=generator) for _ in range(3))
                children = []
                for i, (a, b) in enumerate(pairs):
                    child = champions[a]
                    if crossed[i]:
                        child = simulated_binary_crossover(child, champions[b], spread[i])
                    moved = (child + polynomial_step(steps[i])).clamp(0, 1)
                    children.append(torch.where(mutated[i] < 0.1, moved, child))
            before = champions.clone()
            for child in children:
                odds = log_odds(model(child[None]), CLASSES)[0]
                for label in range(CLASSES):
                    if odds[label] > best[label]:
                        best[label], before[label] = odds[label], child
            champions = before
        return best

    return run


def same_champions(ours: list[Tensor], theirs: list[Tensor]) -> str:
    """The same draws must give champions of the same log odds."""
    apart = max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
    if not apart <= TOLERANCE:
        raise Disagreement(f"log odds of the champions differ by {apart:.1e}, more than {TOLERANCE:.0e}")
    return f"log odds of all champions equal to {TOLERANCE:.0e}"
