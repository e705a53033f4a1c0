"""The drawings of `rethinking-generalization/4-kernels`, each a function of a tidy frame and the axes to draw in."""

import os
from functools import partial
from typing import TYPE_CHECKING

from lib.plots.panels import half_width, show, theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def width_curves(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Test error against the width, a line for each data set and its features; a ring at the chosen width.

    Chosen is the one of least held-out error, mean over seeds. Columns: name, seed, width, held-out error, test error.
    """
    for name, colour in _colours(frame["name"]).items():
        own = frame[frame["name"] == name]
        seeds = own.groupby("width")["test error"]
        means, bars = seeds.mean(), seeds.apply(half_width)
        axes.errorbar(means.index, means, bars, label=name, color=colour, marker="o", ms=4, capsize=2)
        chosen = int(own.groupby("width")["held-out error"].mean().argmin())
        axes.plot(means.index[[chosen]], means.iloc[[chosen]], "o", ms=12, mfc="none", mec=colour, mew=1.8)
    widths = sorted(frame["width"].unique())
    axes.set(xscale="log", yscale="log", xlabel="width: gamma x median squared distance", ylabel="test error")
    _plain_ticks(axes.xaxis, widths)
    _plain_ticks(axes.yaxis, _round_within(frame["test error"]))
    axes.legend(fontsize=8)


def norms(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Test error against norm, a point for each interpolant: along a line the width changes. Open: random labels.

    Columns: name, labels (true, random), width, norm, test error.
    """
    for name, colour in _colours(frame["name"]).items():
        own = frame[frame["name"] == name]
        true, random = own[own["labels"] == "true"], own[own["labels"] == "random"]
        axes.plot(true["norm"], true["test error"], "o-", ms=4, color=colour, label=name)
        axes.plot(random["norm"], random["test error"], "o:", lw=0.8, ms=5, mfc="none", color=colour)
    axes.plot([], [], "o:", lw=0.8, ms=5, mfc="none", color="0.3", label="random labels")
    axes.set(xscale="log", yscale="log", xlabel="norm of the interpolant", ylabel="test error")
    _plain_ticks(axes.xaxis, _round_within(frame["norm"]))
    _plain_ticks(axes.yaxis, _round_within(frame["test error"]))
    axes.legend(fontsize=8)


def at_one_width(frame: "pd.DataFrame", name: str, width: float) -> None:
    """Show one kernel: left its errors among those of all widths, right its norm and test error among all kernels.

    Columns: name, seed, width, held-out error, test error, norm.
    """
    import matplotlib.pyplot as plt

    theme()
    means = frame.groupby(["name", "width"], as_index=False, sort=False).mean(numeric_only=True)
    own = means[means["name"] == name]
    here = own.iloc[(own["width"] - width).abs().argmin()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 3.6), layout="constrained")
    for column, style in (("held-out error", "o--"), ("test error", "o-")):
        left.plot(own["width"], own[column], style, ms=4, label=column)
    left.axvline(here["width"], color="0.5", lw=1)
    left.set(xscale="log", xlabel="width", ylabel="error", title=f"{name}, width {here['width']:g}")
    _plain_ticks(left.xaxis, list(own["width"]))
    left.legend(fontsize=8)
    for other, colour in _colours(frame["name"]).items():
        line = means[means["name"] == other]
        faint = 1.0 if other == name else 0.3
        right.plot(line["norm"], line["test error"], "o-", ms=4, color=colour, alpha=faint, label=other)
    right.plot([here["norm"]], [here["test error"]], "o", ms=12, mfc="none", mec="k", mew=1.8)
    right.set(
        xscale="log", yscale="log", xlabel="norm", title=f"norm {here['norm']:.0f}, error {here['test error']:.3f}"
    )
    _plain_ticks(right.xaxis, _round_within(means["norm"]))
    _plain_ticks(right.yaxis, _round_within(means["test error"]))
    right.legend(fontsize=8)
    show(figure, f"figure: {name}, width {here['width']:g}")


def explore_widths(frame: "pd.DataFrame") -> None:
    """A choice of kernel and a slider for its width over the measured curves; nothing is solved.

    Where no one can move a slider, in a page that the runner writes, the figure at the middle width stands instead.
    """
    names, widths = list(frame["name"].unique()), sorted(frame["width"].unique())
    if "REPLICATION_RESULT" in os.environ:
        at_one_width(frame, names[0], widths[len(widths) // 2])
        return
    import ipywidgets as widgets
    from IPython.display import display

    controls = {
        "name": widgets.ToggleButtons(options=names, value=names[0], description="kernel"),
        "width": widgets.SelectionSlider(options=widths, value=widths[len(widths) // 2], description="width"),
    }
    drawn = widgets.interactive_output(partial(at_one_width, frame), controls)
    display(widgets.VBox([*controls.values(), drawn]))


def _plain_ticks(axis: "Axis", at: list[float]) -> None:
    """Numbers in full at these places of a logarithmic axis, and no ticks between them."""
    from matplotlib.ticker import NullLocator

    axis.set_ticks(at, [f"{value:g}" for value in at])
    axis.set_minor_locator(NullLocator())


def _round_within(values: "pd.Series[float]") -> list[float]:
    """1, 2 and 5 times powers of ten, as far as the values go."""
    low, high = values[values > 0].min() / 1.5, values.max() * 1.2
    candidates = (digit * 10.0**power for power in range(-6, 12) for digit in (1, 2, 5))
    return [value for value in candidates if low <= value <= high]


def _colours(names: "Iterable[str]") -> dict[str, str]:
    """A colour of the theme for every name, in the order of their first appearance."""
    import seaborn as sns

    unique = list(dict.fromkeys(names))
    return dict(zip(unique, sns.color_palette("colorblind", len(unique)).as_hex(), strict=True))
