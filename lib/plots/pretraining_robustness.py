"""The drawings of `papers/pretraining-robustness`, each a function of a tidy frame and the axes to draw in."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TUNED = "pre-trained and tuned, held-out images"


def over_fitting(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Robust accuracy over the steps of a long training, each seed a line, and where the tuned net ends.

    Columns: images, seed, step, accuracy.
    """
    import seaborn as sns

    colours = sns.color_palette()
    for colour, name in zip(colours, ["scratch, training images", "scratch, held-out images"], strict=False):
        for number, (_, line) in enumerate(frame[frame["images"] == name].groupby("seed")):
            label = None if number else name
            axes.plot(line["step"], line["accuracy"], "o-", ms=3.5, lw=1.3, color=colour, label=label)
    tuned = frame[frame["images"] == TUNED]
    axes.plot(tuned["step"], tuned["accuracy"], "*", ms=11, color=colours[2], label=TUNED, zorder=5)
    axes.axhline(tuned["accuracy"].mean(), ls="--", lw=1, color=colours[2])
    axes.set(xlabel="steps of adversarial training on the target", ylabel="accuracy under PGD-10", ylim=(0, 1))
    axes.legend(fontsize=8)


def radius(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Robust accuracy against the radius, each seed a thin line, their mean a thick one.

    Columns: net, seed, eps, accuracy.
    """
    import seaborn as sns

    for colour, (net, lines) in zip(sns.color_palette(), frame.groupby("net", sort=False), strict=False):
        for _, line in lines.groupby("seed"):
            axes.plot(line["eps"], line["accuracy"], lw=0.7, alpha=0.5, color=colour)
        mean = lines.groupby("eps", as_index=False)["accuracy"].mean()
        axes.plot(mean["eps"], mean["accuracy"], "o-", ms=4, lw=2, color=colour, label=net)
    axes.set(xlabel="radius eps, L-infinity", ylabel="accuracy under PGD", ylim=(0, 1))
    axes.legend(fontsize=8)
