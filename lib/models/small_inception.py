"""The small Inception of Zhang et al. 2017 (figure 3): 1,649,402 parameters with batch norm and without."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.initialise import he_normal
from lib.models.inputs import whitened_crop


class ShiftBatchNorm(nn.BatchNorm2d):
    """Batch norm with a learnt shift and no learnt scale; the only reading that gives the paper's parameter count."""

    def __init__(self, channels: int) -> None:
        """The scale stays at 1, which the kernels of a GPU want to be told; the shift starts at 0."""
        super().__init__(channels, affine=False)
        del self.weight
        self.register_buffer("weight", torch.ones(channels), persistent=False)
        self.bias = nn.Parameter(torch.zeros(channels))


class Conv(nn.Module):
    """Convolution, batch norm, ReLU. Without batch norm the convolution has the bias instead."""

    def __init__(self, in_channels: int, out: int, kernel: int, *, stride: int = 1, pad: int = 0, batch_norm: bool):
        """`pad` lines of zeros on every side."""
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out, kernel, stride, padding=pad, bias=not batch_norm)
        self.norm = ShiftBatchNorm(out) if batch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W')."""
        return F.relu(self.norm(self.conv(x)))


class Inception(nn.Module):
    """A 1x1 and a 3x3 convolution side by side."""

    def __init__(self, in_channels: int, out1: int, out3: int, batch_norm: bool) -> None:
        """`out1` channels from the 1x1, `out3` from the 3x3."""
        super().__init__()
        self.conv1 = Conv(in_channels, out1, 1, batch_norm=batch_norm)
        self.conv3 = Conv(in_channels, out3, 3, pad=1, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out1 + out3, H, W)."""
        return torch.cat([self.conv1(x), self.conv3(x)], dim=1)


class Downsample(nn.Module):
    """A 3x3 convolution and a 3x3 max pool side by side, both with stride 2."""

    def __init__(self, in_channels: int, out3: int, batch_norm: bool) -> None:
        """`out3` new channels beside the pooled old ones."""
        super().__init__()
        self.conv3 = Conv(in_channels, out3, 3, stride=2, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out3 + in, ceil(H / 2), ceil(W / 2))."""
        x = pad_same(x)  # x comes from a ReLU, so that zeros never win the max
        return torch.cat([self.conv3(x), F.max_pool2d(x, 3, stride=2)], dim=1)


class SmallInception(nn.Module):
    """Stem, eight Inception modules in three resolutions, global mean pool, linear layer."""

    def __init__(self, num_classes: int, in_channels: int, batch_norm: bool, inputs: nn.Module) -> None:
        """Rows 1 to 12 of the paper's figure 3."""
        super().__init__()
        self.inputs = inputs
        self.features = nn.Sequential(  # 28 x 28
            Conv(in_channels, 96, 3, pad=1, batch_norm=batch_norm),
            Inception(96, 32, 32, batch_norm),
            Inception(64, 32, 48, batch_norm),
            Downsample(80, 80, batch_norm),  # 14 x 14
            Inception(160, 112, 48, batch_norm),
            Inception(160, 96, 64, batch_norm),
            Inception(160, 80, 80, batch_norm),
            Inception(160, 48, 96, batch_norm),
            Downsample(144, 96, batch_norm),  # 7 x 7
            Inception(240, 176, 160, batch_norm),
            Inception(336, 176, 160, batch_norm),
        )
        self.linear = nn.Linear(336, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> logits (N, classes)."""
        x = self.features(self.inputs(images))  # (N, 336, 7, 7)
        return self.linear(x.mean(dim=(2, 3)))


def small_inception(
    num_classes: int, batch_norm: bool = True, *, in_channels: int = 3, inputs: nn.Module | None = None
) -> SmallInception:
    """Small Inception of Zhang et al. 2017, logits of (N, num_classes) for images in [0, 1].

    Initialisation (not stated in the paper): He normal by fan-in, last layer N(0, 1 / in), biases and shifts 0.

    Args:
        num_classes: number of logits.
        batch_norm: shift-only batch norm after each convolution; otherwise convolution biases.
        in_channels: 3 for colour, 1 for grey.
        inputs: scaling module; None is the paper's, a centre crop to 28 x 28 with per-image whitening.
    """
    model = SmallInception(num_classes, in_channels, batch_norm, inputs or whitened_crop(28, 28))
    he_normal(model)
    return model


def pad_same(x: Tensor) -> Tensor:
    """TensorFlow's SAME for a 3x3 window with stride 2: an even side gets its one line of zeros at the far end."""
    return F.pad(x, (x.shape[3] % 2, 1, x.shape[2] % 2, 1))  # (left, right, top, bottom)
