"""VGG-13 for 32 x 32 images, the classifier of Lee et al. 2018 (confidence-calibrated classifiers)."""

from collections.abc import Sequence

from torch import Tensor, nn

from lib.models.initialise import drawn_layers, zero_biases
from lib.models.inputs import Standardise

STAGES = (64, 128, 256, 512, 512)  # each: two 3x3 convolutions of that width, then a 2x2 max pool


class VGG13(nn.Module):
    """Ten convolutions in five stages, then three linear layers."""

    def __init__(self, inputs: nn.Module, features: nn.Sequential, classifier: nn.Sequential) -> None:
        """Take the parts."""
        super().__init__()
        self.inputs, self.features, self.classifier = inputs, features, classifier

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, 32, 32) in [0, 1] or uint8 -> logits (N, classes)."""
        x = self.features(self.inputs(images))  # (N, 512, 1, 1)
        return self.classifier(x.flatten(1))


def vgg13(
    num_classes: int,
    *,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
) -> VGG13:
    """VGG-13, logits of (N, num_classes) for 32 x 32 images in [0, 1].

    Initialisation, as in the released code: filters N(0, 2 / (9 out)), linear weights N(0, 0.01^2), biases 0.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour, 1 for grey.
        batch_norm: after each convolution. The released code has none; a wide-spread fork has it.
        dropout: probability after each of the two hidden linear layers.
        mean: subtracted from the [0, 1] images; the default pair changes nothing, as in the released code.
        std: divisor after that.
    """
    layers: list[nn.Module] = []
    channels = in_channels
    for width in STAGES:
        for fan_in in (channels, width):
            norm = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
            layers += [nn.Conv2d(fan_in, width, 3, padding=1), norm, nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        channels = width
    classifier = nn.Sequential(
        *(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(512, num_classes),
    )
    model = VGG13(Standardise(mean, std), nn.Sequential(*layers), classifier)
    for layer in drawn_layers(model):
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        else:
            nn.init.normal_(layer.weight, std=0.01)
    zero_biases(model)
    return model
