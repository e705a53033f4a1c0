"""The tables of a notebook page: the paper's numbers beside ours, the evidence for each claim, the cost."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lib.metrics.intervals import interval
from lib.replication.claims import Exhibit, Paper
from lib.replication.results import Result
from lib.replication.verdicts import Verdict

Tidy = dict[str, list[Any]]  # columns row, column, seed, value


def tidy(measured: dict[str, dict[str, Sequence[float]]]) -> Tidy:
    """row -> column -> values per seed, as one line per value: what a result stores of a table."""
    lines = [
        (row, column, seed, float(value))
        for row, columns in measured.items()
        for column, values in columns.items()
        for seed, value in enumerate(values)
    ]
    names = ("row", "column", "seed", "value")
    return dict(zip(names, map(list, zip(*lines, strict=True)), strict=True)) if lines else {name: [] for name in names}


def spread(values: Sequence[float], *, percent: bool = False) -> str:
    """`mean ± half the 90 % interval`, or the one value there is; in percent where the values are fractions."""
    scaled = [100 * value if percent else value for value in values]
    if len(scaled) < 2:
        return number(scaled[0])
    around = interval(scaled)
    half = around.high - around.mean
    return number(around.mean) if half == 0 else f"{number(around.mean)} ± {half:.2g}"


def number(value: float) -> str:
    """Four significant digits, whole numbers in full."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def comparison(exhibit: Exhibit, this_run: Tidy, recorded: dict[str, Tidy], *, percent: bool) -> pd.DataFrame:
    """One line per row and column of the exhibit: the paper, the recorded tiers (largest first), this run."""
    columns = {tier: _cells(values, percent) for tier, values in recorded.items() if values}
    columns["this run"] = _cells(this_run, percent)
    places = list(dict.fromkeys([*columns["this run"], *(place for cells in columns.values() for place in cells)]))
    frame = pd.DataFrame(
        {"paper": [exhibit.shown(*place) or "–" for place in places]}
        | {name: [cells.get(place, "") for place in places] for name, cells in columns.items()},
        index=pd.MultiIndex.from_tuples(places, names=[exhibit.title, ""]),
    )
    return frame


def _cells(values: Tidy, percent: bool) -> dict[tuple[str, str], str]:
    frame = pd.DataFrame(values)
    grouped = frame.groupby(["row", "column"], sort=False)["value"]
    return {(str(row), str(column)): spread(list(cell), percent=percent) for (row, column), cell in grouped}


def evidence(
    paper: Paper, notebook: int, verdicts: dict[str, Verdict], tier: str, recorded: dict[str, Result]
) -> pd.DataFrame:
    """Every claim of a notebook: its rule, the paper's number, this run's verdict and that of each recorded tier."""
    lines = {}
    for name, verdict in verdicts.items():
        claim = paper.claims[name]
        columns = {"paper": claim.paper_text(), "rule": claim.rule_text(), f"this run ({tier})": verdict.text()}
        for other, result in recorded.items():
            stored = result["claims"].get(name)
            columns[other] = Verdict.from_dict(stored["verdict"]).text() if stored else "–"
        lines[name] = columns
    return pd.DataFrame.from_dict(lines, orient="index")


def cost(arms: list[dict[str, Any]]) -> pd.DataFrame:
    """Seconds each arm took when it was computed, whenever that was."""
    lines = [
        {"arm": a["arm"], "seeds": a["seeds"], "seconds per seed": round(a["seconds"] / a["seeds"], 1),
         "seconds": round(a["seconds"], 1)}
        for a in arms
    ]  # fmt: skip
    total = sum(line["seconds"] for line in lines)
    return pd.DataFrame([*lines, {"arm": "all", "seeds": "", "seconds per seed": "", "seconds": round(total, 1)}])
