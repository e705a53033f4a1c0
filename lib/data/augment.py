"""Random crops, flips and cutout on whole batches, on the device of the images, uint8 or float."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def random_crop(
    images: Tensor, padding: int = 4, mode: str = "reflect", generator: torch.Generator | None = None
) -> Tensor:
    """Pad every image on all sides and cut a window of its old size at a random place.

    Args:
        images: (N, C, H, W), uint8 or float.
        padding: pixels added on each side; the shift is uniform on -padding..padding in both directions.
        mode: "reflect" (mirror without repeating the edge) or "zero".
        generator: source of randomness; None takes torch's own.

    Returns:
        A new batch of the same shape and type.
    """
    padded = pad(images, padding, mode)
    shifts = random_integers(2 * padding + 1, (2, len(images)), images.device, generator)  # (2, N)
    return windows(padded, shifts[0], shifts[1], (images.shape[2], images.shape[3]))


def random_crop_to(images: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
    """Cut a size x size window at a random place from every image, without padding: (N, C, size, size)."""
    height, width = images.shape[2:]
    if size > min(height, width):
        raise ValueError(f"cannot cut {size} x {size} windows from images of {height} x {width}; pad them first")
    top = random_integers(height - size + 1, (len(images),), images.device, generator)
    left = random_integers(width - size + 1, (len(images),), images.device, generator)
    return windows(images, top, left, (size, size))


def random_flip(images: Tensor, probability: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Mirror each image left to right with the given probability; returns a new batch (N, C, H, W)."""
    flipped = uniform((len(images),), images.device, generator) < probability  # (N,)
    both = torch.cat([images, images.flip(-1)])  # (2N, C, H, W): selecting rows is faster than torch.where
    return both.index_select(0, torch.arange(len(images), device=images.device) + len(images) * flipped)


def crop_and_flip(
    images: Tensor, generator: torch.Generator | None = None, padding: int = 4, mode: str = "reflect"
) -> Tensor:
    """`random_crop` and `random_flip` one after the other, the usual augmentation of small photographs."""
    return random_flip(random_crop(images, padding, mode, generator), generator=generator)


def cutout(images: Tensor, size: int, fill: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
    """Cover one size x size square per image, its centre uniform over the pixels, cut off at the border.

    DeVries and Taylor 2017. `fill` is in the units of the images (0..255 for uint8).
    """
    height, width = images.shape[2:]
    row = random_integers(height, (len(images), 1), images.device, generator)  # centres
    column = random_integers(width, (len(images), 1), images.device, generator)
    rows = torch.arange(height, device=images.device) - row + size // 2  # (N, H)
    columns = torch.arange(width, device=images.device) - column + size // 2  # (N, W)
    hole = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]  # (N, H, W)
    return images.masked_fill(hole[:, None], fill)


def pad(images: Tensor, padding: int, mode: str) -> Tensor:
    """Images (N, C, H, W) with `padding` more pixels on each side, mirrored ("reflect") or zero ("zero")."""
    if mode == "zero":
        return F.pad(images, (padding,) * 4)
    if mode != "reflect":
        raise ValueError(f'padding mode must be "reflect" or "zero", found "{mode}"')
    height, width = images.shape[2:]
    if padding >= min(height, width):
        raise ValueError(f"reflection needs less padding than the image size {height} x {width}, found {padding}")
    p = padding
    if p == 0:
        return images
    # By hand, because torch's reflection padding does not take uint8 on every device.
    padded = images.new_empty(*images.shape[:2], height + 2 * p, width + 2 * p)
    padded[..., p:-p, p:-p] = images
    padded[..., :p, p:-p] = images[..., 1 : p + 1, :].flip(-2)
    padded[..., -p:, p:-p] = images[..., -p - 1 : -1, :].flip(-2)
    padded[..., :p] = padded[..., p + 1 : 2 * p + 1].flip(-1)
    padded[..., -p:] = padded[..., -2 * p - 1 : -p - 1].flip(-1)
    return padded


def windows(images: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """From image i the window whose upper left corner is (top[i], left[i]): (N, C, *size), newly allocated."""
    if images.device.type == "cpu":  # NumPy copies the windows four times faster than torch's indexing does
        view = np.lib.stride_tricks.sliding_window_view(images.numpy(), size, axis=(2, 3))
        return torch.from_numpy(view[np.arange(len(images)), :, top.numpy(), left.numpy()])
    windows_ = images.unfold(2, size[0], 1).unfold(3, size[1], 1)  # (N, C, tops, lefts, *size), a view
    return windows_[torch.arange(len(images), device=images.device), :, top, left]


def uniform(shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers in [0, 1) on `device`, drawn where the generator lives."""
    return torch.rand(shape, generator=generator, device=generator.device if generator else device).to(device)


def random_integers(
    high: int, shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """Uniform integers in 0..high-1 on `device`, drawn where the generator lives."""
    source = generator.device if generator else device
    return torch.randint(high, shape, generator=generator, device=source).to(device)
