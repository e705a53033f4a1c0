"""The drawings of `1-energies` take the frames they are documented for, and the interactive view stores nothing."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from lib.plots import energies

matplotlib.use("agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def test_no_changed_bit_has_a_place_of_its_own_on_the_axis(axes):
    frame = pd.DataFrame({"precision": ["float64"] * 4, "seed": [0, 0, 1, 1], "size": [1.0, 10.0] * 2,
                          "change": [0.0, 1e-9, 0.0, 1e-8]})  # fmt: skip
    energies.shift_error(frame, axes)
    measured, dashed = axes.lines
    assert measured.get_ydata().tolist() == [energies.NOTHING, 1e-8]  # the worst seed
    assert dashed.get_ydata().tolist() == [2.0**-53, 10 * 2.0**-53]


def test_maps_stand_in_their_places(axes):
    tiles = [np.full((1, 10, 10), 255 * (i == 2), np.uint8) for i in range(3)]
    frame = pd.DataFrame(
        [{"name": str(i), "shape": "1x10x10", "pixels": tile.tobytes().hex()} for i, tile in enumerate(tiles)]
    )
    energies.maps(frame, axes)
    sheet = np.asarray(axes.images[0].get_array())
    assert sheet.shape == (24, 23, 3)  # two rows of ten with room for names, two columns with a gap
    assert sheet[2:12, :10].min() > 0.9 > 0.5 > sheet[14:, :10, 0].max()  # light, and dark below
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]


def test_temperatures(axes):
    frame = pd.DataFrame({"setting": "a", "seed": [0, 1], "step size": 0.01, "asked": 1.0, "curvature": [1.0, 1.2],
                          "energy": [2.0, 2.0], "hill": [1.3, 1.3]})  # fmt: skip
    energies.temperature(frame, axes)
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.5, 2.0], [1.3], [1.1], [2.0]]


def test_distances_and_their_control(axes):
    frame = pd.DataFrame({"setting": ["T = 1"] * 2 + ["independent draws"] * 2, "seed": 0, "steps": [1, 9, 1, 9],
                          "distance": [0.5, 0.2, 0.1, 0.1]})  # fmt: skip
    energies.distances(frame, axes)
    assert [line.get_linestyle() for line in axes.lines] == ["-", ":"]
    assert axes.lines[0].get_ydata().tolist() == [0.5, 0.2]


def test_the_exact_histogram_is_filled(axes):
    frame = pd.DataFrame({"setting": ["exact p(x)"] * 2 + ["T = 1"] * 2, "z": [-0.5, 0.5] * 2, "density": [0.5] * 4})
    energies.histogram(frame, axes)
    assert len(axes.collections) == 1 and len(axes.lines) == 1


def seen() -> dict:
    return {"path": [[0.0, 0.0], [0.1, 0.2]], "mean log p(x)": [-3.0, -1.0], "exact mean log p(x)": 0.0,
            "one pixel": [0.5, 0.5], "one pixel, exact": [0.4, 0.6], "map": [[0.0, 1.0], [1.0, 0.0]],
            "temperature": 1.0}  # fmt: skip


def test_under_the_runner_the_view_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    energies.play(lambda step, noise, steps: pytest.fail("nothing is computed"))
    assert "JupyterLab" in capsys.readouterr().out


def test_the_callback_draws_chain_energy_and_histogram(monkeypatch):
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().axes))
    energies.scene(seen())
    ((chain, energy, histogram),) = shown
    assert np.asarray(chain.lines[1].get_xydata()).tolist() == [[0.1, 0.2]]  # where it is now
    assert np.asarray(energy.lines[0].get_ydata()).tolist() == [-3.0, -1.0] and "T = s²/2a = 1" in histogram.get_title()


def test_the_sliders_hand_on_step_noise_and_steps(monkeypatch):
    import ipywidgets

    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    asked = []
    monkeypatch.setattr(
        ipywidgets, "interact", lambda draw, **sliders: draw(**{n: s.value for n, s in sliders.items()})
    )
    monkeypatch.setattr(energies, "scene", lambda found: asked.append(found))
    energies.play(lambda step, noise, steps: {"asked": (step, noise, steps)})
    assert asked == [{"asked": (pytest.approx(0.005), pytest.approx(0.1), 200)}]
