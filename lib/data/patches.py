"""Crops of the two sample photographs that come with scikit-learn: far out-of-distribution images."""

import hashlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lib.data.digits import scikit_learn_folder
from lib.data.files import DamagedData
from lib.data.image_set import UNLABELLED, ImageSet
from lib.data.noise_sets import recipe_checksum

PHOTOGRAPHS = {
    "china.jpg": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    "flower.jpg": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
}
# Columns of the 640-pixel wide photographs that each split may cut from, so that splits share no pixel.
BANDS = {"fit": (0, 256), "test": (256, 512), "validation": (512, 640)}
LUMA = (0.299, 0.587, 0.114)  # grey = weights of R, G, B (ITU-R BT.601)


def patches(count: int, split: str, seed: int = 0) -> ImageSet:
    """Grey crops of 32 to 96 pixels, averaged down to 8 x 8: (count, 1, 8, 8) float32, without labels.

    Args:
        count: number of crops, half from each photograph.
        split: "fit", "validation" or "test"; each cuts from its own part of the photographs.
        seed: another seed gives other crops.
    """
    crops, checksum = cut(count, split, (32, 96), 8, seed)
    weights = torch.tensor(LUMA).view(1, 3, 1, 1)
    grey = (crops * weights).sum(1, keepdim=True) / 255
    return ImageSet(grey, unlabelled(count), (), "patches", checksum, split)


def patches_rgb(count: int, split: str, seed: int = 0) -> ImageSet:
    """Colour crops of 32 to 96 pixels, averaged down to 32 x 32: (count, 3, 32, 32) uint8; arguments as `patches`."""
    crops, checksum = cut(count, split, (32, 96), 32, seed)
    return ImageSet(crops.round().to(torch.uint8), unlabelled(count), (), "patches-rgb", checksum, split)


def cut(count: int, split: str, sizes: tuple[int, int], target: int, seed: int) -> tuple[Tensor, str]:
    """Random square crops, resized to target x target by area: (count, 3, target, target) float in 0..255."""
    generator = torch.Generator().manual_seed(seed)
    checksum = recipe_checksum(f"patches {PHOTOGRAPHS} {BANDS[split]} {count} {sizes} {target}", generator)
    first, last = BANDS[split]
    photographs = [photograph(name)[:, :, first:last] for name in PHOTOGRAPHS]  # each (3, 427, width)
    crops = []
    for index in range(count):
        picture = photographs[index % len(photographs)]
        size, top, left = random_square(picture.shape[1], picture.shape[2], sizes, generator)
        square = picture[None, :, top : top + size, left : left + size]
        crops.append(F.interpolate(square, (target, target), mode="area"))
    return torch.cat(crops), checksum


def random_square(height: int, width: int, sizes: tuple[int, int], generator: torch.Generator) -> tuple[int, int, int]:
    """Size, top and left of a square inside a height x width picture, all uniform."""
    u, v, w = torch.rand(3, generator=generator).tolist()
    size = sizes[0] + int(u * (sizes[1] - sizes[0] + 1))
    return size, int(v * (height - size + 1)), int(w * (width - size + 1))


def photograph(name: str) -> Tensor:
    """One of scikit-learn's sample photographs, (3, 427, 640) float in 0..255, after a check of its checksum."""
    path = scikit_learn_folder() / "datasets" / "images" / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != PHOTOGRAPHS[name]:
        raise DamagedData(f"{path} is not the known sample photograph; reinstall scikit-learn")
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float()


def unlabelled(count: int) -> Tensor:
    """Labels of a set that has none: (count,) of -1."""
    return torch.full((count,), UNLABELLED)
