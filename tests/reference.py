"""When two machines must agree to the last digit, and how far apart they may be otherwise.

The same: torch version, instruction set that computed (with MKL's kernels for the processor's maker), threads. Then
every number agrees to 1e-9 and every verdict is the same. Elsewhere training takes other paths, and a trained number
may only turn a check red that chance cannot:

- what no training touches agrees to 1e-9;
- what a claim is judged by passes a two-sample t-test over seeds, whose false alarms sum to 1e-2 over the whole suite;
  three seeds must lie 19 spreads apart for that: a net that is wrong altogether is seen, and no less;
- all else, figures and side tables, is there and finite.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from scipy.stats import t as student

from lib.replication import provenance
from lib.replication.record import numbers, timed
from lib.replication.results import Result

FALSE_ALARMS = 1e-2  # of the whole suite, on a machine whose numbers are as good as the reference's
SUITE = 500  # judged quantities of 25 notebooks, rounded up
LEAST_SPREAD = 0.01  # of a quantity over seeds, relative beyond 1: a few test images, where all seeds agree by luck

# Words in the names of quantities that follow from counts and closed forms alone.
WITHOUT_TRAINING = (
    *("passes of", "forward passes", "linear control", "nets trained", "sources trained", "rounds of"),
    *("far sets beside", "weights over n", "width times depth", "labels wrong"),
)


def setting(result: Result) -> tuple[str, str, int]:
    """What decides the bits of a trained number: torch version, instruction set that computed, threads."""
    hardware = result["hardware"]
    return result["versions"]["torch"], hardware["capability"], hardware["threads"]


def same_machine(reference: Result) -> bool:
    """Whether this machine must reproduce the reference to the last digit; threads are one under the test command."""
    here = {"versions": provenance.versions(), "hardware": provenance.hardware("cpu")}
    return setting(here) == setting(reference)


def disagreements(reference: Result, result: Result, *, exact: bool) -> list[str]:
    """What in `result` chance does not explain, a line each; measured times are not compared."""
    return _digits(reference, result) if exact else _elsewhere(reference, result)


def _digits(reference: Result, result: Result) -> list[str]:
    old, new = numbers(reference), numbers(result)
    if old.keys() != new.keys():
        return [f"present in one only: {sorted(old.keys() ^ new.keys())}"]
    wrong = [
        f"{n}: {old[n]} in the reference, {new[n]} here" for n in old if not timed(n) and not _close(old[n], new[n])
    ]
    return wrong + [f"verdict of {name}: {told}" for name, told in differing_verdicts(reference, result).items()]


def _elsewhere(reference: Result, result: Result) -> list[str]:
    old, new = reference["values"], result["values"]
    if old.keys() != new.keys():
        return [f"measured in one only: {sorted(old.keys() ^ new.keys())}"]
    judged = judged_quantities(result)
    wrong = []
    for name in old:
        same_length = len(old[name]) == len(new[name]) and all(map(math.isfinite, new[name]))
        if any(word in name for word in WITHOUT_TRAINING):
            agree = all(map(_close, old[name], new[name]))
        else:
            agree = timed(name) or name not in judged or chance_explains(old[name], new[name])
        wrong += [] if same_length and agree else [f"{name}: {old[name]} in the reference, {new[name]} here"]
    return wrong + _shapes(reference["exhibits"], result["exhibits"])


def judged_quantities(result: Result) -> set[str]:
    """The quantities that a claim of this notebook compares, or a control puts in their place, part by part."""
    found = set()
    for claim in result["claims"].values():
        terms = {term for part in claim["rule"]["parts"] for term in part["compared"]}
        terms |= {take for _, take in claim["rule"]["controls"]} | set(claim["rule"]["tolerances"])
        parts = [part["name"] for part in claim["rule"]["parts"]] or [None]
        found |= {f"{term}/{part}" if part else str(term) for term in terms for part in parts}
    return found


def chance_explains(old: Sequence[float], new: Sequence[float]) -> bool:
    """Student's t-test over two sets of seeds at the suite's rate of false alarms, with a floor under the spread."""
    seeds = len(old)
    if seeds != len(new) or not all(map(math.isfinite, new)):
        return False
    if seeds < 2:
        return True
    floor = LEAST_SPREAD * max(1.0, abs(statistics.fmean(old)))
    pooled = max(math.sqrt((statistics.variance(old) + statistics.variance(new)) / 2), floor)
    quantile = float(student.ppf(1 - FALSE_ALARMS / SUITE / 2, 2 * seeds - 2))
    return abs(statistics.fmean(old) - statistics.fmean(new)) <= quantile * pooled * math.sqrt(2 / seeds)


def _shapes(old: dict[str, dict[str, list[Any]]], new: dict[str, dict[str, list[Any]]]) -> list[str]:
    wrong = []
    for exhibit in old.keys() | new.keys():
        a, b = (set(exhibits.get(exhibit, {})) for exhibits in (old, new))
        wrong += [f"{exhibit}: columns {sorted(a)} in the reference, {sorted(b)} here"] if a != b else []
        for column, values in new.get(exhibit, {}).items():
            bad = [value for value in values if isinstance(value, float) and not math.isfinite(value)]
            wrong += [f"{exhibit}, {column}: {bad[:3]}"] if bad else []
    return wrong


def differing_verdicts(reference: Result, result: Result) -> dict[str, str]:
    """Claim -> "status in the reference, status here", where they differ."""
    told = {}
    for name in dict.fromkeys([*reference["claims"], *result["claims"]]):
        before, here = (
            run["claims"][name]["verdict"]["status"] if name in run["claims"] else "none" for run in (reference, result)
        )
        if before != here:
            told[name] = f"{before} in the reference, {here} here"
    return told


def _close(old: float, new: float) -> bool:
    return math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-9)
