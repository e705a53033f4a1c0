"""Dry runs lay their figures out and do not paint them: half of their time was pixels that nobody sees."""

import pytest
from matplotlib.figure import Figure
from PIL import Image


@pytest.fixture(autouse=True)
def unpainted(monkeypatch):
    """A figure is laid out, which finds what cannot be drawn, and a picture of one pixel stands for it."""

    def laid_out(figure, file, *, format="png", **how):
        figure.draw_without_rendering()
        Image.new("RGB", (1, 1)).save(file, format=format)

    monkeypatch.setattr(Figure, "savefig", laid_out)
