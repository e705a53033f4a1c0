"""Dry runs lay figures out and look for legends on labels; they do not paint them, which was half of their time."""

import pytest
from matplotlib.figure import Figure
from PIL import Image


@pytest.fixture(autouse=True)
def unpainted(monkeypatch):
    """A figure is laid out, which finds what cannot be drawn, and a picture of one pixel stands for it."""

    def laid_out(figure, file, *, format="png", **how):
        figure.draw_without_rendering()
        for axes in figure.axes:
            legend, label = axes.get_legend(), axes.xaxis.label
            if legend and label.get_text() and legend.get_visible():
                covered = legend.get_window_extent().overlaps(label.get_window_extent())
                assert not covered, f'the legend covers the label "{label.get_text()}"'
        Image.new("RGB", (1, 1)).save(file, format=format)

    monkeypatch.setattr(Figure, "savefig", laid_out)
