"""The drawings of `rethinking-generalization/4-kernels`: what is in the frame is where it should be on the page."""

from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lib.plots import kernels as plots

CURVES = pd.DataFrame(
    {
        "name": ["a"] * 4 + ["b"] * 4,
        "seed": [0, 0, 1, 1] * 2,
        "width": [1.0, 2.0] * 4,
        "held-out error": [0.3, 0.2, 0.3, 0.2, 0.1, 0.2, 0.1, 0.2],
        "test error": [0.2, 0.4, 0.4, 0.4, 0.05, 0.1, 0.05, 0.1],
        "norm": [10.0, 20.0, 30.0, 20.0, 5.0, 6.0, 5.0, 6.0],
    }
)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_a_ring_stands_at_the_width_of_least_held_out_error_not_of_least_test_error(axes):
    plots.width_curves(CURVES, axes)
    rings = [line for line in axes.lines if line.get_markersize() == 12]
    found = [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings]
    assert found == [(2.0, pytest.approx(0.4)), (1.0, pytest.approx(0.05))]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]


def test_random_labels_are_open_points_apart(axes):
    frame = pd.DataFrame({"name": ["a"] * 4, "labels": ["true", "true", "random", "random"], "width": [1, 2, 1, 2],
                          "norm": [10, 20, 100, 200], "test error": [0.02, 0.03, 0.9, 0.9]})  # fmt: skip
    plots.norms(frame, axes)
    true, random = axes.lines[:2]
    assert list(true.get_xdata()) == [10, 20] and list(random.get_xdata()) == [100, 200]
    assert true.get_markerfacecolor() != "none" and random.get_markerfacecolor() == "none"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "20", "50", "100", "200"]


def test_one_width_is_shown_with_its_norm_and_error(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "show", lambda figure, about: shown.append((figure, about)))
    plots.at_one_width(CURVES, "a", 1.1)  # the width next to it
    (figure, about) = shown[0]
    left, right = figure.axes
    assert about == "figure: a, width 1" and left.get_title() == "a, width 1"
    assert right.get_title() == "norm 20, error 0.300"  # means over seeds
    ring = right.lines[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (20.0, pytest.approx(0.3))
    plt.close(figure)


def test_a_page_that_the_runner_writes_holds_a_picture_and_no_widget(monkeypatch):
    shown = []
    monkeypatch.setenv("REPLICATION_RESULT", "result.json")
    monkeypatch.setattr(plots, "at_one_width", lambda frame, name, width: shown.append((name, width)))
    plots.explore_widths(CURVES)
    assert shown == [("a", 2.0)]


def test_elsewhere_there_is_a_slider_that_draws(monkeypatch):
    drawn: list[Any] = []
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    monkeypatch.setattr("IPython.display.display", drawn.append)
    monkeypatch.setattr(plots, "show", lambda figure, about: plt.close(figure))
    plots.explore_widths(CURVES)
    kernel, width, _ = drawn[0].children
    assert list(kernel.options) == ["a", "b"] and list(width.options) == [1.0, 2.0]
