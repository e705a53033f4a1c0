"""The drawings of detection: means and intervals, ends of trainings, what a page without buttons shows."""

import matplotlib

matplotlib.use("agg")

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.plots import maximum_softmax as plots

LOOKS = pd.DataFrame(
    [
        (training, role, name, seed, step, 0.4 - 0.1 * step, 0.7 + 0.1 * seed)
        for training in ("pre-trained", "scratch")
        for role, name in (("near", "rotated"), ("far", "patches"))
        for seed in (0, 1)
        for step in (1, 2)
    ],
    columns=["training", "role", "set", "seed", "step", "clean error", "AUROC"],
)
CERTAINTIES = pd.DataFrame(
    [
        (net, place, value)
        for net in ("pre-trained", "scratch")
        for place, values in (("test images", (0.99, 0.9)), ("near/rotated", (0.5, 0.3)), ("far/patches", (0.2, 1.0)))
        for value in values
    ],
    columns=["net", "set", "certainty"],
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    about: list[str] = []
    monkeypatch.setattr(plots, "show", lambda figure, text: about.append(text))
    yield about
    plt.close("all")


def test_gains_stand_on_the_line_of_their_set():
    frame = pd.DataFrame(
        [(s, a, seed, gain + 0.02 * seed) for s, gain in (("near: x", 0.1), ("far: y", -0.2)) for a in ("p", "q")
         for seed in (0, 1)],
        columns=["set", "against", "seed", "gain"],
    )  # fmt: skip
    _, axes = plt.subplots()
    plots.gains(frame, axes)
    bars: list[Any] = list(axes.containers)
    dots = [(bar.lines[0].get_xdata()[0], bar.lines[0].get_ydata()[0]) for bar in bars]
    assert [round(x, 6) for x, _ in dots] == [0.11, 0.11, -0.19, -0.19]
    assert [round(y) for _, y in dots] == [0, 0, 1, 1] and dots[0][1] != dots[1][1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["near: x", "far: y"]
    plt.close("all")


def test_errors_fall_to_the_right_and_ends_are_filled():
    _, axes = plt.subplots()
    plots.by_accuracy(LOOKS, axes)
    assert axes.xaxis_inverted() and axes.get_xscale() == "log"
    lines: list[Any] = list(axes.lines)
    curves = [line for line in lines if len(line.get_xdata()) == 2 and line.get_marker() in ("o", "s")]
    assert len(curves) == 4 and np.allclose(curves[0].get_xdata(), [0.3, 0.2])
    assert np.allclose(curves[0].get_ydata(), 0.75), "the mean over seeds"
    ends = [line for line in lines if len(line.get_xdata()) == 1 and line.get_xdata()[0] == pytest.approx(0.2)]
    assert len(ends) == 4
    plt.close("all")


def test_a_histogram_shows_shares_and_keeps_the_surest_answers():
    _, axes = plt.subplots()
    plots.histogram(CERTAINTIES[CERTAINTIES["set"] == "far/patches"], axes)
    (line,) = axes.lines
    heights = np.asarray(line.get_ydata())
    assert heights[-1] == heights[-2] == 0.5 and heights.max() == 0.5
    plt.close("all")


def test_a_page_without_buttons_shows_the_first_net_on_the_first_far_set(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    plots.explore(CERTAINTIES, LOOKS)
    assert shown == ["figure: pre-trained, far/patches"]


def test_whoever_can_choose_is_offered_every_net_and_set(monkeypatch: pytest.MonkeyPatch):
    import ipywidgets

    offered: dict[str, Any] = {}
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    monkeypatch.setattr(ipywidgets, "interact", lambda drawn, **choices: offered.update(choices))
    plots.explore(CERTAINTIES, LOOKS)
    assert offered["net"].options == ("pre-trained", "scratch")
    assert offered["place"].options == ("near/rotated", "far/patches") and offered["place"].value == "far/patches"
