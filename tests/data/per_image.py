"""The fifteen corruptions one image at a time in NumPy, SciPy and Pillow: what the batched ones are compared with.

Each takes an image (H, W, C) in [0, 1] and that image's own draws. `ONE_BY_ONE` makes these as the batched version
does, from the same generator, and goes through a batch; the benchmark takes the time of that.
"""

import math

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from lib.data.corruptions import through_jpeg
from lib.data.weather import GREY

SIDE = 32


def blurred(image, sigma):
    if int(4 * sigma + 0.5) == 0:
        return image.copy()
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="mirror", truncate=4)


def glass(image, sigma, reach, offsets):
    """`offsets` (passes, H', W', 2); pixels exchanged by assignment of views, as the published generator does."""
    x = np.ascontiguousarray(blurred(image, sigma))
    for steps in offsets:
        for i, h in enumerate(range(x.shape[0] - reach, reach, -1)):
            for j, w in enumerate(range(x.shape[1] - reach, reach, -1)):
                down, right = steps[i, j]
                x[h, w], x[h + down, w + right] = x[h + down, w + right], x[h, w]
    return blurred(x, sigma)


def along_a_line(image, angle, radius, sigma):
    height, width = image.shape[:2]
    points = range(2 * radius + 1)
    weights = np.array([math.exp(-(i**2) / (2 * sigma**2)) for i in points])
    total = np.zeros_like(image)
    for i, weight in zip(points, weights / weights.sum(), strict=True):
        down, right = -math.ceil(i * math.sin(angle) - 0.5), -math.ceil(i * math.cos(angle) - 0.5)
        rows, columns = np.arange(height) - down, np.arange(width) - right
        total += weight * image[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    return total


def enlarged(image, factor):
    height, width = image.shape[:2]
    rows = (np.arange(height) - (height - 1) / 2) / factor + (height - 1) / 2
    columns = (np.arange(width) - (width - 1) / 2) / factor + (width - 1) / 2
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    return np.stack(
        [ndimage.map_coordinates(plane, places, order=1, mode="nearest") for plane in np.moveaxis(image, 2, 0)], 2
    )


def zoom(image, last):
    return (image + sum(enlarged(image, 1 + percent / 100) for percent in range(last))) / (last + 1)


def snow(image, drawn, fall, size, cut, radius, sigma, kept):
    flakes = enlarged(drawn, size)
    flakes = np.clip(np.where(flakes < cut, 0, flakes), 0, 1)
    flakes = along_a_line(flakes, -(fall + 0.5) * math.pi / 2, radius, sigma)
    grey = image @ np.array(GREY) if image.shape[2] == 3 else image[..., 0]
    pale = np.maximum(image, 1.5 * grey[..., None] + 0.5)
    return kept * image + (1 - kept) * pale + flakes + np.rot90(flakes, 2)


def clouds(draws, size, decay):
    """Diamond-square on slices of one map; `draws` for each step: of the middles, of the rows' and columns' points."""
    height = np.zeros((size, size))
    step, width = size, 1.0
    for middle, beside, below in draws:
        half = step // 2
        corner = height[::step, ::step]
        right, lower = np.roll(corner, -1, 1), np.roll(corner, -1, 0)
        centre = (corner + right + lower + np.roll(right, -1, 0)) / 4 + width * middle
        height[half::step, half::step] = centre
        height[::step, half::step] = (corner + right + centre + np.roll(centre, 1, 0)) / 4 + width * beside
        height[half::step, ::step] = (corner + lower + centre + np.roll(centre, 1, 1)) / 4 + width * below
        step, width = half, width / decay**2
    height -= height.min()
    return height / height.max()


def elastic(image, corners, field, strength, smoothness):
    """`corners` (3, 2) moves in pixels, `field` (2, H, W) in [-1, 1)."""
    height, width = image.shape[:2]
    side, x, y = min(height, width) // 3, width // 2, height // 2
    start = np.array([[x + side, y + side], [x + side, y - side], [x - side, y - side]], float)
    ends = np.hstack([start + corners, np.ones((3, 1))])
    back = np.linalg.solve(ends, start)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    x, y = np.moveaxis(np.stack([columns, rows, np.ones_like(rows)], 2) @ back, 2, 0)
    planes = np.moveaxis(image, 2, 0)
    turned = np.stack([ndimage.map_coordinates(plane, [y, x], order=1, mode="mirror") for plane in planes], 2)
    if strength == 0:
        return turned
    dx, dy = (
        ndimage.gaussian_filter(part, smoothness * height, mode="mirror", truncate=4) * strength * height
        for part in field
    )
    places = np.stack([rows + dy, columns + dx])
    return np.stack(
        [ndimage.map_coordinates(turned[..., c], places, order=1, mode="reflect") for c in range(image.shape[2])], 2
    )


def defocused(image, radius, softness):
    across = np.arange(-8, 9)
    disk = (across[:, None] ** 2 + across[None, :] ** 2 <= radius**2).astype(float)
    kernel = ndimage.gaussian_filter(disk, softness, mode="mirror", truncate=4)[5:12, 5:12]
    return ndimage.correlate(image, (kernel / kernel.sum())[..., None], mode="nearest")


def brighter(image, rise):
    value = image.max(2, keepdims=True)
    raised = np.minimum(value + rise, 1)
    return np.where(value > 0, image * raised / np.where(value > 0, value, 1), raised)


def flatter(image, kept):
    mean = image.mean((0, 1), keepdims=True)
    return (image - mean) * kept + mean


def resized(plane, height, width):
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX))


def pixelated(image, scale):
    height, width = image.shape[:2]
    planes = np.moveaxis(image, 2, 0).astype(np.float32)
    small = [resized(plane, int(height * scale), int(width * scale)) for plane in planes]
    return np.stack([resized(plane, height, width) for plane in small], 2)


def compressed(image, quality):
    return through_jpeg((image * 255).round().astype(np.uint8), quality) / 255


def frosted(image, relief, image_part, frost_part):
    crystals = 1 - np.minimum(np.abs(4 * relief - 2), 1)
    return image_part * image + frost_part * crystals[..., None]


def fogged(image, cloud, strength):
    return (image + strength * cloud[..., None]) * image.max() / (image.max() + strength)


def channels_last(images):
    return images.permute(0, 2, 3, 1).double().numpy()


def gaussian_noise_one_by_one(images, level, generator):
    drawn = channels_last(torch.randn(images.shape, generator=generator))
    return [x + (0.04, 0.06, 0.08, 0.09, 0.10)[level] * d for x, d in zip(channels_last(images), drawn, strict=True)]


def shot_noise_one_by_one(images, level, generator):
    rate = (500, 250, 100, 75, 50)[level]
    return list(channels_last(torch.poisson(images * rate, generator=generator)) / rate)


def impulse_noise_one_by_one(images, level, generator):
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    drawn = channels_last(torch.rand(images.shape, generator=generator))
    pairs = zip(channels_last(images), drawn, strict=True)
    return [np.where(d < amount / 2, 0, np.where(d > 1 - amount / 2, 1, x)) for x, d in pairs]


def defocus_one_by_one(images, level, generator):
    radius, softness = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))[level]
    return [defocused(x, radius, softness) for x in channels_last(images)]


def glass_one_by_one(images, level, generator):
    sigma, reach, passes = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[level]
    inner = SIDE - 2 * reach
    offsets = torch.randint(-reach, reach, (passes, inner, inner, 2, len(images)), generator=generator).numpy()
    return [glass(x, sigma, reach, offsets[..., n]) for n, x in enumerate(channels_last(images))]


def motion_one_by_one(images, level, generator):
    radius, sigma = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))[level]
    angles = (torch.rand(len(images), generator=generator) - 0.5) * (math.pi / 2)
    return [along_a_line(x, a, radius, sigma) for x, a in zip(channels_last(images), angles.tolist(), strict=True)]


def zoom_one_by_one(images, level, generator):
    return [zoom(x, (6, 11, 16, 21, 26)[level]) for x in channels_last(images)]


def snow_one_by_one(images, level, generator):
    mean, std, *rest = (
        (0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
    )[level]
    drawn = channels_last(mean + std * torch.randn(len(images), 1, SIDE, SIDE, generator=generator))
    falls = torch.rand(len(images), generator=generator).tolist()
    return [snow(x, d, f, *rest) for x, d, f in zip(channels_last(images), drawn, falls, strict=True)]


def clouds_one_by_one(count, decay, generator):
    draws, step = [], SIDE
    while step >= 2:
        shape = (count, SIDE // step, SIDE // step)
        draws.append([2 * torch.rand(shape, generator=generator).double().numpy() - 1 for _ in range(3)])
        step //= 2
    return [clouds([[kind[n] for kind in level] for level in draws], SIDE, decay) for n in range(count)]


def frost_one_by_one(images, level, generator):
    parts = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[level]
    reliefs = clouds_one_by_one(len(images), 1.5, generator)
    return [frosted(x, relief, *parts) for x, relief in zip(channels_last(images), reliefs, strict=True)]


def fog_one_by_one(images, level, generator):
    strength, decay = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))[level]
    drawn = clouds_one_by_one(len(images), decay, generator)
    return [fogged(x, cloud, strength) for x, cloud in zip(channels_last(images), drawn, strict=True)]


def brightness_one_by_one(images, level, generator):
    return [brighter(x, (0.05, 0.1, 0.15, 0.2, 0.3)[level]) for x in channels_last(images)]


def contrast_one_by_one(images, level, generator):
    return [flatter(x, (0.75, 0.5, 0.4, 0.3, 0.15)[level]) for x in channels_last(images)]


def elastic_one_by_one(images, level, generator):
    strength, smoothness, reach = (
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    )[level]
    n = len(images)
    corners = (2 * torch.rand(n, 3, 2, generator=generator).double().numpy() - 1) * reach * SIDE
    field = 2 * torch.rand(2, n, 1, SIDE, SIDE, generator=generator).double().numpy() - 1
    pictures = channels_last(images)
    return [elastic(x, corners[i], field[:, i, 0], strength, smoothness) for i, x in enumerate(pictures)]


def pixelate_one_by_one(images, level, generator):
    return [pixelated(x, (0.95, 0.9, 0.85, 0.75, 0.65)[level]) for x in channels_last(images)]


def jpeg_one_by_one(images, level, generator):
    return [compressed(x, (80, 65, 58, 50, 40)[level]) for x in channels_last(images)]


ONE_BY_ONE = {
    "gaussian_noise": gaussian_noise_one_by_one,
    "shot_noise": shot_noise_one_by_one,
    "impulse_noise": impulse_noise_one_by_one,
    "defocus_blur": defocus_one_by_one,
    "glass_blur": glass_one_by_one,
    "motion_blur": motion_one_by_one,
    "zoom_blur": zoom_one_by_one,
    "snow": snow_one_by_one,
    "frost": frost_one_by_one,
    "fog": fog_one_by_one,
    "brightness": brightness_one_by_one,
    "contrast": contrast_one_by_one,
    "elastic_transform": elastic_one_by_one,
    "pixelate": pixelate_one_by_one,
    "jpeg_compression": jpeg_one_by_one,
}
