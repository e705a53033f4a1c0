"""Corruptions of one image at a time in NumPy and SciPy, pixel by pixel: what the batched ones are compared with.

Each takes an image (H, W, C) in [0, 1] and that image's own draws, which the test makes as the batched version does.
"""

import math

import numpy as np
from scipy import ndimage

from lib.data.weather import GREY


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
        for h in range(height):
            row = image[min(max(h - down, 0), height - 1)]
            for w in range(width):
                total[h, w] += weight * row[min(max(w - right, 0), width - 1)]
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
    """Diamond-square point by point; `draws` for each step: of the middles, of the rows' and the columns' points."""
    height = np.zeros((size, size))
    step, width = size, 1.0
    while step >= 2:
        half = step // 2
        middles, beside, below = draws.pop(0)
        starts = range(0, size, step)
        for i, r in enumerate(starts):
            for j, c in enumerate(starts):
                corners = [height[a % size, b % size] for a in (r, r + step) for b in (c, c + step)]
                height[r + half, c + half] = np.mean(corners) + width * middles[i, j]
        for i, r in enumerate(starts):
            for j, c in enumerate(starts):
                ends = [
                    height[r, c],
                    height[r, (c + step) % size],
                    height[r + half, c + half],
                    height[(r - half) % size, c + half],
                ]
                across = np.mean(ends) + width * beside[i, j]
                ends = [
                    height[r, c],
                    height[(r + step) % size, c],
                    height[r + half, c + half],
                    height[r + half, (c - half) % size],
                ]
                height[r + half, c] = np.mean(ends) + width * below[i, j]
                height[r, c + half] = across
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
    turned = np.empty_like(image)
    for h in range(height):
        for w in range(width):
            at = np.array([w, h, 1]) @ back
            for c in range(image.shape[2]):
                turned[h, w, c] = ndimage.map_coordinates(image[..., c], [[at[1]], [at[0]]], order=1, mode="mirror")[0]
    if strength == 0:
        return turned
    dx, dy = (
        ndimage.gaussian_filter(part, smoothness * height, mode="mirror", truncate=4) * strength * height
        for part in field
    )
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    places = np.stack([rows + dy, columns + dx])
    return np.stack(
        [ndimage.map_coordinates(turned[..., c], places, order=1, mode="reflect") for c in range(image.shape[2])], 2
    )
