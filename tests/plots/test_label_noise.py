"""The drawings of the page on label noise, and the buttons over its curves."""

import matplotlib

matplotlib.use("agg")

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.plots import label_noise as plots

STRENGTHS = pd.DataFrame(
    [
        ("this run", method, start, seed, s, 0.1 + 0.5 * s + 0.02 * seed)
        for method, levels in (("no correction", (0.0, 0.4)), ("forward", (0.4,)))
        for start in ("pre-trained", "scratch")
        for seed in (0, 1)
        for s in levels
    ]
    + [("paper", method, "scratch", 0, s, 0.2 + s) for method in ("no correction", "forward") for s in (0.0, 0.5)],
    columns=["source", "method", "start", "seed", "strength", "test error"],
)
STEPS = pd.DataFrame(
    [
        (source, start, kind, seed, step, step / 4, 0.1 * step)
        for source, starts in (("this run", ("scratch", "pre-trained")), ("paper", ("scratch",)))
        for start in starts
        for kind in ("test", "train, given labels")
        for seed in ((0, 1) if source == "this run" else (0,))
        for step in (2, 4)
    ],
    columns=["source", "start", "kind", "seed", "step", "share of the run", "error"],
)
CURVES = pd.concat(
    STEPS[STEPS["source"] == "this run"].assign(method=method, strength=s)
    for method, levels in (("no correction", (0.0, 0.6)), ("forward", (0.6,)))
    for s in levels
)


@pytest.fixture
def shown(monkeypatch):
    """Figures as they are when they are shown."""
    figures: list[tuple[Any, str]] = []
    monkeypatch.setattr(plots, "show", lambda figure, about: figures.append((figure, about)))
    return figures


def test_strengths_show_means_with_intervals_and_the_papers_uncorrected_curves():
    _, axes = plt.subplots()
    plots.strengths(STRENGTHS, axes)
    labels = axes.get_legend_handles_labels()[1]
    assert set(labels) == {"pre-trained", "scratch", "the paper, scratch", "forward"}
    first = axes.containers[0]
    assert first[0].get_ydata().tolist() == pytest.approx([0.11, 0.31])
    assert len(axes.containers) == 4


def test_memorising_draws_a_mean_for_each_start_and_kind_over_the_share_of_the_run():
    _, axes = plt.subplots()
    plots.memorising(STEPS, axes)
    means = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert len(means) == 6
    assert [max(np.asarray(line.get_xdata())) for line in means] == [1.0] * 6
    styles = {line.get_label(): line.get_linestyle() for line in means}
    assert styles["scratch, test"] == "-" and styles["scratch, train, given labels"] == "--"


def test_long_schedule_is_about_test_images_alone():
    _, axes = plt.subplots()
    plots.long_schedule(STEPS[STEPS["source"] == "this run"], axes)
    assert axes.get_legend_handles_labels()[1] == ["scratch", "pre-trained"]


def test_a_page_without_buttons_shows_the_strongest_noise(shown, monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", "x")
    plots.explore(CURVES)
    ((figure, about),) = shown
    assert about == "figure: no correction, strength 0.6" and len(figure.axes) == 2
    assert figure.axes[0].get_legend_handles_labels()[1] == ["scratch", "pre-trained"]


def test_buttons_offer_the_strengths_at_which_a_method_was_trained(monkeypatch):
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    made: list[Any] = []
    import ipywidgets as widgets

    def box(children: Any) -> widgets.Box:
        made.append(children)
        return widgets.Box(children)

    monkeypatch.setattr(widgets, "VBox", box)
    plots.explore(CURVES)
    method, strength, _ = made[0]
    assert list(strength.options) == [0.0, 0.6] and strength.value == 0.6
    strength.value = 0.0
    method.value = "forward"
    assert list(strength.options) == [0.6] and strength.value == 0.6
