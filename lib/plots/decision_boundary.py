"""The drawings of `papers/confidence-calibrated-OOD/1-decision-boundary`, and its interactive view."""

import os
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SURFACE = "RdBu"  # red: sure of the first class, white: unsure, blue: sure of the second
SURE = 0.9
GAP = 0.03  # between two small pictures, as a share of the axes
HEADER = 0.07  # for the titles above the first row


def surfaces(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Decision surfaces: a column for each training, a row for each half width of the view, with data and outliers.

    Columns: training, kind, view, line, pixels, x, y; see `surface_frame`.
    """
    trainings, views = list(frame["training"].unique()), [view for view in frame["view"].unique() if view]
    for row, view in enumerate(views):
        for column, training in enumerate(trainings):
            place = small_axes(axes, row, column, len(views), len(trainings))
            surface(frame[frame["training"] == training], int(view), place)
            if row == 0:
                place.set_title(training, fontsize=9, pad=3)
            if column == 0:
                place.set_ylabel(f"± {view}", fontsize=9)


def surface(frame: "pd.DataFrame", view: int, axes: "Axes") -> None:
    """One surface over the box of half width `view`: where it is coloured, the net is sure; white is 1/2."""
    pixels = frame[frame["view"] == view].sort_values("line")["pixels"]
    grid = np.array([list(bytes.fromhex(line)) for line in pixels]) / 255
    extent = (-view, view, -view, view)
    axes.imshow(grid, cmap=SURFACE, vmin=0, vmax=1, origin="lower", extent=extent, interpolation="nearest")
    axes.contour(grid, [1 - SURE, SURE], colors="0.25", linewidths=0.7, extent=extent)
    size = 60 / view**0.5
    for kind, colour in (("outlier", "#e6a817"), ("data", "0.1")):
        points = frame[frame["kind"] == kind]
        axes.scatter(points["x"], points["y"], s=size / (3 if kind == "data" else 1), c=colour, lw=0)
    axes.set(xlim=(-view, view), ylim=(-view, view), xticks=[], yticks=[])


def small_axes(axes: "Axes", row: int, column: int, rows: int, columns: int) -> "Axes":
    """A small picture within the axes, which themselves disappear; the first row is the topmost."""
    axes.set_axis_off()
    width, height = 1 / columns, (1 - HEADER) / rows
    box = (column * width + GAP / 2, 1 - HEADER - (row + 1) * height + GAP / 2, width - GAP, height - GAP)
    place = axes.inset_axes(box)
    place.grid(False)
    return place


def by_distance(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Share of places where a net is sure against their distance from the data; a thin line for each seed.

    Columns: training, seed, distance, confident.
    """
    seeds_and_mean(frame, axes, of="training", x="distance", y="confident")
    for border in (8, 50):
        axes.axvline(border, color="0.6", ls=":", lw=1)
    axes.set(xscale="log", xlabel="distance from the nearer class (standard deviations)", ylim=(-0.03, 1.03))
    axes.set_ylabel(f"share with a probability above {SURE}")
    axes.set_xticks([4, 8, 20, 50, 100, 500], ["4", "8", "20", "50", "100", "500"])
    axes.minorticks_off()


def length(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Share of the near ring where a net is sure, along its training. Columns: training, seed, step, near ring."""
    seeds_and_mean(frame, axes, of="training", x="step", y="near ring")
    axes.set(xlabel="step", ylabel="near ring: share that is sure", ylim=(-0.03, None))


def game(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Share of samples at the border along the training of the GAN. Columns: generator, seed, step, border."""
    seeds_and_mean(frame, axes, of="generator", x="step", y="border")
    axes.axhline(np.exp(-2), color="0.3", ls="--", lw=1)  # P(r > 2) of a Gaussian in the plane
    axes.set(xlabel="step (dashed: the data themselves)", ylabel="samples at the border", ylim=(-0.03, 1.03))


def seeds_and_mean(frame: "pd.DataFrame", axes: "Axes", *, of: str, x: str, y: str) -> None:
    """A thick line of means over a thin one for each seed, in the colour of its name."""
    import seaborn as sns

    colours = dict(zip(frame[of].unique(), sns.color_palette("colorblind"), strict=False))
    for name, part in frame.groupby(of, sort=False):
        for _, run in part.groupby("seed"):
            axes.plot(run[x], run[y], color=colours[name], lw=0.7, alpha=0.5)
        mean = part.groupby(x)[y].mean()
        axes.plot(list(mean.index), list(mean), color=colours[name], lw=2.2, label=str(name))
    axes.legend(fontsize=8)


def radius(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Share of each region where a net is sure against the half width of the outliers' box; a dot for each seed.

    Columns: half width, seed, and one for each region.
    """
    import seaborn as sns

    regions = [str(name) for name in frame.columns if name not in ("half width", "seed")]
    for region, colour in zip(regions, sns.color_palette("colorblind"), strict=False):
        axes.plot(frame["half width"], frame[region], ".", color=colour, ms=5, alpha=0.6)
        mean = frame.groupby("half width")[region].mean()
        axes.plot(list(mean.index), list(mean), color=colour, lw=2, label=region)
    axes.set(
        xlabel="half width of the outliers' box", ylabel=f"share with a probability above {SURE}", ylim=(-0.03, 1.03)
    )
    axes.legend(fontsize=8)


def samples(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Samples of each generator, a column each, and of each seed, a row each; circles at 2 and 5 standard deviations.

    Columns: generator, seed, x, y.
    """
    from matplotlib.patches import Circle

    generators, seeds = list(frame["generator"].unique()), list(frame["seed"].unique())
    for row, seed in enumerate(seeds):
        for column, generator in enumerate(generators):
            place = small_axes(axes, row, column, len(seeds), len(generators))
            points = frame[(frame["generator"] == generator) & (frame["seed"] == seed)]
            for mean in (-5, 5):
                for radius, style in ((2, "-"), (5, ":")):
                    place.add_patch(Circle((mean, 0), radius, fill=False, ec="0.5", lw=0.7, ls=style))
            place.scatter(points["x"], points["y"], s=2.5, c="#c44e52" if column else "0.2", lw=0)
            place.set(xlim=(-11, 11), ylim=(-9, 9), xticks=[], yticks=[], aspect="equal")
            if row == 0:
                place.set_title(textwrap.fill(generator, 11), fontsize=8, pad=3)


def explore(frame: "pd.DataFrame") -> None:
    """Choose the box of the outliers, the weight of the KL term and the width of the view: the surface that comes out.

    Columns: those of `surfaces`, where a training is called "± half width, beta". Nothing is trained. Where no one can
    choose, in a page that the runner writes, all the surfaces of the paper's view stand side by side instead.
    """
    trainings = [name.split(", ") for name in frame["training"].unique()]
    widths, betas = (list(dict.fromkeys(parts)) for parts in zip(*trainings, strict=True))
    views = [int(view) for view in frame["view"].unique() if view]
    if "REPLICATION_RESULT" in os.environ:
        all_of_them(frame, widths, betas, views[len(views) // 2])
        return
    import ipywidgets

    ipywidgets.interact(
        lambda box, beta, view: chosen(frame, box, beta, view),
        box=ipywidgets.SelectionSlider(options=widths, description="outliers"),
        beta=ipywidgets.SelectionSlider(options=betas, value=betas[-1], description="weight"),
        view=ipywidgets.SelectionSlider(options=views, value=views[len(views) // 2], description="view"),
    )


def chosen(frame: "pd.DataFrame", box: str, beta: str, view: int) -> None:
    """One surface, large."""
    import matplotlib.pyplot as plt

    theme()
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.grid(False)
    surface(frame[frame["training"] == f"{box}, {beta}"], view, axes)
    axes.set_title(f"outliers from {box}, {beta}, view ± {view}", fontsize=10)
    show(figure, f"figure: outliers from {box}, {beta}, view {view}")


def all_of_them(frame: "pd.DataFrame", widths: list[str], betas: list[str], view: int) -> None:
    """Every surface in one picture: boxes from left to right, weights from top to bottom."""
    import matplotlib.pyplot as plt

    theme()
    size = (2 * len(widths), 2 * len(betas) + 0.3)
    figure, grid = plt.subplots(len(betas), len(widths), figsize=size, squeeze=False, layout="constrained")
    for row, beta in enumerate(betas):
        for column, box in enumerate(widths):
            place: Any = grid[row][column]
            place.grid(False)
            surface(frame[frame["training"] == f"{box}, {beta}"], view, place)
            if row == 0:
                place.set_title(f"outliers from {box}", fontsize=9)
            if column == 0:
                place.set_ylabel(beta, fontsize=9)
    show(figure, f"figure: surfaces with outliers from {', '.join(widths)} and {', '.join(betas)}, view {view}")
