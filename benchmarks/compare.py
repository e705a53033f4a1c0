"""Times two or more ways to the same result in turn, and checks that the results agree."""

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from lib.data.torchvision_import import torchvision

Side = Callable[[Any, int], Any]  # (inputs of the round, its number) -> result
OURS = "ours"
CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")  # Linux only


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
        divide: what the counts were divided by.
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
    divide: int
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


def measure(row: Row) -> Outcome:
    """Time all sides in turn, ours, peer, ours, peer ..., so that a change of the machine's pace meets all alike."""
    peak = {name: peak_of(row, name) for name in row.sides} if row.memory and CLEAR.exists() else {}
    ready = {name: prepare() for name, prepare in row.sides.items()}
    results = {name: [side(row.first, 0)] for name, side in ready.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for number, inputs in enumerate(row.rounds, start=1):
        for name, side in ready.items():
            start = time.perf_counter()
            results[name].append(side(inputs, number))
            seconds[name].append(time.perf_counter() - start)
    return conclude(row, seconds, results, peak)


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


def peak_of(row: Row, side: str) -> float:
    """Peak memory of a side's first call, in a process of its own, in megabytes."""
    command = [sys.executable, "-m", "benchmarks", "peak", row.key, side, str(row.divide)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def rise_of_peak(row: Row, side: str) -> float:
    """How far this process's memory rises in the first call, in megabytes; what `peak_of` starts."""
    ready = row.sides[side]()
    CLEAR.write_text("5")  # forget the peak of what was prepared
    before = peak_memory()
    ready(row.first, 0)
    return peak_memory() - before


def peak_memory() -> float:
    """Largest resident memory since the last reset, in megabytes. (`getrusage` cannot forget the parent's peak.)"""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
