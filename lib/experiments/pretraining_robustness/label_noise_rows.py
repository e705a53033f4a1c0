"""What `2-label-noise` derives from its runs: areas over the strengths, frames of curves, what the rules ask beside.

`by_level` is strength -> one run per seed; `uniform` is arm -> by_level, `corrected` (correction, start) -> by_level.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lib.metrics.area import mean_over_strengths
from lib.replication.claims import Exhibit
from lib.replication.rows import Runs, per_seed

if TYPE_CHECKING:
    import pandas as pd

ByLevel = Mapping[float, Runs]
PRETRAINED, SCRATCH, SHORT = "pre-trained", "scratch", "scratch, equal steps"
COMPUTE, UNRELATED = "scratch, equal compute", "pre-trained, unrelated classes"
PART = "ten classes"
CURVES = {"test": "test error", "train, given labels": "train error, given labels"}


def area(by_level: ByLevel, path: str = "test error") -> list[float]:
    """The area under error against strength, a value for each seed."""
    levels = sorted(by_level)
    errors = zip(*(per_seed(by_level[level], path) for level in levels), strict=True)  # seed -> level -> error
    return [mean_over_strengths(levels, of_seed) for of_seed in errors]


def at(by_level: ByLevel, levels: Iterable[float]) -> dict[float, Runs]:
    """The same arm at fewer strengths."""
    return {level: by_level[level] for level in levels}


def area_at_rate_of(scratch: ByLevel, tuned: ByLevel) -> list[float]:
    """The area of scratch if at every strength it has the rate that was chosen for the tuned net of the same seed."""
    same = {
        level: [
            {"test error": run["at rate"][f"{other['rate']:g}"]} for run, other in zip(runs, tuned[level], strict=True)
        ]
        for level, runs in scratch.items()
    }
    return area(same)


def gold_name(share: float) -> str:
    """How gold loss correction with this share of trusted images is called: `gold 5 %`."""
    return f"gold {100 * share:g} %"


def corrected_areas(corrected: Mapping[tuple[str, str], ByLevel]) -> dict[tuple[str, str], list[float]]:
    """(correction, start) -> area for each seed."""
    return {name: area(by_level) for name, by_level in corrected.items()}


def derived(
    source: Runs,
    uniform: Mapping[str, ByLevel],
    corrected: Mapping[tuple[str, str], ByLevel],
    alone: Mapping[tuple[float, str], Runs],
) -> dict[str, list[float]]:
    """What C6 to C10 and C12 are judged by; a value per seed.

    Args:
        source: the source net of each seed.
        uniform: the arms without correction, at all strengths of uniform noise.
        corrected: the corrections, at the strengths where they were trained.
        alone: (trusted share, start) -> runs on the trusted images alone.
    """
    areas = {name: area(by_level) for name, by_level in uniform.items()}
    least = min(uniform[SCRATCH])
    found = {
        "accuracy of the source over chance": [(1 - run["test error"]) * run["classes"] for run in source],
        "clean accuracy scratch": [1 - error for error in per_seed(uniform[SCRATCH][least], "test error")],
        "gain of pre-training over equal steps": [
            short - tuned for short, tuned in zip(areas[SHORT], areas[PRETRAINED], strict=True)
        ],
        "area pre-trained": areas[PRETRAINED],
        "area from unrelated classes": areas[UNRELATED],
    }
    of_part = {
        "area pre-trained": areas[PRETRAINED],
        "area scratch": areas[SCRATCH],
        "area scratch of equal steps": areas[SHORT],
        "area scratch of equal steps and rate": area_at_rate_of(uniform[SHORT], uniform[PRETRAINED]),
        "area scratch of equal compute": areas[COMPUTE],
        "area scratch stopped by clean images": area(uniform[SCRATCH], "stopped/test error"),
    } | corrected_quantities(uniform[PRETRAINED], corrected)
    found |= {f"{name}/{PART}": values for name, values in of_part.items()}
    return found | gold_quantities(corrected, alone)


def corrected_quantities(tuned: ByLevel, corrected: Mapping[tuple[str, str], ByLevel]) -> dict[str, list[float]]:
    """What C7, C9 and C10 compare, all over the strengths at which corrections were trained."""
    areas, levels = corrected_areas(corrected), corrected["forward", PRETRAINED]
    return {
        "area pre-trained where corrected": area(at(tuned, levels)),
        "area pre-trained with forward correction": areas["forward", PRETRAINED],
        "area scratch with forward correction": areas["forward", SCRATCH],
        "area scratch of equal steps with forward correction": areas["forward", SHORT],
        "area pre-trained with 5 % trusted": areas["gold 5 %", PRETRAINED],
        "area scratch with 10 % trusted": areas["gold 10 %", SCRATCH],
        "area scratch of equal steps with 10 % trusted": areas["gold 10 %", SHORT],
    }


def gold_quantities(
    corrected: Mapping[tuple[str, str], ByLevel], alone: Mapping[tuple[float, str], Runs]
) -> dict[str, list[float]]:
    """What C8 compares, for each share of trusted images."""
    found = {}
    for share in sorted({share for share, _ in alone}):
        part, name = f"{PART}, {100 * share:g} % trusted", gold_name(share)
        for start, what in ((PRETRAINED, "pre-trained"), (SCRATCH, "scratch"), (SHORT, "scratch of equal steps")):
            found[f"area {what} with gold loss correction/{part}"] = area(corrected[name, start])
        found[f"error pre-trained on trusted images alone/{part}"] = per_seed(alone[share, PRETRAINED], "test error")
    return found


def table_1_rows(
    uniform: Mapping[str, ByLevel], corrected: Mapping[tuple[str, str], ByLevel], shares: Iterable[float]
) -> dict[str, dict[str, list[float]]]:
    """The paper's table 1 over the strengths at which corrections were trained: scratch at its length, pre-trained."""
    levels = corrected["forward", PRETRAINED]
    shown = (SCRATCH, PRETRAINED, UNRELATED)
    rows = {"No correction": {start: area(at(uniform[start], levels)) for start in shown}}
    names = {"forward": "Forward"} | {
        gold_name(share): f"Gold loss correction, {100 * share:g} % trusted" for share in shares
    }
    for name, title in names.items():
        rows[title] = {start: area(corrected[name, start]) for start in (SCRATCH, PRETRAINED)}
    return rows


def control_rows(uniform: Mapping[str, ByLevel]) -> dict[str, dict[str, list[float]]]:
    """Every way to train without correction: area, error at each strength, and the rates that were chosen."""
    rows: dict[str, dict[str, list[float]]] = {}
    for name, by_level in uniform.items():
        rows[name] = {"area": area(by_level)}
        rows[name] |= {f"s = {level:g}": per_seed(by_level[level], "test error") for level in sorted(by_level)}
    scratch, short = uniform[SCRATCH], uniform[SHORT]
    rows["scratch, stopped by clean held-out images"] = {"area": area(scratch, "stopped/test error")} | {
        f"s = {level:g}": per_seed(scratch[level], "stopped/test error") for level in sorted(scratch)
    }
    rows["scratch, equal steps and rate"] = {"area": area_at_rate_of(short, uniform[PRETRAINED])}
    return rows


def correction_rows(
    uniform: Mapping[str, ByLevel],
    corrected: Mapping[tuple[str, str], ByLevel],
    alone: Mapping[tuple[float, str], Runs],
) -> dict[str, dict[str, list[float]]]:
    """Every correction from every start, over the strengths where corrections were trained, beside none and trusted."""
    levels = corrected["forward", PRETRAINED]
    rows = {"no correction": {start: area(at(uniform[start], levels)) for start in (PRETRAINED, SHORT, SCRATCH)}}
    for (name, start), by_level in corrected.items():
        rows.setdefault(name, {})[start] = area(by_level)
    for (share, start), runs in alone.items():
        rows.setdefault(f"trusted {100 * share:g} % alone", {})[start] = per_seed(runs, "test error")
    for (name, start), by_level in corrected.items():
        rows.setdefault(f"{name}: error of its matrix", {})[start] = area(by_level, "error of the matrix")
    return rows


def kind_rows(kinds: Mapping[str, Mapping[str, Runs]]) -> dict[str, dict[str, list[float]]]:
    """Test error under each kind of noise, a column for each arm."""
    return {kind: {arm: per_seed(runs, "test error") for arm, runs in arms.items()} for kind, arms in kinds.items()}


def strengths_frame(
    uniform: Mapping[str, ByLevel], corrected: Mapping[tuple[str, str], ByLevel], paper: Exhibit
) -> "pd.DataFrame":
    """A tidy frame of figure 2: source (this run, paper), method, start, seed, strength, test error."""
    import pandas as pd

    ours = {("no correction", start): by_level for start, by_level in uniform.items()} | dict(corrected)
    lines: list[tuple[Any, ...]] = [
        ("this run", method, begin, seed, level, run["test error"])
        for (method, begin), by_level in ours.items()
        for level, runs in by_level.items()
        for seed, run in enumerate(runs)
    ]
    for row, curve in paper.values.items():
        data, method, begin = row.split(", ")
        if data == "CIFAR-10":
            lines += [("paper", method, begin, 0, float(x), number(y) / 100) for x, y in curve.items()]
    return pd.DataFrame(lines, columns=["source", "method", "start", "seed", "strength", "test error"])


def number(value: Any) -> float:
    """A number of the paper's, in whose curves no cell is empty and none is text."""
    return float(value)


def steps_frame(runs_of: Mapping[str, Runs], paper: Exhibit | None = None) -> "pd.DataFrame":
    """A tidy frame over the steps of trainings: source, start, kind (test or train), seed, share of the run, error.

    The share of the run is what ours and the paper's 200 epochs have in common.
    """
    import pandas as pd

    lines: list[tuple[Any, ...]] = []
    for begin, runs in runs_of.items():
        for seed, run in enumerate(runs):
            curve, steps = run["curve"], run["steps"]
            for kind, name in CURVES.items():
                points = zip(curve["step"], curve[name], strict=True)
                lines += [("this run", begin, kind, seed, step, step / steps, error) for step, error in points]
    for kind, curve in paper.values.items() if paper else ():
        last = max(float(epoch) for epoch in curve)
        label = "test" if kind == "test" else "train, given labels"
        lines += [("paper", SCRATCH, label, 0, float(x), float(x) / last, number(y) / 100) for x, y in curve.items()]
    columns = ["source", "start", "kind", "seed", "step", "share of the run", "error"]
    return pd.DataFrame(lines, columns=columns)


def curves_frame(uniform: Mapping[str, ByLevel], corrected: Mapping[tuple[str, str], ByLevel]) -> "pd.DataFrame":
    """A tidy frame of every curve of the page: method, start, strength, kind, seed, step, error."""
    import pandas as pd

    ours = {("no correction", start): by_level for start, by_level in uniform.items()} | dict(corrected)
    frames = [
        steps_frame({begin: runs}).assign(method=method, strength=level)
        for (method, begin), by_level in ours.items()
        for level, runs in by_level.items()
    ]
    return pd.concat(frames, ignore_index=True).drop(columns=["source", "share of the run"]).round({"error": 4})
