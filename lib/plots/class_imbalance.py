"""The drawings of `papers/pretraining-robustness/3-class-imbalance`, each a function of a tidy frame and the axes."""

import os
from functools import partial
from typing import TYPE_CHECKING

from lib.plots.panels import half_width, legend_below, show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

METHODS = {"plain": "o", "cost-sensitive": "s", "over-sampling": "D", "under-sampling": "v", "SMOTE": "^"}  # marks
STARTS = {  # start -> place in the palette, the same in every figure of the page
    "pre-trained": 2,
    "pre-trained, unrelated classes": 4,
    "scratch": 0,
    "scratch, equal steps": 1,
    "scratch, equal compute": 3,
}


def by_rank(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Figure 3: the error of each class at the least gamma, the mean over seeds; lines with 90 % interval.

    Shown are all methods from scratch, and plain and over-sampled tuning; the paper's Normal and pre-trained dotted.
    Columns: source, gamma, method, start, seed, rank, size, error.
    """
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    least = frame[frame["gamma"] == frame["gamma"].min()]
    for (source, method, start), lines in least.groupby(["source", "method", "start"], sort=False):
        tuned = start == "pre-trained"
        if source == "paper":
            if method == "plain":
                means = lines.groupby("rank")["error"].mean()
                axes.plot(means, ":", color=palette[STARTS[str(start)]], lw=1.4, label=f"the paper, {start}")
            continue
        if (not tuned and start != "scratch") or (tuned and method not in ("plain", "over-sampling")):
            continue
        ranks = lines.groupby("rank")["error"]
        shift = 0.08 * (list(METHODS).index(str(method)) - 2) + (0.04 if tuned else 0)
        look = {"color": palette[STARTS[str(start)]], "ms": 5, "capsize": 2, "lw": 1, "alpha": 0.85}
        means = ranks.mean()
        bars = ranks.apply(half_width) if method == "plain" else None  # of the lines alone: seven would hide each other
        style = "-" if method == "plain" else "none"
        axes.errorbar(means.index + shift, means, bars, fmt=METHODS[str(method)], ls=style, label=f"{start}, {method}",
                      mfc=None if method == "plain" else "white", **look)  # fmt: skip
    axes.set(xlabel="class, the largest first", ylabel="test error", ylim=(0, 1), xticks=sorted(least["rank"].unique()))
    legend_below(axes, fontsize=7, ncols=2)


def chosen(frame: "pd.DataFrame", method: str, gamma: float) -> None:
    """Show, for one method and gamma, how many images each class has, and its error from every start."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    theme()
    palette = sns.color_palette("colorblind")
    ours = frame[(frame["source"] == "this run") & (frame["gamma"] == gamma) & (frame["method"] == method)]
    figure, (sizes, places) = plt.subplots(1, 2, figsize=(10.4, 3.6), layout="constrained", width_ratios=(2, 3))
    first = ours[(ours["seed"] == 0) & (ours["start"] == ours["start"].iloc[0])]
    sizes.bar_label(sizes.bar(first["rank"], first["size"], color="0.6"), fontsize=7)
    sizes.set(xlabel="class, the largest first", ylabel="training images", xticks=list(first["rank"]))
    for start, lines in ours.groupby("start", sort=False):
        colour = palette[STARTS[str(start)]]
        for _, line in lines.groupby("seed"):
            places.plot(line["rank"], line["error"], color=colour, lw=0.6, alpha=0.4)
        mean = lines["error"].mean()
        places.plot(
            lines.groupby("rank")["error"].mean(), "o-", ms=3.5, color=colour, lw=2, label=f"{start}: {mean:.1%}"
        )
    places.set(xlabel="class, the largest first", ylabel="test error", ylim=(0, 1.02), xticks=list(first["rank"]))
    places.legend(fontsize=8, title="start: total error", title_fontsize=8)
    what = f"{method}, gamma {gamma:g}"
    figure.suptitle(what, fontsize=10)
    show(figure, f"figure: {what}")


def explore(frame: "pd.DataFrame") -> None:
    """Buttons for method and gamma over the recorded errors; nothing is trained.

    Where no one can press a button, in a page that the runner writes, over-sampling at the least gamma stands.
    """
    ours = frame[frame["source"] == "this run"]
    gammas = sorted(ours["gamma"].unique())
    if "REPLICATION_RESULT" in os.environ:
        chosen(frame, "over-sampling", gammas[0])
        return
    import ipywidgets as widgets
    from IPython.display import display

    method = widgets.ToggleButtons(options=list(ours["method"].unique()), value="over-sampling", description="method")
    gamma = widgets.ToggleButtons(options=gammas, value=gammas[0], description="gamma")
    drawn = widgets.interactive_output(partial(chosen, frame), {"method": method, "gamma": gamma})
    display(widgets.VBox([method, gamma, drawn]))
