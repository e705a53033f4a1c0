"""The drawings of calibration over training: means, floors, signs, and what a page without sliders shows."""

import matplotlib

matplotlib.use("agg")

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.plots import calibration_over_training as plots

LOOKS = pd.DataFrame(
    [
        ("this run", training, seed, share, 0.02 + 0.02 * seed, 0.01, 0.05 * share * (1 if seed else -1))
        for training in ("pre-trained", "scratch")
        for seed in (0, 1)
        for share in (0.5, 1.0)
    ]
    + [("paper", "scratch", 0, 0.5, 0.09, 0.0, 0.0), ("paper", "scratch", 0, 1.0, 0.126, 0.0, 0.0)],
    columns=["source", "training", "seed", "share", "RMS", "RMS floor", "confidence minus accuracy"],
)
SHOWN = {
    "confidence": [0.6, 0.9], "accuracy": [0.5, 0.8], "RMS": 0.1, "floor": 0.04, "confidence minus accuracy": 0.1,
    "fitted temperature": 1.5,
}  # fmt: skip


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    about: list[str] = []
    monkeypatch.setattr(plots, "show", lambda figure, text: about.append(text))
    yield about
    plt.close("all")


def lines(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.lines}


def test_errors_stand_in_per_cent_beside_their_floor():
    frame = pd.DataFrame(
        [("scratch", 0, 0.06, 0.03, 0.02), ("scratch", 1, 0.08, 0.03, 0.02), ("tuned", 0, 0.04, 0.04, 0.03)],
        columns=["net", "seed", "before", "after", "floor"],
    )
    _, axes = plt.subplots()
    plots.errors(frame, axes)
    bars: list[Any] = list(axes.containers)
    assert [bar.lines[0].get_xdata()[0] for bar in bars] == pytest.approx([7, 3, 4, 4])
    assert [bar.lines[0].get_markerfacecolor() == "white" for bar in bars] == [False, True, False, True]
    assert lines(axes)["floor"].get_xdata() == pytest.approx([2])
    plt.close("all")


def test_errors_over_training_are_means_with_dashed_floors_and_the_papers_curve():
    _, axes = plt.subplots()
    plots.over_training(LOOKS, axes)
    found = lines(axes)
    assert np.allclose(found["scratch"].get_ydata(), 3) and found["scratch"].get_linestyle() == "-"
    assert np.allclose(found["the paper, scratch, CIFAR-100"].get_ydata(), [9, 12.6])
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(np.atleast_1d(line.get_xdata()))]
    assert len(dashed) == 2 and all(np.allclose(line.get_ydata(), 1) for line in dashed)
    plt.close("all")


def test_the_sign_is_kept():
    _, axes = plt.subplots()
    plots.sign(LOOKS[LOOKS["source"] == "this run"], axes)
    assert np.allclose(lines(axes)["scratch"].get_ydata(), 0)
    seeds = [line for line in axes.lines if line.get_alpha() == 0.4]
    assert len(seeds) == 4 and np.allclose(seeds[0].get_ydata(), [-2.5, -5])
    plt.close("all")


def test_a_page_without_sliders_shows_the_last_net_as_it_comes(shown: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    asked: list[Any] = []

    def run(*what: Any) -> dict[str, Any]:
        asked.append(what)
        return SHOWN

    plots.explore(["pre-trained", "scratch"], run)
    assert asked == [("scratch", 100, 1.0)] and shown == ["figure: reliability of scratch, bins of 100, T = 1.00"]


def test_sliders_offer_nets_bins_and_temperatures(shown: list[str], monkeypatch: pytest.MonkeyPatch):
    import ipywidgets

    offered: dict[str, Any] = {}

    def interact(drawn: Any, **choices: Any) -> None:
        offered.update(choices)
        drawn("pre-trained", 50, 2.0)

    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    monkeypatch.setattr(ipywidgets, "interact", interact)
    plots.explore(["pre-trained", "scratch"], lambda net, size, temperature: SHOWN)
    assert offered["net"].options == ("pre-trained", "scratch") and offered["size"].value == 100
    assert offered["temperature"].value == 1
    assert shown == ["figure: reliability of pre-trained, bins of 50, T = 2.00"]
