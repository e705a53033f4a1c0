import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from lib.data import noise_sets

SHAPE = (3, 16, 16)


def draw(kind, count=300, seed=0, shape=SHAPE):
    return noise_sets.noise(kind, count, shape, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", noise_sets.NOISES)
def test_noise_is_a_set_of_unlabelled_images_in_the_unit_interval(kind):
    images = draw(kind, 20)
    assert (len(images), images.shape, images.name, images.classes) == (20, SHAPE, kind, ())
    assert images.images.dtype == torch.float32
    assert 0 <= images.images.min() <= images.images.max() <= 1


@pytest.mark.parametrize("kind", noise_sets.NOISES)
def test_seeds_are_respected(kind):
    first, again, other = (draw(kind, 5, seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert first.checksum == again.checksum
    assert not torch.equal(first.images, other.images)
    assert first.checksum != other.checksum


def test_gaussian_has_its_mean_and_standard_deviation(generator):
    narrow = noise_sets.gaussian(300, SHAPE, generator, std=0.1)  # clipping beyond 5 sigma is negligible
    assert abs(narrow.mean() - 0.5) < 5 * 0.1 / narrow.numel() ** 0.5
    assert abs(narrow.std() - 0.1) < 0.001
    wide = noise_sets.gaussian(300, SHAPE, generator, std=1.0)
    clipped = ((wide == 0) | (wide == 1)).float().mean()  # P(|z| > 0.5) = 0.617
    assert abs(clipped - 0.617) < 0.006


def test_the_default_gaussian_is_clipped_at_two_sigma():
    images = draw("gaussian").images
    assert abs(((images == 0) | (images == 1)).float().mean() - 0.0455) < 0.003


def test_uniform_moments():
    images = draw("uniform").images
    assert abs(images.mean() - 0.5) < 0.003
    assert abs(images.var() - 1 / 12) < 0.001


def test_rademacher_is_black_or_white_with_equal_chance():
    images = draw("rademacher").images
    assert images.unique().tolist() == [0, 1]
    assert abs(images.mean() - 0.5) < 5 * 0.5 / images.numel() ** 0.5


def test_blobs_are_zero_or_bright_and_smooth():
    images = draw("blobs").images
    assert (images[images > 0] >= 0.75).all()
    lit = (images > 0).float()
    assert 0.1 < lit.mean() < 0.5
    neighbours = (lit[..., 1:] == lit[..., :-1]).float().mean()
    assert neighbours > 0.8  # independent pixels would agree in lit^2 + (1 - lit)^2 of the cases


def test_blobs_do_not_mix_channels(generator):
    images = noise_sets.blobs(400, SHAPE, generator)
    red, green = (images[:, 0] > 0).float().flatten(), (images[:, 1] > 0).float().flatten()
    assert abs(torch.corrcoef(torch.stack([red, green]))[0, 1]) < 0.03


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_blobs_as_coded_are_those_of_the_released_code(shape):
    """Its blur, scikit-image's for an image without channels, is scipy's over all three axes, the border repeated."""
    found = noise_sets.blobs_as_coded(8, shape, torch.Generator().manual_seed(3))
    on = (torch.rand(8, *shape, generator=torch.Generator().manual_seed(3)) < 0.7).float().numpy()
    soft = np.stack([gaussian_filter(image, 1.5, mode="nearest", truncate=4.0) for image in on])
    clear = np.abs(soft - 0.75) > 1e-5  # at the threshold itself rounding decides
    assert np.abs(found.numpy() - np.where(soft < 0.75, 0, soft))[clear].max() < 1e-5


def test_blobs_as_coded_agree_between_colours():
    images = noise_sets.blobs_as_coded(400, (3, 32, 32), torch.Generator().manual_seed(0))
    red, blue = images[:, 0].flatten(), images[:, 2].flatten()
    assert torch.corrcoef(torch.stack([red, blue]))[0, 1] == pytest.approx(0.34, abs=0.03)
    assert (images > 0).double().mean() == pytest.approx(0.213, abs=0.01)  # .304 within each colour


def test_gaussian_blur_against_scipy(generator):
    images = torch.rand(2, 3, 20, 24, generator=generator)
    expected = gaussian_filter(images.numpy(), (0, 0, 1.5, 1.5), mode="mirror")
    assert np.abs(noise_sets.gaussian_blur(images, 1.5).numpy() - expected).max() < 1e-5


def test_mixture_components_are_the_same_for_train_and_test():
    train, test = (
        noise_sets.mixture(600, (1, 8, 8), 5, torch.Generator().manual_seed(seed), noise_std=0.05) for seed in (0, 1)
    )
    assert train.labels.bincount().tolist() == [120] * 5
    centres = [torch.stack([part.images[part.labels == k].mean(0) for k in range(5)]) for part in (train, test)]
    assert (centres[0] - centres[1]).abs().max() < 0.05
    guess = torch.cdist(test.images.flatten(1), centres[0].flatten(1)).argmin(1)
    assert (guess == test.labels).all()
    assert abs((train.images - centres[0][train.labels]).std() - 0.05) < 0.003


def test_an_unknown_noise_is_refused(generator):
    with pytest.raises(ValueError, match="gaussian, uniform, rademacher, blobs, blobs-as-coded"):
        noise_sets.noise("pink", 1, SHAPE, generator)
