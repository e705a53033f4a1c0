"""The drawings of JEM's robustness take the frames they are documented for, and the view stores nothing."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from lib.plots import robustness

matplotlib.use("agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def test_a_curve_for_each_net_and_norm(axes):
    frame = pd.DataFrame(
        [
            {"norm": norm, "net": net, "seed": seed, "radius": radius, "accuracy": 0.9 - 0.3 * radius + 0.1 * seed}
            for norm in ("linf", "l2")
            for net in ("JEM", "twin")
            for seed in (0, 1)
            for radius in (0, 1, 2)
        ]
    )
    robustness.radii(frame, axes)
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 4 and curves[0].get_ydata()[1] == pytest.approx(0.65)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["JEM", "twin"]


def test_dots_for_each_attack_and_k(axes):
    frame = pd.DataFrame(
        [
            {"k": k, "seed": seed, "attack": attack, "accuracy": 0.1 * seed}
            for k in ("k = 0", "k = 1")
            for attack in ("straight-through", "worst")
            for seed in range(3)
        ]
    )
    robustness.refinement(frame, axes)
    assert [len(line.get_ydata()) for line in axes.lines] == [3] * 4
    assert [label.get_text() for label in axes.get_xticklabels()] == ["k = 0", "k = 1"]


def test_tiles_of_pushed_noise(axes):
    tile = {"shape": "1x2x2", "pixels": "00ff00ff"}
    frame = pd.DataFrame([{"line": i, "row": f"net {i}", "column": j, **tile} for i in range(3) for j in range(5)])
    robustness.distal(frame, axes)
    assert axes.images[0].get_array().shape == (9, 15, 3)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["net 0", "net 1", "net 2"]


def test_the_view_stores_a_sentence_where_nobody_can_choose(monkeypatch, capsys):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    robustness.play(["JEM"], lambda net, radius, k: pytest.fail("nothing to run"))
    assert "JupyterLab" in capsys.readouterr().out


@pytest.mark.parametrize("channels", [1, 3])
def test_a_scene_says_what_stands(channels, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    pictures = np.zeros((2, 3, channels, 4, 4), np.uint8)
    shown = {"clean": 0.9, "robust": 0.5, "withstood": [True, False, True], "pictures": pictures, "eps": 0.1}
    robustness.scene(shown, "JEM", 1)
    titles = [place.get_title() for place in plt.gcf().axes]
    plt.close("all")
    assert titles[3:] == ["stands", "falls", "stands"]
