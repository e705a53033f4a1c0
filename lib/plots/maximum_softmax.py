"""The drawings of `papers/pretraining-robustness/4-detection`, functions of a tidy frame and the axes, and its view."""

import os
from functools import partial
from typing import TYPE_CHECKING

from lib.plots.panels import half_width, legend_below, show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = {"pre-trained": 2, "scratch": 0, "scratch, equal steps": 1, "scratch, equal compute": 3}  # of the palette
MARKS = {"near": "o", "far": "s", "noise": "^", "source": "D"}
TESTS = "test images"


def gains(frame: "pd.DataFrame", axes: "Axes") -> None:
    """AUROC of the tuned net less that of scratch, mean and 90 % interval, a colour for each net that is taken off.

    Columns: set, against, seed, gain.
    """
    import seaborn as sns

    names, others = list(frame["set"].unique()), list(frame["against"].unique())
    palette = dict(zip(others, sns.color_palette("colorblind"), strict=False))
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(0, color="0.4", lw=1)
    for (place, against), lines in frame.groupby(["set", "against"], sort=False):
        height = names.index(str(place)) + 0.15 * (others.index(str(against)) - (len(others) - 1) / 2)
        axes.errorbar(
            lines["gain"].mean(), height, xerr=half_width(lines["gain"]), fmt="o", ms=4, capsize=1.5,
            color=palette[against], label=str(against) if place == names[0] else None,
        )  # fmt: skip
    axes.set_xlabel("AUROC of the tuned net less that of ...", fontsize=9)
    legend_below(axes, across=0.4, fontsize=7, ncols=1)


def by_accuracy(frame: "pd.DataFrame", axes: "Axes") -> None:
    """AUROC against clean error over the looks of each training, means over seeds; a mark for each kind of set.

    The error falls to the right, on a logarithmic scale, which gives the ends of trainings their room. Columns:
    training, role, seed, step, clean error, AUROC.
    """
    import seaborn as sns
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    palette = sns.color_palette("colorblind")
    roles = [role for role in MARKS if role in set(frame["role"])]
    for (training, role), lines in frame.groupby(["training", "role"], sort=False):
        means = lines.groupby("step")[["clean error", "AUROC"]].mean()
        name, mark = str(training), MARKS[str(role)]
        axes.plot(
            means["clean error"], means["AUROC"], marker=mark, ms=4, lw=1, color=palette[COLOURS[name]], alpha=0.85,
            mfc="white", label=name if role == roles[0] else None,
        )  # fmt: skip
        axes.plot(*means.iloc[-1], marker=mark, ms=6, color=palette[COLOURS[name]])  # the end of the training
    for role in roles:
        axes.plot([], [], MARKS[role], color="0.3", mfc="white", label=f"{role} sets" if role != "noise" else role)
    axes.axhline(0.5, color="0.4", lw=1)
    axes.set(xscale="log", ylabel="AUROC")
    axes.set_xlabel("clean error, falling to the right", fontsize=9)
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    legend_below(axes, fontsize=7, ncols=2)


def histogram(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Largest probabilities of a net on test images, filled, and on one other set, a line. Columns: set, certainty."""
    import numpy as np

    edges = np.linspace(0, 1, 26)
    for place, lines in frame.groupby("set", sort=False):
        shares = np.histogram(lines["certainty"], edges)[0] / len(lines)
        heights = np.append(shares, shares[-1])  # a step for each bin, the last one among them
        if place == TESTS:
            axes.fill_between(edges, 0, heights, step="post", color="0.7", label=str(place))
        else:
            axes.step(edges, heights, where="post", color="C3", lw=1.6, label=str(place))
    axes.set(xlabel="largest probability", ylabel="share of the images", xlim=(0, 1))
    axes.legend(fontsize=8, loc="upper left")


def scene(certainties: "pd.DataFrame", looks: "pd.DataFrame", net: str, place: str) -> None:
    """Show one net and one set: how sure it is on the left, AUROC against clean error of all trainings beside it.

    Columns of `certainties`: net, set, certainty; of `looks`: training, role, set, seed, step, clean error, AUROC.
    """
    import matplotlib.pyplot as plt

    theme()
    role, _, name = place.partition("/")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 3.8), layout="constrained")
    histogram(certainties[(certainties["net"] == net) & certainties["set"].isin([TESTS, place])], left)
    left.set_title(net, fontsize=10)
    by_accuracy(looks[(looks["role"] == role) & (looks["set"] == name)], right)
    right.set_title(f"{role}: {name}", fontsize=10)
    show(figure, f"figure: {net}, {place}")


def explore(certainties: "pd.DataFrame", looks: "pd.DataFrame") -> None:
    """Choose a net and a set; nothing is trained.

    Where no one can choose, in a page that the runner writes, the tuned net and the first far set stand.
    """
    sets = [place for place in certainties["set"].unique() if place != TESTS]
    first = next((place for place in sets if place.startswith("far/")), sets[0])
    nets = list(certainties["net"].unique())
    if "REPLICATION_RESULT" in os.environ:
        scene(certainties, looks, nets[0], first)
        return
    import ipywidgets as widgets

    widgets.interact(
        partial(scene, certainties, looks),
        net=widgets.Dropdown(options=nets, value=nets[0], description="net"),
        place=widgets.Dropdown(options=sets, value=first, description="set"),
    )
