"""The nets of `2-regularisers`: those of the other notebooks, with dropout and with or without batch norm.

With and without batch norm a net starts from the same kind of weights, He normal: the framework's default is so small
that five convolutions without a norm hardly pass anything on, and the comparison would be one of initialisations.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from lib.experiments.rethinking_generalization.subjects import RATES, as_the_paper
from lib.models.initialise import he_normal
from lib.models.mlp import mlp
from lib.models.small_alexnet import small_alexnet
from lib.models.small_cnn import small_cnn
from lib.models.small_inception import small_inception
from lib.training.recipe import Shape

WITHOUT = " without batch norm"  # ending of the name of a net


def paper_mlp(shape: Shape, classes: int, dropout: float, layers: int = 1) -> nn.Module:
    """The paper's net of 512 ReLU units a layer on the whitened centre crop, with dropout after each layer."""
    channels, height, width = shape
    crop = (28, 28) if height > 28 else (height, width)
    return mlp((512,) * layers, classes, (channels, *crop), dropout=dropout)


def cnn(shape: Shape, classes: int, dropout: float, widths: tuple[int, int, int], batch_norm: bool) -> nn.Module:
    """Five convolutions and a mean pool, as in the other notebooks, with dropout before the linear layer."""
    strides = (2, 2, 2) if shape[-1] >= 28 else (2, 2, 1)  # 8x8 goes down to 2x2
    net = small_cnn(
        classes, widths, shape[0], strides=strides, batch_norm=batch_norm, pool="mean", logit_scale=1.0, dropout=dropout
    )
    he_normal(net)
    return net


def inception(shape: Shape, classes: int, dropout: float, batch_norm: bool) -> nn.Module:
    """The paper's small Inception, with dropout before the linear layer, where the Inception v3 has it."""
    net = small_inception(classes, batch_norm)
    net.linear = nn.Sequential(nn.Dropout(dropout), net.linear)  # type: ignore[assignment]
    return net


def alexnet(shape: Shape, classes: int, dropout: float) -> nn.Module:
    """The paper's small AlexNet, with dropout before the last layer."""
    net = small_alexnet(classes)
    *layers, last = net.classifier
    net.classifier = nn.Sequential(*layers, nn.Dropout(dropout), last)
    return net


WIDTHS = {"half-width cnn": (12, 24, 48), "small cnn": (24, 48, 96)}
BUILT: dict[str, Callable[[Shape, int, float], nn.Module]] = {  # name -> (image shape, classes, dropout) -> net
    "mlp 1x512": paper_mlp,
    "mlp 3x512": partial(paper_mlp, layers=3),
    "small alexnet": alexnet,
    "small inception": partial(inception, batch_norm=True),
    "small inception" + WITHOUT: partial(inception, batch_norm=False),
    **{name: partial(cnn, widths=widths, batch_norm=True) for name, widths in WIDTHS.items()},
    **{name + WITHOUT: partial(cnn, widths=widths, batch_norm=False) for name, widths in WIDTHS.items()},
}
# A net without batch norm has the rate of the same with it.
NETS = {name: as_the_paper(build, RATES[name.removesuffix(WITHOUT)]) for name, build in BUILT.items()}
