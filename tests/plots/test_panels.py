"""How a figure reaches the page."""

import base64
import io

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

from lib.plots import panels


@pytest.fixture
def displayed(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: found.append(bundle))
    return found


def draw(frame, axes):
    axes.plot(frame["x"], frame["y"])


def test_a_figure_is_stored_in_few_colours_and_says_what_it_shows(displayed):
    frame = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
    panels.side_by_side({"reduced": frame}, draw)
    panels.side_by_side({"reduced": frame, "recorded: laptop": frame}, draw)
    panels.side_by_side({"reduced": frame, "recorded: laptop": frame.assign(y=2)}, draw)
    alone, two, other = (bundle["text/plain"] for bundle in displayed)
    assert alone == "figure: reduced" and two.startswith("figure: reduced; recorded: laptop (")
    assert other != two  # the recorded numbers changed, so the picture is another
    pictures = [Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) for bundle in displayed]
    assert pictures[1].width > 1.8 * pictures[0].width
    assert all(len(picture.getcolors() or []) in range(2, panels.COLOURS + 1) for picture in pictures)
    assert plt.get_fignums() == []
