"""The drawings of `papers/noisy-student/4-unlabelled-data`, and the students that a reader may lay side by side."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.plots.noisy_student import reliability
from lib.plots.panels import show, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


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


def in_words(frame: "pd.DataFrame", arm: str) -> str:
    """Accuracy and mean confidence of a net, of all its answers; columns as those of `beside`."""
    bins = frame[frame["arm"] == arm]
    right, sure = ((bins[key] * bins["size"]).sum() / bins["size"].sum() for key in ("accuracy", "confidence"))
    return f"{arm}: right {right:.1%}, sure {sure:.1%}"


def beside(frame: "pd.DataFrame", arms: Sequence[str]) -> None:
    """Reliability diagrams of the nets named, side by side.

    Columns: arm, seed, confidence, accuracy, size (of each bin).
    """
    import matplotlib.pyplot as plt

    theme()
    size = (3.4 * len(arms), 3.4)
    figure, places = plt.subplots(1, len(arms), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for arm, axes in zip(arms, places[0], strict=True):
        reliability(frame[frame["arm"] == arm], axes)
        axes.get_legend().remove()
        axes.set_title(in_words(frame, arm).replace(": ", ":\n"), fontsize=9)
        axes.label_outer()
    words = "; ".join(in_words(frame, arm) for arm in arms)
    show(figure, f"figure: reliability of {', '.join(arms)}", words)


def explore(frame: "pd.DataFrame", still: Sequence[str]) -> None:
    """Choose two nets of the page and lay their reliability diagrams side by side; nothing is trained.

    Where no one can choose, in a page that the runner writes, the nets named in `still` stand side by side.

    Args:
        frame: columns as those of `beside`.
        still: names for the page.
    """
    if "REPLICATION_RESULT" in os.environ:
        beside(frame, still)
        return
    import ipywidgets as widgets
    from IPython.display import display

    arms = list(frame["arm"].unique())
    choices = [widgets.Dropdown(options=arms, value=arm, description=word)
               for arm, word in zip((still[0], still[-1]), ("left", "right"), strict=True)]  # fmt: skip
    drawn = widgets.interactive_output(lambda left, right: beside(frame, (left, right)),
                                       {"left": choices[0], "right": choices[1]})  # fmt: skip
    display(widgets.HBox(choices), drawn)
