"""Shapes, ranges and counts of the nets for image GANs; those of the released code by its own numbers."""

import pytest
import torch

from lib.models import image_gan as nets
from lib.models.count import parameter_count

GREY, COLOUR = (1, 14, 14), (3, 16, 16)


@pytest.mark.parametrize("shape", [GREY, COLOUR, (1, 8, 8)])
def test_small_nets_fit_each_other(shape):
    torch.manual_seed(0)
    made = nets.small_generator(shape, 64, 48)(torch.randn(5, 64))
    assert made.shape == (5, *shape) and made.min() >= 0 and made.max() <= 1
    assert nets.small_discriminator(shape, 48)(made).shape == (5, 1)
    assert nets.plain_cnn(shape, 10, 48)(made).shape == (5, 10)
    assert nets.mlp_discriminator(shape)(nets.mlp_generator(shape, 16)(torch.randn(5, 16))).shape == (5, 1)


def test_dcgan_has_the_released_codes_parameters():
    """3.45 and 2.64 million, counted in the released code (with its biases of no convolution)."""
    with torch.device("meta"):
        generator, discriminator = nets.dcgan_generator(), nets.dcgan_discriminator()
    filters = 16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    assert parameter_count(generator) == filters + 2 * (512 + 256 + 128)
    assert parameter_count(generator) == pytest.approx(3.45e6, rel=0.005)
    assert parameter_count(discriminator) == 16 * (3 * 128 + 128 * 256 + 256 * 512 + 512) + 2 * (256 + 512)
    assert parameter_count(discriminator) == pytest.approx(2.64e6, rel=0.005)


def test_dcgan_makes_images_of_32_pixels():
    torch.manual_seed(0)
    made = nets.dcgan_generator()(torch.randn(2, 100))
    assert made.shape == (2, 3, 32, 32) and made.min() >= 0 and made.max() <= 1
    assert nets.dcgan_discriminator()(made).shape == (2, 1, 1, 1)


def test_uint8_and_floats_are_the_same_to_a_classifier():
    net = nets.plain_cnn(GREY, 10, 16).eval()
    images = torch.randint(0, 256, (3, *GREY), dtype=torch.uint8)
    torch.testing.assert_close(net(images), net(images / 255))


def test_an_odd_size_is_refused():
    with pytest.raises(ValueError, match="must be even, found 7 x 7"):
        nets.small_generator((1, 7, 7), 8, 16)
