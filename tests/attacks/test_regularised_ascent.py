import pytest
import torch

from lib.attacks.fooling import fooling_images
from lib.attacks.regularised_ascent import regularised_ascent


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


def test_impossible_settings_are_refused(plain_net):
    noise, classes = start()
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\)"):
        regularised_ascent(plain_net, noise, classes, steps=1, decay=1.0)
    with pytest.raises(ValueError, match="steps=0"):
        regularised_ascent(plain_net, noise, classes, steps=0)
