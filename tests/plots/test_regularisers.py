"""The drawings of the page on regularisers, and the buttons over its curves."""

import matplotlib

matplotlib.use("agg")

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.plots import regularisers as plots

CURVES = pd.DataFrame(
    [
        (learner, name, labels, seed, epoch, 0.1 * epoch, 0.05 * epoch + 0.01 * seed)
        for learner in ("mlp 1x512", "half-width cnn")
        for labels in ("true", "random")
        for name in ("nothing", "crop", "everything")
        for seed in (0, 1)
        for epoch in (1, 2, 4)
        if (labels, name) != ("random", "crop")
    ],
    columns=["learner", "regularisers", "labels", "seed", "epoch", "train", "test"],
)


@pytest.fixture
def shown(monkeypatch):
    """Figures as they are when they are shown."""
    figures = []
    monkeypatch.setattr(plots, "show", lambda figure, about: figures.append((figure, about)))
    return figures


def test_effects_are_in_points_with_their_interval():
    lines = [("a", "crop", 0, 0.01), ("a", "crop", 1, 0.03), ("b", "crop", 0, -0.02), ("b", "flip", 0, 0.0)]
    frame = pd.DataFrame(lines, columns=["learner", "regulariser", "seed", "difference"])
    _, axes = plt.subplots()
    plots.effects(frame, axes)
    first = axes.containers[0]
    assert first[0].get_xdata().tolist() == pytest.approx([2.0])
    (bars,) = first[2]
    assert bars.get_segments()[0][:, 0].tolist() == pytest.approx([2 - 6.3138, 2 + 6.3138], abs=1e-3)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["crop", "flip"]
    assert axes.get_legend_handles_labels()[1] == ["a", "b"]


def test_curves_are_those_of_the_last_net_on_true_labels():
    _, axes = plt.subplots()
    plots.curves(CURVES, axes)
    assert [line.get_label() for line in axes.lines] == ["nothing", "crop", "everything"]
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == pytest.approx([0.055, 0.105, 0.205])


def test_stars_stand_where_held_out_images_stopped():
    ours = [("this run", net, kind, 0, e, 0.1 * e) for net in ("x", "y") for kind in ("train", "test") for e in (1, 2)]
    ours += [("this run", net, "chosen", 0, 1, 0.1) for net in ("x", "y")]
    frame = pd.DataFrame(
        [*ours, ("paper", "Inception", "test", 0, 5.0, 0.8)],
        columns=["source", "net", "kind", "seed", "epoch", "accuracy"],
    )
    _, axes = plt.subplots()
    plots.early_stopping(frame, axes)
    stars = [line for line in axes.lines if line.get_marker() == "*" and np.size(line.get_xdata())]
    assert [np.asarray(star.get_xdata()).tolist() for star in stars] == [[1], [1]]
    labels = axes.get_legend_handles_labels()[1]
    assert labels[:2] == ["x, train", "x, test"] and "the paper, Inception, test" in labels


def test_coefficients_stand_in_order_with_none_first():
    lines = [(c, "q", seed, a) for c, a in ((0.0, 1.0), (0.05, 0.2), (0.005, 0.9)) for seed in (0, 1)]
    _, axes = plt.subplots()
    plots.coefficients(pd.DataFrame(lines, columns=["coefficient", "quantity", "seed", "accuracy"]), axes)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["none", "0.005", "0.05"]
    assert np.asarray(axes.containers[0][0].get_ydata()).tolist() == [1.0, 0.9, 0.2]


def test_a_page_shows_a_picture_and_a_notebook_buttons_for_what_was_trained(shown, monkeypatch):
    import ipywidgets as widgets

    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    plots.explore_switches(CURVES)
    assert shown.pop()[1] == "figure: half-width cnn, true labels, on: everything"
    monkeypatch.delenv("REPLICATION_RESULT")
    boxes: list[Any] = []
    monkeypatch.setattr("IPython.display.display", boxes.append)
    plots.explore_switches(CURVES)
    controls = [child for child in boxes[-1].children if isinstance(child, widgets.ToggleButtons)]
    assert list(controls[2].options) == ["nothing", "crop", "everything"]
    controls[2].value = "crop"
    controls[1].value = "random"
    assert list(controls[2].options) == ["nothing", "everything"] and controls[2].value == "nothing"
    assert shown[-1][1] == "figure: half-width cnn, random labels, on: nothing"


def test_the_net_with_nothing_stands_behind_in_grey(shown):
    plots.switched(CURVES, "mlp 1x512", "true", "crop")
    ((figure, _),) = shown
    left, right = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["nothing", "crop"]
    assert left.get_ylabel() == "train accuracy" and right.get_ylabel() == "test accuracy"
