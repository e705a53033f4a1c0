"""What changes or draws images, where the images are: nothing lands elsewhere, kinds and ranges stay."""

import pytest
import torch

from lib.data.augment import crop_and_flip, cutout, random_crop, random_crop_to, random_flip
from lib.data.corruptions import CORRUPTIONS, corrupt
from lib.data.labels import corrupt_labels
from lib.data.noise_sets import blobs, gaussian, rademacher, uniform
from lib.data.pixels import gaussian_pixels, per_image_whitening, random_pixels, shuffled_pixels, spatial_permutation
from lib.data.rotations import random_rotation

CHANGED = {
    "crop": lambda x, g: random_crop(x, 4, generator=g),
    "crop to": lambda x, g: random_crop_to(x, 28, g),
    "flip": lambda x, g: random_flip(x, generator=g),
    "crop and flip": crop_and_flip,
    "cutout": lambda x, g: cutout(x, 8, generator=g),
    "rotation": lambda x, g: random_rotation(x, 25.0, g),
    "random pixels": random_pixels,
    "gaussian pixels": gaussian_pixels,
    "shuffled pixels": lambda x, g: shuffled_pixels(x, spatial_permutation(32, 32, torch.Generator())),
    "whitening": lambda x, g: per_image_whitening(x),
}


def images_on(device):
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(device)


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_images_are_changed_on_device(change, device):
    images = images_on(device)
    changed = change(images, torch.Generator(device).manual_seed(2))
    assert changed.device.type == device.type and changed.dtype == images.dtype and len(changed) == 6
    assert bool(changed.isfinite().all())


@pytest.mark.parametrize("draw", [gaussian, uniform, rademacher, blobs])
def test_noise_is_drawn_on_device(draw, device):
    drawn = draw(4, (3, 32, 32), torch.Generator(device).manual_seed(0))
    assert drawn.shape == (4, 3, 32, 32) and drawn.device.type == device.type


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_images_are_corrupted_on_device(kind, device):
    images = (255 * images_on(device)).to(torch.uint8)
    corrupted = corrupt(images, kind, 3, torch.Generator(device).manual_seed(0))
    assert corrupted.shape == images.shape and corrupted.dtype == images.dtype


def test_labels_are_corrupted_on_device(device):
    labels = torch.arange(100, device=device) % 10
    assert corrupt_labels(labels, 0.5, 10, torch.Generator(device).manual_seed(0)).device.type == device.type
