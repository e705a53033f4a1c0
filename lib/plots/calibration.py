"""The drawings of `papers/JEM/3-calibration`, functions of a tidy frame and the axes, and its interactive view."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lib.plots.panels import half_width, legend_below, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SPREAD = 0.48  # of the settings about the height of their net


def reliability(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Accuracy against confidence, all seeds pooled; the larger a dot, the more answers are in its bin.

    Columns: net, seed, lower, upper, confidence, accuracy, size.
    """
    import seaborn as sns

    axes.plot([0, 1], [0, 1], color="0.4", lw=1)
    for (name, lines), colour in zip(frame.groupby("net", sort=False), sns.color_palette(), strict=False):
        bins = pooled(lines)
        axes.plot(bins["confidence"], bins["accuracy"], lw=1.4, color=colour, label=str(name))
        axes.scatter(bins["confidence"], bins["accuracy"], s=6 + 200 * bins["share"], color=colour, alpha=0.7, lw=0)
    axes.text(0.97, 0.06, "below: over-confident", ha="right", fontsize=8, color="0.35")
    axes.text(0.03, 0.78, "above: under-confident", fontsize=8, color="0.35")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(fontsize=8, loc="upper left")


def pooled(bins: "pd.DataFrame") -> "pd.DataFrame":
    """The bins of several seeds as one: columns confidence, accuracy, size, share, from low to high."""
    weighted = bins.assign(confidence=bins["confidence"] * bins["size"], accuracy=bins["accuracy"] * bins["size"])
    sums = weighted.groupby("lower")[["confidence", "accuracy", "size"]].sum()
    return sums.assign(
        confidence=sums["confidence"] / sums["size"],
        accuracy=sums["accuracy"] / sums["size"],
        share=sums["size"] / sums["size"].sum(),
    )


def sides(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Confidence minus accuracy: mean over seeds with its 90 % interval, every seed faint.

    Columns: setting, net, seed, sign (a fraction), and others.
    """
    for label, height, colour, lines in placed(frame, axes):
        points = 100 * lines["sign"]
        axes.plot(points, [height] * len(points), ".", color=colour, alpha=0.35)
        bar = half_width(points)
        axes.errorbar(points.mean(), height, xerr=bar, fmt="o", color=colour, capsize=2, ms=5, label=label)
    axes.axvline(0, color="0.4", lw=1)
    axes.set(xlabel="confidence minus accuracy, points (left: under-confident)")
    beneath(axes)


def errors(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Calibration error as the net comes (filled) and scaled (open), means over seeds; a stroke where chance leaves it.

    Columns: setting, net, seed, before, after, chance (fractions), and others.
    """
    for label, height, colour, lines in placed(frame, axes):
        before, after, chance = (100 * lines[name].mean() for name in ("before", "after", "chance"))
        axes.plot([before, after], [height, height], "-", color=colour, lw=1.2)
        axes.plot(before, height, "o", color=colour, ms=6, label=label)
        axes.plot(after, height, "o", mfc="white", color=colour, ms=6)
        axes.plot(chance, height, "|", color="0.2", ms=9)
    axes.plot([], [], "o", mfc="white", color="0.3", ms=6, label="after scaling")
    axes.plot([], [], "|", color="0.2", ms=9, label="chance alone")
    axes.set(xlabel="calibration error, 20 bins, per cent")
    axes.set_xlim(left=0)
    beneath(axes)


def beneath(axes: "Axes") -> None:
    """A legend beneath the axes, where it covers no dot."""
    legend_below(axes, fontsize=7, ncols=3)


def placed(frame: "pd.DataFrame", axes: "Axes") -> list[tuple[str | None, float, Any, "pd.DataFrame"]]:
    """The nets one beneath the other, and in each a line for every setting: (label, height, colour, its lines).

    A setting has its label once, so that a legend names it once.
    """
    import seaborn as sns

    nets, settings = list(frame["net"].unique()), list(frame["setting"].unique())
    names = [str(net).replace("classifier alone, ", "classifier,\n") for net in nets]
    axes.set_yticks(range(len(nets)), names, fontsize=8)
    axes.set_ylim(len(nets) - 0.5, -0.5)
    colours = dict(zip(settings, sns.color_palette("colorblind"), strict=False))
    step = SPREAD / max(1, len(settings) - 1)
    found = []
    for (net, setting), lines in frame.groupby(["net", "setting"], sort=False):
        shift = step * settings.index(setting) - SPREAD / 2 if len(settings) > 1 else 0.0
        label = str(setting) if net == nets[0] else None
        found.append((label, nets.index(net) + shift, colours[setting], lines))
    return found


def path(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Confidence minus accuracy along the twin's training, mean over seeds; a star where it was stopped; dashed, JEM.

    Columns: setting, what ("twin", "stopped", "JEM"), seed, share (of the steps), sign (a fraction).
    """
    import seaborn as sns

    axes.axhline(0, color="0.4", lw=1)
    for (setting, lines), colour in zip(frame.groupby("setting", sort=False), sns.color_palette(), strict=False):
        kinds = {str(what): found for what, found in lines.groupby("what")}
        means = 100 * kinds["twin"].groupby("share")["sign"].mean()
        axes.plot(means.index, means, color=colour, label=str(setting))
        ends = kinds["stopped"]
        axes.plot(ends["share"], 100 * ends["sign"], "*", color=colour, ms=10, mec="white", mew=0.5)
        axes.axhline(100 * kinds["JEM"]["sign"].mean(), color=colour, ls="--", lw=1.2)
    axes.plot([], [], "--", color="0.3", label="JEM at its end")
    axes.plot([], [], "*", color="0.3", ms=9, label="twin stopped early")
    axes.set(xlabel="share of the classifier's steps", ylabel="confidence minus accuracy, points", xlim=(0, 1.02))
    axes.legend(fontsize=7)


def play(nets: Sequence[str], run: Callable[[str, int, float], dict[str, Any]]) -> None:
    """Choose a net, the number of bins and a temperature, and see the reliability diagram that they make.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        nets: names to choose from.
        run: (net, bins, temperature) -> diagram (lower, upper, confidence, accuracy, size), calibration error, chance
            alone, confidence minus accuracy, negative log-likelihood, fitted temperature.
    """
    if "REPLICATION_RESULT" in os.environ:
        print(
            "Open this notebook in JupyterLab and run it to choose net, bins and temperature; the first figure has 20."
        )
        return
    import ipywidgets

    ipywidgets.interact(
        lambda net, bins, temperature: scene(run(net, bins, temperature), net),
        net=ipywidgets.Dropdown(options=list(nets), description="net"),
        bins=ipywidgets.IntSlider(20, 2, 60, description="bins", continuous_update=False),
        temperature=ipywidgets.FloatLogSlider(
            1.0, base=10, min=-0.7, max=0.9, step=0.02, description="T", continuous_update=False
        ),
    )


def scene(shown: dict[str, Any], net: str) -> None:
    """Bars of accuracy in bins of confidence with their distance from the diagonal, above the shares of the answers."""
    import matplotlib.pyplot as plt

    theme()
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(5.6, 5.2), layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    bins = shown["diagram"]
    widths = [upper - lower for lower, upper in zip(bins["lower"], bins["upper"], strict=True)]
    gaps = [sure - right for sure, right in zip(bins["confidence"], bins["accuracy"], strict=True)]
    above.bar(bins["lower"], bins["accuracy"], widths, align="edge", color="C0", ec="white", label="accuracy")
    above.bar(bins["lower"], gaps, widths, bins["accuracy"], align="edge", color="C3", alpha=0.35, label="gap")
    above.plot([0, 1], [0, 1], color="0.3", lw=1)
    above.set(ylabel="accuracy", ylim=(0, 1.02), title=caption(shown, net))
    above.title.set_fontsize(9)
    above.legend(fontsize=8, loc="upper left")
    below.bar(bins["lower"], [size / sum(bins["size"]) for size in bins["size"]], widths, align="edge", color="0.6")
    below.set(xlabel="confidence", ylabel="share of answers", xlim=(0, 1))
    plt.show()
    plt.close(figure)


def caption(shown: dict[str, Any], net: str) -> str:
    """The numbers of a diagram in two lines."""
    percent = {name: f"{100 * shown[name]:.1f} %" for name in ("calibration error", "chance alone")}
    return (
        f"{net}: calibration error {percent['calibration error']}, chance alone {percent['chance alone']}\n"
        f"confidence − accuracy {100 * shown['confidence minus accuracy']:+.1f}, NLL "
        f"{shown['negative log-likelihood']:.3f}; held-out images would choose T = {shown['fitted temperature']:.2f}"
    )
