"""The drawings of `noisy-student/5-robustness`, each a function of a tidy frame and the axes to draw in."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import half_width, show, theme
from lib.plots.tiles import tiled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Answers = Callable[[Mapping[str, Any], str, int, int], Mapping[str, str]]


def contact_sheet(frame: "pd.DataFrame", axes: "Axes") -> None:
    """One image under every corruption, a line for each severity.

    Columns: line, row (its name), column, corruption, shape, pixels.
    """
    tiled(frame, axes, "")
    names = list(frame.drop_duplicates("column")["corruption"])
    axes.set_xticks(axes.get_xticks(), names, rotation=45, ha="right", rotation_mode="anchor")


def by_kind(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Error of two students less the supervised net's, a line for each corruption: seeds, mean and 90 % interval.

    Columns: net, group, corruption, seed, difference as a fraction, drawn in points.
    """
    kinds = list(dict.fromkeys(frame["corruption"]))
    for number, (net, lines) in enumerate(frame.groupby("net", sort=False)):
        for place, kind in enumerate(kinds):
            own, at = 100 * lines.loc[lines["corruption"] == kind, "difference"], place + 0.25 * (number - 0.5)
            axes.plot(own, [at] * len(own), "o", ms=3.5, alpha=0.5, color=f"C{number}")
            mean, half = own.mean(), half_width(own)
            label = str(net) if place == 0 else None
            axes.plot([mean - half, mean + half], [at, at], lw=2, color=f"C{number}", label=label)
    first_of_group = frame.drop_duplicates("group")["corruption"].map(kinds.index)
    for place in list(first_of_group)[1:]:
        axes.axhline(place - 0.5, color="0.8", lw=0.8)
    axes.grid(False, axis="y")
    axes.axvline(0, color="0.4", lw=1)
    axes.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds], fontsize=8)
    axes.set_ylim(len(kinds) - 0.5, -2.2)  # room for the legend above the first line
    axes.set(xlabel="error less the supervised net's, points")
    axes.legend(fontsize=8, loc="upper left", ncols=2)


def under_attack(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Accuracy against the radius, FGSM solid and PGD dashed: each seed a thin line, their mean a thick one.

    Columns: net, attack, eps of 255, seed, accuracy as a fraction, drawn in per cent.
    """
    for number, (net, lines) in enumerate(frame.groupby("net", sort=False)):
        for attack, style in (("FGSM", "-"), ("PGD", "--")):
            own = lines[lines["attack"] == attack]
            for _, line in own.groupby("seed"):
                axes.plot(line["eps"], 100 * line["accuracy"], style, lw=0.6, alpha=0.5, color=f"C{number}")
            mean = 100 * own.groupby("eps")["accuracy"].mean()
            label = f"{net}, {attack}"
            axes.plot(mean.index, mean, style, marker="o", ms=3.5, lw=2, color=f"C{number}", label=label)
    levels = sorted(frame["eps"].unique())
    axes.set(xscale="log", xlabel="radius eps, of 255", ylabel="accuracy, %", ylim=(0, None))
    axes.set_xticks(levels, [f"{level:g}" for level in levels])
    axes.minorticks_off()
    axes.legend(fontsize=7)


def look(pictured: Mapping[str, Any], answers: Answers) -> None:
    """Choose a corruption, its severity and a picture; see it beside the clean one's label, with both nets' answers.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        pictured: classes, severities, labels (N,), images: corruption -> (S, N, C, H, W).
        answers: (pictured, corruption, severity, picture) -> net -> what it says.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose the corruption, its severity and the picture.")
        return
    import ipywidgets

    ipywidgets.interact(
        lambda corruption, severity, picture: scene(pictured, answers, corruption, severity, picture),
        corruption=ipywidgets.Dropdown(options=list(pictured["images"])),
        severity=ipywidgets.SelectionSlider(options=pictured["severities"]),
        picture=ipywidgets.IntSlider(0, 0, len(pictured["labels"]) - 1),
    )


def scene(pictured: Mapping[str, Any], answers: Answers, corruption: str, severity: int, picture: int) -> None:
    """A corrupted picture with what both nets say it shows."""
    import matplotlib.pyplot as plt

    theme()
    figure, axes = plt.subplots(figsize=(3, 3.2), layout="constrained")
    image = np.asarray(pictured["images"][corruption][pictured["severities"].index(severity), picture]).transpose(
        1, 2, 0
    )
    axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    axes.axis("off")
    truth = pictured["classes"][int(pictured["labels"][picture])]
    said = [f"{net}: {answer}" for net, answer in answers(pictured, corruption, severity, picture).items()]
    axes.set_title("\n".join([f"shown: {truth}", *said]), fontsize=9)
    show(figure, f"figure: {corruption}, severity {severity}, picture {picture}")
