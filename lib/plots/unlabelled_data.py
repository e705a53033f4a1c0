"""The drawings of `papers/noisy-student/4-unlabelled-data`, and the students that a reader may lay side by side."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lib.plots.panels import show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Bins = Mapping[str, Sequence[float]]  # confidence, accuracy, share of the answers, bin by bin


def by_amount(frame: "pd.DataFrame", axes: "Axes") -> None:
    """Gain over the supervised net against the images of the pool that were used: seeds faint, means joined.

    Columns: seed, images, gain in points.
    """
    means = frame.groupby("images")["gain"].mean()
    axes.plot(frame["images"], frame["gain"], "o", ms=5, alpha=0.4, color="C0")
    axes.plot(means.index, means.to_numpy(), marker="_", ms=14, color="C0")
    axes.axhline(0, color="0.4", lw=1)
    axes.set_xscale("log")
    axes.set_xticks(means.index, [f"{int(count):,}" for count in means.index])
    axes.minorticks_off()
    axes.set(xlabel="unlabelled images", ylabel="points over the supervised net")


def diagram(bins: Bins, name: str, axes: "Axes", colour: str) -> None:
    """The reliability of one net: accuracy against confidence; the larger a dot, the more answers are in its bin."""
    axes.plot([0, 1], [0, 1], color="0.5", lw=1)
    axes.plot(bins["confidence"], bins["accuracy"], color=colour, lw=1.4, label=name)
    axes.scatter(bins["confidence"], bins["accuracy"], s=[10 + 250 * share for share in bins["share"]], color=colour)
    axes.set(xlabel="confidence", xlim=(0, 1.02), ylim=(0, 1.02))


def in_words(bins: Bins, name: str) -> str:
    """Accuracy and mean confidence of a net, of all its answers."""
    right, sure = (
        sum(x * share for x, share in zip(bins[key], bins["share"], strict=True)) for key in ("accuracy", "confidence")
    )
    return f"{name}: right {right:.1%}, sure {sure:.1%}"


def beside(nets: Mapping[str, Bins], names: Sequence[str]) -> None:
    """Reliability diagrams of the nets named, side by side."""
    import matplotlib.pyplot as plt

    theme()
    size = (3.4 * len(names), 3.4)
    figure, places = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for number, (name, axes) in enumerate(zip(names, places[0], strict=True)):
        diagram(nets[name], name, axes, f"C{number}")
        axes.set_title(in_words(nets[name], name).replace(": ", ":\n"), fontsize=9)
    places[0][0].set_ylabel("accuracy")
    words = "; ".join(in_words(nets[name], name) for name in names)
    show(figure, f"figure: reliability of {', '.join(names)}", words)


def explore(nets: Mapping[str, Bins], still: Sequence[str]) -> None:
    """Choose two nets of the page and lay their reliability diagrams side by side; nothing is trained.

    Where no one can choose, in a page that the runner writes, the nets named in `still` stand side by side.

    Args:
        nets: name -> bins.
        still: names for the page.
    """
    if "REPLICATION_RESULT" in os.environ:
        beside(nets, still)
        return
    import ipywidgets as widgets
    from IPython.display import display

    choices = [widgets.Dropdown(options=list(nets), value=name, description=word)
               for name, word in zip((still[0], still[-1]), ("left", "right"), strict=True)]  # fmt: skip
    drawn = widgets.interactive_output(lambda left, right: beside(nets, (left, right)),
                                       {"left": choices[0], "right": choices[1]})  # fmt: skip
    display(widgets.HBox(choices), drawn)
