"""Learning-rate schedules: functions from the number of a step (from 0) to a factor on the learning rate."""

from collections.abc import Callable, Sequence
from math import cos, pi

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """1 at every step."""
    return lambda step: 1.0


def linear(steps: int, warmup: float = 0.1) -> Schedule:
    """Up to 1 over the first share `warmup` of the steps, then down to 0 at step number `steps`, both linearly."""
    return trapezoid(steps, warmup, 1 - warmup)


def trapezoid(steps: int, warmup: float = 0.1, decay: float = 0.5, floor: float = 0.0) -> Schedule:
    """Linear from 1 / w to 1 over the first w steps, then 1, then linear down to `floor` at step number `steps`.

    Args:
        steps: number of steps of the whole run.
        warmup: share of the steps in the ramp up, w = round(warmup steps).
        decay: share of the steps in the ramp down.
        floor: value at step number `steps`, one after the last.

    Raises:
        ValueError: when the shares are not in [0, 1] or together above 1.
    """
    if not (0 <= warmup <= 1 and 0 <= decay <= 1 and warmup + decay <= 1 + 1e-9):
        raise ValueError(f"warmup and decay are shares of the run, together at most 1; found {warmup} and {decay}")
    up, down = round(warmup * steps), min(round(decay * steps), steps - round(warmup * steps))

    def factor(step: int) -> float:
        if step < up:
            return (step + 1) / up
        if step < steps - down:
            return 1.0
        left = max(steps - step, 0) / max(down, 1)  # 1 -> 0
        return floor + (1 - floor) * left

    return factor


def cosine(steps: int, warmup: int = 0, floor: float = 0.0) -> Schedule:
    """Linear over `warmup` steps, then floor + (1 - floor) (1 + cos(pi t)) / 2 with t the share of the rest done."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min((step - warmup) / max(steps - warmup, 1), 1.0)
        return floor + (1 - floor) * (1 + cos(pi * done)) / 2

    return factor


def exponential(factor: float = 0.95, every: int = 391, staircase: bool = True) -> Schedule:
    """Times `factor` every `every` steps: at once, or (no staircase) a little at each step.

    The default is Zhang et al. 2017: times 0.95 each epoch of 391 steps.
    """
    return lambda step: factor ** (step // every if staircase else step / every)


def step_decay(milestones: Sequence[int], factor: float = 0.1, warmup: int = 0) -> Schedule:
    """Linear over `warmup` steps, then times `factor` at each of the milestones (step numbers)."""

    def value(step: int) -> float:
        ramp = min((step + 1) / warmup, 1.0) if warmup else 1.0
        return ramp * factor ** sum(step >= milestone for milestone in milestones)

    return value
