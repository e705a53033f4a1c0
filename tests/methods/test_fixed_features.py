"""Gabor energies and random-patch features: by hand, by symmetry, and against a slow reading of the definition."""

import math

import torch

from lib.methods import fixed_features as features


def test_filters_have_mean_zero_and_length_one_and_come_in_pairs():
    bank = features.gabor_bank((4.0, 8.0), radius=6)
    assert bank.shape == (2 * 8 * 2, 1, 13, 13)
    torch.testing.assert_close(bank.flatten(1).mean(1), torch.zeros(32), atol=1e-7, rtol=0)
    torch.testing.assert_close(bank.flatten(1).norm(dim=1), torch.ones(32))
    even, odd = bank[0, 0], bank[1, 0]  # angle 0: the wave runs along x
    torch.testing.assert_close(even, even.flip(1))
    torch.testing.assert_close(odd, -odd.flip(1))


def test_the_energy_is_largest_for_the_orientation_of_the_stripes():
    x = torch.arange(28.0).expand(28, 28)
    stripes = 0.5 + 0.5 * torch.cos(2 * math.pi * x / 4)  # vertical stripes: the wave runs along x, angle 0
    found = features.gabor(stripes[None, None]).reshape(2, 8, 7, 7)  # wavelength, orientation, place
    assert found[0, :, 3, 3].argmax() == 0 and found[0, 0, 3, 3] > 3 * found[1, 0, 3, 3]
    turned = features.gabor(stripes.T[None, None]).reshape(2, 8, 7, 7)
    assert turned[0, :, 3, 3].argmax() == 4  # a right angle is four steps of eight


def test_the_energy_does_not_change_when_the_stripes_move():
    x = torch.arange(28.0).expand(28, 28)
    at = [features.gabor(torch.cos(2 * math.pi * (x - s) / 4)[None, None]).reshape(2, 8, 7, 7) for s in (0.0, 1.0)]
    torch.testing.assert_close(at[0][0, 0, 3, 3], at[1][0, 0, 3, 3], rtol=0.01, atol=0)


def test_a_flat_image_has_no_energy_inside():
    assert features.gabor(torch.full((1, 1, 28, 28), 0.7)).reshape(-1, 7, 7)[:, 3, 3].abs().max() < 1e-6


def test_digits_and_larger_images_keep_their_sizes():
    assert features.gabor(torch.rand(3, 1, 8, 8)).shape == (3, 8 * 4 * 4)
    assert features.gabor(torch.rand(3, 1, 28, 28)).shape == (3, 16 * 7 * 7)
    assert features.pixels(torch.rand(3, 3, 5, 5)).shape == (3, 75)


def test_responses_as_the_definition_reads():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 10, 10, generator=generator)
    weight, mean = torch.randn(108, 4, generator=generator), torch.randn(108, generator=generator) / 10
    expected = torch.zeros(2, 2, 2, 4)  # half of rows, half of columns, sign, filter
    for row, top in enumerate((0, 2, 4)):
        for column, left in enumerate((0, 2, 4)):
            patch = image[0, :, top : top + 6, left : left + 6].flatten()
            patch = (patch - patch.mean()) / (patch.var(unbiased=False) + features.PATCH_VARIANCE).sqrt() - mean
            response = patch @ weight
            for r in (0, 1):
                for c in (0, 1):
                    inside = row in ((0, 1), (1, 2))[r] and column in ((0, 1), (1, 2))[c]
                    for s, sign in enumerate((1, -1)):
                        expected[r, c, s] += inside * (sign * response - features.THRESHOLD).clamp(min=0)
    found = features._responses(image, weight, mean)
    torch.testing.assert_close(found[0], expected.flatten().double(), rtol=1e-4, atol=1e-4)


def test_filters_come_from_whitened_patches_and_the_seed_decides_them():
    images = torch.rand(30, 3, 12, 12, generator=torch.Generator().manual_seed(5))
    first, again, other = (
        features.random_filters(images, 6, torch.Generator().manual_seed(seed))(images[:2]) for seed in (0, 0, 1)
    )
    assert first.shape == (2, 48) and torch.equal(first, again) and not torch.equal(first, other)
    assert (first >= 0).all() and (first > 0).any()


def test_patches_are_normalised():
    patches = features._random_patches(torch.rand(4, 3, 12, 12), 50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(patches.mean(1), torch.zeros(50), atol=1e-5, rtol=0)
    assert (patches.var(1, unbiased=False) > 0.95).all()
