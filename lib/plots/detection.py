"""The drawings of `papers/JEM/4-detection`, functions of a tidy frame and the axes, and its interactive view."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lib.plots.panels import half_width, legend_below, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHIFTS = {"JEM": -0.15}  # of a net about the height of its set; others stand below


def sets(frame: "pd.DataFrame", axes: "Axes") -> None:
    """AUROC of each score on each set: filled dots for JEM, open ones for its twin, means with 90 % intervals.

    Columns: setting, set, score, net, seed, auroc.
    """
    import seaborn as sns

    frame = frame.assign(place=frame["setting"] + ": " + frame["set"])
    names = list(frame["place"].unique())
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(0.5, color="0.4", lw=1)
    colours = dict(zip(frame["score"].unique(), sns.color_palette("colorblind"), strict=False))
    for (place, score, net), lines in frame.groupby(["place", "score", "net"], sort=False):
        height = names.index(place) + SHIFTS.get(str(net), 0.15)
        filled = net in SHIFTS
        axes.errorbar(
            lines["auroc"].mean(), height, xerr=half_width(lines["auroc"]), fmt="o", ms=4.5, capsize=1.5,
            color=colours[score], mfc=colours[score] if filled else "white",
            label=str(score) if filled and place == names[0] else None,
        )  # fmt: skip
    axes.plot([], [], "o", color="0.3", mfc="white", ms=4.5, label="open: classifier alone")
    axes.set(xlabel="AUROC (left of the line: inverted)", xlim=(-0.05, 1.05))
    legend_below(axes, fontsize=7, ncols=2)


def histograms(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Scores of the test images (filled) and of other sets (lines) in units of the former's spread, one score a row.

    Columns: score, role, set, edge (the left one of a column), count.
    """
    import seaborn as sns

    scores = list(frame["score"].unique())
    colours = dict(zip(frame["set"].unique(), sns.color_palette("colorblind", 12), strict=False))
    for floor, score in enumerate(reversed(scores)):
        for (role, name), lines in frame[frame["score"] == score].groupby(["role", "set"], sort=False):
            heights = floor + 0.85 * lines["count"] / max(1, lines["count"].max())
            label = str(name) if floor == 0 else None
            if role == "in":
                axes.fill_between(lines["edge"], floor, heights, step="post", color="0.7", label=label)
            else:
                axes.step(lines["edge"], heights, where="post", color=colours[name], lw=1.1, label=label)
    axes.set_yticks([floor + 0.4 for floor in range(len(scores))], list(reversed(scores)), fontsize=8)
    width = frame["edge"].drop_duplicates().diff().median()
    axes.set(xlabel="score, deviations from the mean of the test images",
             xlim=(frame["edge"].min(), frame["edge"].max() + width))  # fmt: skip
    legend_below(axes, fontsize=7, ncols=3)


def play(nets: Sequence[str], scores: Sequence[str], of: Callable[[str, str], "pd.DataFrame"]) -> None:
    """Choose a net and a score and see the histograms of all sets.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        nets: names to choose from.
        scores: likewise.
        of: (net, score) -> frame as `histograms` takes it.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose net and score; the figure above shows JEM's.")
        return
    import ipywidgets

    ipywidgets.interact(
        lambda net, score: scene(of(net, score)),
        net=ipywidgets.Dropdown(options=list(nets), description="net"),
        score=ipywidgets.Dropdown(options=list(scores), description="score"),
    )


def scene(frame: "pd.DataFrame") -> None:
    """Draw the histograms of one net and score."""
    import matplotlib.pyplot as plt

    theme()
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    histograms(frame, axes)
    plt.show()
    plt.close(figure)
