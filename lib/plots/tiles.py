"""Small images that a frame holds as text, laid beside each other."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
GAP = 1  # pixels between tiles


def tiled(frame: "pd.DataFrame", axes: "Axes", label: str) -> None:
    """Rows of tiles, named, with a number under each column. Columns: line, row (its name), column, shape, pixels."""
    side = int(frame["shape"].iloc[0].split("x")[1]) + GAP
    lines, classes = int(frame["line"].max()) + 1, int(frame["column"].max()) + 1
    grid = np.full((lines * side, classes * side, 3), 255, np.uint8)
    for line, column, shape, text in frame[["line", "column", "shape", "pixels"]].to_numpy():
        put(grid, pixels(text, shape), line * side, column * side)
    axes.imshow(grid, interpolation="nearest")
    names = frame.drop_duplicates("line")["row"]
    axes.set_yticks([(i + 0.5) * side for i in range(lines)], list(names), fontsize=8)
    axes.set_xticks([(i + 0.5) * side for i in range(classes)], [str(i) for i in range(classes)], fontsize=8)
    axes.set_xlabel(label)
    axes.grid(False)


def pixels(text: str, shape: str) -> Pixels:
    """The image (H, W, 3) that hexadecimal bytes of shape CxHxW stand for."""
    channels, height, width = map(int, shape.split("x"))
    image = np.frombuffer(bytes.fromhex(text), np.uint8).reshape(channels, height, width).transpose(1, 2, 0)
    return np.broadcast_to(image, (height, width, 3)) if channels == 1 else image


def put(grid: Pixels, image: Pixels, top: int, left: int) -> None:
    """Draw a tile into the grid."""
    height, width, _ = image.shape
    grid[top : top + height, left : left + width] = image
