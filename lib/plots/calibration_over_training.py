"""The drawings of `papers/pretraining-robustness/5-calibration`: functions of a tidy frame and the axes, and a view."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lib.plots.maximum_softmax import COLOURS
from lib.plots.panels import half_width, legend_below, show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BIN = 100


def errors(frame: "pd.DataFrame", axes: "Axes") -> None:
    """RMS calibration error as a net comes (filled) and scaled (open), with 90 % intervals; a stroke for the floor.

    Columns: net, seed, before, after, floor.
    """
    import seaborn as sns

    nets = list(frame["net"].unique())
    axes.set_yticks(range(len(nets)), nets, fontsize=8)
    axes.set_ylim(len(nets) - 0.5, -0.5)
    colours = sns.color_palette("colorblind")
    shown = {"before": ("as it comes", -0.12, colours[0]), "after": ("with its temperature", 0.12, "white")}
    for height, (_, lines) in enumerate(frame.groupby("net", sort=False)):
        for name, (label, shift, fill) in shown.items():
            points = 100 * lines[name]
            axes.errorbar(
                points.mean(), height + shift, xerr=half_width(points), fmt="o", color=colours[0], mfc=fill, ms=5,
                capsize=1.5, label=None if height else label,
            )  # fmt: skip
        floor = 100 * lines["floor"].mean()
        axes.plot(floor, height, "|", color="0.15", ms=14, mew=1.8, label=None if height else "floor")
    axes.set_xlabel("RMS calibration error, per cent", fontsize=9)
    axes.set_xlim(left=0)
    legend_below(axes, across=0.3, fontsize=7, ncols=3)


def over_training(frame: "pd.DataFrame", axes: "Axes") -> None:
    """RMS calibration error over each training, means over seeds, its floor dashed; the paper's curve dotted.

    Columns: source, training, seed, share, RMS, RMS floor.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    for (source, training), lines in frame.groupby(["source", "training"], sort=False):
        means = 100 * lines.groupby("share")[["RMS", "RMS floor"]].mean()
        if source == "paper":
            axes.plot(means["RMS"], ":", color="0.3", lw=1.4, label="the paper, scratch, CIFAR-100")
            continue
        colour = palette[COLOURS[str(training)]]
        axes.plot(means["RMS"], "o-", ms=3, color=colour, lw=1.8, label=str(training))
        axes.plot(means["RMS floor"], "--", color=colour, lw=1)
    axes.plot([], [], "--", color="0.3", lw=1, label="floor")
    axes.set_xlabel("share of the training", fontsize=9)
    axes.set_ylabel("RMS error, per cent", fontsize=9)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    legend_below(axes, fontsize=7, ncols=2)


def sign(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Confidence minus accuracy over each training: every seed faint, their mean strong.

    Columns: training, seed, share, confidence minus accuracy, and others.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    axes.axhline(0, color="0.4", lw=1)
    for training, lines in frame.groupby("training", sort=False):
        colour = palette[COLOURS[str(training)]]
        for _, line in lines.groupby("seed"):
            axes.plot(line["share"], 100 * line["confidence minus accuracy"], color=colour, lw=0.6, alpha=0.4)
        means = 100 * lines.groupby("share")["confidence minus accuracy"].mean()
        axes.plot(means, color=colour, lw=2, label=str(training))
    axes.set_xlabel("share of the training", fontsize=9)
    axes.set_ylabel("confidence minus accuracy, points", fontsize=9)
    axes.set_xlim(0, 1.02)
    legend_below(axes, fontsize=7, ncols=2)


def scene(shown: dict[str, Any], net: str, bin_size: int, temperature: float) -> None:
    """Show the reliability diagram of one net in bins of so many answers, at a temperature, its numbers above it.

    `shown`: confidence and accuracy of each bin, RMS, floor, confidence minus accuracy, fitted temperature.
    """
    import matplotlib.pyplot as plt

    theme()
    figure, axes = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.4", lw=1)
    axes.plot(shown["confidence"], shown["accuracy"], "o-", ms=5, lw=1)
    axes.text(0.98, 0.04, "below: over-confident", ha="right", fontsize=8, color="0.35")
    axes.set(xlabel=f"mean confidence in a bin of {bin_size}", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.04))
    axes.set_title(
        f"{net}, T = {temperature:.2f} (held-out images choose {shown['fitted temperature']:.2f})\n"
        f"RMS {100 * shown['RMS']:.1f} %, floor {100 * shown['floor']:.1f} %, "
        f"confidence − accuracy {100 * shown['confidence minus accuracy']:+.1f} points",
        fontsize=9,
    )
    show(figure, f"figure: reliability of {net}, bins of {bin_size}, T = {temperature:.2f}")


def explore(nets: Sequence[str], run: Callable[[str, int, float], dict[str, Any]]) -> None:
    """Choose a net, the size of a bin and a temperature.

    Where no one can choose, in a page that the runner writes, the last net stands in bins of 100 at temperature 1.

    Args:
        nets: names to choose from.
        run: (net, size of a bin, temperature) -> what `scene` shows.
    """
    if "REPLICATION_RESULT" in os.environ:
        scene(run(nets[-1], BIN, 1.0), nets[-1], BIN, 1.0)
        return
    import ipywidgets as widgets

    widgets.interact(
        lambda net, size, temperature: scene(run(net, size, temperature), net, size, temperature),
        net=widgets.Dropdown(options=list(nets), value=nets[-1], description="net"),
        size=widgets.IntSlider(BIN, 10, 500, 10, description="answers", continuous_update=False),
        temperature=widgets.FloatLogSlider(
            1.0, base=10, min=-0.7, max=0.7, step=0.02, description="T", continuous_update=False
        ),
    )
