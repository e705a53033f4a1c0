import pytest
import torch

from lib.models.alexnet import alexnet
from lib.models.count import parameter_count


def test_parameters_by_hand():
    # (9 in + 1) out of 3-64-192-384-256-256, then 4 * 256 + 1 by 512, 513 by 512, 513 by 10
    filters = 28 * 64 + 577 * 192 + 1729 * 384 + 3457 * 256 + 2305 * 256
    assert parameter_count(alexnet(10)) == filters + 1025 * 512 + 513 * 512 + 513 * 10


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (28, 1), (8, 1)])
def test_logits_of_all_sizes(side, channels):
    net = alexnet(7, in_channels=channels, image_side=side, narrowing=8, hidden=16).eval()
    images = torch.rand(2, channels, side, side)
    assert net(images).shape == (2, 7)
    torch.testing.assert_close(net((255 * images).byte()), net((255 * images).byte().float() / 255))


def test_no_batch_norm_so_that_images_of_a_batch_do_not_meet():
    net = alexnet(3, in_channels=1, image_side=8, narrowing=8, hidden=16, dropout=0.0).train()
    images = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(net(images)[:2], net(images[:2]))
