import math

import numpy as np
import pytest
import torch
from PIL import Image

from lib.data import corruptions
from lib.data.distortions import affine_places, sampled
from lib.data.noise_sets import gaussian_blur
from lib.data.weather import plasma
from tests.data import per_image


@pytest.fixture
def images(generator):
    """Smooth colour pictures, away from black and white."""
    return gaussian_blur(torch.rand(40, 3, 32, 32, generator=generator), 1.5).mul(2).sub(0.5).clamp(0.05, 0.95)


@pytest.mark.parametrize("kind", corruptions.CORRUPTIONS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shape_type_range_and_input(kind, dtype, images, generator):
    given = (images * 255).to(torch.uint8) if dtype == torch.uint8 else images
    before = given.clone()
    result = corruptions.corrupt(given, kind, 3, generator)
    assert (result.shape, result.dtype) == (given.shape, dtype)
    assert torch.equal(given, before)
    assert not torch.equal(result, given)
    assert result.min() >= 0 and result.max() <= (255 if dtype == torch.uint8 else 1)


# elastic: the constants trade the turn, large on smooth pictures, for ripples
@pytest.mark.parametrize("kind", [kind for kind in corruptions.CORRUPTIONS if kind != "elastic_transform"])
def test_a_higher_severity_changes_more(kind, images):
    changes = []
    for severity in (1, 5):
        result = corruptions.corrupt(images, kind, severity, torch.Generator().manual_seed(0))
        changes.append((result - images).abs().mean().item())
    assert changes[1] > 1.2 * changes[0] > 0


def test_gaussian_noise_has_its_standard_deviation(generator):
    grey = torch.full((200, 3, 32, 32), 0.5)
    for severity, std in enumerate((0.04, 0.06, 0.08, 0.09, 0.10), 1):
        assert abs(corruptions.corrupt(grey, "gaussian_noise", severity, generator).std() - std) < 0.001


def test_shot_noise_has_the_variance_of_counts(generator):
    grey = torch.full((200, 3, 32, 32), 0.3)
    result = corruptions.corrupt(grey, "shot_noise", 2, generator)
    assert abs(result.mean() - 0.3) < 0.001
    assert abs(result.var() - 0.3 / 250) < 3e-5


def test_impulse_noise_sets_its_share_to_black_and_white(generator):
    result = corruptions.corrupt(torch.full((200, 3, 32, 32), 0.5), "impulse_noise", 4, generator)
    assert abs((result == 0).float().mean() - 0.025) < 0.001
    assert abs((result == 1).float().mean() - 0.025) < 0.001


SMOOTHING = ["gaussian_blur", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "elastic_transform", "pixelate"]


@pytest.mark.parametrize("kind", SMOOTHING)
def test_smoothing_leaves_a_flat_image_flat(kind, generator):
    flat = torch.full((2, 3, 32, 32), 0.4)
    assert torch.allclose(corruptions.corrupt(flat, kind, 5, generator), flat, atol=1e-5)


def test_brightness_raises_the_value_and_keeps_hue_and_saturation(generator):
    pixel = torch.tensor([0.4, 0.2, 0.1]).view(1, 3, 1, 1)
    result = corruptions.corrupt(pixel, "brightness", 4, generator)
    assert torch.allclose(result.flatten(), torch.tensor([0.6, 0.3, 0.15]))
    assert torch.allclose(corruptions.corrupt(torch.zeros(1, 3, 1, 1), "brightness", 4, generator), torch.tensor(0.2))


def test_contrast_shrinks_deviations_of_each_channel(images, generator):
    result = corruptions.corrupt(images, "contrast", 3, generator)
    mean = images.mean((2, 3), keepdim=True)
    assert torch.allclose(result - mean, 0.4 * (images - mean), atol=1e-6)


def test_pixelate_is_pillows_box_filter(images, generator):
    pixels = (images[:5] * 255).to(torch.uint8)
    result = corruptions.corrupt(pixels, "pixelate", 5, generator)
    for picture, changed in zip(pixels, result, strict=True):
        small = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((20, 20), Image.Resampling.BOX)
        expected = np.array(small.resize((32, 32), Image.Resampling.BOX)).astype(int)
        assert np.abs(changed.permute(1, 2, 0).numpy() - expected).max() <= 1


RANDOM = [
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "snow",
    "frost",
    "fog",
    "elastic_transform",
]


@pytest.mark.parametrize("kind", RANDOM)
def test_seeds_are_respected(kind, images):
    draws = [corruptions.corrupt(images, kind, 3, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_grey_images_work_too(generator):
    for kind in corruptions.CORRUPTIONS:
        assert corruptions.corrupt(torch.rand(2, 1, 32, 32), kind, 1, generator).shape == (2, 1, 32, 32)


@pytest.mark.parametrize(
    ("kind", "severity", "message"), [("rain", 1, "there are gaussian_noise"), ("fog", 0, "1 to 5")]
)
def test_bad_requests_are_refused(kind, severity, message, images, generator):
    with pytest.raises(ValueError, match=message):
        corruptions.corrupt(images, kind, severity, generator)


@pytest.mark.parametrize("kind", RANDOM)
def test_every_image_has_its_own_draws(kind):
    same = gaussian_blur(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)), 1.5).expand(
        2, -1, -1, -1
    )
    one, other = corruptions.corrupt(same, kind, 3, torch.Generator().manual_seed(0))
    assert not torch.equal(one, other)


def test_the_benchmark_has_fifteen_corruptions_in_four_groups_and_what_is_approximate_is_among_them():
    assert len(corruptions.BENCHMARK) == len(set(corruptions.BENCHMARK)) == 15
    assert [len(group) for group in corruptions.GROUPS.values()] == [3, 4, 4, 4]
    assert set(corruptions.APPROXIMATE) < set(corruptions.BENCHMARK)


def seeded():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", corruptions.BENCHMARK)
def test_a_batch_is_what_one_image_after_another_gives(kind, severity, images):
    few = images[:3]
    expected = np.stack(per_image.ONE_BY_ONE[kind](few, severity - 1, seeded())).clip(0, 1)
    found = per_image.channels_last(corruptions.corrupt(few, kind, severity, seeded()))
    assert np.abs(found - expected).max() < 0.5 / 255, "equal within the rounding of a pixel"


def points_of_clouds(draws, size, decay):
    """Diamond-square point by point, wrapping round the edges: without the slices and rolls of the other two."""
    height, step, width = np.zeros((size, size)), size, 1.0
    for middle, beside, below in draws:
        half = step // 2
        for i, r in enumerate(range(0, size, step)):
            for j, c in enumerate(range(0, size, step)):
                corners = [height[a % size, b % size] for a in (r, r + step) for b in (c, c + step)]
                height[r + half, c + half] = np.mean(corners) + width * middle[i, j]
        for i, r in enumerate(range(0, size, step)):
            for j, c in enumerate(range(0, size, step)):
                row = [height[r, c], height[r, (c + step) % size]]
                column = [height[r, c], height[(r + step) % size, c]]
                around = [height[r + half, c + half], height[(r - half) % size, c + half]]
                aside = [height[r + half, c + half], height[r + half, (c - half) % size]]
                height[r, c + half] = np.mean(row + around) + width * beside[i, j]
                height[r + half, c] = np.mean(column + aside) + width * below[i, j]
        step, width = half, width / decay**2
    height -= height.min()
    return height / height.max()


def test_the_clouds_of_the_comparison_are_those_of_the_algorithm(generator):
    draws = [[2 * torch.rand(32 // s, 32 // s, generator=generator).double().numpy() - 1 for _ in range(3)]
             for s in (32, 16, 8, 4, 2)]  # fmt: skip
    assert np.allclose(per_image.clouds(draws, 32, 1.75), points_of_clouds(draws, 32, 1.75), atol=1e-12)


def test_motion_takes_each_pixel_from_its_place_on_the_line(images):
    picture, angle, radius, sigma = per_image.channels_last(images[:1])[0], 0.5, 6, 2.0
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    expected = np.zeros_like(picture)
    for h in range(32):
        for w in range(32):
            for i, weight in enumerate(weights / weights.sum()):
                down, right = math.ceil(i * math.sin(angle) - 0.5), math.ceil(i * math.cos(angle) - 0.5)
                expected[h, w] += weight * picture[min(h + down, 31), min(w + right, 31)]
    assert np.allclose(per_image.along_a_line(picture, angle, radius, sigma), expected, atol=1e-12)


def test_clouds_reach_from_zero_to_one_and_are_smoother_with_a_larger_decay(generator):
    rough, smooth = (plasma(20, 32, decay, generator) for decay in (1.2, 3.0))
    for clouds in (rough, smooth):
        assert torch.equal(clouds.amin((1, 2)), torch.zeros(20)) and torch.equal(clouds.amax((1, 2)), torch.ones(20))
    steps = [(clouds - clouds.roll(1, 2)).abs().mean() for clouds in (rough, smooth)]
    assert steps[0] > 1.5 * steps[1]


def test_corners_that_stay_leave_the_image_as_it_was(images):
    places = affine_places(torch.zeros(2, 3, 2), 32, 32)
    assert torch.allclose(sampled(images[:2], places, about="pixels"), images[:2], atol=1e-5)
    assert torch.allclose(sampled(images[:2], places, about="edges"), images[:2], atol=1e-5)
