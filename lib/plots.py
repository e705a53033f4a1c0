"""One look for every figure: the seaborn theme, the panels of this run and the recorded one, the drawings themselves.

A drawing is a function `draw(frame, axes)` of a tidy frame, so that a recorded result is drawn by the same code as this
run's. Intervals are our own (t over seeds), never seaborn's bootstrap.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Draw = Callable[["pd.DataFrame", "Axes"], None]
PANEL = (5.2, 3.6)  # inches


def theme() -> None:
    """The one seaborn theme: colour-blind safe, light grid, readable at 800 pixels."""
    import seaborn as sns

    sns.set_theme(style="whitegrid", palette="colorblind", context="notebook", rc={"figure.dpi": 100, "font.size": 11})


def side_by_side(panels: dict[str, "pd.DataFrame"], draw: Draw) -> None:
    """Draw each frame in a panel of its own, titled with where it comes from, and show the figure."""
    import matplotlib.pyplot as plt

    theme()
    width, height = PANEL
    size = (width * len(panels), height)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    for (title, frame), place in zip(panels.items(), axes[0], strict=True):
        draw(frame, place)
        place.set_title(title, fontsize=10)
    plt.show()
    plt.close(figure)


def save_svg(path: Path, caption: str, draw: Draw, frame: "pd.DataFrame") -> None:
    """Draw one frame into an SVG whose bytes depend on the data alone: fixed salt, no date."""
    import matplotlib.pyplot as plt

    theme()
    with plt.rc_context({"svg.hashsalt": "five-papers", "svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=PANEL, layout="constrained")
        draw(frame, axes)
        axes.set_title(caption, fontsize=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


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
