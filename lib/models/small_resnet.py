"""The small convolutional net with skip connections, so that one CPU core has a net whose branches can be dropped."""

from typing import Any

from torch import Tensor, nn

from lib.models.small_cnn import SmallCNN, small_cnn
from lib.models.wide_resnet import StochasticDepth

LAYER = 3  # convolution, batch norm, activation


class Branch(nn.Module):
    """x + branch(x), the branch dropped in training with some probability."""

    def __init__(self, branch: nn.Sequential, drop: float) -> None:
        """`branch` keeps the shape; `drop` is the probability."""
        super().__init__()
        self.branch, self.drop_branch = branch, StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, c, h, w)."""
        return x + self.drop_branch(self.branch(x))


def small_resnet(num_classes: int, *args: Any, stochastic_depth: float = 0.0, **kwargs: Any) -> SmallCNN:
    """`small_cnn` with a skip connection over the third and over the fifth convolution: the same weights and passes.

    These two change neither the size nor the number of channels.

    Args:
        num_classes: number of logits.
        args: as of `small_cnn`.
        stochastic_depth: probability of dropping the second branch; the first one has half of it (the linear rule).
        kwargs: as of `small_cnn`.
    """
    net = small_cnn(num_classes, *args, **kwargs)
    layers = [nn.Sequential(*net.features[at : at + LAYER]) for at in range(0, len(net.features), LAYER)]
    third, fifth = Branch(layers[2], stochastic_depth / 2), Branch(layers[4], stochastic_depth)
    net.features = nn.Sequential(*layers[0], *layers[1], third, *layers[3], fifth)
    return net
