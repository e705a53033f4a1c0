import pytest
import torch
from torch import nn

from lib.models.wide_resnet import Block, StochasticDepth, Style, wide_resnet


def test_depth_must_be_six_n_plus_four():
    with pytest.raises(ValueError, match="found 12"):
        wide_resnet(12, 1, 10)


def test_without_batch_norm_there_is_no_norm_and_every_convolution_has_a_bias():
    model = wide_resnet(16, 2, 10, batch_norm=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert all(module.bias is not None for module in model.modules() if isinstance(module, nn.Conv2d))


def test_with_batch_norm_no_convolution_has_a_bias():
    model = wide_resnet(16, 2, 10)
    assert all(module.bias is None for module in model.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("late", [False, True])
def test_block_is_the_equation(late: bool):
    torch.manual_seed(0)
    block = Block(4, 8, 2, 0.0, Style(batch_norm=False, activation="relu", dropout=0.0, late_stride=late))
    x = torch.randn(2, 4, 6, 6)
    assert (block.conv1.stride, block.conv2.stride) == (((1, 1), (2, 2)) if late else ((2, 2), (1, 1)))
    assert block.project is not None
    shortcut = block.project(x if late else x.relu())
    torch.testing.assert_close(block(x), shortcut + block.conv2(block.conv1(x.relu()).relu()))


def test_block_of_equal_shape_adds_its_input():
    block = Block(4, 4, 1, 0.0, Style(batch_norm=True, activation="relu", dropout=0.0, late_stride=False)).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 6, 6)
    assert block.project is None and torch.equal(block(x), x)


def test_stochastic_depth_rises_linearly_to_the_last_block():
    model = wide_resnet(16, 1, 10, stochastic_depth=0.6)
    rates = [module.probability for module in model.modules() if isinstance(module, StochasticDepth)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = StochasticDepth(0.25)
    out = layer(torch.ones(20_000, 2, 1, 1))
    per_image = out[:, 0, 0, 0]
    assert torch.equal(out[:, 1, 0, 0], per_image)
    assert sorted(per_image.unique().tolist()) == pytest.approx([0, 4 / 3])
    # binomial standard error of the kept share: 0.003
    assert (per_image > 0).float().mean().item() == pytest.approx(0.75, abs=0.012)
    assert torch.equal(layer.eval()(torch.ones(3, 2, 1, 1)), torch.ones(3, 2, 1, 1))


def test_stochastic_depth_of_one_is_refused():
    with pytest.raises(ValueError, match="found 1"):
        StochasticDepth(1.0)


def test_initial_filters_have_he_deviation_by_fan_out():
    torch.manual_seed(0)
    block = wide_resnet(10, 8, 10).blocks[1]
    assert isinstance(block, Block)
    assert block.conv2.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
