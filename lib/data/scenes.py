"""Places365 (Zhou et al. 2018) and LSUN (Yu et al. 2015) as unlabelled 32 x 32 out-of-distribution images."""

from pathlib import Path

import torch

from lib.data.files import DamagedData, MissingData, missing_message
from lib.data.image_set import UNLABELLED, ImageSet
from lib.data.pictures import centre_square, decode_all

RECIPE = "RGB, shorter side to 32 (bilinear, antialiased), middle 32 x 32"
PLACES_COUNT = 36_500
LSUN_COUNT = 10_000


def places365(root: Path, advice: str) -> ImageSet:
    """The 36,500 validation images (small version), resized: (N, 3, 32, 32) uint8, without labels."""
    return unlabelled_pictures("places365", root, "places365/val_256", PLACES_COUNT, advice)


def lsun(root: Path, part: str, advice: str) -> ImageSet:
    """The 10,000 LSUN test images as resized to 32 x 32 for ODIN (Liang et al. 2018): (N, 3, 32, 32) uint8.

    Their resampling artefacts make them easy for some detectors: name them as "LSUN (resize)" in a table.
    """
    images = unlabelled_pictures("lsun", root, "LSUN_resize", LSUN_COUNT, advice)
    return images.take(torch.arange(len(images)), part)


def unlabelled_pictures(name: str, root: Path, folder: str, expected: int, advice: str) -> ImageSet:
    """All pictures below a folder, in order of their names, middle 32 x 32 of each."""
    paths = sorted(path for path in (root / folder).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise MissingData(missing_message(name, [folder], root, advice))
    if len(paths) != expected:
        raise DamagedData(f"{name}: {len(paths):,} of {expected:,} pictures found in {root / folder}. {advice}")
    files = [(path.relative_to(root / folder).as_posix(), path) for path in paths]
    images, checksum = decode_all(name, files, centre_square(32), RECIPE)
    return ImageSet(images, torch.full((len(images),), UNLABELLED), (), name, checksum, "all")
