"""The tables of a notebook page: the paper's numbers beside ours, the evidence for each claim, the cost.

They are Markdown, which wraps, reads well in a diff, and stays legible where a notebook is not trusted.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from lib.metrics.intervals import interval
from lib.replication.claims import FOLLOWS, PIECES, Deviation, Exhibit, Paper
from lib.replication.results import Result
from lib.replication.verdicts import Verdict

Tidy = dict[str, list[Any]]  # columns row, column, seed, value
Cells = dict[tuple[str, str], str]  # (row, column) -> text


def tidy(measured: dict[str, dict[str, Sequence[float]]]) -> Tidy:
    """row -> column -> values per seed, as one line per value: what a result stores of a table."""
    lines = [
        (row, column, seed, float(value))
        for row, columns in measured.items()
        for column, values in columns.items()
        for seed, value in enumerate(values)
    ]
    names = ("row", "column", "seed", "value")
    return {name: [line[i] for line in lines] for i, name in enumerate(names)}


def markdown(header: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """A Markdown table."""
    rows = [list(header), *map(list, lines)]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(map(_in_table, row))} |" for row in rows)


def _in_table(cell: Any) -> str:
    return str(cell).replace("|", "\\|")


def spread(values: Sequence[float], *, percent: bool = False) -> str:
    """`mean ± half the 90 % interval`, or the one value there is; in percent where the values are fractions."""
    scaled = [100 * value if percent else value for value in values]
    if len(scaled) < 2 or min(scaled) == max(scaled):
        return number(scaled[0])
    around = interval(scaled)
    half = around.high - around.mean
    if not 1e-3 < abs(around.mean) < 1e6:
        return f"{around.mean:.1e} ± {half:.0e}"
    decimals = max(0, 1 - math.floor(math.log10(half)))  # two digits of the half width
    return f"{around.mean:,.{decimals}f} ± {half:,.{decimals}f}"


def number(value: float) -> str:
    """Four significant digits, whole numbers in full."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def comparison(
    exhibit: Exhibit, this_run: Tidy, datasets: Sequence[str], recorded: dict[str, Tidy], *, percent: bool
) -> str:
    """One line per row and column of the exhibit: the paper, the recorded tiers (largest first), this run on its data.

    An exhibit of our own, for which the paper has no numbers, has no column for it.
    """
    columns = {tier: _cells(values, percent) for tier, values in recorded.items() if values}
    columns[f"this run ({', '.join(datasets)})"] = _cells(this_run, percent)
    places = list(dict.fromkeys(place for cells in reversed(columns.values()) for place in cells))
    if exhibit.values:
        columns = {"paper": {place: exhibit.shown(*place) or "–" for place in places}} | columns
    lines = [[*_label(place, before), *(cells.get(place, "–") for cells in columns.values())]
             for before, place in zip([None, *places], places, strict=False)]  # fmt: skip
    unit = ", per cent" if percent else ""
    return f"**{exhibit.title}**{unit}\n\n{markdown(['', '', *columns], lines)}"


def _label(place: tuple[str, str], before: tuple[str, str] | None) -> tuple[str, str]:
    """Row and column of a line; the row only where it is new."""
    row, column = place
    return ("" if before and before[0] == row else f"**{row}**", column)


def _cells(values: Tidy, percent: bool) -> Cells:
    grouped: dict[tuple[str, str], list[float]] = {}
    for row, column, value in zip(values["row"], values["column"], values["value"], strict=True):
        grouped.setdefault((row, column), []).append(value)
    return {place: spread(cell, percent=percent) for place, cell in grouped.items()}


def literature(exhibit: Exhibit) -> str:
    """A table or figure of the paper that is not measured here, as it was printed."""
    columns = list(dict.fromkeys(column for row in exhibit.values.values() for column in row))
    lines = [[f"**{row}**", *(exhibit.shown(row, column) or "–" for column in columns)] for row in exhibit.values]
    where = ", ".join(filter(None, [exhibit.source, exhibit.unit]))
    return f"**{exhibit.title}** ({where}; as published, not measured here)\n\n{markdown(['', *columns], lines)}"


def evidence(paper: Paper, verdicts: dict[str, Verdict], tier: str, recorded: dict[str, Result]) -> str:
    """Every claim of a notebook: its rule, the paper's number, this run's verdict and that of each recorded tier.

    Parts of a claim and its controls are lines beneath it.
    """
    columns = {f"this run ({tier})": verdicts}
    for other, result in recorded.items():
        kept = {name: Verdict.from_dict(claim["verdict"]) for name, claim in result["claims"].items()}
        columns[f"recorded ({other})"] = kept
    lines = []
    for name in verdicts:
        claim = paper.claims[name]
        # An identity's text names each of its quantities already.
        shown = Verdict.text if claim.kind == "identity" else _with_rows
        cells = [shown(column[name]) if name in column else "–" for column in columns.values()]
        lines.append([f"**{name}**", claim.paper_text(), claim.rule_text(), *cells])
    return markdown(["claim", "the paper", "rule", *columns], lines)


HERE = dict(zip(FOLLOWS, ("as the paper", "as the code", "both, measured", "otherwise"), strict=True))


def deviations(entries: Iterable[Deviation], *, numbered: bool = False) -> str:
    """Piece by piece what the paper says, what its code does and what is done here, why, and what it changes.

    `numbered` adds the notebooks that a line concerns; a dash stands for those of paper and code alone.
    """
    found = sorted(entries, key=lambda entry: PIECES.index(entry.piece))
    header = ["piece", *["notebook"] * numbered, "the paper", "the released code", "here", "why", "measured effect"]
    lines = [
        [
            f"**{entry.piece}**: {entry.id.replace('-', ' ')}",
            *[", ".join(map(str, entry.notebooks)) or "–"] * numbered,
            entry.paper,
            entry.code,
            f"*{HERE[entry.follows]}*: {entry.ours}",
            f"{entry.why} ({entry.source})",
            entry.effect or "not measured",
        ]
        for entry in found
    ]
    return markdown(header, lines)


def _with_rows(verdict: Verdict) -> str:
    """A verdict, and beneath it those of its parts and controls."""
    rows = [f"*{row.name.partition('/')[2] or row.name.partition(' ')[2]}*: {row.text()}"
            for row in (*verdict.parts, *verdict.controls)]  # fmt: skip
    return "<br>".join([f"**{verdict.status}**{verdict.text().removeprefix(verdict.status)}", *rows])


def cost(arms: list[dict[str, Any]]) -> str:
    """Seconds each arm took when it was computed, whenever that was: processor time on a CPU, wall time on a GPU."""
    names = dict.fromkeys(arm["arm"] for arm in arms)
    runs = {name: sum(arm["seeds"] for arm in arms if arm["arm"] == name) for name in names}
    seconds = {name: sum(arm["seconds"] for arm in arms if arm["arm"] == name) for name in names}
    lines = [[name, runs[name], f"{seconds[name] / runs[name]:.1f}", f"{seconds[name]:.1f}"] for name in names]
    total = ["**all**", "", "", f"**{sum(seconds.values()):.1f}**"]
    return markdown(["arm", "runs", "seconds per run", "seconds"], [*lines, total])
