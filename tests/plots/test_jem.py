"""The drawings of JEM take the frames they are documented for, and the interactive view stores nothing."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from lib.plots import jem
from lib.plots.tiles import pixels

matplotlib.use("agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, place = plt.subplots()
    yield place
    plt.close(figure)


def text(image: np.ndarray) -> dict[str, str]:
    return {"shape": "x".join(map(str, image.shape)), "pixels": image.tobytes().hex()}


def test_pixels_come_back_as_they_were():
    colour = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(3, 2, 4)  # (C, H, W)
    assert np.array_equal(pixels(**swapped(text(colour))), colour.transpose(1, 2, 0))
    grey = colour[:1]
    found = pixels(**swapped(text(grey)))
    assert found.shape == (2, 4, 3) and all(np.array_equal(found[..., c], grey[0]) for c in range(3))


def swapped(tile: dict[str, str]) -> dict[str, str]:
    return {"text": tile["pixels"], "shape": tile["shape"]}


def test_a_mosaic_has_each_tile_in_its_place(axes):
    tiles = {(i, j): np.full((1, 2, 2), 10 * i + j, np.uint8) for i in range(4) for j in range(3)}
    names = ("buffer", "nearest", "fresh", "nearest")
    rows = [{"line": i, "row": names[i], "column": j, **text(tile)} for (i, j), tile in tiles.items()]
    jem.samples(pd.DataFrame(rows), axes)
    shown = axes.images[0].get_array()
    assert shown.shape == (4 * 3, 3 * 3, 3)
    assert all((shown[3 * i : 3 * i + 2, 3 * j : 3 * j + 2] == 10 * i + j).all() for i, j in tiles)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(names)


def test_a_chain_runs_from_left_to_right(axes):
    rows = [
        {"chain": c, "step": s, "log density": 0.0, **text(np.full((1, 2, 2), s + c, np.uint8))}
        for c in range(2)
        for s in (0, 5, 50)
    ]
    jem.chain(pd.DataFrame(rows), axes)
    shown = axes.images[0].get_array()
    assert [int(shown[0, x, 0]) for x in (0, 3, 6)] == [0, 5, 50] and int(shown[3, 6, 0]) == 51
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "5", "50"]


def test_divergences_are_marked(axes):
    frame = pd.DataFrame({"run": ["a"] * 3, "taken": [0, 1, 2], "gap": [0.0, 5.0, 2000.0], "mark": ["", "", "burst"]})
    jem.divergence(frame, axes)
    (marked,) = axes.lines
    assert marked.get_xydata().tolist() == [[2.0, 0.0]]  # at step 2 of the first run
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a"]
    darkness = axes.collections[0].get_colors()[:, :3].sum(axis=1)
    assert darkness[0] > darkness[1] > darkness[2]  # nothing, 5 nats, more than the scale has


def test_under_the_runner_the_view_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setenv("REPLICATION_RESULT", "somewhere")
    jem.scrub(np.zeros((3, 2, 1, 2, 2), np.uint8), np.zeros((3, 2)))
    assert "JupyterLab" in capsys.readouterr().out


def test_the_callback_draws_every_step(monkeypatch):
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().axes))
    film = np.zeros((3, 2, 3, 2, 2), np.uint8)
    film[2] = 255
    jem.scene(film, np.arange(6.0).reshape(3, 2), 2)
    (axes,) = shown
    assert len(axes) == 3 and np.all(np.asarray(axes[0].images[0].get_array()) == 255)
