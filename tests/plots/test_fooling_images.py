"""The drawings of `rethinking-generalization/5-fooling-images`: what is in the frame is where it should be."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from lib.experiments.rethinking_generalization.fooling_images_rows import placed
from lib.plots import fooling_images as plots


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_tiles_stand_in_their_rows_and_columns_with_their_confidence(axes):
    images = torch.rand(4, 1, 28, 28)
    places = [("a", 0, 0.99999), ("a", 1, 0.5), ("b", 0, 0.99), ("b", 1, 1.0)]
    lines = [placed(row, c, image) | {"confidence": p} for (row, c, p), image in zip(places, images, strict=True)]
    plots.gallery(pd.DataFrame(lines), axes)
    drawn = axes.get_images()
    middle = (images[1, 0] * 255).round().byte().numpy()
    assert len(drawn) == 4 and np.array_equal(np.asarray(drawn[1].get_array())[..., 1], middle)
    assert drawn[1].get_extent()[0] > drawn[0].get_extent()[1] and drawn[2].get_extent()[3] > drawn[0].get_extent()[2]
    assert [text.get_text() for text in axes.texts] == ["99.99", "50.00", "99.00", "99.99"]


def test_a_curve_for_each_seed_and_one_for_the_mean(axes):
    frame = pd.DataFrame(
        {"name": ["x"] * 4, "seed": [0, 0, 1, 1], "generation": [0, 1] * 2, "median confidence": [0.1, 0.5, 0.3, 0.9]}
    )
    plots.curves(frame, axes)
    assert [list(line.get_ydata()) for line in axes.get_lines()[:2]] == [[0.1, 0.5], [0.3, 0.9]]
    assert list(axes.get_lines()[2].get_ydata()) == pytest.approx([0.2, 0.7])


def test_rounds_of_new_and_old_images(axes):
    lines = [
        {"name": "cppn", "seed": seed, "round": number, "images": images, "confidence": value}
        for seed in (0, 1)
        for number, images, value in ((0, "evolved anew", 1.0), (1, "evolved anew", 0.8), (1, "of earlier rounds", 0.1))
    ]
    plots.rounds(pd.DataFrame(lines), axes)
    handles, labels = axes.get_legend_handles_labels()
    assert labels == ["cppn, evolved anew", "cppn, of earlier rounds"]
    assert list(handles[0].lines[0].get_ydata()) == [1.0, 0.8] and list(handles[1].lines[0].get_xdata()) == [1]


def test_the_page_shows_five_scenes_where_nobody_can_drag(monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    shown = []
    monkeypatch.setattr(plots, "show", lambda figure, about: shown.append((len(figure.axes), about)))
    run = {
        "film": torch.rand(9, 10, 1, 8, 8), "film at": list(range(0, 90, 10)),
        "film probabilities": torch.rand(9, 10, 10), "confidence": [0.5] * 10,
    }  # fmt: skip
    plots.watch({"cppn": run})
    assert shown == [(10, "figure: class 3 at generations [0, 20, 40, 60, 80]")]


def test_per_cent_are_rounded_down():
    assert [plots.percent(value) for value in (0.98999, 0.5, 0.0)] == ["98.99", "50.00", "0.00"]
