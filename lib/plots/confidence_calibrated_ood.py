"""The drawings of `papers/confidence-calibrated-OOD`, each a function of a tidy frame and the axes to draw in."""

from typing import TYPE_CHECKING

from lib.plots.panels import legend_below

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def confidence_histograms(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Share of images against the largest probability, dashed for the first training and solid for the second.

    Columns: training, set, confidence, share.
    """
    import seaborn as sns
    from matplotlib.lines import Line2D

    sets, trainings = list(frame["set"].unique()), list(frame["training"].unique())
    colours = dict(zip(sets, sns.color_palette("colorblind"), strict=False))
    lines = dict(zip(trainings, ("--", "-"), strict=True))
    for (training, place), part in frame.groupby(["training", "set"], sort=False):
        axes.plot(part["confidence"], part["share"], lines[training], color=colours[place], lw=1.6)
    keys = [Line2D([], [], color=colours[place], label=place) for place in sets]
    keys += [Line2D([], [], color="0.3", ls=lines[training], label=training) for training in trainings]
    axes.legend(handles=keys, fontsize=8, loc="upper center")
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="largest probability", ylabel="share of images")


def roc(frame: "pd.DataFrame", axes: "Axes") -> None:
    """In-distribution images accepted against out-of-distribution images accepted. Columns: training, FPR, TPR."""
    import seaborn as sns

    sns.lineplot(frame, x="FPR", y="TPR", hue="training", style="training", errorbar=None, ax=axes)
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="unseen images accepted", ylabel="in-distribution images accepted")
    axes.legend(fontsize=8, loc="lower right")


def breadth(frame: "pd.DataFrame", axes: "Axes") -> None:
    """AUROC of each training on each set. Columns: training, set, seed, AUROC, seen."""
    by_set(frame, axes, "AUROC")
    if frame["AUROC"].min() < 0.55:
        axes.axvline(0.5, color="0.3", ls=":", lw=1.2)  # chance


def by_set(frame: "pd.DataFrame", axes: "Axes", value: str) -> None:
    """A row for each set, a colour for each training: seeds as dots, their mean as a bar, a ring if the kind was seen.

    Columns: training, set, seed, `value`, seen.
    """
    import seaborn as sns
    from matplotlib.lines import Line2D

    sets, trainings = list(frame["set"].unique()), list(frame["training"].unique())
    colours = dict(zip(trainings, sns.color_palette("colorblind"), strict=False))
    for (training, place), part in frame.groupby(["training", "set"], sort=False):
        height = sets.index(place) + 0.15 * (trainings.index(training) - (len(trainings) - 1) / 2)
        mean, own = part[value].mean(), colours[training]
        axes.plot(part[value], [height] * len(part), ".", color=own, ms=4, alpha=0.6)
        axes.plot([mean, mean], [height - 0.07, height + 0.07], color=own, lw=3)
        if part["seen"].all():
            axes.plot(mean, height, "o", mfc="none", mec="0.3", ms=8)
    for border in range(1, len(sets)):
        axes.axhline(border - 0.5, color="0.85", lw=0.8)
    axes.set_ylim(len(sets) - 0.5, -0.5)
    axes.set_xlabel(value, fontsize=9)
    axes.set_yticks(range(len(sets)), sets, fontsize=9)
    axes.grid(False, axis="y")
    keys = [Line2D([], [], color=colours[training], lw=2.5, label=training) for training in trainings]
    keys.append(Line2D([], [], color="0.3", marker="o", mfc="none", ls="", label="kind seen"))
    legend_below(axes, across=0.42, handles=keys, fontsize=7.5, ncols=4)
