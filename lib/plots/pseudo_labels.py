"""The drawings of `papers/noisy-student/3-pseudo-labels`, and the threshold that a reader may move."""

import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lib.plots.panels import legend_below, show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Counts = Mapping[str, Sequence[int]]  # kind of image -> how many in each column of confidence, from 0 to 1

COLOURS = {"right": "C0", "wrong": "C3", "other classes": "0.65"}
SHOWN = (0.3, 0.6, 0.9)  # thresholds of the still picture


def by_bin(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Gain of students over the supervised net against the confidence of what they saw: seeds points, means joined.

    Columns: labels, seed, confidence, gain as a fraction, drawn as points of accuracy.
    """
    for number, (labels, lines) in enumerate(frame.groupby("labels", sort=False)):
        place = lines.assign(bin=lines.groupby("seed").cumcount())
        means = place.groupby("bin")[["confidence", "gain"]].mean()
        axes.plot(lines["confidence"], 100 * lines["gain"], "o", ms=5, alpha=0.45, color=f"C{number}")
        axes.plot(means["confidence"], 100 * means["gain"], marker="_", ms=14, color=f"C{number}", label=str(labels))
    axes.axhline(0, color="0.4", lw=1)
    axes.set(
        xlabel="mean confidence of the teacher in the bin", ylabel="points over the supervised net", xlim=(0, 1.02)
    )
    axes.legend(fontsize=8, title="labels", title_fontsize=8)


def grid_of_thresholds(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Images of each predicted class at or above each threshold, and how many are wanted.

    Columns: class, threshold, left, wanted.
    """
    for number, (name, lines) in enumerate(frame.groupby("class", sort=False)):
        axes.plot(lines["threshold"], lines["left"], lw=1.4, color=f"C{number}", label=str(name))
    axes.axhline(frame["wanted"].iloc[0], color="0.2", lw=1, ls="--", label="wanted")
    axes.set(xlabel="threshold", ylabel="images left", xlim=(0.29, 1.01))
    axes.set_ylim(bottom=0)
    legend_below(axes, fontsize=7, ncols=6)


def left_by(counts: Counts, threshold: float) -> dict[str, int]:
    """How many images of each kind the columns from a threshold on hold; it is moved to the next edge of a column."""
    return {kind: sum(own[_column(threshold, len(own)) :]) for kind, own in counts.items()}


def in_words(counts: Counts, threshold: float) -> str:
    """What a filter leaves, in words."""
    left, all_images = left_by(counts, threshold), sum(map(sum, counts.values()))
    total = sum(left.values())
    shares = {kind: count / max(1, total) for kind, count in left.items()}
    return (
        f"above {threshold:.2f}: {total / all_images:.0%} of the pool; {shares['right']:.0%} rightly labelled, "
        f"{shares['wrong']:.0%} wrongly, {shares['other classes']:.0%} of other classes"
    )


def histogram(counts: Counts, axes: "Axes", threshold: float) -> None:
    """Images by the teacher's confidence, kind upon kind, those below a threshold pale."""
    columns = len(counts["right"])
    edges, first = [column / columns for column in range(columns)], _column(threshold, columns)
    base = [0] * columns
    for kind, own in counts.items():
        for part, alpha in ((slice(0, first), 0.3), (slice(first, None), 1.0)):
            label = kind if alpha == 1 else None
            axes.bar(edges[part], own[part], width=1 / columns, bottom=base[part], align="edge", alpha=alpha,
                     color=COLOURS[kind], label=label, lw=0)  # fmt: skip
        base = [below + count for below, count in zip(base, own, strict=True)]
    axes.axvline(threshold, color="0.2", lw=1, ls="--")
    axes.set(xlabel="confidence of the teacher", xlim=(0, 1))
    axes.grid(False)


def at_threshold(counts: Counts, threshold: float) -> None:
    """The histogram with one threshold, and in words what it leaves."""
    import matplotlib.pyplot as plt

    theme()
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    histogram(counts, axes, threshold)
    axes.set_ylabel("images")
    axes.legend(fontsize=8, loc="upper left")
    axes.set_title(in_words(counts, threshold), fontsize=9)
    show(figure, f"figure: a filter at {threshold:g}")


def still(counts: Counts) -> None:
    """The histogram under a few thresholds, side by side."""
    import matplotlib.pyplot as plt

    theme()
    figure, places = plt.subplots(1, len(SHOWN), figsize=(10.4, 3.2), sharey=True, layout="constrained")
    for threshold, axes in zip(SHOWN, places, strict=True):
        histogram(counts, axes, threshold)
        axes.set_title(in_words(counts, threshold).replace("; ", ";\n").replace(", ", ",\n", 1), fontsize=8)
    places[0].set_ylabel("images")
    places[0].legend(fontsize=8, loc="upper left")
    show(figure, "figure: what filters leave of the pool", "The pool by the teacher's confidence, under three filters")


def explore(counts: Counts) -> None:
    """Move the filter's threshold, and see what it leaves of the pool; nothing is trained.

    Where no one can choose, in a page that the runner writes, three thresholds stand side by side.

    Args:
        counts: "right", "wrong" and "other classes" -> images in each column of confidence, from 0 to 1.
    """
    if "REPLICATION_RESULT" in os.environ:
        still(counts)
        return
    import ipywidgets as widgets
    from IPython.display import display

    step = 1 / len(counts["right"])
    threshold = widgets.FloatSlider(value=0.3, min=0.0, max=1 - step, step=step, description="filter at")
    controls = {"threshold": threshold}
    display(widgets.VBox([threshold, widgets.interactive_output(partial(at_threshold, counts), controls)]))


def _column(threshold: float, columns: int) -> int:
    """The first column of a histogram that is not below a threshold."""
    return min(columns - 1, math.ceil(threshold * columns - 1e-9))
