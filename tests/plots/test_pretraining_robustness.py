"""The drawings of adversarial robustness: what is on the axes is what the frame says."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lib.plots import pretraining_robustness as plots


@pytest.fixture
def axes():
    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def test_the_over_fitting_curve_has_a_line_for_each_seed_and_a_star_for_each_tuned_net(axes):
    scratch = [("scratch, training images", s, step, 0.1 * step) for s in (0, 1) for step in (1, 2, 3)]
    held_out = [("scratch, held-out images", s, step, 0.3 - 0.1 * step) for s in (0, 1) for step in (1, 2, 3)]
    tuned = [(plots.TUNED, 0, 1, 0.4), (plots.TUNED, 1, 1, 0.6)]
    frame = pd.DataFrame(scratch + held_out + tuned, columns=["images", "seed", "step", "accuracy"])
    plots.over_fitting(frame, axes)
    texts = axes.get_legend_handles_labels()[1]
    assert sorted(texts) == sorted(["scratch, training images", "scratch, held-out images", plots.TUNED])
    assert len(axes.lines) == 4 + 1 + 1  # two seeds of two curves, the stars, the line at their mean
    assert axes.lines[-1].get_ydata()[0] == pytest.approx(0.5)


def test_the_radius_curve_shows_the_mean_of_the_seeds(axes):
    lines = [("net", s, eps, 0.4 + 0.2 * s - eps) for s in (0, 1) for eps in (0.1, 0.2)]
    plots.radius(pd.DataFrame(lines, columns=["net", "seed", "eps", "accuracy"]), axes)
    assert axes.lines[-1].get_ydata() == pytest.approx([0.4, 0.3])
    assert axes.get_legend_handles_labels()[1] == ["net"]
