"""A residual net for 32x32 images that a GPU trains in seconds, and by its width a CPU in minutes.

Ideas of the speed runs on CIFAR-10 (Page 2018, "How to train your ResNet"; Jordan 2024, "94% on CIFAR-10 in 3.29
seconds"): few layers and wide ones, the wide convolution before each pooling, max pooling throughout, logits scaled
down so that Muon or a high rate does not make the net sure of itself too early.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.inputs import CIFAR10_MEAN, CIFAR10_STD, Standardise
from lib.models.wide_resnet import StochasticDepth


class ConvNorm(nn.Module):
    """3x3 convolution, max pooling by 2 where asked for, batch norm, GELU."""

    def __init__(self, in_channels: int, out: int, pool: bool = False) -> None:
        """The convolution has no bias: the batch norm would subtract it."""
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W), or (N, out, H / 2, W / 2) with pooling."""
        return F.gelu(self.norm(self.pool(self.conv(x))))


class Group(nn.Module):
    """Widen and halve, then a residual pair: y = widen(x), y + second(first(y))."""

    def __init__(self, in_channels: int, out: int, drop_branch: float) -> None:
        """`drop_branch` is the probability of dropping the pair, in training."""
        super().__init__()
        self.widen = ConvNorm(in_channels, out, pool=True)
        self.pair = nn.Sequential(ConvNorm(out, out), ConvNorm(out, out))
        self.drop_branch = StochasticDepth(drop_branch)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H / 2, W / 2)."""
        y = self.widen(x)
        return y + self.drop_branch(self.pair(y))


class FastResNet(nn.Module):
    """Stem, three groups, global max pool, linear layer, logits times a constant."""

    def __init__(
        self, inputs: nn.Module, stem: ConvNorm, groups: nn.Sequential, head: nn.Sequential, scale: float
    ) -> None:
        """Take the parts; `scale` is the factor on the logits."""
        super().__init__()
        self.inputs, self.stem, self.groups, self.head, self.scale = inputs, stem, groups, head, scale

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> logits (N, classes); sides are multiples of 8."""
        x = self.groups(self.stem(self.inputs(images)))  # (N, 4 width, H / 8, W / 8)
        return self.head(x.amax(dim=(2, 3))) * self.scale


def fast_resnet(
    num_classes: int,
    width: int = 64,
    *,
    in_channels: int = 3,
    logit_scale: float = 1 / 8,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> FastResNet:
    """Ten convolutions of `width`, 2, 4 and 4 times `width` channels: 3.6 M parameters at 64, 0.23 M at 16.

    Initialisation: the framework's default, uniform in +- 1 / sqrt(fan_in); Muon rescales the filters anyway.

    Args:
        num_classes: number of logits.
        width: channels of the stem; 64 for a GPU (0.72 GFLOP an image forward), 16 for one CPU core (0.05).
        in_channels: 3 for colour, 1 for grey.
        logit_scale: factor on the logits.
        dropout: probability before the linear layer.
        stochastic_depth: probability of dropping the last group's pair; the l-th of the three has l / 3 of it.
        mean: subtracted from the [0, 1] images; None is CIFAR-10's for colour and 0.5 for grey.
        std: divisor after that; None likewise.
    """
    channels = (width, 2 * width, 4 * width, 4 * width)
    groups = nn.Sequential(*(
        Group(channels[i], channels[i + 1], stochastic_depth * (i + 1) / 3) for i in range(3)
    ))  # fmt: skip
    head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1], num_classes))
    colour = in_channels == 3
    inputs = Standardise(
        mean if mean is not None else CIFAR10_MEAN if colour else 0.5,
        std if std is not None else CIFAR10_STD if colour else 0.5,
    )
    return FastResNet(inputs, ConvNorm(in_channels, width), groups, head, logit_scale)
