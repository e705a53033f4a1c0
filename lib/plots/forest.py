"""The evidence for each claim as a forest: every interval over seeds beside the band that would not matter."""

import textwrap
from typing import TYPE_CHECKING, Any

from lib.plots.glance import COLOURS, LIMIT
from lib.plots.panels import show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SCALE = (
    "effect / smallest effect that matters, as claimed to the right\n"
    "(an effect: beyond 1; no difference: within the band; no loss: right of −1)"
)
ROW, WIDTH = 0.23, 8.0  # inches for a line, and for the picture
UNTESTED = "#949494"
PREFIX = {"claim": "", "part": "", "control": "with "}
LABEL = 52  # letters beside the picture


def forest(frame: "pd.DataFrame", axes: "Axes") -> None:
    """One line for each claim, part and control from top to bottom, and within it one mark a run.

    Columns: line (number from 0), label, level ("claim", "part", "control"), run, evidence (whether the run's data are
    real), status, mean, low, high; the last three in margins with the claim's sign, NaN where nothing was judged.
    """
    inside = frame.assign(**{name: frame[name].clip(-LIMIT, LIMIT) for name in ("mean", "low", "high")})
    runs = list(dict.fromkeys(frame["run"]))
    for row in inside.to_dict("records"):
        place = row["line"] + (runs.index(row["run"]) - (len(runs) - 1) / 2) * 0.3
        _mark(axes, row, place)
    axes.axvline(0, color="0.25", lw=0.8)
    axes.axvspan(-1, 1, color="0.93", zorder=0)
    axes.set_xscale("symlog", linthresh=1, linscale=0.7)
    lines = frame.drop_duplicates("line")
    axes.set(xlim=(-LIMIT, LIMIT), ylim=(len(lines) - 0.4, -0.6))
    axes.set_xlabel(SCALE, fontsize=9)
    axes.set_xticks([-10, -1, 0, 1, 10], ["−10", "−1", "0", "1", "10"], fontsize=9)
    labels = [textwrap.shorten(PREFIX[level] + label, LABEL, placeholder=" …")
              for level, label in zip(lines["level"], lines["label"], strict=True)]  # fmt: skip
    axes.set_yticks(lines["line"], labels)
    for text, level in zip(axes.get_yticklabels(), lines["level"], strict=True):
        text.set(fontsize=9, fontweight="bold" if level == "claim" else "normal")
    axes.minorticks_off()
    axes.grid(axis="y", visible=False)


def _mark(axes: "Axes", row: dict[Any, Any], place: float) -> None:
    """An interval with its mean, filled where it is evidence; what was not judged says so in words."""
    colour = COLOURS.get(str(row["status"]), UNTESTED)
    mean = float(row["mean"])
    if mean != mean:
        if row["level"] == "claim" and row["evidence"]:
            axes.text(0, place, str(row["status"]), fontsize=8, color="0.35", ha="center", va="center", style="italic")
        return
    filled = colour if row["evidence"] else "white"
    axes.plot([row["low"], row["high"]], [place, place], "-", color=colour, lw=2 if row["evidence"] else 1)
    axes.plot([mean], [place], "o", color=colour, markerfacecolor=filled, ms=5, clip_on=False, zorder=3)


def show_forest(frame: "pd.DataFrame") -> None:
    """Draw the forest of a notebook and display it, with what colours and marks mean."""
    import matplotlib.pyplot as plt

    theme()
    lines = frame["line"].nunique()
    figure, axes = plt.subplots(figsize=(WIDTH, ROW * lines + 1.3), layout="constrained")
    forest(frame, axes)
    figure.legend(handles=_legend(frame), loc="outside upper center", ncols=4, fontsize=9, frameon=False)
    show(figure, f"the evidence in margins: {', '.join(dict.fromkeys(frame['run']))}")


def _legend(frame: "pd.DataFrame") -> list[object]:
    from matplotlib.lines import Line2D

    found = set(frame.loc[frame["mean"].notna(), "status"])
    colours = [Line2D([], [], color=c, lw=3, label=status) for status, c in COLOURS.items() if status in found]
    kinds = dict(zip(frame["run"], frame["evidence"], strict=True))
    runs = [
        Line2D([], [], color="0.3", marker="o", ls="", ms=5, markerfacecolor="0.3" if real else "white", label=run)
        for run, real in kinds.items()
    ]
    return [*colours, *runs]
