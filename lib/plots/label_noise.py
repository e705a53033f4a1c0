"""The drawings of `papers/pretraining-robustness/2-label-noise`, each a function of a tidy frame and the axes."""

import os
from functools import partial
from typing import TYPE_CHECKING

from lib.plots.panels import half_width, legend_below, show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STARTS = {  # start -> (colour of the palette, style), the same in every figure of the page
    "pre-trained": (2, "-"),
    "pre-trained, unrelated classes": (4, "-"),
    "scratch": (0, "-"),
    "scratch, equal steps": (1, "-"),
    "scratch, equal compute": (3, "-"),
}
MARKS = {"no correction": "o", "forward": "s", "gold 5 %": "^", "gold 10 %": "D"}


def strengths(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Test error against the strength of the noise: mean and 90 % interval, the paper's curves dotted.

    A colour for each start, a mark for each method. Columns: source, method, start, seed, strength, test error.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    for (source, method, start), lines in frame.groupby(["source", "method", "start"], sort=False):
        place, style = STARTS[str(start)]
        seeds = lines.groupby("strength")["test error"]
        if source == "paper":
            if method == "no correction":
                label = f"the paper, {start}"
                axes.plot(seeds.mean(), ":", color=palette[place], lw=1.2, label=label)
            continue
        means, bars = seeds.mean(), seeds.apply(half_width)
        plain = method == "no correction"
        shift = 0 if plain else 0.03 * (1 + list(MARKS).index(str(method)))
        mark, line = MARKS.get(str(method), "v"), style if plain else "none"
        look = {"color": palette[place], "capsize": 2, "ms": 5, "mfc": None if plain else "white"}
        axes.errorbar(means.index + shift, means, bars, fmt=mark, ls=line, label=start if plain else None, **look)
    for method, mark in MARKS.items():
        if method in set(frame["method"]) and method != "no correction":
            axes.plot([], [], mark, color="0.3", mfc="white", label=method)
    axes.set(xlabel="strength of uniform noise", ylabel="test error", ylim=(0, 1))
    legend_below(axes, fontsize=7, ncols=2)


def memorising(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Figure 1: error on test images (solid) and on the given labels trained on (dashed) over a long training.

    Columns: source, start, kind, seed, step, share of the run, error. The paper's curves are thin and dotted.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    for (source, start, kind), lines in frame.groupby(["source", "start", "kind"], sort=False):
        colour = palette[STARTS[str(start)][0]]
        style = "-" if kind == "test" else "--"
        means = lines.groupby("share of the run")["error"].mean()
        if source == "paper":
            axes.plot(means, ":", color="0.45", lw=1.0 if kind == "test" else 0.6, label=f"the paper, {kind}")
            continue
        for _, line in lines.groupby("seed"):
            axes.plot(line["share of the run"], line["error"], style, color=colour, lw=0.6, alpha=0.4)
        axes.plot(means, style, color=colour, lw=2, label=f"{start}, {kind}")
    axes.set(xlabel="share of the training", ylabel="error", ylim=(0, 1), xlim=(0, 1.02))
    legend_below(axes, fontsize=7, ncols=2)


def long_schedule(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Test error on true labels over the steps of a long training, from scratch and from the source.

    Columns: source, start, kind, seed, step, share of the run, error.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    shown = frame[frame["kind"] == "test"]
    for start, lines in shown.groupby("start", sort=False):
        colour = palette[STARTS[str(start)][0]]
        for _, line in lines.groupby("seed"):
            axes.plot(line["step"], line["error"], color=colour, lw=0.6, alpha=0.4)
        axes.plot(lines.groupby("step")["error"].mean(), "o-", ms=3.5, color=colour, lw=2, label=str(start))
    axes.set(xlabel="steps on the target, true labels", ylabel="test error")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def chosen_curves(frame: "pd.DataFrame", method: str, strength: float) -> None:
    """Show the curves of every start under one method at one strength: test error left, given labels right.

    Columns: method, start, strength, kind, seed, step, error.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    theme()
    palette = sns.color_palette("colorblind")
    picked = frame[(frame["method"] == method) & (frame["strength"] == strength)]
    figure, places = plt.subplots(1, 2, figsize=(10.4, 3.6), layout="constrained", sharey=True)
    for axes, kind in zip(places, ("test", "train, given labels"), strict=True):
        for start, lines in picked[picked["kind"] == kind].groupby("start", sort=False):
            colour = palette[STARTS[str(start)][0]]
            for _, line in lines.groupby("seed"):
                axes.plot(line["step"], line["error"], color=colour, lw=0.7, alpha=0.4)
            axes.plot(lines.groupby("step")["error"].mean(), "o-", ms=3, color=colour, lw=2, label=str(start))
        axes.set(
            xlabel="steps on the target", title=f"{kind} images" if kind == "test" else "training images, given labels"
        )
    places[0].set(ylabel="error", ylim=(0, 1.02))
    places[0].legend(fontsize=8)
    what = f"{method}, strength {strength:g}"
    figure.suptitle(what, fontsize=10)
    show(figure, f"figure: {what}")


def explore(frame: "pd.DataFrame") -> None:
    """Buttons for strength and method over the recorded curves; nothing is trained.

    Where no one can press a button, in a page that the runner writes, the strongest noise without correction stands.
    """
    strongest = max(frame["strength"])
    if "REPLICATION_RESULT" in os.environ:
        chosen_curves(frame, "no correction", strongest)
        return
    import ipywidgets as widgets
    from IPython.display import display

    methods = list(frame["method"].unique())
    method = widgets.ToggleButtons(options=methods, value=methods[0], description="method")
    strength = widgets.ToggleButtons(options=trained_at(frame, methods[0]), value=strongest, description="strength")

    def what_there_is(change: object) -> None:
        options, kept = trained_at(frame, method.value), strength.value
        strength.options = options  # corrections were not trained at every strength
        strength.value = kept if kept in options else options[-1]

    method.observe(what_there_is, names="value")
    drawn = widgets.interactive_output(partial(chosen_curves, frame), {"method": method, "strength": strength})
    display(widgets.VBox([method, strength, drawn]))


def trained_at(frame: "pd.DataFrame", method: str) -> list[float]:
    """The strengths at which a method was trained, increasing."""
    return sorted(frame[frame["method"] == method]["strength"].unique())
