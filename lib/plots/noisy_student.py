"""The drawings of `papers/noisy-student`, each a function of a tidy frame and the axes to draw in."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def gain_by_arm(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Gain of each arm over the supervised net: every seed a point, the mean with its 90 % interval.

    Columns: arm, seed, gain, low, high; fractions, drawn as points of accuracy.
    """
    arms = list(frame["arm"].unique())
    for place, arm in enumerate(arms):
        own = frame[frame["arm"] == arm]
        mean, low, high = (100 * value for value in (own["gain"].mean(), own["low"].iloc[0], own["high"].iloc[0]))
        axes.plot(100 * own["gain"], [place] * len(own), "o", ms=5, alpha=0.6, color="C0")
        axes.plot([low, high], [place, place], lw=2, color="0.25")
        axes.plot([mean], [place], "|", ms=14, mew=2, color="0.25")
    axes.axvline(0, color="0.4", lw=1)
    axes.set_yticks(range(len(arms)), arms, fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel="points over the supervised net")


def length_curve(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Gain of the student against its steps: every seed a point, means joined.

    Columns: steps, seed, against (whom), gain as a fraction, drawn as points of accuracy.
    """
    compared = list(frame["against"].unique())
    for number, against in enumerate(compared):
        own = frame[frame["against"] == against]
        means = 100 * own.groupby("steps")["gain"].mean()
        axes.plot(own["steps"], 100 * own["gain"], "o", ms=5, alpha=0.5, color=f"C{number}")
        axes.plot(means.index, means, color=f"C{number}", marker="_", ms=14, label=f"over: {against}")
    axes.axhline(0, color="0.4", lw=1)
    steps = sorted(frame["steps"].unique())
    axes.set(xscale="log", xlabel="steps of the student", ylabel="gain, points of accuracy")
    axes.set_xticks(steps, [f"{count:,}" for count in steps])
    axes.minorticks_off()
    axes.legend(fontsize=8)


def accuracy_by_size(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Accuracy against parameters, supervised and after one round: every seed a point, means joined.

    Columns: training, parameters, seed, accuracy as a fraction, drawn in per cent.
    """
    for number, training in enumerate(frame["training"].unique()):
        own = frame[frame["training"] == training]
        means = 100 * own.groupby("parameters")["accuracy"].mean()
        axes.plot(own["parameters"], 100 * own["accuracy"], "o", ms=5, alpha=0.5, color=f"C{number}")
        axes.plot(means.index, means, color=f"C{number}", marker="_", ms=14, label=training)
    sizes = sorted(frame["parameters"].unique())
    axes.set(xscale="log", xlabel="parameters", ylabel="accuracy, per cent")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.margins(x=0.2)
    axes.legend(fontsize=8)


def reliability(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Accuracy against confidence in bins, all seeds of an arm together; below the diagonal is over-confident.

    Columns: arm, seed, confidence, accuracy, size (of each bin).
    """
    binned = frame.assign(bin=(10 * frame["confidence"]).clip(upper=9.999).astype(int))
    weighted = binned.assign(c=binned["confidence"] * binned["size"], a=binned["accuracy"] * binned["size"])
    for number, arm in enumerate(frame["arm"].unique()):
        bins = weighted[weighted["arm"] == arm].groupby("bin")[["c", "a", "size"]].sum()
        axes.plot(bins["c"] / bins["size"], bins["a"] / bins["size"], "o-", ms=4, color=f"C{number}", label=arm)
    axes.plot([0, 1], [0, 1], "--", color="0.4", lw=1)
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8, loc="upper left")
