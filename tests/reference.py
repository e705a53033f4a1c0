"""When two machines must agree to the last digit, and how far apart they may be otherwise."""

import math
import statistics
from typing import Any

from lib.replication import provenance
from lib.replication.record import numbers, timed

ONE_POINT = 0.01


def setting(result: dict[str, Any]) -> tuple[str, str, str, int]:
    """What decides the bits of a trained number: torch version, CPU model, instruction set, threads."""
    hardware = result["hardware"]
    return result["versions"]["torch"], hardware["cpu"], hardware["capability"], hardware["threads"]


def same_machine(reference: dict[str, Any]) -> bool:
    """Whether this machine must reproduce the reference to the last digit; threads are one under the test command."""
    here = {"versions": provenance.versions(), "hardware": provenance.hardware("cpu")}
    return setting(here) == setting(reference)


def disagreements(reference: dict[str, Any], result: dict[str, Any], *, exact: bool) -> list[str]:
    """The numbers of `result` that are too far from the reference.

    With `exact` every number agrees to 1e-9; otherwise within the larger of one point and three standard deviations
    over the seeds. Measured times are not compared.
    """
    old, new = numbers(reference), numbers(result)
    if old.keys() != new.keys():
        return [f"present in one only: {sorted(old.keys() ^ new.keys())}"]
    tolerance = {} if exact else _tolerances(old)
    return [
        f"{name}: {old[name]} in the reference, {new[name]} here"
        for name in old
        if not timed(name) and not math.isclose(
            old[name], new[name], rel_tol=1e-9, abs_tol=max(1e-9, tolerance.get(name, 0.0))
        )
    ]  # fmt: skip


def _tolerances(old: dict[str, float]) -> dict[str, float]:
    """Per number, the larger of one point and three standard deviations over the seeds of its quantity or column."""
    grouped: dict[str, list[float]] = {}
    for name, value in old.items():
        grouped.setdefault(name.rpartition("[")[0], []).append(value)
    return {name: _tolerance(grouped[name.rpartition("[")[0]]) for name in old}


def _tolerance(values: list[float]) -> float:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return max(ONE_POINT, 3 * spread)
