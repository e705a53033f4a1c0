"""Peak memory of one call, in a process of its own that has done nothing else."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
PRELOADED = [
    "benchmarks.attacks",
    "benchmarks.energy",
    "benchmarks.metrics",
    "benchmarks.training",
]  # imported once, for all processes


def can_measure() -> bool:
    """Linux alone lets a process forget its peak, and so leave out what was prepared."""
    return CLEAR.exists()


def peak_of(prepare: Callable[[], Callable[[], Any]]) -> float:
    """Megabytes that a call needs beyond what there was before it; `prepare` gives the call and is not counted."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(rise_of_peak, prepare).result()


def rise_of_peak(prepare: Callable[[], Callable[[], Any]]) -> float:
    """The same in this process."""
    call = prepare()
    CLEAR.write_text("5")  # 5 sets the peak back to the present memory
    before = peak_memory()
    call()
    return peak_memory() - before


def peak_memory() -> float:
    """Largest resident memory since the peak was set back, in megabytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
