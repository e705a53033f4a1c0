"""The drawings of `papers/rethinking-generalization/2-regularisers`, each a function of a tidy frame and the axes."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from lib.plots.panels import half_width, legend_below, show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

KINDS = {"train": "--", "test": "-"}  # kind of images -> style of its curve


def effects(frame: "pd.DataFrame", axes: "Axes") -> None:
    """What each regulariser changes: mean over seeds with its 90 % interval, and every seed as a faint point.

    Columns: learner, regulariser, seed, difference (a fraction).
    """
    import seaborn as sns

    names, learners = list(frame["regulariser"].unique()), list(frame["learner"].unique())
    for place, (learner, colour) in enumerate(zip(learners, sns.color_palette("colorblind"), strict=False)):
        of_learner = frame[frame["learner"] == learner]
        shift = 0.22 * (place - (len(learners) - 1) / 2)
        for name, seeds in of_learner.groupby("regulariser", sort=False)["difference"]:
            height, points = names.index(str(name)) + shift, 100 * seeds
            label = learner if name == of_learner["regulariser"].iloc[0] else None
            bar = half_width(points)
            axes.plot(points, [height] * len(points), ".", color=colour, alpha=0.35)
            axes.errorbar(points.mean(), height, xerr=bar, fmt="o", color=colour, capsize=2, ms=5, label=label)
    axes.axvline(0, color="0.4", lw=1)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="points of test accuracy against nothing")
    axes.legend(fontsize=8)


def curves(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Test accuracy of the last net on true labels, a colour for each set of regularisers, the mean over seeds.

    Columns: learner, regularisers, labels, seed, epoch, train, test.
    """
    learner = frame["learner"].iloc[-1]
    shown = frame[(frame["learner"] == learner) & (frame["labels"] == "true")]
    for name, lines in shown.groupby("regularisers", sort=False):
        means = lines.groupby("epoch")["test"].mean()
        width = 2.6 if name in ("nothing", "everything") else 1.3
        axes.plot(means.index, means, lw=width, label=str(name))
    axes.set(xlabel=f"epoch, {learner}", ylabel="test accuracy")
    axes.legend(fontsize=7, ncols=2)


def early_stopping(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Figure 2b: training (dashed) and test accuracy (solid) with and without batch norm, the paper's curves thin.

    A star is the epoch that held-out images chose, one a seed. Columns: source, net, kind, seed, epoch, accuracy.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    ours, paper = frame[frame["source"] == "this run"], frame[frame["source"] == "paper"]
    for (net, lines), colour in zip(ours.groupby("net", sort=False), palette, strict=False):
        for kind, style in KINDS.items():
            means = lines[lines["kind"] == kind].groupby("epoch")["accuracy"].mean()
            axes.plot(means.index, means, style, color=colour, label=f"{net}, {kind}")
        chosen = lines[lines["kind"] == "chosen"]
        axes.plot(chosen["epoch"], chosen["accuracy"], "*", color=colour, ms=9, mec="white", mew=0.5)
    for (net, lines), colour in zip(paper.groupby("net", sort=False), palette, strict=False):
        test = lines[lines["kind"] == "test"]
        axes.plot(test["epoch"], test["accuracy"], ":", color=colour, lw=1.2, label=f"the paper, {net}, test")
    axes.plot([], [], "*", color="0.3", ms=9, label="chosen on held-out images")
    axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.03))
    legend_below(axes, fontsize=7, ncols=2)  # where it covers no star


def coefficients(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Accuracy against the coefficient of weight decay. Columns: coefficient, quantity, seed, accuracy."""
    for name, lines in frame.groupby("quantity", sort=False):
        seeds = lines.groupby("coefficient")["accuracy"]
        means, bars = seeds.mean(), seeds.apply(half_width)
        places = range(len(means))  # even steps, since no decay has no place on a logarithmic axis
        axes.errorbar(places, means, bars, marker="o", ms=5, capsize=2, label=str(name))
    levels = sorted(frame["coefficient"].unique())
    axes.set_xticks(range(len(levels)), ["none" if level == 0 else f"{level:g}" for level in levels])
    axes.set(xlabel="coefficient of weight decay", ylabel="accuracy", ylim=(0, 1.03))
    axes.legend(fontsize=8)


def switched(frame: "pd.DataFrame", learner: str, labels: str, on: str) -> None:
    """Show the curves of one net with the regularisers `on`, beside the same net with nothing in grey.

    Left on training images, right on test images. Columns as in `curves`.
    """
    import matplotlib.pyplot as plt

    theme()
    chosen = frame[(frame["learner"] == learner) & (frame["labels"] == labels)]
    figure, places = plt.subplots(1, 2, figsize=(10.4, 3.6), layout="constrained")
    for axes, kind in zip(places, KINDS, strict=True):
        for name, colour in (("nothing", "0.6"), (on, "C0")):
            lines = chosen[chosen["regularisers"] == name]
            for _, of_seed in lines.groupby("seed"):
                axes.plot(of_seed["epoch"], of_seed[kind], color=colour, lw=0.8, alpha=0.4)
            means = lines.groupby("epoch")[kind].mean()
            axes.plot(means.index, means, color=colour, lw=2.2, label=name)
        axes.set(xlabel="epoch", ylabel=f"{kind} accuracy")
        axes.legend(fontsize=8)
    places[0].set_ylim(0, 1.03)
    figure.suptitle(f"{learner}, {labels} labels, on: {on}", fontsize=10)
    show(figure, f"figure: {learner}, {labels} labels, on: {on}")


def explore_switches(frame: "pd.DataFrame") -> None:
    """Buttons for which regularisers are on, over the recorded curves; nothing is trained.

    Where no one can press a button, in a page that the runner writes, the figure with everything on stands there.
    """
    learners = list(frame["learner"].unique())
    if "REPLICATION_RESULT" in os.environ:
        switched(frame, learners[-1], "true", "everything")
        return
    import ipywidgets as widgets
    from IPython.display import display

    controls = {
        "learner": widgets.ToggleButtons(options=learners, value=learners[-1], description="net"),
        "labels": widgets.ToggleButtons(options=["true", "random"], description="labels"),
        "on": widgets.ToggleButtons(options=trained_with(frame, learners[-1], "true"), description="on"),
    }

    def what_there_is(change: dict[str, Any]) -> None:
        options = trained_with(frame, controls["learner"].value, controls["labels"].value)
        kept = controls["on"].value
        controls["on"].options = options  # not every set of regularisers was trained on every net and kind of labels
        controls["on"].value = kept if kept in options else options[0]

    for name in ("learner", "labels"):
        controls[name].observe(what_there_is, names="value")
    drawn = widgets.interactive_output(partial(switched, frame), controls)
    display(widgets.VBox([*controls.values(), drawn]))


def trained_with(frame: "pd.DataFrame", learner: str, labels: str) -> list[str]:
    """The sets of regularisers that a net was trained with on one kind of labels."""
    chosen = frame[(frame["learner"] == learner) & (frame["labels"] == labels)]
    return list(chosen["regularisers"].unique())
