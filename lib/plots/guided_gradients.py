"""The drawings of `confidence-calibrated-OOD/5-guided-gradients`, each a function of a tidy frame and axes."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.confidence_calibrated_ood import by_set
from lib.plots.panels import show, theme
from lib.plots.tiles import pixels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def maps(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Images in the first row, the map of each net beneath. Columns: row, column, shape, pixels."""
    rows, columns = list(dict.fromkeys(frame["row"])), list(dict.fromkeys(frame["column"]))
    for row, column, shape, text in frame[["row", "column", "shape", "pixels"]].to_numpy():
        left, top = columns.index(column) * 1.06, rows.index(row) * 1.06
        extent = (left, left + 1, top + 1, top)
        axes.imshow(pixels(text, shape), extent=extent, interpolation="nearest")
    axes.set(xlim=(-0.05, len(columns) * 1.06), ylim=(len(rows) * 1.06, -0.05))
    axes.set_xticks([place * 1.06 + 0.5 for place in range(len(columns))], columns, fontsize=8, rotation=30)
    axes.set_yticks([place * 1.06 + 0.5 for place in range(len(rows))], rows, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set_visible(False)


def ratios(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Ratio of each training on each set. Columns: training, set, seed, ratio, seen."""
    by_set(frame, axes, "ratio")
    axes.axvline(1, color="0.3", ls=":", lw=1.2)  # as large as on its own images
    axes.set_xlim(0, None)
    axes.set_xlabel("guided gradient / that on the net's own images", fontsize=9)


def look(pictured: Mapping[str, Any]) -> None:
    """Choose a kind of pictures, one of them, and what is differentiated; see the maps of all nets on one scale.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        pictured: net -> roles, images (R, S, C, H, W), maps: output -> (R, S, C, H, W).
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose the picture and what is differentiated.")
        return
    import ipywidgets

    first = next(iter(pictured.values()))
    ipywidgets.interact(
        lambda kind, picture, of: scene(pictured, kind, picture, of),
        kind=ipywidgets.Dropdown(options=first["roles"], description="kind"),
        picture=ipywidgets.IntSlider(0, 0, first["images"].shape[1] - 1, description="picture"),
        of=ipywidgets.Dropdown(options=list(first["maps"]), description="gradient of"),
    )


def scene(pictured: Mapping[str, Any], kind: str, picture: int, of: str) -> None:
    """One image and its map by each net, each in units of the net's own median norm, white as in the first figure."""
    import matplotlib.pyplot as plt

    theme()
    first = next(iter(pictured.values()))
    place = first["roles"].index(kind)
    figure, axes = plt.subplots(1, 1 + len(pictured), figsize=(2 + 1.9 * len(pictured), 2.4), layout="constrained")
    image = np.asarray(first["images"][place][picture]).transpose(1, 2, 0)
    axes[0].imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(f"{kind}, picture {picture}", fontsize=9)
    for ax, (net, shown) in zip(axes[1:], pictured.items(), strict=True):
        own = np.asarray(shown["maps"][of][place][picture])
        ax.imshow(np.abs(own).max(axis=0), cmap="gray", vmin=0, vmax=2 / own.size**0.5)
        ax.set_title(f"{net}: {np.linalg.norm(own):.2f}", fontsize=9)
    for ax in axes:
        ax.axis("off")
    show(
        figure, f"figure: guided gradient of the {of}, {kind}, picture {picture}; a net's median on its own images is 1"
    )
