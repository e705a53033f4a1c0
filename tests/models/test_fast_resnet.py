import pytest
import torch
from torch import nn

from lib.models.fast_resnet import Group, fast_resnet


def test_a_group_halves_and_adds_its_pair():
    torch.manual_seed(0)
    group = fast_resnet(10, 8).groups[1].eval()
    assert isinstance(group, Group)
    x = torch.rand(2, 16, 16, 16)
    widened = group.widen(x)
    assert widened.shape == (2, 32, 8, 8)
    torch.testing.assert_close(group(x), widened + group.pair(widened))


def test_logits_are_an_eighth_of_the_linear_layer_on_the_maximum():
    torch.manual_seed(0)
    model = fast_resnet(10, 8).eval()
    images = torch.rand(3, 3, 32, 32)
    features = model.groups(model.stem(model.inputs(images)))
    assert features.shape == (3, 32, 4, 4)
    torch.testing.assert_close(model(images), model.head(features.flatten(2).max(dim=2).values) / 8)


def test_later_pairs_are_dropped_more_often():
    model = fast_resnet(10, 8, stochastic_depth=0.3)
    dropped = [group.drop_branch.probability for group in model.groups if isinstance(group, Group)]
    assert dropped == pytest.approx([0.1, 0.2, 0.3])


def test_width_is_the_stems_and_there_are_ten_convolutions():
    convolutions = [module for module in fast_resnet(10, 8).modules() if isinstance(module, nn.Conv2d)]
    assert [conv.out_channels for conv in convolutions] == [8, 16, 16, 16, 32, 32, 32, 32, 32, 32]
