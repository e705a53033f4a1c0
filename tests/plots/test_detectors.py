"""The drawings of the detectors take the frames they are documented for; the view stores pictures alone."""

import matplotlib
import pandas as pd
import pytest

from lib.plots import detectors as plots

matplotlib.use("agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def settings_frame():
    lines = [
        (kind, temperature, step, seed, 0.2 + step + 0.1 * seed, temperature == 1000 and step == 0)
        for kind in ("made outliers", "near sets")
        for temperature in (1.0, 1000.0)
        for step in (0.0, 0.1)
        for seed in (0, 1)
    ]
    return pd.DataFrame(lines, columns=["kind", "temperature", "step", "seed", "TNR95", "chosen"])


def test_a_row_for_each_net_and_detector_and_zero_is_marked(axes):
    frame = pd.DataFrame(
        {"training": ["KL", "KL"], "set": ["net, ODIN", "net, energy"], "seed": 0, "gain": [0.1, 0.2], "seen": False}
    )
    plots.gains(frame, axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["net, ODIN", "net, energy"]
    assert any(list(line.get_xdata()) == [0, 0] for line in axes.lines)


def test_a_line_for_each_kind_and_temperature_is_the_mean_over_seeds(axes):
    plots.settings(settings_frame(), axes)
    lines = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert [line.get_linestyle() for line in lines] == [":", "--", ":", "--"]
    assert all(list(line.get_ydata()) == pytest.approx([0.25, 0.35]) for line in lines)
    rings = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines if line.get_marker() == "o"]
    assert [ring for ring in rings if ring[0]] == [([0.0], pytest.approx([0.25]))]  # chosen on the first kind alone


def test_the_best_setting_of_each_kind_is_bold(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "show", lambda figure, about: shown.append((figure, about)))
    plots.over_settings(settings_frame(), ["made outliers", "near sets"], "CE")
    ((figure, about),) = shown
    assert about == "figure: TNR95 of ODIN over its settings, CE, made outliers and near sets"
    for place in figure.axes:
        assert [text.get_text() for text in place.texts] == ["25", "35", "25", "35"]
        assert sum(text.get_weight() == "bold" for text in place.texts) == 1


def test_where_nobody_can_choose_a_sentence_stands(monkeypatch, capsys):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    plots.look({"CE": settings_frame()})
    assert "run it to choose" in capsys.readouterr().out
