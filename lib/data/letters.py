"""Rendered letters that look like the 8x8 digits: the embedded source task and near out-of-distribution set."""

import hashlib
import math
import string
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lib.data.files import DamagedData
from lib.data.image_set import ImageSet
from lib.data.noise_sets import recipe_checksum

LETTERS = tuple(string.ascii_uppercase + string.ascii_lowercase)
LETTERS_FONTS = 22
LETTERS_CHECKSUM = "da9a8d024464b7063f527cdef825c4d2e04dbf433ac37598958bd243a9561a26"  # of the atlas's pixels
# The 22 letters most like a digit; what is left are 30 classes that share no shape with the target.
DIGIT_LOOK_ALIKES = tuple("OoQDIiljJZzEASsGbTBgqy")


def letters(per_class: int = 400, seed: int = 0) -> ImageSet:
    """Pictures of the letters A-Z and a-z in 22 fonts, each distorted at random: (52 per_class, 1, 8, 8) float32.

    Every picture is rotated, sheared, scaled, shifted and bent, thresholded at 32 x 32, and averaged over 4 x 4 blocks,
    as the digits file was made, so that it has the same 17 grey levels 0, 1/16, ... 1.

    Args:
        per_class: pictures of each of the 52 letters; their order is random.
        seed: another seed gives other pictures of the same glyphs.
    """
    generator = torch.Generator().manual_seed(seed)
    checksum = recipe_checksum(f"letters {LETTERS_CHECKSUM} {per_class}", generator)
    glyphs = read_atlas()  # (52, 22, 32, 32)
    labels = torch.randperm(per_class * len(LETTERS), generator=generator) % len(LETTERS)
    fonts = torch.randint(LETTERS_FONTS, (len(labels),), generator=generator)
    batches = zip(labels.split(2048), fonts.split(2048), strict=True)
    images = [distort(glyphs[letter, font].float()[:, None] / 255, generator) for letter, font in batches]
    return ImageSet(torch.cat(images), labels, LETTERS, "letters", checksum, "all")


def read_atlas() -> Tensor:
    """The glyphs of `letters.png`, (52 letters, 22 fonts, 32, 32) uint8, after a check of their checksum."""
    path = Path(__file__).with_name("letters.png")
    with Image.open(path) as picture:
        sheet = np.array(picture)  # (22 x 32, 52 x 32)
    if hashlib.sha256(sheet.tobytes()).hexdigest() != LETTERS_CHECKSUM:
        raise DamagedData(f"{path} is not the atlas this code was written for; restore it with git checkout")
    cells = sheet.reshape(LETTERS_FONTS, 32, len(LETTERS), 32).transpose(2, 0, 1, 3)
    return torch.from_numpy(cells.copy())


def distort(glyphs: Tensor, generator: torch.Generator) -> Tensor:
    """Randomly transformed 8 x 8 pictures (N, 1, 8, 8) of glyphs (N, 1, 32, 32) in [0, 1]."""
    count = len(glyphs)
    grid = F.affine_grid(random_affine(count, generator), [count, 1, 32, 32], align_corners=False)  # (N, 32, 32, 2)
    bend = 0.06 * torch.randn(count, 2, 4, 4, generator=generator)
    grid = grid + F.interpolate(bend, (32, 32), mode="bicubic", align_corners=False).movedim(1, -1)
    shapes = F.grid_sample(glyphs, grid, align_corners=False)
    shapes = F.avg_pool2d(F.max_pool2d(shapes, 3, 1, 1), 3, 1, 1)  # widened, then softened
    # A threshold relative to each picture's maximum decides how wide its strokes are.
    threshold = draw(count, 0.4, 0.95, generator) * shapes.amax((1, 2, 3))
    return F.avg_pool2d((shapes > threshold[:, None, None, None]).float(), 4)


def random_affine(count: int, generator: torch.Generator) -> Tensor:
    """Maps from output to input coordinates, (N, 2, 3): rotation within 15 degrees, shear 0.25, scale 0.95 to 1.15."""
    angle = draw(count, -math.pi / 12, math.pi / 12, generator)
    shear = draw(count, -0.25, 0.25, generator)
    scale = draw(count, 0.95, 1.15, generator)
    aspect = draw(count, -0.15, 0.15, generator).exp()
    shift = torch.stack([draw(count, -0.06, 0.06, generator) for _ in range(2)], 1)  # (N, 2), half-widths
    cosine, sine, zero, one = angle.cos(), angle.sin(), torch.zeros(count), torch.ones(count)
    rotation = torch.stack([cosine, sine, -sine, cosine], 1).view(-1, 2, 2)
    slant = torch.stack([one, shear, zero, one], 1).view(-1, 2, 2)
    stretch = torch.stack([aspect.sqrt() / scale, zero, zero, 1 / (aspect.sqrt() * scale)], 1).view(-1, 2, 2)
    return torch.cat([stretch @ slant @ rotation, shift[:, :, None]], 2)


def draw(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniform numbers in [low, high), (count,)."""
    return low + (high - low) * torch.rand(count, generator=generator)
