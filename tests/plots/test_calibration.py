"""The drawings of JEM's calibration take the frames they are documented for, and the view stores nothing."""

import matplotlib
import pandas as pd
import pytest

from lib.plots import calibration

matplotlib.use("agg")

BINS = pd.DataFrame(
    [
        {"net": "JEM", "seed": 0, "lower": 0.5, "upper": 0.55, "confidence": 0.52, "accuracy": 0.5, "size": 10},
        {"net": "JEM", "seed": 1, "lower": 0.5, "upper": 0.55, "confidence": 0.54, "accuracy": 0.8, "size": 30},
        {"net": "JEM", "seed": 0, "lower": 0.9, "upper": 0.95, "confidence": 0.93, "accuracy": 1.0, "size": 60},
    ]
)
ERRORS = pd.DataFrame(
    [
        {
            "setting": setting,
            "net": net,
            "seed": seed,
            "sign": sign,
            "before": abs(sign),
            "after": 0.01,
            "chance": 0.005,
        }
        for setting in ("few", "many")
        for net, sign in (("JEM", -0.1), ("classifier alone, same steps", 0.2))
        for seed in range(3)
    ]
)


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def test_seeds_are_pooled_by_their_number_of_answers():
    found = calibration.pooled(BINS)
    assert found["confidence"].tolist() == pytest.approx([(0.52 * 10 + 0.54 * 30) / 40, 0.93])
    assert found["accuracy"].tolist() == pytest.approx([(0.5 * 10 + 0.8 * 30) / 40, 1.0])
    assert found["share"].tolist() == pytest.approx([0.4, 0.6])


def test_a_diagram_has_a_dot_for_each_bin(axes):
    calibration.reliability(BINS, axes)
    (dots,) = axes.collections
    assert dots.get_offsets()[-1].tolist() == pytest.approx([0.93, 1.0])


def test_every_net_has_a_line_for_every_setting(axes):
    found = calibration.placed(ERRORS, axes)
    assert [height for _, height, _, _ in found] == pytest.approx([-0.24, 0.76, 0.24, 1.24])
    assert [label for label, _, _, _ in found] == ["few", None, "many", None]
    single = calibration.placed(ERRORS[ERRORS["setting"] == "few"], axes)
    assert [height for _, height, _, _ in single] == [0, 1]


def test_signs_and_errors_are_drawn_in_points(axes):
    calibration.sides(ERRORS, axes)
    assert {-10.0, 20.0} <= {round(float(x), 9) for line in axes.lines for x in line.get_xdata()}
    axes.clear()
    calibration.errors(ERRORS, axes)
    assert {10.0, 20.0, 1.0, 0.5} <= {round(float(x), 9) for line in axes.lines for x in line.get_xdata()}


def test_the_path_has_a_star_where_it_was_stopped(axes):
    lines = [{"setting": "few", "what": "twin", "seed": 0, "share": s, "sign": s / 10} for s in (0.5, 1.0)]
    lines += [
        {"setting": "few", "what": w, "seed": 0, "share": s, "sign": 0.05} for w, s in (("stopped", 0.5), ("JEM", 1))
    ]
    calibration.path(pd.DataFrame(lines), axes)
    (star,) = [line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata())]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == pytest.approx((0.5, 5.0))


SEEN = {
    "diagram": {"lower": [0.5], "upper": [1.0], "confidence": [0.8], "accuracy": [0.6], "size": [5]},
    **{"calibration error": 0.2, "chance alone": 0.1, "confidence minus accuracy": 0.2},
    **{"negative log-likelihood": 0.7, "fitted temperature": 1.8},
}


def test_the_view_is_silent_under_the_runner(monkeypatch, capsys):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    calibration.play(["JEM"], lambda net, bins, temperature: SEEN)
    assert "JupyterLab" in capsys.readouterr().out


def test_the_view_shows_its_numbers(monkeypatch):
    import matplotlib.pyplot as plt

    titles = []
    monkeypatch.setattr(plt, "show", lambda: titles.append(plt.gcf().axes[0].get_title()))
    calibration.scene(SEEN, "JEM")
    assert "20.0 %" in titles[0] and "+20.0" in titles[0] and "T = 1.80" in titles[0]
