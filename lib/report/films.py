"""Pictures that a recorded exhibit stores for each value of something, as strips that a slider chooses among."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

SWEPT = ("step", "severity")  # columns of an exhibit that a reader runs through
WIDEST = 840  # pixels of a strip
GAP = 2


@dataclass(frozen=True)
class Film:
    """Frames of one exhibit.

    Attributes:
        over: What changes from frame to frame.
        frames: Value -> PNG of all pictures with it, side by side.
    """

    over: str
    frames: Mapping[str, bytes]


def film(exhibit: Mapping[str, Sequence[Any]]) -> Film | None:
    """The film of an exhibit that stores pictures (`pixels`, `shape`) for several values of one of `SWEPT`."""
    over = next((name for name in SWEPT if name in exhibit), None)
    if over is None or not {"pixels", "shape"} <= set(exhibit):
        return None
    shots: dict[str, list[tuple[str, str]]] = {}
    for value, shape, pixels in zip(exhibit[over], exhibit["shape"], exhibit["pixels"], strict=True):
        shots.setdefault(f"{value:g}", []).append((shape, pixels))
    if len(shots) < 2:
        return None
    return Film(over, {value: strip(tiles) for value, tiles in shots.items()})


def strip(tiles: Sequence[tuple[str, str]]) -> bytes:
    """PNG of pictures side by side, each given as `CxHxW` and hexadecimal bytes, as `rows.tile` writes."""
    from PIL import Image

    pictures = [_picture(shape, pixels) for shape, pixels in tiles]
    tallest = max(picture.height for picture in pictures)
    width = sum(picture.width for picture in pictures)
    scale = max(1, (WIDEST - GAP * len(pictures)) // width)
    sheet = Image.new("RGB", (scale * width + GAP * (len(pictures) - 1), scale * tallest), "white")
    left = 0
    for picture in pictures:
        large = picture.resize((scale * picture.width, scale * picture.height), Image.Resampling.NEAREST)
        sheet.paste(large, (left, 0))
        left += large.width + GAP
    stream = BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _picture(shape: str, pixels: str) -> Any:
    """One picture; its bytes are channel by channel."""
    from PIL import Image

    channels, height, width = map(int, shape.split("x"))
    size, plane = (width, height), height * width
    raw = bytes.fromhex(pixels)
    planes = [Image.frombytes("L", size, raw[i * plane : (i + 1) * plane]) for i in range(channels)]
    return Image.merge("RGB", planes if channels == 3 else planes[:1] * 3)
