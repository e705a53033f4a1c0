"""The drawings of the page of pseudo-labels, and what stands where nobody can choose a threshold."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from lib.plots import pseudo_labels as plots

COUNTS = {"right": [0, 1, 2, 3, 4], "wrong": [1, 1, 1, 1, 1], "other classes": [5, 0, 0, 0, 0]}


def test_gains_are_drawn_in_points_with_the_means_of_bins_joined():
    lines = [
        ("soft", seed, place + seed / 100, gain + seed / 100)
        for place, gain in ((0.3, -0.02), (0.9, 0.01)) for seed in (0, 1)
    ]  # fmt: skip
    _, axes = plt.subplots()
    plots.by_bin(pd.DataFrame(lines, columns=["labels", "seed", "confidence", "gain"]), axes)
    means = axes.get_lines()[1]
    assert means.get_label() == "soft" and np.asarray(means.get_ydata()).tolist() == pytest.approx([-1.5, 1.5])
    assert np.asarray(means.get_xdata()).tolist() == pytest.approx([0.305, 0.905])


def test_every_class_has_a_curve_and_the_wanted_number_a_line():
    lines = [(name, threshold, 9, 5) for name in "ab" for threshold in (1.0, 0.3)]
    _, axes = plt.subplots()
    plots.grid_of_thresholds(pd.DataFrame(lines, columns=["class", "threshold", "left", "wanted"]), axes)
    assert [line.get_label() for line in axes.get_lines()] == ["a", "b", "wanted"]
    assert set(np.asarray(axes.get_lines()[2].get_ydata()).tolist()) == {5}


@pytest.mark.parametrize(
    ("threshold", "left"), [(0.0, (10, 5, 5)), (0.4, (9, 3, 0)), (0.41, (7, 2, 0)), (1.0, (4, 1, 0))]
)
def test_a_filter_leaves_whole_columns(threshold, left):
    assert tuple(plots.left_by(COUNTS, threshold).values()) == left


def test_what_a_filter_leaves_is_said_in_words():
    assert plots.in_words(COUNTS, 0.4) == (
        "above 0.40: 60% of the pool; 75% rightly labelled, 25% wrongly, 0% of other classes"
    )


def test_columns_stand_upon_each_other_and_those_below_the_threshold_are_pale():
    _, axes = plt.subplots()
    plots.histogram(COUNTS, axes, 0.4)
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    tops = {round(bar.get_x(), 2): 0.0 for bar in bars}
    for bar in bars:
        tops[round(bar.get_x(), 2)] = max(tops[round(bar.get_x(), 2)], bar.get_y() + bar.get_height())
    assert list(tops.values()) == pytest.approx([6, 2, 3, 4, 5])
    assert {bar.get_alpha() for bar in bars if bar.get_x() < 0.39} == {0.3}


def test_without_anybody_to_choose_three_thresholds_stand_side_by_side(monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    shown = []
    monkeypatch.setattr(plots, "show", lambda figure, about, alt="": shown.append(figure))
    plots.explore(COUNTS)
    plots.at_threshold(COUNTS, 0.6)
    assert [len(figure.axes) for figure in shown] == [3, 1]
