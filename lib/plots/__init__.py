"""Figures: one theme and one way to set panels (`panels`), and a file of drawings for every paper."""

from lib.plots.panels import save_svg, side_by_side, theme
from lib.plots.rethinking_generalization import complexity, memorising_function

__all__ = ["complexity", "memorising_function", "save_svg", "side_by_side", "theme"]
