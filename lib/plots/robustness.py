"""The drawings of `papers/JEM/5-robustness`, functions of a tidy frame and the axes, and its interactive view."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import theme
from lib.plots.tiles import tiled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def radii(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Mean over seeds of the accuracy against the radius, a colour for each net; Linf solid, L2 dashed.

    Columns: norm, net, seed, radius, accuracy.
    """
    import seaborn as sns

    nets = list(dict.fromkeys(frame["net"]))
    for colour, net in zip(sns.color_palette(n_colors=len(nets)), nets, strict=True):
        for norm, dashes in (("linf", "-"), ("l2", "--")):
            lines = frame[(frame["net"] == net) & (frame["norm"] == norm)]
            mean = lines.groupby("radius", as_index=False)["accuracy"].mean()
            label = net if norm == "linf" else None
            axes.plot(mean["radius"], mean["accuracy"], "o" + dashes, ms=3.5, color=colour, label=label)
    axes.axvline(1, color="0.7", lw=1, zorder=0)
    axes.set(xlabel="radius over the judged one (solid Linf, dashed L2)", ylabel="accuracy under PGD", ylim=(0, 1))
    axes.legend(fontsize=7)


def refinement(frame: "pd.DataFrame", axes: "Axes") -> None:
    """A group of dots for each k: one attack beside the other, each seed a dot, the mean a stroke.

    Columns: k, seed, attack, accuracy.
    """
    import seaborn as sns

    lengths, attacks = list(dict.fromkeys(frame["k"])), list(dict.fromkeys(frame["attack"]))
    for i, (colour, attack) in enumerate(zip(sns.color_palette(n_colors=len(attacks)), attacks, strict=True)):
        for place, k in enumerate(lengths):
            found = frame[(frame["attack"] == attack) & (frame["k"] == k)]["accuracy"]
            at = place + 0.18 * (i - (len(attacks) - 1) / 2)
            axes.plot([at] * len(found), found, "o", ms=4, alpha=0.6, color=colour, label=None if place else attack)
            axes.hlines(found.mean(), at - 0.07, at + 0.07, color=colour, lw=2.5)
    axes.set_xticks(range(len(lengths)), lengths)
    axes.set(xlabel="SGLD steps before the net", ylabel="accuracy under attack, Linf")
    axes.legend(fontsize=8, title="gradient")


def distal(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Images in rows of nets and columns of classes. Columns: line, row (its name), column, shape, pixels."""
    tiled(frame, axes, "class that was asked for")


def play(nets: Sequence[str], run: Callable[[str, float, int], dict[str, Any]]) -> None:
    """Choose a net, a radius and the number of SGLD steps before it; see its accuracy and some attacked images.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        nets: names to choose from.
        run: (net, radius over the judged one, k) -> clean, robust, withstood, pictures (2, n, C, H, W) uint8, eps.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose net, radius and steps; the figures have the rest.")
        return
    import ipywidgets

    ipywidgets.interact(
        lambda net, radius, k: scene(run(net, radius, k), net, k),
        net=ipywidgets.Dropdown(options=list(nets), description="net"),
        radius=ipywidgets.FloatSlider(1.0, min=0.1, max=3.0, step=0.1, description="radius", continuous_update=False),
        k=ipywidgets.SelectionSlider(options=[0, 1, 2, 5, 10], value=0, description="steps", continuous_update=False),
    )


def scene(shown: dict[str, Any], net: str, k: int) -> None:
    """The images above their attacked versions, crossed out where the net was misled."""
    import matplotlib.pyplot as plt

    theme()
    pictures = np.asarray(shown["pictures"])
    count = pictures.shape[1]
    figure, places = plt.subplots(2, count, figsize=(1.1 * count, 2.8), layout="constrained", squeeze=False)
    for line, images in zip(places, pictures, strict=True):
        for place, image in zip(line, images, strict=True):
            drawn = image.transpose(1, 2, 0)
            place.imshow(drawn if drawn.shape[2] == 3 else drawn[..., 0], cmap="gray", vmin=0, vmax=255)
            place.set_axis_off()
    for place, stood in zip(places[1], shown["withstood"], strict=True):
        place.set_title("stands" if stood else "falls", fontsize=8)
    figure.suptitle(
        f"{net}, {k} steps: {shown['clean']:.0%} right, {shown['robust']:.0%} within {shown['eps']:.3f}",
        fontsize=10,
    )
    plt.show()
