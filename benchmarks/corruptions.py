"""All corruptions of the benchmark at all severities over a whole batch, against one image after another in NumPy.

Both sides have the same draws. The loop over images is the one that the tests compare with: what a picture needs in
NumPy, SciPy and Pillow, vectorised within the picture, as the published generator has it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.compare import OURS, Disagreement, Row, Side
from lib.data.corruptions import BENCHMARK, corrupt
from tests.data.per_image import ONE_BY_ONE, channels_last

SEVERITIES = range(1, 6)
IMAGES, KEPT, ROUNDS = 1000, 100, 3  # the first 100 of 1,000 images are compared; all of all settings take 2 GB
ROUNDING = 0.5 / 255  # half the distance between two values of a pixel


def rows() -> dict[str, Callable[[int], Row]]:
    """The row of this file by its key."""
    return {"corruptions": corruptions}


def corruptions(divide: int) -> Row:
    """Fifteen corruptions by five severities."""
    count = IMAGES // divide
    random = torch.Generator().manual_seed(0)
    images = torch.nn.functional.interpolate(torch.rand(count, 3, 8, 8, generator=random), size=32, mode="bicubic")
    batch = (images.clamp(0, 1) * 255).round() / 255  # as files have them
    return Row(
        key="corruptions",
        measure=f"{len(BENCHMARK)} corruptions x {len(SEVERITIES)} severities, {count:,} images of 32 x 32",
        unit="images",
        goal=5,
        sides={OURS: in_batches, "one image after another, NumPy": one_by_one},
        rounds=[batch] * ROUNDS,
        first=batch[: count // 10],
        count=lambda given: len(given) * len(BENCHMARK) * len(SEVERITIES),
        check=same_images,
        note="JPEG is Pillow's, image by image, on both sides.",
    )


def settings() -> list[tuple[str, int]]:
    """The 75 corruptions with their severities."""
    return [(kind, severity) for kind in BENCHMARK for severity in SEVERITIES]


def in_batches() -> Side:
    """Ours."""

    def run(images: Any, number: int) -> Any:
        return [corrupt(images, kind, severity, seeded(number))[:KEPT] for kind, severity in settings()]

    return run


def one_by_one() -> Side:
    """The loop."""

    def run(images: Any, number: int) -> Any:
        return [
            np.stack(ONE_BY_ONE[kind](images, severity - 1, seeded(number)))[:KEPT].clip(0, 1)
            for kind, severity in settings()
        ]

    return run


def seeded(number: int) -> torch.Generator:
    """The draws of one turn."""
    return torch.Generator().manual_seed(number)


def same_images(ours: list[Any], theirs: list[Any]) -> str:
    """Every corrupted image must be the same within the rounding of a pixel, but for a few pixels.

    Where a value is compared with a threshold (a flake, the value at which JPEG rounds) float32 and float64 may fall
    on two sides of it; such pixels are counted.
    """
    worst = 0.0
    for turn_ours, turn_theirs in zip(ours, theirs, strict=True):
        for mine, other in zip(turn_ours, turn_theirs, strict=True):
            worst = max(worst, float((np.abs(channels_last(mine) - other) > ROUNDING).mean()))
    if worst > 1e-4:
        raise Disagreement(f"in one setting {worst:.1e} of the values differ by more than half a value of a pixel")
    return f"equal within half a value of a pixel, but for at most {worst:.1e} of the values of a setting"
