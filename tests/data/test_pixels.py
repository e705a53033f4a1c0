import pytest
import torch

from lib.data import pixels


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (50, 3, 6, 5), dtype=torch.uint8, generator=generator)


def columns(images):
    """Each image as the sorted list of its pixels (their channels together)."""
    return [sorted(map(tuple, image.flatten(1).T.tolist())) for image in images]


def test_shuffled_pixels_share_one_permutation_of_positions(images, generator):
    permutation = pixels.spatial_permutation(6, 5, generator)
    result = pixels.shuffled_pixels(images, permutation)
    for image, shuffled in zip(images, result, strict=True):
        assert torch.equal(image.flatten(1)[:, permutation], shuffled.flatten(1))
    assert sorted(permutation.tolist()) == list(range(30))
    with pytest.raises(ValueError, match="30 positions"):
        pixels.shuffled_pixels(images, permutation[:10])


def test_random_pixels_keep_each_image_but_not_its_order(images, generator):
    result = pixels.random_pixels(images, generator)
    assert columns(result) == columns(images)
    positions = torch.arange(30).view(1, 1, 6, 5).expand(50, 1, 6, 5).to(torch.uint8)
    orders = pixels.random_pixels(positions, generator).flatten(1)
    assert len({tuple(order.tolist()) for order in orders}) == 50


@pytest.mark.parametrize("statistics", ["channel", "global"])
def test_gaussian_pixels_match_the_moments(statistics, generator):
    offset = torch.tensor([0.2, 0.5, 0.7]).view(1, 3, 1, 1)
    like = torch.rand(400, 3, 8, 8, generator=generator) * 0.2 + offset
    result = pixels.gaussian_pixels(torch.zeros(1000, 3, 8, 8), generator, statistics=statistics, like=like)
    axes = (0, 2, 3) if statistics == "channel" else (0, 1, 2, 3)
    assert torch.allclose(result.mean(axes), like.mean(axes), atol=0.005)
    assert torch.allclose(result.std(axes), like.std(axes), rtol=0.02)
    if statistics == "global":
        assert torch.allclose(result.mean((0, 2, 3)), like.mean().expand(3), atol=0.01)


def test_gaussian_pixels_are_independent(generator):
    result = pixels.gaussian_pixels(torch.rand(4000, 1, 2, 2, generator=generator), generator)
    correlation = torch.corrcoef(result.flatten(1).T) - torch.eye(4)
    assert correlation.abs().max() < 5 / 4000**0.5
    with pytest.raises(ValueError, match="statistics"):
        pixels.gaussian_pixels(result, generator, statistics="image")


def test_whitening_has_mean_zero_and_variance_one(images):
    result = pixels.per_image_whitening(images).flatten(1)
    assert torch.allclose(result.mean(1), torch.zeros(50), atol=1e-6)
    assert torch.allclose(result.std(1, correction=0), torch.ones(50), atol=1e-5)


def test_whitening_of_a_flat_image_divides_by_the_floor():
    flat = torch.full((1, 3, 4, 4), 0.5)
    flat[0, 0, 0, 0] += 1e-3
    result = pixels.per_image_whitening(flat)
    spread = (flat - flat.mean()) * 48**0.5  # the deviation is far below 1 / sqrt(48)
    assert torch.allclose(result, spread, atol=1e-5)


def test_centre_crop():
    image = torch.arange(30).view(1, 1, 6, 5)
    assert pixels.centre_crop(image, 3).flatten().tolist() == [6, 7, 8, 11, 12, 13, 16, 17, 18]
    with pytest.raises(ValueError, match="cannot cut"):
        pixels.centre_crop(image, 6)
