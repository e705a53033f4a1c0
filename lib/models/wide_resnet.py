"""Wide residual networks (Zagoruyko and Komodakis 2016), with and without batch norm, for images of any size."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lib.models.activations import activation_named
from lib.models.initialise import he_normal
from lib.models.inputs import Standardise


@dataclass(frozen=True)
class Style:
    """What the blocks of one net have in common; the arguments of `wide_resnet` explain each."""

    batch_norm: bool
    activation: str
    dropout: float
    late_stride: bool


class StochasticDepth(nn.Module):
    """In training, drop each image's branch with this probability and divide what survives by 1 - probability."""

    def __init__(self, probability: float) -> None:
        """`probability` of dropping, in [0, 1)."""
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"the probability of dropping a branch must be in [0, 1), found {probability}")
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W); unchanged in eval mode."""
        if not self.training or self.probability == 0:
            return branch
        keep = 1 - self.probability
        mask = branch.new_empty(branch.shape[0], 1, 1, 1).bernoulli_(keep)
        return branch * (mask / keep)


class Block(nn.Module):
    """Pre-activation residual block: x + conv(act(norm(conv(act(norm(x)))))).

    Where the shape changes, a 1x1 convolution takes the place of the identity. It reads the activated input, and the
    first convolution has the stride; with `late_stride` it reads x itself and the second has it, as in JEM's code.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, drop_branch: float, style: "Style") -> None:
        """`drop_branch` is the probability of dropping the whole branch; `style` is the same in all blocks."""
        super().__init__()
        bias = not style.batch_norm  # a bias before a batch norm would be subtracted at once
        stride1, stride2 = (1, stride) if style.late_stride else (stride, 1)
        self.norm1 = norm(in_channels, style)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride1, padding=1, bias=bias)
        self.norm2 = norm(out_channels, style)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride2, padding=1, bias=bias)
        self.activation = activation_named(style.activation)
        self.dropout = nn.Dropout(style.dropout)
        self.drop_branch = StochasticDepth(drop_branch)
        self.late_stride = style.late_stride
        same = in_channels == out_channels and stride == 1
        self.project = None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H / stride, W / stride)."""
        active = self.activation(self.norm1(x))
        branch = self.activation(self.norm2(self.conv1(active)))
        branch = self.drop_branch(self.conv2(self.dropout(branch)))
        if self.project is None:
            return x + branch
        return self.project(x if self.late_stride else active) + branch


class WideResNet(nn.Module):
    """Stem, three groups of blocks at full, half and quarter resolution, global mean pool, linear layer."""

    def __init__(self, inputs: nn.Module, stem: nn.Conv2d, blocks: nn.Sequential, head: nn.Sequential) -> None:
        """Take the parts."""
        super().__init__()
        self.inputs, self.stem, self.blocks, self.head = inputs, stem, blocks, head

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> logits (N, classes)."""
        x = self.stem(self.inputs(images))  # (N, 16, H, W)
        x = self.blocks(x)  # (N, 64 width, H / 4, W / 4)
        return self.head(x)


def wide_resnet(
    depth: int,
    width: int,
    num_classes: int,
    *,
    in_channels: int = 3,
    batch_norm: bool = True,
    activation: str = "relu",
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    late_stride: bool = False,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.5,
) -> WideResNet:
    """WRN-depth-width, logits of (N, num_classes) for images in [0, 1].

    Initialisation: with batch norm N(0, 2 / (9 out)) for the filters, 1 and 0 for the norms, N(0, 1 / in) for the
    linear weight, biases 0; without batch norm the framework's default, as in JEM's code.

    Args:
        depth: 6 n + 4 for n blocks a group: 10, 16, 22, 28, 40.
        width: factor on the channels 16, 32, 64 of the three groups.
        num_classes: number of logits.
        in_channels: 3 for colour, 1 for grey.
        batch_norm: without it the convolutions have biases and nothing is normalised (JEM).
        activation: "relu", "leaky_relu" (slope 0.2, JEM), "silu" or "elu".
        dropout: probability between the two convolutions of each block.
        head_dropout: probability before the linear layer (noisy student).
        stochastic_depth: probability of dropping the branch of the last block; the l-th of L blocks has l / L of it
            (Huang et al. 2016, equation 4).
        late_stride: stride on the second convolution, shortcut from the raw input, as in JEM's code.
        mean: subtracted from the [0, 1] images, for all channels or one each.
        std: divisor after that; the default pair gives [-1, 1].

    Raises:
        ValueError: when depth is not 6 n + 4.
    """
    style = Style(batch_norm, activation, dropout, late_stride)
    model = WideResNet(
        Standardise(mean, std),
        nn.Conv2d(in_channels, 16, 3, padding=1, bias=not batch_norm),
        residual_blocks(depth, width, stochastic_depth, style),
        head(64 * width, num_classes, head_dropout, style),
    )
    if batch_norm:
        he_normal(model, mode="fan_out")
    return model


def residual_blocks(depth: int, width: int, stochastic_depth: float, style: Style) -> nn.Sequential:
    """The three groups of blocks: (N, 16, H, W) -> (N, 64 width, H / 4, W / 4)."""
    per_group, rest = divmod(depth - 4, 6)
    if rest or per_group < 1:
        raise ValueError(f"depth must be 6 n + 4 (10, 16, 22, 28, 40, ...), found {depth}")
    blocks: list[nn.Module] = []
    channels = 16
    for group, out in enumerate((16 * width, 32 * width, 64 * width)):
        for position in range(per_group):
            stride = 2 if group > 0 and position == 0 else 1
            drop_branch = stochastic_depth * (len(blocks) + 1) / (3 * per_group)  # l / L of the last block's
            blocks.append(Block(channels, out, stride, drop_branch, style))
            channels = out
    return nn.Sequential(*blocks)


class GlobalMean(nn.Module):
    """Mean over the pixels of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C)."""
        return x.mean(dim=(2, 3))


def head(channels: int, num_classes: int, dropout: float, style: Style) -> nn.Sequential:
    """Last norm and activation, global mean pool, dropout, linear: (N, channels, H, W) -> (N, num_classes)."""
    return nn.Sequential(
        norm(channels, style),
        activation_named(style.activation),
        GlobalMean(),
        nn.Dropout(dropout),
        nn.Linear(channels, num_classes),
    )


def norm(channels: int, style: Style) -> nn.Module:
    """Batch norm, or nothing."""
    return nn.BatchNorm2d(channels) if style.batch_norm else nn.Identity()
