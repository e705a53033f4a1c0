"""Small convolutional nets that one CPU core trains in a minute, for colour 32 x 32 down to grey 8 x 8 images."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from lib.models.activations import activation_named
from lib.models.inputs import CIFAR10_MEAN, CIFAR10_STD, Standardise

Pool = Literal["max", "mean"]


class SmallCNN(nn.Module):
    """Convolutions with strides, no skip connections, global pool, linear layer, logits times a constant."""

    def __init__(self, inputs: nn.Module, features: nn.Sequential, head: nn.Sequential, pool: Pool, scale: float):
        """Take the parts; `scale` is the factor on the logits."""
        super().__init__()
        self.inputs, self.features, self.head, self.pool, self.scale = inputs, features, head, pool, scale

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> logits (N, classes)."""
        x = self.features(self.inputs(images))  # (N, c, h, w)
        x = x.amax(dim=(2, 3)) if self.pool == "max" else x.mean(dim=(2, 3))  # (N, c)
        return self.head(x) * self.scale


def small_cnn(
    num_classes: int,
    widths: Sequence[int] = (24, 48, 96),
    in_channels: int = 3,
    *,
    strides: Sequence[int] = (2, 2, 2),
    batch_norm: bool = True,
    activation: str = "relu",
    pool: Pool = "max",
    logit_scale: float = 1 / 8,
    dropout: float = 0.0,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> SmallCNN:
    """Five convolutions: 4x4 to c1, 3x3 to c2, 3x3, 3x3 to c3, 3x3; widths (24, 48, 96) are "S", (32, 64, 128) "M".

    Initialisation: the framework's default, uniform in +- 1 / sqrt(fan_in); Muon rescales the filters anyway.

    Args:
        num_classes: number of logits.
        widths: c1, c2, c3.
        in_channels: 3 for colour, 1 for grey.
        strides: of the first, second and fourth convolution. (2, 2, 2) takes 32 x 32 to 4 x 4, (2, 2, 1) takes
            14 x 14 and 16 x 16 to 4 x 4, (1, 2, 1) takes 8 x 8 to 4 x 4.
        batch_norm: after each convolution; otherwise the convolutions have biases.
        activation: "relu", "leaky_relu", "silu" or "elu".
        pool: global "max" (goes with Muon and logit_scale 1/8) or "mean".
        logit_scale: factor on the logits.
        dropout: probability before the linear layer.
        mean: subtracted from the [0, 1] images; None is CIFAR-10's for colour and 0.5 for grey.
        std: divisor after that; None likewise.
    """
    c1, c2, c3 = widths
    first, second, fourth = strides
    layers = [(c1, 4, first), (c2, 3, second), (c2, 3, 1), (c3, 3, fourth), (c3, 3, 1)]  # (channels, kernel, stride)
    features = _convolutions(in_channels, layers, batch_norm, activation)
    head = nn.Sequential(nn.Dropout(dropout), nn.Linear(c3, num_classes))
    return SmallCNN(_scaling(in_channels, mean, std), features, head, pool, logit_scale)


def norm_free_cnn(
    num_classes: int,
    widths: Sequence[int] = (48, 96),
    in_channels: int = 3,
    *,
    activation: str = "silu",
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.5,
) -> SmallCNN:
    """Four convolutions without normalisation, for energy models: 4x4 stride 2 to c1, 3x3, 3x3 stride 2 to c2, 3x3.

    Smooth activation, mean pool, input scaled to [-1, 1]. Initialisation: the framework's default.

    Args:
        num_classes: number of logits.
        widths: c1, c2.
        in_channels: 3 for colour, 1 for grey.
        activation: "silu", "relu", "leaky_relu" or "elu".
        mean: subtracted from the [0, 1] images.
        std: divisor after that.
    """
    c1, c2 = widths
    layers = [(c1, 4, 2), (c1, 3, 1), (c2, 3, 2), (c2, 3, 1)]
    features = _convolutions(in_channels, layers, batch_norm=False, activation=activation)
    return SmallCNN(Standardise(mean, std), features, nn.Sequential(nn.Linear(c2, num_classes)), "mean", 1.0)


def _convolutions(
    channels: int, layers: Sequence[tuple[int, int, int]], batch_norm: bool, activation: str
) -> nn.Sequential:
    """Convolution (padding 1), batch norm or bias, activation, for each (channels, kernel, stride)."""
    modules: list[nn.Module] = []
    for out, kernel, stride in layers:
        norm = nn.BatchNorm2d(out) if batch_norm else nn.Identity()
        conv = nn.Conv2d(channels, out, kernel, stride, padding=1, bias=not batch_norm)
        modules += [conv, norm, activation_named(activation)]
        channels = out
    return nn.Sequential(*modules)


def _scaling(
    in_channels: int, mean: float | Sequence[float] | None, std: float | Sequence[float] | None
) -> Standardise:
    default_mean, default_std = (CIFAR10_MEAN, CIFAR10_STD) if in_channels == 3 else ((0.5,), (0.5,))
    return Standardise(default_mean if mean is None else mean, default_std if std is None else std)
