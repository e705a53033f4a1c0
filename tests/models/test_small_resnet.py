"""The small net with skip connections: weights as without them, what the branches do, what is dropped."""

import torch

from lib.models.count import parameter_count
from lib.models.small_cnn import small_cnn
from lib.models.small_resnet import Branch, small_resnet
from lib.models.wide_resnet import StochasticDepth


def test_it_has_the_weights_of_the_net_without_skips():
    nets = []
    for build in (small_cnn, small_resnet):
        torch.manual_seed(0)
        nets.append(build(10, (24, 48, 96)))
    assert parameter_count(nets[1]) == parameter_count(nets[0]) == 158_266
    for plain, skipping in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(plain, skipping)


def test_shapes_at_32_and_at_8_pixels():
    assert small_resnet(10)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert small_resnet(10, (8, 16, 32), 1, strides=(1, 2, 1))(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_branches_add_to_what_they_are_given_and_the_second_is_dropped_twice_as_often():
    net = small_resnet(10, stochastic_depth=0.2).eval()
    branches = [module for module in net.modules() if isinstance(module, Branch)]
    assert [branch.drop_branch.probability for branch in branches] == [0.1, 0.2]
    x = torch.rand(2, 48, 8, 8)
    assert torch.allclose(branches[0](x), x + branches[0].branch(x))
    always = Branch(branches[0].branch, 0.999).train()
    always.drop_branch = StochasticDepth(0.999999)
    assert torch.equal(always(x), x)
