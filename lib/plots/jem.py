"""The drawings of `papers/JEM`, each a function of a tidy frame and the axes to draw in, and its interactive view."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import theme
from lib.plots.tiles import GAP, Pixels, pixels, put, tiled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def divergence(frame: "pd.DataFrame", axes: "Axes") -> None:
    """A band for each run along the steps it took, undone ones too, darker where data and chains lie further apart.

    A cross stands where a divergence was found and the run was rolled back. Columns: run, taken, gap, mark.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, to_hex

    distance = ScalarMappable(LogNorm(1, 1000, clip=True), "YlOrRd")  # nats; what is below 10 is healthy
    names = list(frame["run"].unique())
    for place, name in enumerate(names):
        lines = frame[frame["run"] == name]
        ends = [*lines["taken"][1:], lines["taken"].iloc[-1] + 1]
        colours = [to_hex(rgba) for rgba in distance.to_rgba(lines["gap"].abs().clip(1, 1000))]
        axes.hlines([place] * len(lines), lines["taken"], ends, colors=colours, lw=9)
        found = lines[lines["mark"] != ""]
        axes.plot(found["taken"], [place] * len(found), "x", color="0.1", ms=7, mew=1.8, zorder=3)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="steps taken, undone ones too (x: rolled back)", ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    axes.figure.colorbar(distance, ax=axes, label="|log density, data − chains|")


def samples(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Tiles in rows of classes. Columns: line, row (its name), column, shape, pixels."""
    tiled(frame, axes, "class that the model sees")


def chain(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Each chain a row, its steps from left to right. Columns: chain, step, log density, shape, pixels."""
    steps = sorted(frame["step"].unique())
    side = int(frame["shape"].iloc[0].split("x")[1]) + GAP
    count = int(frame["chain"].max()) + 1
    grid = np.full((count * side, len(steps) * side, 3), 255, np.uint8)
    for number, step, shape, text in frame[["chain", "step", "shape", "pixels"]].to_numpy():
        put(grid, pixels(text, shape), number * side, steps.index(step) * side)
    axes.imshow(grid, interpolation="nearest")
    axes.set_xticks([(i + 0.5) * side for i in range(len(steps))], [str(step) for step in steps], fontsize=8)
    axes.set(yticks=[], xlabel="SGLD steps from uniform noise")
    axes.grid(False)


def scrub(film: Any, density: Any) -> None:
    """Drag a slider along the steps of a few chains: the images, and where their log density stands.

    Shows itself only where somebody can drag: the runner, which stores outputs, gets a sentence in its place.

    Args:
        film: (steps + 1, chains, C, H, W) uint8.
        density: (steps + 1, chains) log density of each image.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to drag along the chains; the strip above shows the same.")
        return
    import ipywidgets

    images, heights = np.asarray(film), np.asarray(density)
    slider = ipywidgets.IntSlider(0, 0, len(images) - 1, description="step", continuous_update=True)
    ipywidgets.interact(lambda step: scene(images, heights, step), step=slider)


def scene(images: Pixels, heights: Any, step: int) -> None:
    """The chains after `step` steps, above the curves of their log density with the step marked."""
    import matplotlib.pyplot as plt

    theme()
    count = images.shape[1]
    figure = plt.figure(figsize=(9, 3.6), layout="constrained")
    grid = figure.add_gridspec(2, count)
    for i in range(count):
        axes = figure.add_subplot(grid[0, i])
        image = images[step, i].transpose(1, 2, 0)
        axes.imshow(np.broadcast_to(image, (*image.shape[:2], 3)) if image.shape[2] == 1 else image)
        axes.axis("off")
    below = figure.add_subplot(grid[1, :])
    below.plot(heights, lw=1)
    below.axvline(step, color="0.2", lw=1)
    below.set(xlabel="SGLD steps", ylabel="log density")
    plt.show()
    plt.close(figure)
