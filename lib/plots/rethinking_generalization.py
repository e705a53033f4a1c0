"""The drawings of `papers/rethinking-generalization`, each a function of a tidy frame and the axes to draw in."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


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
