"""Caffe's LeNet for MNIST, the net that Nguyen et al. 2015 fool: 431,080 parameters; a small one for 8 x 8 images."""

from collections.abc import Sequence

from torch import Tensor, nn

from lib.models.initialise import drawn_layers, zero_biases
from lib.models.inputs import Standardise


class LeNet(nn.Module):
    """Two convolutions with max pools (no activation between, as in Caffe's definition), then two linear layers."""

    def __init__(self, num_classes: int, in_channels: int, inputs: nn.Module) -> None:
        """Layers for 28 x 28 images after `inputs`."""
        super().__init__()
        self.inputs = inputs
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 20, 5),  # 28 -> 24
            nn.MaxPool2d(2),  # -> 12
            nn.Conv2d(20, 50, 5),  # -> 8
            nn.MaxPool2d(2),  # -> 4
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(50 * 4 * 4, 500), nn.ReLU(), nn.Linear(500, num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, 28, 28) in [0, 1] or uint8 -> logits (N, classes)."""
        return self.classifier(self.features(self.inputs(images)))


def lenet(
    num_classes: int,
    *,
    in_channels: int = 1,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
) -> LeNet:
    """LeNet, logits of (N, num_classes) for 28 x 28 images in [0, 1].

    Initialisation, as in Caffe's definition: weights uniform in +- sqrt(3 / fan_in), biases 0.

    Args:
        num_classes: number of logits; Nguyen et al. retrain with one more for fooling images.
        in_channels: 1 for grey.
        mean: subtracted from the [0, 1] images (the released code subtracts the mean image of MNIST).
        std: divisor after that.
    """
    model = LeNet(num_classes, in_channels, Standardise(mean, std))
    _draw_as_caffe(model)
    return model


def small_lenet(
    num_classes: int,
    *,
    in_channels: int = 1,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
) -> nn.Sequential:
    """The same plan for 8 x 8 images in [0, 1]: 3 x 3 filters, 16 and 32 of them, 64 hidden units.

    Logits of (N, num_classes); arguments and initialisation as for `lenet`.
    """
    model = nn.Sequential(
        Standardise(mean, std),
        nn.Conv2d(in_channels, 16, 3, padding=1),  # 8 x 8
        nn.MaxPool2d(2),  # -> 4
        nn.Conv2d(16, 32, 3, padding=1),
        nn.MaxPool2d(2),  # -> 2
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 64),
        nn.ReLU(),
        nn.Linear(64, num_classes),
    )
    _draw_as_caffe(model)
    return model


def _draw_as_caffe(model: nn.Module) -> None:
    for layer in drawn_layers(model):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")  # +- sqrt(3 / fan_in)
    zero_biases(model)
