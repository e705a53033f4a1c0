"""Images that show nothing: the noise sets used to test out-of-distribution detection, and a labelled mixture."""

import hashlib
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.image_set import UNLABELLED, ImageSet

Shape = tuple[int, int, int]


def gaussian(count: int, shape: Shape, generator: torch.Generator, *, std: float = 0.25) -> Tensor:
    """Pixels from N(0.5, std^2), clipped to [0, 1]: (count, *shape), float32.

    The default is Hendrycks et al. 2019 (standard deviation 0.5 on inputs in [-1, 1]); Lee et al. 2018 take std=1.
    """
    normal = torch.randn(count, *shape, generator=generator, device=generator.device)
    return normal.mul_(std).add_(0.5).clamp_(0, 1)


def uniform(count: int, shape: Shape, generator: torch.Generator) -> Tensor:
    """Pixels uniform on [0, 1): (count, *shape), float32."""
    return torch.rand(count, *shape, generator=generator, device=generator.device)


def rademacher(count: int, shape: Shape, generator: torch.Generator) -> Tensor:
    """Pixels 0 or 1 with equal probability (-1 or 1 on inputs in [-1, 1]): (count, *shape), float32."""
    return torch.randint(2, (count, *shape), generator=generator, device=generator.device).float()


def blobs(count: int, shape: Shape, generator: torch.Generator, *, sigma: float = 1.5) -> Tensor:
    """Soft-edged amorphous shapes (Hendrycks et al. 2019): (count, *shape), float32.

    Pixels on with probability 0.7, blurred within each channel by a Gaussian of `sigma` pixels (2 for 64 x 64 images),
    values under 0.75 set to 0.
    """
    on = uniform(count, shape, generator) < 0.7
    soft = gaussian_blur(on.float(), sigma)
    return soft.where(soft >= 0.75, 0.0)


def blobs_as_coded(count: int, shape: Shape, generator: torch.Generator, *, sigma: float = 1.5) -> Tensor:
    """The blobs of the released code (Hendrycks et al. 2019), whose blur takes the colours for a third dimension.

    The same pixels as in `blobs`, but blurred across the channels as well, and with the border repeated outwards, as
    skimage does by default; fewer pixels survive, and the colours agree.
    """
    on = uniform(count, shape, generator) < 0.7
    soft = gaussian_blur(on.float(), sigma, border="replicate")
    soft = torch.einsum("cd,ndhw->nchw", blur_of_a_line(shape[0], sigma).to(soft), soft)
    return soft.where(soft >= 0.75, 0.0)


def blur_of_a_line(length: int, sigma: float) -> Tensor:
    """The matrix (length, length) that blurs so many values whose first and last are repeated outwards for ever."""
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-(offsets.double() ** 2) / (2 * sigma**2))
    reached = (torch.arange(length)[:, None] + offsets).clamp(0, length - 1)  # (length, 2 radius + 1)
    return torch.zeros(length, length, dtype=torch.float64).scatter_add(
        1, reached, (kernel / kernel.sum()).expand(length, -1)
    )


NOISES: dict[str, Callable[[int, Shape, torch.Generator], Tensor]] = {
    "gaussian": gaussian,
    "uniform": uniform,
    "rademacher": rademacher,
    "blobs": blobs,
    "blobs-as-coded": blobs_as_coded,
}


def noise(kind: str, count: int, shape: Shape, generator: torch.Generator, split: str = "test") -> ImageSet:
    """A set of noise images without labels (all -1), e.g. `noise("blobs", 2000, cifar.shape, generator)`.

    Args:
        kind: key of `NOISES`.
        count: number of images.
        shape: (channels, height, width).
        generator: source of randomness; its state on entry identifies the set in `checksum`.
        split: what the set is for.
    """
    if kind not in NOISES:
        raise ValueError(f'no noise called "{kind}"; there are {", ".join(NOISES)}')
    checksum = recipe_checksum(f"noise {kind} {count} {shape}", generator)
    images = NOISES[kind](count, shape, generator)
    labels = torch.full((count,), UNLABELLED, device=images.device)
    return ImageSet(images, labels, (), kind, checksum, split)


def mixture(
    count: int, shape: Shape, classes: int, generator: torch.Generator, *, noise_std: float = 0.1, centre_seed: int = 0
) -> ImageSet:
    """A labelled Gaussian mixture in image shape: one smooth random image per class plus white noise, in [0, 1].

    Args:
        count: number of images; class counts differ by at most one.
        shape: (channels, height, width).
        classes: number of classes.
        generator: draws the noise and the order.
        noise_std: standard deviation of each pixel about the centre of its class.
        centre_seed: fixes the centres, so that train and test sets drawn with different generators agree on them.
    """
    checksum = recipe_checksum(f"mixture {count} {shape} {classes} {noise_std} {centre_seed}", generator)
    centres = gaussian_blur(uniform(classes, shape, torch.Generator().manual_seed(centre_seed)), 1.0)  # (K, C, H, W)
    order = torch.randperm(count, generator=generator, device=generator.device)
    labels = order % classes
    pixels = gaussian(count, shape, generator, std=noise_std) - 0.5
    images = (centres.to(labels.device)[labels] + pixels).clamp_(0, 1)
    names = tuple(f"component {index}" for index in range(classes))
    return ImageSet(images, labels, names, "mixture", checksum, "train")


def gaussian_blur(images: Tensor, sigma: float, border: str = "reflect") -> Tensor:
    """Images (N, C, H, W) blurred within each channel, mirrored at the border; the kernel is cut at 4 sigma.

    `border` may be any mode of `torch.nn.functional.pad`.
    """
    radius = min(int(4 * sigma + 0.5), min(images.shape[2:]) - 1)
    if radius == 0:
        return images.clone()
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    planes = images.flatten(0, 1)[:, None]  # (N C, 1, H, W)
    planes = F.conv2d(F.pad(planes, (0, 0, radius, radius), mode=border), kernel[:, None][None, None])
    planes = F.conv2d(F.pad(planes, (radius, radius, 0, 0), mode=border), kernel[None][None, None])
    return planes.view_as(images)


def recipe_checksum(recipe: str, generator: torch.Generator) -> str:
    """The sha256 (hex) of what determines a drawn set: its description and the generator's state before drawing."""
    return hashlib.sha256(recipe.encode() + generator.get_state().numpy().tobytes()).hexdigest()
