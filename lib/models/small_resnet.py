"""The small convolutional net with skip connections, so that one CPU core has a net whose branches can be dropped."""

from collections.abc import Sequence

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


def small_resnet(
    num_classes: int,
    widths: Sequence[int] = (24, 48, 96),
    in_channels: int = 3,
    *,
    strides: Sequence[int] = (2, 2, 2),
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
) -> SmallCNN:
    """`small_cnn` with a skip connection over the third and over the fifth convolution: as many weights and operations.

    These two change neither the size nor the number of channels.

    Args:
        num_classes: number of logits.
        widths: as of `small_cnn`.
        in_channels: 3 for colour, 1 for grey.
        strides: as of `small_cnn`.
        dropout: probability before the linear layer.
        stochastic_depth: probability of dropping the second branch; the first one has half of it (the linear rule).
    """
    plain = small_cnn(num_classes, widths, in_channels, strides=strides, dropout=dropout)
    parts = list(plain.features)
    third, fifth = nn.Sequential(*parts[2 * LAYER : 3 * LAYER]), nn.Sequential(*parts[4 * LAYER :])
    features = nn.Sequential(
        *parts[: 2 * LAYER],
        Branch(third, stochastic_depth / 2),
        *parts[3 * LAYER : 4 * LAYER],
        Branch(fifth, stochastic_depth),
    )
    return SmallCNN(plain.inputs, features, plain.head, plain.pool, plain.scale)
