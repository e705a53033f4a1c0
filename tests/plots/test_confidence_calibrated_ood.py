import matplotlib
import numpy as np
import pandas as pd
import pytest

from lib.plots import confidence_calibrated_ood as plots

matplotlib.use("agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_every_seed_is_a_dot_and_every_mean_a_bar_with_a_ring_where_the_kind_was_seen(axes):
    lines = [
        {"training": training, "set": place, "seed": seed, "AUROC": 0.7 + 0.1 * seed, "seen": (training, place) == seen}
        for seen in [("KL", "SVHN")]
        for training in ("CE", "KL")
        for place in ("SVHN", "MNIST")
        for seed in range(3)
    ]
    plots.breadth(pd.DataFrame(lines), axes)
    dots = [line for line in axes.lines if len(line.get_xdata()) == 3]
    rings = [line for line in axes.lines if line.get_marker() == "o"]
    bars = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 3]
    assert (len(dots), len(rings), len(bars)) == (4, 1, 4)
    np.testing.assert_allclose(rings[0].get_xdata(), [0.8])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["SVHN", "MNIST"]


def test_histograms_tell_trainings_by_line_and_sets_by_colour(axes):
    lines = [
        {"training": training, "set": place, "confidence": x, "share": 0.5}
        for training in ("CE", "KL")
        for place in ("inside", "outside")
        for x in (0.25, 0.75)
    ]
    plots.confidence_histograms(pd.DataFrame(lines), axes)
    assert [line.get_linestyle() for line in axes.lines] == ["--", "--", "-", "-"]
    assert axes.lines[0].get_color() == axes.lines[2].get_color() != axes.lines[1].get_color()


def test_roc_has_a_curve_a_training(axes):
    frame = pd.DataFrame({"training": ["CE"] * 3 + ["KL"] * 3, "FPR": [0, 0.5, 1] * 2, "TPR": [0, 0.7, 1, 0, 0.9, 1]})
    plots.roc(frame, axes)
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"CE", "KL"}
