"""Times two or more ways to the same result in turn, and checks that the results agree."""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import ModuleType
from typing import Any

from benchmarks.memory import can_measure, peak_of
from lib.data.torchvision_import import torchvision

Side = Callable[[Any, int], Any]  # (inputs of the round, its number) -> result
OURS = "ours"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        key: its short name on the command line.
        measure: what is measured, on what.
        unit: what is counted, per second.
        goal: how many times as fast as the fastest peer we want to be; None where a row only informs.
        sides: name -> a function that imports and prepares, untimed, and gives what is timed; the first is `OURS`.
        rounds: the inputs of each round.
        first: the inputs of the first call, which is not counted.
        count: number of units in the inputs of a round.
        check: (our results, the peer's) -> what was compared, in words; raises if they disagree. The results of the
            first call come first, then those of the rounds.
        note: why the goal is missed, shown only where it is.
        memory: whether a process per side measures the peak memory of the first call.
    """

    key: str
    measure: str
    unit: str
    goal: float | None
    sides: dict[str, Callable[[], Side]]
    rounds: Sequence[Any]
    first: Any
    count: Callable[[Any], int]
    check: Callable[[list[Any], list[Any]], str]
    note: str = ""
    memory: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a row gave.

    Attributes:
        speed: units per second of each side, the median over rounds.
        ratio: for each peer, the median over rounds of its time divided by ours.
        agreement: for each peer, what was compared.
        failures: for each peer whose results disagree with ours, how.
        peak: megabytes that the first call of each side needed beyond what was there before; empty if not measured.
    """

    row: Row
    speed: dict[str, float]
    ratio: dict[str, float]
    agreement: dict[str, str]
    failures: dict[str, str]
    peak: dict[str, float]

    @property
    def rival(self) -> str:
        """The fastest peer."""
        return min(self.ratio, key=lambda peer: self.ratio[peer])

    @property
    def missed(self) -> bool:
        """Whether a goal was set and is not reached against the fastest peer."""
        return self.row.goal is not None and self.ratio[self.rival] < self.row.goal


class Disagreement(AssertionError):
    """The results of two sides differ by more than is allowed."""


def peer(name: str) -> ModuleType:
    """Another library. Several import torchvision, which beside a CPU build of torch needs our way of doing so."""
    torchvision()
    return importlib.import_module(name)


def measure(make: Callable[[], Row]) -> Outcome:
    """Time all sides in turn, ours, peer, ours, peer ..., so that a change of the machine's pace meets all alike."""
    row = make()
    peak = (
        {name: peak_of(partial(first_call, make, name)) for name in row.sides} if row.memory and can_measure() else {}
    )
    ready = {name: prepare() for name, prepare in row.sides.items()}
    results = {name: [side(row.first, 0)] for name, side in ready.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for number, inputs in enumerate(row.rounds, start=1):
        for name, side in ready.items():
            start = time.process_time()  # one thread each: what else the machine does is not counted
            results[name].append(side(inputs, number))
            seconds[name].append(time.process_time() - start)
    return conclude(row, seconds, results, peak)


def first_call(make: Callable[[], Row], side: str) -> Callable[[], Any]:
    """Prepares the first call of a side in another process."""
    row = make()
    return partial(row.sides[side](), row.first, 0)


def conclude(
    row: Row, seconds: dict[str, list[float]], results: dict[str, list[Any]], peak: dict[str, float]
) -> Outcome:
    """Medians and checks."""
    agreement, failures = {}, {}
    peers = [name for name in row.sides if name != OURS]
    for name in peers:
        try:
            agreement[name] = row.check(results[OURS], results[name])
        except Disagreement as difference:
            failures[name] = str(difference)
    speed = {
        name: median(row.count(inputs) / spent for inputs, spent in zip(row.rounds, spents, strict=True))
        for name, spents in seconds.items()
    }
    ratio = {name: median(p / o for p, o in zip(seconds[name], seconds[OURS], strict=True)) for name in peers}
    return Outcome(row, speed, ratio, agreement, failures, peak)
