"""The drawings of `papers/JEM/1-energies`, each a function of a tidy frame and the axes, and its interactive view."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.plots.panels import theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NOTHING = 1e-17  # where "no bit differs" stands on a logarithmic axis
UNIT_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-9}
GAP = 3  # pixels between maps
EDGE = 1.25  # of the view's map, in z


def shift_error(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Largest change of p(y|x) against the size of the shift, by precision; dashed, the rounding of a sum.

    Columns: precision, seed, size, change.
    """
    import seaborn as sns

    worst = frame.groupby(["precision", "size"], sort=False, as_index=False)["change"].max()
    for (name, lines), colour in zip(worst.groupby("precision", sort=False), sns.color_palette(), strict=False):
        axes.plot(lines["size"], lines["change"].clip(NOTHING), "o-", ms=4, label=name, color=colour)
        axes.plot(lines["size"], (UNIT_ROUNDOFF[str(name)] * lines["size"]).clip(upper=1), "--", lw=1, color=colour)
    axes.set(xscale="log", yscale="log", xlabel="size of the shift", ylabel="largest change of p(y|x)")
    axes.set_ylim(NOTHING / 3, 10)
    axes.set_yticks([NOTHING, 1e-12, 1e-8, 1e-4, 1], ["no bit", "1e-12", "1e-8", "1e-4", "1"])
    axes.legend(fontsize=8)


def maps(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Maps, two to four in a row; one channel is shown from light to dark. Columns: name, shape, pixels."""
    from matplotlib import colormaps

    tiles = [(name, _picture(text, shape, colormaps["Blues"])) for name, shape, text in frame[
        ["name", "shape", "pixels"]].to_numpy()]  # fmt: skip
    side, columns = tiles[0][1].shape[0], 2 if len(tiles) <= 4 else 3 if len(tiles) <= 6 else 4
    rows = -(-len(tiles) // columns)
    head = side // 5  # room for a name above each map
    sheet = np.ones((rows * (side + head), columns * (side + GAP) - GAP, 3))
    for place, (name, picture) in enumerate(tiles):
        top, left = place // columns * (side + head) + head, place % columns * (side + GAP)
        sheet[top : top + side, left : left + side] = picture
        axes.text(left + side / 2, top - 2, name, ha="center", va="bottom", fontsize=7.5)
    axes.imshow(sheet, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _picture(text: str, shape: str, colours: Callable[..., Any]) -> Any:
    """Colours (H, W, 3) of the map that hexadecimal bytes of shape CxHxW stand for."""
    channels, height, width = map(int, shape.split("x"))
    values = np.frombuffer(bytes.fromhex(text), np.uint8).reshape(channels, height, width) / 255
    return colours(values[0])[..., :3] if channels == 1 else values.transpose(1, 2, 0)


def temperature(frame: "pd.DataFrame", axes: "Axes") -> None:
    """What two thermometers read, against the temperature asked for; dashed, what a single hill gives exactly.

    Columns: setting, seed, step size, asked, curvature, energy, hill.
    """
    import seaborn as sns

    ends = [frame["asked"].min() / 2, frame["asked"].max() * 2]
    axes.plot(ends, ends, color="0.3", lw=1, label="T = s²/2a")
    means = frame.groupby(["step size", "asked"], as_index=False)[["curvature", "energy", "hill"]].mean()
    for (step, lines), colour in zip(means.groupby("step size"), sns.color_palette(), strict=False):
        axes.plot(lines["asked"], lines["hill"], "--", lw=1, color=colour)
        axes.plot(lines["asked"], lines["curvature"], "o", ms=6, color=colour, label=f"a = {step:g}, curvature")
        axes.plot(lines["asked"], lines["energy"], "x", ms=7, mew=1.8, color=colour, label=f"a = {step:g}, energy")
    axes.set(xscale="log", yscale="log", xlabel="temperature asked for, s²/2a", ylabel="temperature read")
    axes.legend(fontsize=7)


def distances(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Distance from p along the steps, mean over seeds. Columns: setting, seed, steps, distance."""
    import seaborn as sns

    means = frame.groupby(["setting", "steps"], sort=False, as_index=False)["distance"].mean()
    for (name, lines), colour in zip(means.groupby("setting", sort=False), sns.color_palette(), strict=False):
        control = name == "independent draws"
        style = {"ls": ":", "color": "0.2"} if control else {"marker": "o", "ms": 4, "color": colour}
        axes.plot(lines["steps"], lines["distance"], label=name, **style)
    axes.set(xscale="log", xlabel="steps from uniform noise", ylabel="distance from p(x)", ylim=(0, None))
    axes.legend(fontsize=8)


def histogram(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Density of one pixel: the exact one filled, chains as steps. Columns: setting, z, density."""
    for name, lines in frame.groupby("setting", sort=False):
        z, density = lines["z"].to_numpy(float), lines["density"].to_numpy(float)
        if str(name).startswith("exact"):
            axes.fill_between(z, density, color="0.85", label=str(name), step="mid")
        else:
            axes.step(z, density, where="mid", lw=1.6, label=str(name))
    axes.set(xlabel="left pixel, as z in [-1, 1]", ylabel="density", ylim=(0, None))
    axes.legend(fontsize=8)


def play(run: Callable[[float, float, int], dict[str, Any]]) -> None:
    """Choose step, noise and number of steps, and see the chains that they make.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        run: (step, noise, steps) -> path, mean log p(x), exact mean log p(x), one pixel, one pixel exact, map,
            temperature.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose step, noise and steps; the figures show some.")
        return
    import ipywidgets

    log = {"base": 10, "step": 0.1, "continuous_update": False}
    ipywidgets.interact(
        lambda step, noise, steps: scene(run(step, noise, steps)),
        step=ipywidgets.FloatLogSlider(0.005, min=-3.5, max=-1.2, description="step a", **log),
        noise=ipywidgets.FloatLogSlider(0.1, min=-4, max=0, description="noise s", **log),
        steps=ipywidgets.IntSlider(200, 1, 2000, description="steps", continuous_update=False),
    )


def scene(seen: dict[str, Any]) -> None:
    """Three panels: the path of one chain over the density, mean log p(x) along the steps, histogram of one pixel."""
    import matplotlib.pyplot as plt

    theme()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    landscape, path = np.asarray(seen["map"]), np.asarray(seen["path"])
    left.imshow(landscape, origin="lower", extent=(-2, 2, -2, 2), cmap="Blues")
    left.plot(path[:, 0], path[:, 1], color="0.2", lw=0.6)
    left.plot(*path[-1], "o", color="tab:red", ms=5)
    left.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xlabel="left pixel", ylabel="right pixel", title="one chain")
    left.grid(False)
    middle.plot(seen["mean log p(x)"], lw=1.2)
    middle.axhline(seen["exact mean log p(x)"], color="0.3", ls="--", lw=1)
    middle.set(xlabel="steps", title="mean log p(x); dashed: of p itself")
    middle.set_ylim(bottom=max(-8.0, min(seen["mean log p(x)"]) - 0.5))
    bins = len(seen["one pixel"])
    z = (2 * np.arange(bins) + 1) / bins - 1
    right.fill_between(z, seen["one pixel, exact"], color="0.85", step="mid")
    right.step(z, seen["one pixel"], where="mid", lw=1.6)
    right.set(xlabel="left pixel", title=f"histogram; T = s²/2a = {seen['temperature']:.3g}")
    plt.show()
    plt.close(figure)
