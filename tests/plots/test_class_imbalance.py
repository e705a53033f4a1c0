"""The drawings of the page on class imbalance, and the buttons over its errors."""

import matplotlib

matplotlib.use("agg")

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lib.plots import class_imbalance as plots

FRAME = pd.DataFrame(
    [
        ("this run", gamma, method, start, seed, rank, 100 // rank, 0.1 * rank + 0.02 * seed)
        for gamma in (0.2, 2.0)
        for method in ("plain", "over-sampling", "SMOTE")
        for start in ("pre-trained", "scratch", "scratch, equal steps")
        for seed in (0, 1)
        for rank in (1, 2, 3)
    ]
    + [("paper", 0.2, method, "scratch", 0, rank, 0, 0.3) for method in ("plain", "SMOTE") for rank in (1, 2, 3)],
    columns=["source", "gamma", "method", "start", "seed", "rank", "size", "error"],
)


@pytest.fixture
def shown(monkeypatch):
    """Figures as they are when they are shown."""
    figures: list[tuple[Any, str]] = []
    monkeypatch.setattr(plots, "show", lambda figure, about: figures.append((figure, about)))
    return figures


def test_ranks_show_all_methods_from_scratch_and_two_of_tuning():
    _, axes = plt.subplots()
    plots.by_rank(FRAME, axes)
    assert set(axes.get_legend_handles_labels()[1]) == {
        "scratch, plain", "scratch, over-sampling", "scratch, SMOTE",
        "pre-trained, plain", "pre-trained, over-sampling", "the paper, scratch",
    }  # fmt: skip
    assert axes.containers[0][0].get_ydata().tolist() == pytest.approx([0.11, 0.21, 0.31])


def test_a_page_without_buttons_shows_over_sampling_at_the_least_gamma(shown, monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", "x")
    plots.explore(FRAME)
    ((figure, about),) = shown
    assert about == "figure: over-sampling, gamma 0.2"
    sizes, errors = figure.axes
    assert [bar.get_height() for bar in sizes.patches] == [100, 50, 33]
    assert errors.get_legend_handles_labels()[1][0] == "pre-trained: 21.0%"


def test_buttons_offer_every_method_and_gamma(shown, monkeypatch):
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    made: list[Any] = []
    import ipywidgets as widgets

    def box(children: Any) -> widgets.Box:
        made.append(children)
        return widgets.Box(children)

    monkeypatch.setattr(widgets, "VBox", box)
    plots.explore(FRAME)
    method, gamma, _ = made[0]
    assert list(method.options) == ["plain", "over-sampling", "SMOTE"] and list(gamma.options) == [0.2, 2.0]
    method.value, gamma.value = "plain", 2.0
    assert (method.value, gamma.value) == ("plain", 2.0)
