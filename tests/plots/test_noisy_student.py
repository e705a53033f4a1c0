"""The drawings of `papers/noisy-student`: what is in the frame is where it should be on the page."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lib.plots import noisy_student as plots


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_gains_are_drawn_in_points_with_their_interval(axes):
    frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "gain": [0.01, 0.03, -0.02, -0.02], "seed": [0, 1, 0, 1],
                          "low": [0.0, 0.0, -0.02, -0.02], "high": [0.04, 0.04, -0.02, -0.02]})  # fmt: skip
    plots.gain_by_arm(frame, axes)
    points, bar, mean = axes.lines[:3]
    assert points.get_xdata().tolist() == pytest.approx([1, 3])
    assert list(bar.get_xdata()) == pytest.approx([0, 4]) and list(mean.get_xdata()) == pytest.approx([2])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_the_length_curve_joins_means_over_seeds(axes):
    frame = pd.DataFrame({"steps": [100, 100, 300, 300], "seed": [0, 1, 0, 1], "against": ["teacher"] * 4,
                          "gain": [0.0, 0.02, 0.03, 0.05]})  # fmt: skip
    plots.length_curve(frame, axes)
    joined = axes.lines[1]
    assert joined.get_xdata().tolist() == [100, 300]
    assert joined.get_ydata().tolist() == pytest.approx([1, 4])


def test_accuracy_by_size_has_a_line_for_each_training(axes):
    frame = pd.DataFrame({"training": ["supervised", "supervised", "student"], "parameters": [10, 20, 10],
                          "seed": [0, 0, 0], "accuracy": [0.5, 0.6, 0.55]})  # fmt: skip
    plots.accuracy_by_size(frame, axes)
    labelled = {line.get_label(): line.get_ydata().tolist() for line in axes.lines if line.get_label()[0] != "_"}
    assert labelled["supervised"] == pytest.approx([50, 60]) and labelled["student"] == pytest.approx([55])


def test_reliability_weighs_the_seeds_by_the_size_of_their_bins(axes):
    frame = pd.DataFrame({"arm": ["a"] * 3, "seed": [0, 1, 0], "confidence": [0.55, 0.56, 1.0],
                          "accuracy": [0.2, 0.6, 0.9], "size": [30, 10, 5]})  # fmt: skip
    plots.reliability(frame, axes)
    line = axes.lines[0]
    assert line.get_ydata().tolist() == pytest.approx([0.3, 0.9])
    assert line.get_xdata().tolist() == pytest.approx([0.5525, 1.0])
