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
LEGIBLE = 5  # decimals at most of a number that is not small


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
    if half < 1e-9 * abs(around.mean):  # seeds that differ in the last digits alone
        return number(around.mean)
    if not 1e-3 < abs(around.mean) < 1e6:
        return f"{around.mean:.1e} ± {half:.0e}"
    decimals = max(0, 1 - math.floor(math.log10(half)))  # two digits of the half width
    if abs(around.mean) >= 0.1:
        decimals = min(decimals, LEGIBLE)
        if half < 10**-LEGIBLE:
            return f"{around.mean:,.{LEGIBLE}f} ± <{10**-LEGIBLE:.{LEGIBLE}f}"
    return f"{around.mean:,.{decimals}f} ± {half:,.{decimals}f}"


def number(value: float) -> str:
    """Four significant digits, whole numbers in full."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def comparison(
    exhibit: Exhibit, this_run: Tidy, datasets: Sequence[str], recorded: dict[str, Tidy], *, percent: bool
) -> str:
    """The exhibit as the largest recorded tier has it; the other tiers and this run are folded away beneath.

    Rows are what is compared, columns what was measured; where the paper has a number it stands beneath ours.
    """
    runs = {f"recorded at {tier}": values for tier, values in recorded.items() if values}
    runs[f"this run ({', '.join(datasets)})" if datasets else "this run"] = this_run
    (first, shown), *others = ((told, _grid(exhibit, _cells(values, percent))) for told, values in runs.items())
    unit = ", per cent" if percent else ""
    return "\n\n".join([f"**{exhibit.title}**{unit}; {first}", shown, *(folded(*other) for other in others)])


def _grid(exhibit: Exhibit, cells: Cells) -> str:
    """A row for each thing compared, a column for each quantity."""
    rows, columns = (list(dict.fromkeys(place[axis] for place in cells)) for axis in (0, 1))
    lines = [[f"**{row}**", *(_beside(cells.get((row, column)), exhibit.shown(row, column)) for column in columns)]
             for row in rows]  # fmt: skip
    return markdown(["", *columns], lines)


def _beside(ours: str | None, paper: str) -> str:
    """Our number, and the paper's where it has one."""
    return "–" if ours is None else f"{ours}<br>*paper: {paper}*" if paper else ours


def folded(summary: str, text: str) -> str:
    """Markdown that a page shows on demand."""
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>"


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
    """Every claim of a notebook: its rule, the paper's number, the verdict of each recorded tier and this run's.

    Parts of a claim and its controls are lines beneath it.
    """
    columns = {f"recorded ({other})": verdicts_in(result) for other, result in recorded.items()}
    columns[f"this run ({tier})"] = verdicts
    lines = []
    for name in verdicts:
        claim = paper.claims[name]
        # An identity's text names each of its quantities already.
        shown = Verdict.text if claim.kind == "identity" else _with_rows
        cells = [shown(column[name]) if name in column else "–" for column in columns.values()]
        lines.append([f"**{name}** {claim.name}", claim.paper_text(), claim.rule_text(), *cells])
    return markdown(["claim", "the paper", "rule", *columns], lines)


def verdicts_in(result: Result) -> dict[str, Verdict]:
    """Claim -> its verdict in a result."""
    return {name: Verdict.from_dict(claim["verdict"]) for name, claim in result["claims"].items()}


HERE = dict(zip(FOLLOWS, ("as the paper", "as the code", "both, measured", "otherwise"), strict=True))


def deviations_of(paper: Paper, notebook: int) -> str:
    """The deviations that concern one notebook."""
    return deviations(entry for entry in paper.deviations.values() if notebook in entry.notebooks)


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
