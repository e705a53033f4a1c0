"""RandAugment (Cubuk et al. 2020) on whole batches, as tensor operations on the device of the images.

Each image gets a few operations drawn at random, all with one strength. What a *magnitude* means differs between
libraries, so it is a convention here: the released code of Noisy Student divides it by 10, so that its 27 is 2.7 times
the nominal maximum, and torchvision by 30, where 27 is .9 of it. The operations themselves are torchvision's, to the
last pixel; of the code only what they are asked to do is taken.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.augment import cutout, random_integers

Operation = Callable[[Tensor, Tensor], Tensor]  # uint8 (n, C, H, W), a value for each image (n,) -> uint8, same shape
# (strength, side of the image in pixels) -> the middle and by how much the operation's value lies above or below it
Range = Callable[[float, int], tuple[float, float]]


class Convention(NamedTuple):
    """What a magnitude asks of each operation.

    Attributes:
        maximum: the magnitude of strength 1.
        fill: grey level of what a geometric operation or cutout uncovers, 0 .. 255.
        ranges: operation -> its values at a strength; the operations drawn from are these.
    """

    maximum: float
    fill: int
    ranges: Mapping[str, Range]


def randaugment(
    images: Tensor,
    generator: torch.Generator | None = None,
    *,
    operations: int = 2,
    magnitude: float = 5,
    convention: str = "divided by 10",
) -> Tensor:
    """`operations` random operations of one magnitude, one after the other, on every image.

    Args:
        images: (N, C, H, W) with one channel or three, uint8, or float in [0, 1], which is rounded to 256 levels.
        generator: source of randomness; None takes torch's own.
        operations: how many each image gets, drawn with repetition; 2 in the paper.
        magnitude: 27 for the paper's large nets, 5 for the released code's 32 x 32 images.
        convention: key of `CONVENTIONS`.

    Returns:
        A new batch of the same shape and type.
    """
    space, device = CONVENTIONS[convention], images.device
    names, side = list(space.ranges), max(images.shape[2:])
    pixels = as_bytes(images)
    for _ in range(operations):
        drawn = random_integers(len(names), (len(images),), device, generator)
        signs = 2 * random_integers(2, (len(images),), device, generator) - 1
        after = pixels.clone()
        for number, name in enumerate(names):
            rows = (drawn == number).nonzero()[:, 0]
            if len(rows):
                middle, distance = space.ranges[name](magnitude / space.maximum, side)
                values = middle + distance * signs[rows].double()
                after[rows] = apply(name, pixels[rows], values, space.fill, generator)
        pixels = after
    return pixels if images.dtype == torch.uint8 else (pixels / 255).to(images.dtype)


def one_operation(
    images: Tensor, name: str, magnitude: float, convention: str, generator: torch.Generator | None = None
) -> Tensor:
    """The same operation on all images, with the positive sign where it has two: what a page shows.

    Args:
        images: as in `randaugment`.
        name: an operation of the convention.
        magnitude: on the convention's scale.
        convention: key of `CONVENTIONS`.
        generator: places the squares of "Cutout".
    """
    space = CONVENTIONS[convention]
    value = sum(space.ranges[name](magnitude / space.maximum, max(images.shape[2:])))
    values = torch.full((len(images),), value, dtype=torch.float64, device=images.device)
    pixels = apply(name, as_bytes(images), values, space.fill, generator)
    return pixels if images.dtype == torch.uint8 else (pixels / 255).to(images.dtype)


def apply(name: str, pixels: Tensor, values: Tensor, fill: int = 0, generator: torch.Generator | None = None) -> Tensor:
    """One operation with a value for each image.

    Args:
        name: key of `OPERATIONS` or of `MATRICES`, or "Cutout".
        pixels: (n, C, H, W) uint8.
        values: (n,) float64 in the operation's unit: degrees, pixels, slope, factor, bits, grey level.
        fill: of what a geometric operation uncovers and cutout covers.
        generator: places the squares of "Cutout", which are all of one size.
    """
    if name in MATRICES:
        return resampled(pixels, MATRICES[name](values, pixels.shape[3], pixels.shape[2]), fill)
    if name == "Cutout":
        return cutout(pixels, 2 * int(values[0]), fill, generator)
    return OPERATIONS[name](pixels, values[:, None, None, None])


def as_bytes(images: Tensor) -> Tensor:
    """uint8 as they are, [0, 1] in 256 levels."""
    return images if images.dtype == torch.uint8 else (images * 255).round().to(torch.uint8)


# Geometric operations: where each pixel comes from, as the upper two rows of a matrix (n, 2, 3) on (column, row, 1)
# counted from the image's centre. A positive shear moves rows further down further to the left, as in both libraries.


def matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    """((a, b, c), (d, e, f)) for each image."""
    return torch.stack([a, b, c, d, e, f], dim=1).reshape(-1, 2, 3)


def rotation(degrees: Tensor, width: int, height: int) -> Tensor:
    """Counter-clockwise about the centre."""
    angle, none = torch.deg2rad(degrees), torch.zeros_like(degrees)
    return matrix(angle.cos(), -angle.sin(), none, angle.sin(), angle.cos(), none)


def shear_x(slope: Tensor, width: int, height: int) -> Tensor:
    """Columns by `slope` for each row, the upper edge staying."""
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return matrix(one, slope, slope * height / 2, none, one, none)


def shear_y(slope: Tensor, width: int, height: int) -> Tensor:
    """Rows by `slope` for each column, the left edge staying."""
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return matrix(one, none, none, slope, one, slope * width / 2)


def translate_x(pixels: Tensor, width: int, height: int) -> Tensor:
    """To the right by whole pixels."""
    one, none = torch.ones_like(pixels), torch.zeros_like(pixels)
    return matrix(one, none, -pixels.trunc(), none, one, none)


def translate_y(pixels: Tensor, width: int, height: int) -> Tensor:
    """Downwards by whole pixels."""
    one, none = torch.ones_like(pixels), torch.zeros_like(pixels)
    return matrix(one, none, none, none, one, -pixels.trunc())


MATRICES = {
    "Rotate": rotation, "ShearX": shear_x, "ShearY": shear_y, "TranslateX": translate_x, "TranslateY": translate_y,
}  # fmt: skip


def resampled(pixels: Tensor, theta: Tensor, fill: int) -> Tensor:
    """Each pixel from the nearest one of where it comes from (n, 2, 3), `fill` where that is outside."""
    n, _, height, width = pixels.shape
    half = torch.tensor([width / 2, height / 2], device=pixels.device)
    columns = torch.linspace(0.5 - width / 2, width / 2 - 0.5, width, device=pixels.device)
    rows = torch.linspace(0.5 - height / 2, height / 2 - 0.5, height, device=pixels.device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(1, -1, 3).expand(n, -1, -1)  # (n, HW, 3)
    grid = places.bmm(theta.float().transpose(1, 2) / half).reshape(n, height, width, 2)
    shown = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1).float()  # the last channel says what is inside
    moved = F.grid_sample(shown, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return moved[:, :-1].masked_fill(moved[:, -1:] < 0.5, fill).to(torch.uint8)


# Operations on grey levels: (n, C, H, W) uint8 and values (n, 1, 1, 1).


def blend(pixels: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """other + factor (pixels - other), cut off to 0 .. 255: beyond 1 away from `other`."""
    return (factor.float() * pixels + (1.0 - factor).float() * other).clamp(0, 255).to(torch.uint8)


def grey(pixels: Tensor) -> Tensor:
    """(n, 1, H, W): luma, in whole grey levels."""
    if pixels.shape[1] == 1:
        return pixels
    red, green, blue = pixels.unbind(dim=1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(torch.uint8)[:, None]


def brightness(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards black (0), or away from it."""
    return blend(pixels, torch.zeros_like(pixels), factor)


def colour(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards the grey image (0), or away from it; a grey image stays as it is."""
    return pixels.clone() if pixels.shape[1] == 1 else blend(pixels, grey(pixels), factor)


def contrast(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards the mean grey level (0), or away from it."""
    return blend(pixels, grey(pixels).float().mean(dim=(1, 2, 3), keepdim=True), factor)


def sharpness(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards a 3x3 blur (0), or away from it; the border stays."""
    channels = pixels.shape[1]
    kernel = torch.ones(3, 3, device=pixels.device)
    kernel[1, 1] = 5
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    blurred = pixels.clone()
    blurred[..., 1:-1, 1:-1] = F.conv2d(pixels.float(), kernel, groups=channels).round().to(torch.uint8)
    return blend(pixels, blurred, factor)


def posterise(pixels: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest bits of each grey level, 0 to 8 of them."""
    step = 2 ** (8 - bits.trunc().clamp(0, 8)).to(torch.int64)  # 1 .. 256
    return (pixels // step * step).to(torch.uint8)


def solarise(pixels: Tensor, threshold: Tensor) -> Tensor:
    """Turn over the grey levels from the threshold on; none above 255."""
    return torch.where(pixels >= threshold, 255 - pixels, pixels)


def solarise_add(pixels: Tensor, addition: Tensor) -> Tensor:
    """Add to the grey levels below 128, up to 255."""
    return torch.where(pixels < 128, (pixels + addition.trunc()).clamp(0, 255).to(torch.uint8), pixels)


def invert(pixels: Tensor, _: Tensor) -> Tensor:
    """Turn over all grey levels."""
    return 255 - pixels


def identity(pixels: Tensor, _: Tensor) -> Tensor:
    """As it is."""
    return pixels.clone()


def autocontrast(pixels: Tensor, _: Tensor) -> Tensor:
    """Each channel stretched to 0 .. 255; a channel of one grey level stays."""
    low, high = (f(dim=(2, 3), keepdim=True).float() for f in (pixels.amin, pixels.amax))
    flat = low == high
    scale = torch.where(flat, 1.0, 255 / (high - low))
    return ((pixels - low.masked_fill(flat, 0)) * scale).clamp(0, 255).to(torch.uint8)


def equalise(pixels: Tensor, _: Tensor) -> Tensor:
    """Each channel with about as many pixels on every grey level."""
    channels = pixels.reshape(-1, pixels.shape[2] * pixels.shape[3]).long()  # (nC, HW)
    histogram = torch.zeros(len(channels), 256, dtype=torch.int64, device=pixels.device)
    histogram.scatter_add_(1, channels, torch.ones_like(channels))
    brightest = histogram.gather(1, channels.amax(dim=1, keepdim=True))
    step = (histogram.sum(dim=1, keepdim=True) - brightest) // 255  # (nC, 1)
    table = (histogram.cumsum(dim=1) + step // 2) // step.clamp(min=1)
    table = F.pad(table, [1, 0])[:, :-1].clamp(0, 255)
    return torch.where(step == 0, channels, table.gather(1, channels)).reshape(pixels.shape).to(torch.uint8)


OPERATIONS: dict[str, Operation] = {
    "Identity": identity, "AutoContrast": autocontrast, "Equalize": equalise, "Invert": invert,
    "Posterize": posterise, "Solarize": solarise, "SolarizeAdd": solarise_add,
    "Color": colour, "Contrast": contrast, "Brightness": brightness, "Sharpness": sharpness,
}  # fmt: skip


def both(reach: Callable[[float, int], float], middle: float = 0.0) -> Range:
    """The value lies by so much above or below the middle, at random."""
    return lambda strength, side: (middle, reach(strength, side))


def only(value: Callable[[float, int], float]) -> Range:
    """The value follows from the strength."""
    return lambda strength, side: (value(strength, side), 0.0)


NONE = only(lambda strength, side: 0.0)

# The released code, whose 32 x 32 images are moved by 4 pixels and covered by squares of half-side 4 at strength 1. Its
# colours turn from 0.1 over 1, at strength .5 no change at all, upwards; posterise and solarise get weaker as the
# magnitude grows. At strength 2.7 they ask for 10 bits and a threshold of 691: eight bits and no pixel here.
CODE: dict[str, Range] = {
    "AutoContrast": NONE,
    "Equalize": NONE,
    "Invert": NONE,
    "Rotate": both(lambda strength, side: 30 * strength),
    "Posterize": only(lambda strength, side: int(4 * strength)),
    "Solarize": only(lambda strength, side: int(256 * strength)),
    "SolarizeAdd": only(lambda strength, side: int(110 * strength)),
    **dict.fromkeys(
        ("Color", "Contrast", "Brightness", "Sharpness"), only(lambda strength, side: 0.1 + 1.8 * strength)
    ),
    **dict.fromkeys(("ShearX", "ShearY"), both(lambda strength, side: 0.3 * strength)),
    **dict.fromkeys(("TranslateX", "TranslateY"), both(lambda strength, side: side / 8 * strength)),
    "Cutout": only(lambda strength, side: side / 8 * strength),
}

# torchvision's RandAugment: the stronger, the fewer bits, the lower the threshold, the further from the factor 1.
TORCHVISION: dict[str, Range] = {
    "Identity": NONE,
    **dict.fromkeys(("ShearX", "ShearY"), both(lambda strength, side: 0.3 * strength)),
    **dict.fromkeys(("TranslateX", "TranslateY"), both(lambda strength, side: 150 / 331 * side * strength)),
    "Rotate": both(lambda strength, side: 30 * strength),
    **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), both(lambda strength, side: 0.9 * strength, 1.0)),
    "Posterize": only(lambda strength, side: 8 - round(4 * strength)),
    "Solarize": only(lambda strength, side: 255 * (1 - strength)),
    "AutoContrast": NONE,
    "Equalize": NONE,
}

CONVENTIONS = {
    "divided by 10": Convention(10, 128, CODE),
    "divided by 30": Convention(30, 0, TORCHVISION),
}
