"""The drawings of the decision boundary take the frames they are documented for; the view stores pictures alone."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

from lib.plots import decision_boundary as plots

matplotlib.use("agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def surface_frame(trainings, views=(15, 50)):
    """Surfaces whose lower half is of the first class and whose upper half of the second, with a point of each kind."""
    lines = []
    for training in trainings:
        for view in views:
            for line in range(4):
                pixels = bytes([0 if line < 2 else 255] * 4).hex()
                lines.append((training, "surface", view, line, pixels, 0.0, 0.0))
        lines += [(training, "data", 0, 0, "", -5.0, 1.0), (training, "outlier", 0, 0, "", 12.0, 3.0)]
    return pd.DataFrame(lines, columns=["training", "kind", "view", "line", "pixels", "x", "y"])


def test_a_picture_for_each_training_and_view(axes):
    plots.surfaces(surface_frame(["large box", "small box", "cross-entropy"]), axes)
    small = axes.child_axes
    assert len(small) == 6
    assert [place.get_title() for place in small[:3]] == ["large box", "small box", "cross-entropy"]
    assert [place.get_ylabel() for place in small[::3]] == ["± 15", "± 50"]
    assert small[0].get_xlim() == (-15, 15) and small[3].get_xlim() == (-50, 50)


def test_a_surface_stands_the_right_way_up_with_its_points(axes):
    plots.surface(surface_frame(["small box"]), 50, axes)
    (image,) = axes.images
    assert image.origin == "lower" and list(image.get_extent()) == [-50, 50, -50, 50]
    shown = np.asarray(image.get_array())
    assert (shown[:2] == 0).all() and (shown[2:] == 1).all()
    points = [tuple(p) for c in axes.collections for p in np.asarray(c.get_offsets()) if len(c.get_offsets()) == 1]
    assert (12.0, 3.0) in points and (-5.0, 1.0) in points


def test_lines_are_seeds_and_their_mean(axes):
    frame = pd.DataFrame(
        {"training": "small box", "seed": [0, 0, 1, 1], "distance": [4.0, 50.0] * 2, "confident": [0.2, 0.4, 0.4, 1.0]}
    )
    plots.by_distance(frame, axes)
    lines = [list(line.get_ydata()) for line in axes.lines[:3]]
    assert lines[:2] == [[0.2, 0.4], [0.4, 1.0]]
    assert lines[2] == pytest.approx([0.3, 0.7]) and axes.get_xscale() == "log"


@pytest.mark.parametrize(
    ("draw", "of", "y"), [(plots.length, "training", "near ring"), (plots.game, "generator", "border")]
)
def test_curves_along_a_training(axes, draw, of, y):
    draw(pd.DataFrame({of: ["a", "a", "b", "b"], "seed": 0, "step": [1, 2, 1, 2], y: [0.1, 0.2, 0.3, 0.4]}), axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert [0.3, 0.4] in [list(line.get_ydata()) for line in axes.lines]


def test_regions_against_the_size_of_the_box(axes):
    frame = pd.DataFrame({"half width": [10, 10, 50, 50], "seed": [0, 1] * 2, "near ring": [0.0, 0.2, 0.6, 0.8]})
    plots.radius(frame.assign(**{"whole box": 0.5}), axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["near ring", "whole box"]
    assert any(list(line.get_ydata()) == pytest.approx([0.1, 0.7]) for line in axes.lines if len(line.get_ydata()) == 2)


def test_samples_have_a_picture_for_each_generator_and_seed(axes):
    frame = pd.DataFrame(
        [(name, seed, 5.0 * seed, 1.0) for name in ("data", "plain GAN") for seed in (0, 1)],
        columns=["generator", "seed", "x", "y"],
    )
    plots.samples(frame, axes)
    assert len(axes.child_axes) == 4
    assert [place.get_title() for place in axes.child_axes[:2]] == ["data", "plain GAN"]
    shown = [np.asarray(place.collections[0].get_offsets()).tolist() for place in axes.child_axes]
    assert shown == [[[0.0, 1.0]], [[0.0, 1.0]], [[5.0, 1.0]], [[5.0, 1.0]]]


def test_the_view_stores_one_picture_where_nobody_can_choose(monkeypatch):
    shown: list[tuple[int, str]] = []
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere.json")
    monkeypatch.setattr(plots, "show", lambda figure, about: shown.append((len(figure.axes), about)))
    plots.explore(surface_frame([f"± {width}, beta {beta}" for width in (10, 20) for beta in (0.1, 1)], (15, 50, 500)))
    assert shown == [(4, "figure: surfaces with outliers from ± 10, ± 20 and beta 0.1, beta 1, view 50")]


def test_the_view_offers_boxes_weights_and_views(monkeypatch):
    import ipywidgets

    offered: dict[str, Any] = {}
    drawn: list[Any] = []

    def interact(draw, **sliders):
        offered.update(sliders)
        drawn.append(draw)

    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    monkeypatch.setattr(ipywidgets, "interact", interact)
    monkeypatch.setattr(plots, "show", lambda figure, about: drawn.append(about))
    plots.explore(surface_frame(["± 10, beta 1", "± 20, beta 1"], (15, 50, 500)))
    assert {name: list(slider.options) for name, slider in offered.items()} == {
        "box": ["± 10", "± 20"],
        "beta": ["beta 1"],
        "view": [15, 50, 500],
    }
    drawn[0]("± 20", "beta 1", 500)
    assert drawn[1] == "figure: outliers from ± 20, beta 1, view 500"
