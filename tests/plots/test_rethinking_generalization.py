"""The drawings of the random-label page, and the sliders over its curves."""

from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.plots import rethinking_generalization as plots

CURVES = pd.DataFrame(
    [
        (learner, p, seed, epoch, 1.0 / epoch, 0.5 / epoch, 0.3 + p / 2, 0.4 + p / 2)
        for learner in ("mlp 1x512", "half-width cnn")
        for p in (0.0, 0.5, 1.0)
        for seed in (0, 1)
        for epoch in (1, 2, 4)
        if learner != "mlp 1x512" or epoch < 4
    ],
    columns=["learner", "p", "seed", "epoch", "loss", *plots.ERRORS],
)


@pytest.fixture
def shown(monkeypatch):
    """Figures as they are when they are shown."""
    figures = []
    monkeypatch.setattr(plots, "show", lambda figure, about: figures.append(figure))
    return figures


def test_against_p_the_papers_lines_are_dashed_and_ours_have_their_intervals():
    lines = [("this run", "MLP 1x512", seed, p, p + seed / 10) for seed in (0, 1) for p in (0.0, 1.0)]
    lines += [("this run", "MLP 1x512, corrupted test labels", 0, p, 0.5) for p in (0.0, 1.0)]
    lines += [("paper", "Inception", 0, p, 0.2) for p in (0.0, 1.0)]
    frame = pd.DataFrame(lines, columns=["source", "name", "seed", "p", "test error"])
    _, axes = plt.subplots()
    plots.test_errors(frame, axes)
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["the paper, Inception", "MLP 1x512", "MLP 1x512, corrupted test labels"]
    (paper,) = [line for line in axes.lines if line.get_label() == "the paper, Inception"]
    assert paper.get_linestyle() == "--"
    ours = axes.containers[0]
    assert np.asarray(ours[0].get_ydata()).tolist() == pytest.approx([0.05, 1.05])
    (bars,) = ours[2]  # two seeds a tenth apart: half the 90 % t interval is 6.314 times a twentieth
    low, high = np.asarray(bars.get_segments())[0][:, 1]
    assert (low, high) == pytest.approx((0.05 - 6.3138 / 20, 0.05 + 6.3138 / 20), abs=1e-4)
    plots.relative_time(frame.rename(columns={"test error": "time over true"}), axes)


def test_the_loss_of_every_condition_is_drawn_and_survives_a_frame_of_the_paper_alone():
    lines = [("this run", "gaussian", seed, 1, float(seed)) for seed in (0, 1)] + [("paper", "gaussian", 0, 3, 2.0)]
    frame = pd.DataFrame(lines, columns=["source", "condition", "seed", "epoch", "loss"])
    _, axes = plt.subplots()
    plots.training_loss(frame, axes)
    ours = next(line for line in axes.lines if line.get_label() == "gaussian")
    assert np.asarray(ours.get_ydata()).tolist() == [0.5]
    plots.training_loss(frame[frame["source"] == "paper"], axes)


def test_a_slice_of_the_curves(shown):
    plots.curves_until(CURVES, "mlp 1x512", p=0.5, epoch=3)
    left, right = shown[0].axes
    assert left.get_title() == "mlp 1x512, p = 0.5" and right.get_title() == "after 2 epochs"  # the last recorded one
    train = next(line for line in right.lines if line.get_label() == "train error")
    assert np.asarray(train.get_xdata()).tolist() == [0.0, 0.5, 1.0]
    assert np.asarray(train.get_ydata()).tolist() == [0.25] * 3
    plots.curves_until(CURVES, "mlp 1x512", p=0.0, epoch=0)
    assert shown[1].axes[1].get_title() == "after 1 epochs"
    _, axes = plt.subplots()
    plots.label_curves(CURVES, axes)
    assert axes.get_xlabel() == "epoch, half-width cnn"


def test_a_page_written_by_the_runner_holds_a_picture_and_no_widget(shown, monkeypatch):
    displayed: list[Any] = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setenv("REPLICATION_RESULT", "result.json")
    plots.explore_curves(CURVES)
    assert len(shown) == 1 and displayed == []


def test_moving_a_slider_redraws_the_recorded_curves(monkeypatch):
    displayed: list[Any] = []
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setattr(plots, "curves_until", lambda frame, **chosen: drawn.append(chosen))
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    plots.explore_curves(CURVES)
    learner, p, epoch, _ = displayed[0].children
    assert drawn[0] == {"learner": "half-width cnn", "p": 0.5, "epoch": 4}
    assert epoch.options == (1, 2, 4)  # of this learner, whatever epochs others have
    learner.value = "mlp 1x512"
    assert epoch.options == (1, 2) and epoch.value == 2  # its curves end earlier, and so does the slider
    p.value, epoch.value = 1.0, 1
    assert drawn[-1] == {"learner": "mlp 1x512", "p": 1.0, "epoch": 1}
