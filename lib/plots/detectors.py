"""The drawings of `confidence-calibrated-OOD/4-detectors`, each a function of a tidy frame and axes."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.plots.confidence_calibrated_ood import by_set
from lib.plots.panels import show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LINES = (":", "--", "-", "-.")


def gains(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Gain of each training under each net and detector. Columns: training, set, seed, gain, seen."""
    by_set(frame, axes, "gain")
    axes.axvline(0, color="0.3", ls=":", lw=1.2)  # cross-entropy itself
    axes.set_xlabel("TNR95 less that of cross-entropy", fontsize=9)


def settings(frame: "pd.DataFrame", axes: "Axes") -> None:
    """TNR95 against the step, a colour for each kind of outliers and a line for each temperature, mean over seeds.

    A ring marks what seeds chose, on the line of the outliers that they chose on, which come first. Columns: kind,
    temperature, step, seed, TNR95, chosen.
    """
    import seaborn as sns
    from matplotlib.lines import Line2D

    kinds, temperatures = list(frame["kind"].unique()), sorted(frame["temperature"].unique())
    colours = dict(zip(kinds, sns.color_palette("colorblind"), strict=False))
    lines = {temperature: LINES[place % len(LINES)] for place, temperature in enumerate(temperatures)}
    for (kind, temperature), part in frame.groupby(["kind", "temperature"], sort=False):
        means = part.groupby("step")["TNR95"].mean()
        axes.plot(means.index, means, lines[temperature], marker=".", color=colours[kind], lw=1.5)
        rings: list[float] = list(part[part["chosen"]]["step"].unique()) if kind == kinds[0] else []
        axes.plot(rings, [means[step] for step in rings], "o", mfc="none", mec="0.3", ms=9)
    keys = [Line2D([], [], color=colours[kind], label=kind) for kind in kinds]
    keys += [Line2D([], [], color="0.3", ls=lines[t], label=f"T = {t:g}") for t in temperatures]
    keys.append(Line2D([], [], color="0.3", marker="o", mfc="none", ls="", label="chosen by a seed"))
    axes.legend(handles=keys, fontsize=7.5, ncols=2)
    axes.set(ylim=(0, 1.02), xlabel="step, images in [0, 1]", ylabel="TNR95")


def look(frames: Mapping[str, "pd.DataFrame"]) -> None:
    """Choose a net and a kind of outliers; see ODIN over its settings, and where outliers that were made put them.

    Shows itself only where somebody can choose: the runner, which stores outputs, gets a sentence in its place.

    Args:
        frames: net -> its frame, as for `settings`.
    """
    if "REPLICATION_RESULT" in os.environ:
        print("Open this notebook in JupyterLab and run it to choose the net and the kind of outliers.")
        return
    import ipywidgets

    kinds = list(next(iter(frames.values()))["kind"].unique())
    ipywidgets.interact(
        lambda net, kind: over_settings(frames[net], ["made outliers", kind], net),
        net=ipywidgets.Dropdown(options=list(frames), description="net"),
        kind=ipywidgets.Dropdown(options=kinds[1:] or kinds, description="outliers"),
    )


def over_settings(frame: "pd.DataFrame", kinds: Sequence[str], net: str) -> None:
    """TNR95 as a field over temperature and step for each kind, mean over seeds; the best of each in bold."""
    import matplotlib.pyplot as plt

    theme()
    figure, places = plt.subplots(1, len(kinds), figsize=(4.4 * len(kinds), 2.8), layout="constrained", squeeze=False)
    for place, kind in zip(places[0], kinds, strict=True):
        part = frame[frame["kind"] == kind]
        field = part.pivot_table(index="temperature", columns="step", values="TNR95", aggfunc="mean")
        _field(place, field)
        place.set_title(f"{net}: {kind}", fontsize=9)
    show(figure, f"figure: TNR95 of ODIN over its settings, {net}, {' and '.join(kinds)}")


def _field(axes: "Axes", field: Any) -> None:
    """Numbers on colours; settings that were not measured are left white."""
    axes.imshow(field, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    best = field.stack().idxmax()
    for row, temperature in enumerate(field.index):
        for column, step in enumerate(field.columns):
            value = field.loc[temperature, step]
            if value == value:
                weight = "bold" if (temperature, step) == best else "normal"
                colour = "white" if value < 0.6 else "black"
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, weight=weight)
    axes.set_xticks(range(len(field.columns)), [f"{step:g}" for step in field.columns], fontsize=8)
    axes.set_yticks(range(len(field.index)), [f"T = {temperature:g}" for temperature in field.index], fontsize=8)
    axes.set_xlabel("step", fontsize=9)
    axes.grid(False)
