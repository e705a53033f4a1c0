import pytest
import torch

from lib.attacks.fooling import fooling_images
from lib.attacks.regularised_ascent import gaussian_blur, regularised_ascent


def start():
    return torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(10)


def test_without_decay_and_blur_it_is_plain_ascent(plain_net):
    noise, classes = start()
    plain = fooling_images(plain_net, noise, classes, confidence=1.1, steps=7, step_size=0.2)
    assert torch.equal(regularised_ascent(plain_net, noise, classes, steps=7, step_size=0.2), plain)


def test_decay_darkens_and_blur_smooths(plain_net):
    noise, classes = start()
    plain = regularised_ascent(plain_net, noise, classes, steps=20)
    dark = regularised_ascent(plain_net, noise, classes, steps=20, decay=0.05)
    smooth = regularised_ascent(plain_net, noise, classes, steps=20, blur=0.5)
    assert dark.mean() < 0.6 * plain.mean()
    assert smooth.diff(dim=3).abs().mean() < 0.7 * plain.diff(dim=3).abs().mean()
    assert all(images.min() >= 0 and images.max() <= 1 for images in (plain, dark, smooth))


def test_a_blur_keeps_what_is_flat_and_spreads_a_point_as_a_gaussian():
    flat = torch.full((2, 3, 28, 28), 0.4)
    assert torch.allclose(gaussian_blur(flat, 1.0), flat, atol=1e-6)
    point = torch.zeros(1, 1, 28, 28)
    point[0, 0, 14, 14] = 1
    spread = gaussian_blur(point, 1.0)[0, 0]
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert spread[14, 15] / spread[14, 14] == pytest.approx(torch.tensor(-0.5).exp().item(), abs=1e-5)
    assert torch.allclose(spread, spread.T, atol=1e-7)


def test_impossible_settings_are_refused(plain_net):
    noise, classes = start()
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\)"):
        regularised_ascent(plain_net, noise, classes, steps=1, decay=1.0)
    with pytest.raises(ValueError, match="steps=0"):
        regularised_ascent(plain_net, noise, classes, steps=0)
