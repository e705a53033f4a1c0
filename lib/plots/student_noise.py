"""The drawings of `papers/noisy-student/2-noise`: of tidy frames, and of pictures under RandAugment's operations."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import legend_below, show, theme
from lib.plots.tiles import GAP, Pixels, put

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Change = Callable[[Any, str, float, str], Any]  # (images, operation, magnitude, convention) -> images
SHOWN = (1, 5, 9, 18, 27)  # magnitudes of the still picture


def length_curve(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Gain of students over their teacher against their steps: every seed a point, means joined.

    Columns: noise, steps, seed, gain as a fraction, drawn as points of accuracy.
    """
    for number, (noise, lines) in enumerate(frame.groupby("noise", sort=False)):
        means = 100 * lines.groupby("steps")["gain"].mean()
        axes.plot(lines["steps"], 100 * lines["gain"], "o", ms=5, alpha=0.45, color=f"C{number}")
        axes.plot(means.index, means, color=f"C{number}", marker="_", ms=14, label=str(noise))
    axes.axhline(0, color="0.4", lw=1)
    steps = sorted(frame["steps"].unique())
    axes.set(xscale="log", xlabel="steps of the student", ylabel="points over the teacher")
    axes.set_xticks(steps, [f"{count:,}" for count in steps])
    axes.minorticks_off()
    axes.legend(fontsize=8, title="unlabelled images", title_fontsize=8)


def losses(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Training losses over the training: a colour for each student, dashed on labelled images, solid on the others.

    Columns: student, images, seed, share, loss in nats; means over seeds, each seed a thin line.
    """
    styles = {"labelled": "--", "pseudo-labelled": "-"}
    colours = {name: f"C{number}" for number, name in enumerate(frame["student"].unique())}
    for (student, images), lines in frame.groupby(["student", "images"], sort=False):
        colour, style = colours[str(student)], styles[str(images)]
        for _, line in lines.groupby("seed"):
            axes.plot(line["share"], line["loss"], style, color=colour, lw=0.6, alpha=0.35)
        axes.plot(lines.groupby("share")["loss"].mean(), style, color=colour, lw=2, label=f"{student}, {images}")
    axes.set(xlabel="share of the training", ylabel="training loss, nats", xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    legend_below(axes, fontsize=7, ncols=2)


def still(images: Any, change: Change, spaces: Mapping[str, Sequence[str]]) -> None:
    """One image under every operation at a few magnitudes, a block for each convention."""
    import matplotlib.pyplot as plt

    theme()
    size = (10.4, 3.4 * len(spaces))
    figure, places = plt.subplots(len(spaces), 1, figsize=size, squeeze=False, layout="constrained")
    side = images.shape[-1] + GAP
    for (convention, names), axes in zip(spaces.items(), places[:, 0], strict=True):
        sheet = np.full((side * len(SHOWN), side * len(names), 3), 255, np.uint8)
        for line, magnitude in enumerate(SHOWN):
            for column, name in enumerate(names):
                put(sheet, colours(change(images[:1], name, magnitude, convention)[0]), line * side, column * side)
        axes.imshow(sheet, interpolation="nearest")
        axes.set_xticks([(i + 0.5) * side for i in range(len(names))], names, fontsize=8, rotation=35, ha="right")
        axes.set_yticks([(i + 0.5) * side for i in range(len(SHOWN))], [str(m) for m in SHOWN], fontsize=8)
        axes.set_ylabel(f"magnitude, {convention}", fontsize=9)
        axes.grid(False)
    show(figure, "figure: one image under every operation", "One image under every operation of RandAugment")


def chosen(images: Any, change: Change, name: str, magnitude: float, convention: str) -> None:
    """Images above, the same after one operation below."""
    import matplotlib.pyplot as plt

    theme()
    figure, places = plt.subplots(2, len(images), figsize=(1.1 * len(images), 2.4), squeeze=False)
    for line, pictures in zip(places, (images, change(images, name, magnitude, convention)), strict=True):
        for image, axes in zip(pictures, line, strict=True):
            picture(image, axes)
    figure.suptitle(f"{name}, magnitude {magnitude:g} {convention}", fontsize=10)
    show(figure, f"figure: {name}, {magnitude:g} {convention}")


def picture(image: Any, axes: "Axes") -> None:
    """An image (C, H, W), uint8 or in [0, 1], without a frame."""
    axes.imshow(colours(image), interpolation="nearest")
    axes.axis("off")


def colours(image: Any) -> Pixels:
    """An image (C, H, W), uint8 or in [0, 1], as (H, W, 3) bytes."""
    levels = (image * 255).round() if image.is_floating_point() else image
    return np.broadcast_to(levels.byte().permute(1, 2, 0).cpu().numpy(), (*image.shape[1:], 3))


def explore(images: Any, change: Change, spaces: Mapping[str, Sequence[str]]) -> None:
    """Choose convention, operation and magnitude, and see the images so changed; nothing is trained.

    Where no one can choose, in a page that the runner writes, one image stands under all of them.

    Args:
        images: (n, C, H, W), a handful.
        change: (images, operation, magnitude, convention) -> images.
        spaces: convention -> its operations.
    """
    if "REPLICATION_RESULT" in os.environ:
        still(images, change, spaces)
        return
    import ipywidgets as widgets
    from IPython.display import display

    first = next(iter(spaces))
    convention = widgets.ToggleButtons(options=list(spaces), value=first, description="magnitude")
    name = widgets.Dropdown(options=list(spaces[first]), value="Rotate", description="operation")
    magnitude = widgets.IntSlider(value=5, min=0, max=30, description="of")

    def what_there_is(_: object) -> None:
        options, kept = list(spaces[convention.value]), name.value
        name.options = options  # the conventions do not have the same operations
        name.value = kept if kept in options else options[0]

    convention.observe(what_there_is, names="value")
    controls = {"name": name, "magnitude": magnitude, "convention": convention}
    display(widgets.VBox([*controls.values(), widgets.interactive_output(partial(chosen, images, change), controls)]))
