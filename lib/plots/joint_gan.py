"""The drawings of `confidence-calibrated-OOD/3-joint-gan`, each a function of a tidy frame and axes."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.confidence_calibrated_ood import by_set
from lib.plots.decision_boundary import seeds_and_mean
from lib.plots.guided_gradients import maps
from lib.plots.panels import show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

OUTSIDE = np.exp(-2)  # of the test images, by the unit of the border


def samples(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Samples of each generator in a row. Columns: row, column, shape, pixels."""
    maps(frame, axes)
    axes.tick_params(axis="y", labelsize=6)
    axes.tick_params(axis="x", labelsize=6, rotation=0)


def along(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Share of samples at the border along the training. Columns: generator, seed, step, border."""
    seeds_and_mean(frame, axes, of="generator", x="step", y="border")
    axes.axhline(OUTSIDE, color="0.3", ls="--", lw=1)
    axes.set(xlabel="step (dashed: test images)", ylabel="samples at the border", ylim=(-0.03, 1.03))


def objective(frame: "pd.DataFrame", axes: "Axes") -> None:
    """The joint objective along the training, a dot where it has risen. Columns: arm, seed, step, objective."""
    seeds_and_mean(frame, axes, of="arm", x="step", y="objective")
    for _, run in frame.groupby(["arm", "seed"], sort=False):
        risen = run["objective"].diff() > 0
        axes.plot(run["step"][risen], run["objective"][risen], ".", color="0.2", ms=3)
    axes.set(xlabel="step (dots: higher than one window before)", ylabel="objective")


def detection(frame: "pd.DataFrame", axes: "Axes") -> None:
    """TNR95 of each training on each set. Columns: training, set, seed, TNR95, seen."""
    by_set(frame, axes, "TNR95")
    axes.set_xlim(-0.02, 1.02)


def look(generators: Mapping[str, Mapping[str, Any]]) -> None:
    """Choose a generator and one of its samples; see it beside the training image that is nearest to it.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        generators: name -> samples and nearest, (S, C, H, W) uint8 each, and their distance ratio.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose a generator and look at its samples one by one.")
        return
    import ipywidgets

    count = min(len(each["samples"]) for each in generators.values())
    ipywidgets.interact(
        lambda generator, sample: pair(generators, generator, sample),
        generator=ipywidgets.Dropdown(options=list(generators), description="generator"),
        sample=ipywidgets.IntSlider(0, 0, count - 1, description="sample"),
    )


def pair(generators: Mapping[str, Mapping[str, Any]], generator: str, sample: int) -> None:
    """A sample, and the training image nearest to it."""
    import matplotlib.pyplot as plt

    theme()
    figure, axes = plt.subplots(1, 2, figsize=(4.4, 2.5), layout="constrained")
    for ax, kind in zip(axes, ("samples", "nearest"), strict=True):
        image = np.asarray(generators[generator][kind][sample]).transpose(1, 2, 0)
        ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        ax.set_title({"samples": "sample", "nearest": "nearest training image"}[kind], fontsize=9)
        ax.axis("off")
    show(figure, f"figure: sample {sample} of {generator}, and the nearest training image")
