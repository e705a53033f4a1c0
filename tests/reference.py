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

    With `exact` every number agrees to 1e-9; otherwise within the larger of one point and three standard errors over
    the seeds. Measured times are not compared.
    """
    old, new = numbers(reference), numbers(result)
    if old.keys() != new.keys():
        return [f"present in one only: {sorted(old.keys() ^ new.keys())}"]
    tolerance = _tolerances(reference) if not exact else {}
    return [
        f"{name}: {old[name]} in the reference, {new[name]} here"
        for name in old
        if not timed(name) and not math.isclose(
            old[name], new[name], rel_tol=1e-9, abs_tol=max(1e-9, tolerance.get(name, 0.0))
        )
    ]  # fmt: skip


def _tolerances(reference: dict[str, Any]) -> dict[str, float]:
    """Per number, the larger of one point and three standard errors of its quantity or exhibit column."""
    found = {}
    for name, values in reference["values"].items():
        for seed in range(len(values)):
            found[f"{name}[{seed}]"] = _tolerance(values)
    for exhibit, columns in reference["exhibits"].items():
        for column, values in columns.items():
            if all(isinstance(value, int | float) for value in values):
                for line in range(len(values)):
                    found[f"{exhibit}.{column}[{line}]"] = _tolerance(values)
    return found


def _tolerance(values: list[float]) -> float:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return max(ONE_POINT, 3 * spread)
