"""What a handful of seeds can say: the t interval of a mean, and how far a measured order agrees with a claim."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from scipy.special import stdtrit


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and the interval around it, in the unit of the values that went in.

    Attributes:
        mean: The mean over seeds.
        low: Lower bound.
        high: Upper bound.
        n: Number of seeds.
        spread: Standard deviation between seeds, with n - 1 in the denominator.
    """

    mean: float
    low: float
    high: float
    n: int
    spread: float


def interval(differences: Iterable[float], level: float = 0.90) -> Interval:
    """The two-sided t interval of the mean of one value per seed: m +- t((1 + level) / 2; n - 1) s / sqrt(n).

    At the default level each bound is wrong 5 % of the time when the values are independent and normal.
    Values that are all equal have an interval of no width, whatever their rounding errors would add up to.

    Args:
        differences: One value per seed, at least two; anything that `float` accepts.
        level: Coverage, strictly between 0 and 1.

    Raises:
        ValueError: If there are fewer than two values, one is not finite, or the level is not a coverage.

    >>> found = interval([1, 2, 3])
    >>> round(found.low, 2), found.mean, round(found.high, 2)
    (0.31, 2.0, 3.69)
    """
    values = [float(value) for value in differences]
    if not 0 < level < 1:
        raise ValueError(f"level is the coverage of the interval, between 0 and 1; found {level}")
    _check(values, at_least=2, use="an interval")
    n = len(values)
    mean, spread = _mean_and_spread(values)
    half_width = half_width_of_mean(spread, n, level)
    return Interval(mean, mean - half_width, mean + half_width, n, spread)


def half_width_of_mean(spread: float, n: int, level: float = 0.90) -> float:
    """Half the width of the t interval of a mean: t((1 + level) / 2; n - 1) spread / sqrt(n).

    Args:
        spread: Standard deviation between seeds.
        n: Number of seeds, at least two.
        level: Coverage, strictly between 0 and 1.
    """
    return _t_quantile((1 + level) / 2, n - 1) * spread / math.sqrt(n)


def kendall_tau(values: Sequence[float]) -> float:
    """Kendall's tau between the order in which the values are listed (claimed to be increasing) and their sizes.

    This is tau-a, (concordant - discordant pairs) / all pairs: a tie speaks neither for nor against the claimed
    order and still counts as a pair. tau-b leaves tied pairs out of the denominator, so that a single concordant
    pair among ties would score high, and all-tied values none at all; without ties the two are equal.

    Args:
        values: Measured values, at least two, in the claimed order.

    Returns:
        1 if strictly increasing, -1 if strictly decreasing, 0 if no order shows.

    Raises:
        ValueError: If there are fewer than two values or one is not a number.

    >>> kendall_tau([1, 2, 4, 3])  # five of six pairs rise
    0.6666666666666666
    """
    listed = [float(value) for value in values]
    _check(listed, at_least=2, use="an order")
    n = len(listed)
    score = sum((late > early) - (late < early) for i, early in enumerate(listed) for late in listed[i + 1 :])
    return score / (n * (n - 1) / 2)


@cache
def _t_quantile(probability: float, degrees_of_freedom: int) -> float:
    return float(stdtrit(degrees_of_freedom, probability))


def _mean_and_spread(values: list[float]) -> tuple[float, float]:
    if min(values) == max(values):
        return values[0], 0.0  # the rounded mean of equal values may differ from them in the last digit
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance)


def _check(values: list[float], at_least: int, use: str) -> None:
    if len(values) < at_least:
        raise ValueError(f"{use} needs at least {at_least} values, one per seed or entry; found {len(values)}")
    for position, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"{use} needs finite values; value {position} is {value}: a failed run has no place here")
