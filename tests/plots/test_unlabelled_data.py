"""The drawings of the page of unlabelled images, and what stands where nobody can choose a net."""

import matplotlib

matplotlib.use("agg")

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib.plots import unlabelled_data as plots

LINES = [("supervised", 0, 0.5, 0.5, 40), ("supervised", 1, 0.9, 0.8, 40), ("student", 0, 0.6, 0.7, 80)]
FRAME = pd.DataFrame(LINES, columns=["arm", "seed", "confidence", "accuracy", "size"])


@pytest.fixture
def shown(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "show", lambda figure, about, alt="": figures.append((figure, about, alt)))
    return figures


def test_gains_stand_at_their_number_of_images_and_means_are_joined():
    frame = pd.DataFrame({"seed": [0, 1, 0, 1], "images": [9.0, 9.0, 1200.0, 1200.0], "gain": [-1.0, 1.0, 2.0, 4.0]})
    _, axes = plt.subplots()
    plots.by_amount(frame, axes)
    means = axes.get_lines()[1]
    assert np.asarray(means.get_xdata()).tolist() == [9, 1200] and np.asarray(means.get_ydata()).tolist() == [0, 3]
    assert axes.get_xscale() == "log" and [text.get_text() for text in axes.get_xticklabels()] == ["9", "1,200"]


def test_a_net_is_told_in_words():
    assert plots.in_words(FRAME, "supervised") == "supervised: right 65.0%, sure 70.0%"


def test_where_nobody_can_choose_the_nets_of_the_page_stand_side_by_side(shown, monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    plots.explore(FRAME, ["supervised", "student"])
    ((figure, about, alt),) = shown
    assert len(figure.axes) == 2 and about == "figure: reliability of supervised, student" and "right 70.0%" in alt


def test_both_nets_can_be_chosen(shown, monkeypatch):
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    displayed = []
    monkeypatch.setattr("IPython.display.display", lambda *what: displayed.extend(what))
    plots.explore(FRAME, ["supervised", "student"])
    left, right = next(what for what in displayed if isinstance(what, ipywidgets.HBox)).children
    assert (left.value, right.value) == ("supervised", "student") and shown[-1][1].endswith("supervised, student")
    left.value = "student"
    assert shown[-1][1].endswith("student, student")
