"""How a figure reaches the page."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from lib.plots import panels


@pytest.fixture
def displayed(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, metadata, raw: found.append(bundle))
    return found


def draw(frame, axes):
    axes.plot(frame["x"], frame["y"])


def test_a_figure_is_stored_in_few_colours_and_says_what_it_shows(displayed):
    frame = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
    panels.side_by_side({"reduced": frame}, draw)
    panels.side_by_side({"recorded: laptop": frame, "reduced": frame}, draw)
    panels.side_by_side({"recorded: laptop": frame.assign(y=2), "reduced": frame}, draw)
    panels.side_by_side({"recorded: laptop": frame, "reduced": frame.assign(y=2)}, draw)
    alone, two, other, same = (bundle["text/plain"] for bundle in displayed)
    assert alone == "figure: reduced" and two.startswith("figure: recorded: laptop; reduced (")
    assert other != two  # the recorded numbers changed, so the picture is another
    assert same == two  # this run's numbers are compared by themselves
    pictures = [Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) for bundle in displayed]
    assert pictures[1].width > 1.8 * pictures[0].width
    assert all(len(picture.getcolors() or []) in range(2, panels.COLOURS + 1) for picture in pictures)
    assert plt.get_fignums() == []


def test_wide_panels_are_one_above_the_other(displayed, tmp_path):
    frame = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
    panels.side_by_side({"reduced": frame}, draw, wide=True)
    panels.side_by_side({"recorded: laptop": frame, "reduced": frame}, draw, wide=True)
    alone, two = (Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) for bundle in displayed)
    assert alone.width > 2.5 * alone.height
    assert abs(two.width - alone.width) < 50 and two.height > 1.8 * alone.height
    panels.save_svg(tmp_path / "wide.svg", "reduced", draw, frame, wide=True)
    width, height = (72 * inches for inches in panels.WIDE)
    assert f'viewBox="0 0 {width:g} {height:g}"' in (tmp_path / "wide.svg").read_text()


def test_a_thin_line_keeps_its_colour_beside_thick_ones(displayed):
    """With median cut and 64 colours the dashed green line came out blue."""
    thick, thin = ["#0173b2", "#de8f05", "#cc78bc", "#ca9161"], ["#029e73", "#d55e00"]
    figure, axes = plt.subplots(figsize=panels.PANEL)
    for height, colour in enumerate(thick):
        for step in range(4):
            axes.plot([0, 1], [height, height + 1 + step], lw=2, color=colour)
    for height, colour in enumerate(thin):
        axes.plot([0, 1], [-1 - height, -1 - height], "--", lw=0.9, color=colour)
    panels.show(figure, "figure")
    picture = Image.open(io.BytesIO(base64.b64decode(displayed[0]["image/png"]))).convert("RGB")
    pixels = np.asarray(picture).reshape(-1, 3) / 255
    for colour in thick + thin:
        assert np.abs(pixels - to_rgb(colour)).max(axis=1).min() < 0.06, colour


def test_long_titles_do_not_run_into_each_other(displayed, monkeypatch):
    figures: list[Figure] = []
    monkeypatch.setattr(panels, "show", lambda figure, *_: figures.append(figure))
    frame = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
    titles = [f"{tier}, cifar10, cifar100, svhn-sample, textures-sample, tiny-imagenet, 3 seeds" for tier in "ab"]
    panels.side_by_side(dict.fromkeys(titles, frame), draw)
    figures[0].draw_without_rendering()
    left, right = (axes.title.get_window_extent() for axes in figures[0].axes)
    assert left.x1 < right.x0 and left.x0 > 0
    plt.close(figures[0])


def test_panels_of_one_quantity_have_one_scale_and_names_are_left_alone(monkeypatch, displayed):
    ranges: list[tuple[tuple[float, float], ...]] = []
    monkeypatch.setattr(panels, "show", lambda figure, *_: ranges.append(tuple(a.get_ylim() for a in figure.axes)))
    low, high = pd.DataFrame({"x": [0, 1], "y": [0.0, 1.0]}), pd.DataFrame({"x": [0, 1], "y": [5.0, 9.0]})
    panels.side_by_side({"recorded: laptop": low, "reduced": high}, draw)
    panels.side_by_side({"a": low.assign(y=["cat", "dog"]), "b": high.assign(y=["dog", "fox"])}, draw)
    together, names = ranges
    assert together[0] == together[1] and together[0][0] <= 0 and together[0][1] >= 9
    assert names[0] == names[1]  # two names each, in their own order


def test_a_picture_says_to_a_screen_reader_what_it_is_of(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, metadata, raw: shown.append((data, metadata)))
    panels.side_by_side({"reduced, digits": pd.DataFrame({"x": [0, 1], "y": [0.0, 1.0]})}, draw, "Accuracy by depth")
    (data, metadata) = shown[0]
    assert data["text/plain"] == "figure: reduced, digits"
    assert metadata == {"image/png": {"alt": "Accuracy by depth. reduced, digits"}}
