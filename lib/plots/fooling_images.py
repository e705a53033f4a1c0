"""The drawings of `rethinking-generalization/5-fooling-images`, each a function of a tidy frame and axes."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import half_width, show, theme
from lib.plots.tiles import pixels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GAP = 0.42  # between tiles, as a share of a tile, room for a line of text


def gallery(frame: "pd.DataFrame", axes: "Axes") -> None:
    """A tile for each class in a row for each way to make it, the confidence beneath in per cent.

    Columns: row, column, shape, pixels, confidence.
    """
    texts = [percent(value) for value in frame["confidence"]]
    tiles(frame.assign(text=texts), axes)
    axes.set_xlabel("class that was aimed at; beneath each image the confidence in it, %", fontsize=9)


def beside(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Digits, perturbed digits and fooling images under each other. Columns: row, column, shape, pixels, text."""
    tiles(frame, axes)
    axes.set_xticks([])
    axes.set_xlabel("beneath each image: what the net sees, and how sure it is", fontsize=9)


def tiles(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Images in rows, black to white, each with its text beneath."""
    names = list(dict.fromkeys(frame["row"]))
    columns = int(frame["column"].max()) + 1
    for name, column, shape, text, below in frame[["row", "column", "shape", "pixels", "text"]].to_numpy():
        top = names.index(name) * (1 + GAP)
        extent = (column * 1.06, column * 1.06 + 1, top + 1, top)
        axes.imshow(pixels(text, shape), extent=extent, interpolation="nearest")
        axes.text(column * 1.06 + 0.5, top + 1.19, below, ha="center", va="center", fontsize=6)
    axes.set(xlim=(-0.05, columns * 1.06), ylim=(len(names) * (1 + GAP), -0.05))
    axes.set_xticks([column * 1.06 + 0.5 for column in range(columns)], [str(column) for column in range(columns)])
    axes.set_yticks([place * (1 + GAP) + 0.5 for place in range(len(names))], names, fontsize=8)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set_visible(False)


def curves(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Median confidence against the generation, a thin line for each seed and a thick one for their mean.

    Columns: name, seed, generation, median confidence.
    """
    import seaborn as sns

    for (name, own), colour in zip(frame.groupby("name", sort=False), sns.color_palette("colorblind"), strict=False):
        for _, seed in own.groupby("seed"):
            axes.plot(seed["generation"], seed["median confidence"], color=colour, lw=0.8, alpha=0.5)
        mean = own.groupby("generation")["median confidence"].mean()
        axes.plot(mean.index, mean, color=colour, lw=2.2, label=name)
    axes.axhline(0.99, color="0.4", lw=1, ls="--", label="0.99")
    axes.set(xlabel="generation", ylabel="median confidence over classes", ylim=(0, 1.03))
    axes.legend(fontsize=8, loc="lower right")


def rounds(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Confidence of new images (full) and of old ones (open, dashed) after each retraining, with 90 % intervals.

    Columns: name, seed, round, images, confidence.
    """
    import seaborn as sns

    colours = dict(zip(dict.fromkeys(frame["name"]), sns.color_palette("colorblind").as_hex(), strict=False))
    for (name, images), own in frame.groupby(["name", "images"], sort=False):
        seeds = own.groupby("round")["confidence"]
        means, bars = seeds.mean(), seeds.apply(half_width)
        new = images == "evolved anew"
        bars_of = axes.errorbar(means.index, means, bars, color=colours[name], marker="o", ms=5, capsize=2)
        bars_of.set_label(f"{name}, {images}")
        line = bars_of.lines[0]
        line.set(linestyle="-" if new else ":", markerfacecolor=colours[name] if new else "none")
    axes.set_xticks(sorted(frame["round"].unique()))
    axes.set(xlabel="retrainings", ylabel="median confidence", ylim=(-0.05, 1.08))
    axes.legend(fontsize=7)


def watch(runs: dict[str, Any]) -> None:
    """Choose an encoding and a class and drag along the generations: the image, and all class probabilities.

    Where no one can drag, in a page that the runner writes, five generations of one class stand instead.

    Args:
        runs: encoding -> what its arm returned for one seed.
    """
    if "REPLICATION_RESULT" in os.environ:
        strip(next(iter(runs.values())), 3)
        return
    import ipywidgets as widgets
    from IPython.display import display

    first = next(iter(runs.values()))
    controls = {
        "name": widgets.ToggleButtons(options=list(runs), description="encoding"),
        "aim": widgets.IntSlider(3, 0, len(first["confidence"]) - 1, description="class"),
        "place": widgets.IntSlider(0, 0, len(first["film at"]) - 1, description="scene"),
    }

    def seen(name: str, aim: int, place: int) -> None:
        scenes(runs[name], aim, [min(place, len(runs[name]["film at"]) - 1)])

    display(widgets.VBox([*controls.values(), widgets.interactive_output(seen, controls)]))


def strip(run: dict[str, Any], aim: int) -> None:
    """Five generations of one champion beside each other."""
    last = len(run["film at"]) - 1
    scenes(run, aim, sorted({round(last * share) for share in (0, 0.25, 0.5, 0.75, 1)}))


def scenes(run: dict[str, Any], aim: int, places: list[int]) -> None:
    """The champion of class `aim` at some scenes, above the probabilities of all classes."""
    import matplotlib.pyplot as plt

    theme()
    size = (max(4.0, 2.0 * len(places)), 3.6)
    figure, axes = plt.subplots(2, len(places), figsize=size, squeeze=False, layout="constrained")
    for column, place in enumerate(places):
        picture_of, bars = axes[0, column], axes[1, column]
        picture_of.imshow(np.asarray(run["film"][place][aim][0]), cmap="gray", vmin=0, vmax=1)
        picture_of.set_title(f"generation {run['film at'][place]}", fontsize=9)
        picture_of.axis("off")
        probabilities = np.asarray(run["film probabilities"][place][aim])
        colours = ["C1" if label == aim else "0.6" for label in range(len(probabilities))]
        bars.bar(range(len(probabilities)), probabilities, color=colours)
        bars.set(ylim=(0, 1), xticks=range(len(probabilities)))
        bars.tick_params(labelsize=7)
    axes[1, 0].set_ylabel("probability", fontsize=9)
    show(figure, f"figure: class {aim} at generations {[run['film at'][place] for place in places]}")


def percent(value: float) -> str:
    """A confidence in per cent, rounded down, so that only what is all but certain reads 99.99."""
    return f"{min(int(value * 10_000), 9999) / 100:.2f}"
