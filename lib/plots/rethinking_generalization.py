"""The drawings of `papers/rethinking-generalization`, each a function of a tidy frame and the axes to draw in."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from lib.plots.panels import half_width, show, theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from matplotlib.axes import Axes

CORRUPTED = ", corrupted test labels"  # ending of the curves that were counted against corrupted labels
ERRORS = ("train error", "clean test error", "corrupted test error")


def complexity(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Readings of the Rademacher complexity against the sample size, every seed a point, and the linear closed form.

    Columns: learner, seed, n, reading, closed form.
    """
    import seaborn as sns

    # Points of different learners at one n are moved apart a little, or the nets would cover each other at 1.
    learners = list(frame["learner"].unique())
    shift = {name: 1 + 0.05 * (i - (len(learners) - 1) / 2) for i, name in enumerate(learners)}
    moved = frame.assign(n=frame["n"] * frame["learner"].map(shift))
    sns.scatterplot(moved, x="n", y="reading", hue="learner", style="learner", s=45, alpha=0.8, ax=axes)
    known = frame.groupby("n", as_index=False)["closed form"].mean()
    axes.plot(known["n"], known["closed form"], "--", color="0.3", label="least squares, closed form")
    axes.set(xscale="log", ylim=(-0.05, 1.08), xlabel="training images n", ylabel="reading of the complexity")
    sizes = sorted(frame["n"].unique())
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="lower left")


def memorising_function(frame: "pd.DataFrame", axes: "Axes") -> None:
    """The network's value along its line, and the images it memorises. Columns: kind (function, image), t, value."""
    curve, images = frame[frame["kind"] == "function"], frame[frame["kind"] == "image"]
    axes.plot(curve["t"], curve["value"], lw=1.2, label="c(t)")
    axes.plot(images["t"], images["value"], "o", ms=5, label="image and its random label")
    low, high = images["value"].min(), images["value"].max()
    axes.set(ylim=(low - 0.4 * (high - low + 1), high + 0.6 * (high - low + 1)), xlabel="projection t = ⟨a, x⟩")
    axes.set(ylabel="value")
    axes.legend(fontsize=8)


def training_loss(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Figure 1a: mean training loss per epoch, this run (mean over seeds) and the paper (dashed).

    Columns: source (this run, paper), condition, seed, epoch, loss.
    """
    colours = _colours(frame["condition"])
    for source, style in (("paper", "--"), ("this run", "-")):
        lines = frame[frame["source"] == source].groupby(["condition", "epoch"], sort=False)["loss"].mean()
        for name, losses in lines.groupby(level="condition", sort=False):
            condition = str(name)
            label = condition if source == "this run" else None
            width = 2.0 if source == "this run" else 0.9
            epochs = losses.index.get_level_values("epoch")
            axes.plot(epochs, losses, style, lw=width, color=colours[condition], label=label)
    axes.plot([], [], "--", lw=0.9, color="0.3", label="the paper, Inception")
    axes.set(xlabel="epoch", ylabel="mean training loss")
    axes.legend(fontsize=8)


def relative_time(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Figure 1b: time to fit against the share of corrupted labels. Columns: source, name, seed, p, time over true."""
    _against_p(frame, "time over true", axes)
    axes.set(xlabel="share of corrupted labels p", ylabel="time to fit, relative to true labels")
    axes.legend(fontsize=8)


def test_errors(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Figure 1c: test error against the share of corrupted labels, on clean and on corrupted test labels.

    Columns: source, name (a learner, or a learner with the ending ", corrupted test labels"), seed, p, test error.
    """
    _against_p(frame, "test error", axes)
    axes.axhline(0.9, color="0.5", lw=1, ls=":")
    axes.text(0.0, 0.91, "chance", fontsize=8, color="0.4")
    axes.set(xlabel="share of corrupted labels p", ylabel="test error", ylim=(0, 1))
    axes.legend(fontsize=7, loc="lower right")


def _against_p(frame: "pd.DataFrame", quantity: str, axes: "Axes") -> None:
    """Means over seeds, each with its 90 % interval; the paper's numbers dashed and thin."""
    ours, paper = frame[frame["source"] == "this run"], frame[frame["source"] == "paper"]
    learners = [name.removesuffix(CORRUPTED) for name in [*ours["name"], *paper["name"]]]
    colours = _colours(learners)
    for name, lines in ours.groupby("name", sort=False):
        seeds = lines.groupby("p")[quantity]
        means, bars = seeds.mean(), seeds.apply(half_width)
        marker = "s" if str(name).endswith(CORRUPTED) else "o"
        colour = colours[str(name).removesuffix(CORRUPTED)]
        axes.errorbar(means.index, means, bars, label=str(name), color=colour, marker=marker, ms=5, capsize=2)
    for name, lines in paper.groupby("name", sort=False):
        axes.plot(lines["p"], lines[quantity], "--", lw=0.9, color=colours[str(name)], label=f"the paper, {name}")


def _colours(names: "Iterable[str]") -> dict[str, str]:
    """A colour of the theme for every name, in the order of their first appearance."""
    import seaborn as sns

    unique = list(dict.fromkeys(names))
    return dict(zip(unique, sns.color_palette("colorblind", len(unique)).as_hex(), strict=True))


def label_curves(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Training error (solid) and clean test error (dashed) of the last learner in the frame, a colour for every p.

    Columns: learner, p, seed, epoch, loss, train error, clean test error, corrupted test error.
    """
    import seaborn as sns

    learner = frame["learner"].iloc[-1]
    means = frame[frame["learner"] == learner].groupby(["p", "epoch"], as_index=False).mean(numeric_only=True)
    levels = sorted(means["p"].unique())
    for p, colour in zip(levels, sns.color_palette("viridis", len(levels)), strict=True):
        lines = means[means["p"] == p]
        axes.plot(lines["epoch"], lines["train error"], color=colour, label=f"p = {p:g}")
        axes.plot(lines["epoch"], lines["clean test error"], "--", color=colour)
    axes.plot([], [], color="0.3", label="training error")
    axes.plot([], [], "--", color="0.3", label="test error")
    axes.set(xlabel=f"epoch, {learner}", ylabel="error", ylim=(-0.03, 1.03))
    axes.legend(fontsize=7, ncols=2)


def curves_until(frame: "pd.DataFrame", learner: str, p: float, epoch: int) -> None:
    """Show what one learner had done after `epoch` epochs at corruption `p`; the slice of a recorded frame.

    Left the curves up to that epoch, with the rest of them faint; right training and test error at that epoch, for all
    p. Columns of the frame as in `label_curves`.
    """
    import matplotlib.pyplot as plt

    theme()
    means = frame[frame["learner"] == learner].groupby(["p", "epoch"], as_index=False).mean(numeric_only=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 3.6), sharey=True, layout="constrained")
    there = means["epoch"][means["epoch"] <= max(epoch, means["epoch"].min())].max()  # the last recorded one
    curves, slices = means[means["p"] == p], means[means["epoch"] == there]
    colours = _colours(ERRORS)
    for name, colour in colours.items():
        left.plot(curves["epoch"], curves[name], color=colour, alpha=0.25)
        seen = curves[curves["epoch"] <= there]
        left.plot(seen["epoch"], seen[name], color=colour, label=name)
        right.plot(slices["p"], slices[name], "o-", color=colour, label=name)
    left.axvline(there, color="0.5", lw=1)
    right.axvline(p, color="0.5", lw=1)
    left.set(xlabel="epoch", ylabel="error", ylim=(-0.03, 1.03), title=f"{learner}, p = {p:g}")
    right.set(xlabel="share of corrupted labels p", title=f"after {there:g} epochs")
    right.legend(fontsize=8)
    show(figure, f"figure: {learner}, p = {p:g}, {there:g} epochs")


def explore_curves(frame: "pd.DataFrame") -> None:
    """Sliders for the share of corrupted labels and the epoch over the recorded curves; nothing is trained.

    Where no one can move a slider, in a page that the runner writes, the figure at the middle level and the last epoch
    stands in their place, so that the page holds a picture and no widget.
    """
    learners, levels = list(frame["learner"].unique()), sorted(frame["p"].unique())
    if "REPLICATION_RESULT" in os.environ:
        curves_until(frame, learners[-1], levels[len(levels) // 2], int(frame["epoch"].max()))
        return
    import ipywidgets as widgets
    from IPython.display import display

    epochs = {learner: sorted(curves["epoch"].unique()) for learner, curves in frame.groupby("learner")}
    last = learners[-1]
    controls = {
        "learner": widgets.ToggleButtons(options=learners, value=last),
        "p": widgets.SelectionSlider(options=levels, value=levels[len(levels) // 2], description="p"),
        "epoch": widgets.SelectionSlider(options=epochs[last], value=epochs[last][-1], description="epoch"),
    }

    def to_its_end(change: dict[str, Any]) -> None:
        controls["epoch"].options = epochs[change["new"]]  # a learner's curves end where its training did
        controls["epoch"].value = epochs[change["new"]][-1]

    controls["learner"].observe(to_its_end, names="value")
    drawn = widgets.interactive_output(partial(curves_until, frame), controls)
    display(widgets.VBox([*controls.values(), drawn]))
