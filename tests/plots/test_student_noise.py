"""The drawings of the noise page, and what stands where nobody can choose."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from lib.data.randaugment import CONVENTIONS, one_operation
from lib.plots import student_noise as plots

SPACES = {name: list(space.ranges) for name, space in CONVENTIONS.items()}


def test_lengths_are_drawn_in_points_with_means_joined():
    lines = [
        (n, s, seed, g + seed / 100) for n, g in (("with", 0.01), ("without", 0.02)) for s in (5, 10) for seed in (0, 1)
    ]
    _, axes = plt.subplots()
    plots.length_curve(pd.DataFrame(lines, columns=["noise", "steps", "seed", "gain"]), axes)
    means = axes.get_lines()[1]
    assert means.get_label() == "with" and np.asarray(means.get_ydata()).tolist() == pytest.approx([1.5, 1.5])


def test_losses_have_a_line_for_each_student_and_kind_of_image():
    lines = [
        (student, images, seed, share, 1 - share / 2 + seed)
        for student in ("a", "b") for images in ("labelled", "pseudo-labelled") for seed in (0, 1) for share in (0.5, 1)
    ]  # fmt: skip
    _, axes = plt.subplots()
    plots.losses(pd.DataFrame(lines, columns=["student", "images", "seed", "share", "loss"]), axes)
    thick = [line for line in axes.get_lines() if line.get_linewidth() == 2]
    assert [line.get_linestyle() for line in thick] == ["--", "-"] * 2
    assert np.asarray(thick[0].get_ydata()).tolist() == [1.25, 1.0]


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 32, 32)])
def test_without_anybody_to_choose_one_image_stands_under_every_operation(shape, monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    shown, asked = [], []

    def change(images, name, magnitude, convention):
        asked.append((name, magnitude, convention))
        return one_operation(images, name, magnitude, convention)

    monkeypatch.setattr(plots, "SHOWN", (5,))
    monkeypatch.setattr(plots, "show", lambda figure, about, alt="": shown.append(figure))
    plots.explore(torch.rand(shape), change, SPACES)
    assert len(shown) == 1 and len(asked) == sum(map(len, SPACES.values()))


def test_a_choice_shows_images_before_and_after(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "show", lambda figure, about, alt="": figures.append((figure, about)))
    images = torch.rand(3, 3, 32, 32)
    plots.chosen(images, one_operation, "Invert", 5, "divided by 10")
    figure, about = figures[0]
    before, after = figure.axes[0].images[0].get_array(), figure.axes[3].images[0].get_array()
    assert about == "figure: Invert, 5 divided by 10"
    assert (before.astype(int) + after == 255).all()
