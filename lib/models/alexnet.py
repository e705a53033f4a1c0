"""AlexNet (Krizhevsky et al. 2012) for small images: five convolutions, three linear layers, no batch norm."""

from torch import Tensor, nn

from lib.models.initialise import he_normal
from lib.models.inputs import Standardise

WIDTHS = (64, 192, 384, 256, 256)  # of the convolutions; those of the variant for one machine


class AlexNet(nn.Module):
    """Convolutions with a max pool after the first, the second and the last, then linear layers with dropout."""

    def __init__(self, inputs: nn.Module, features: nn.Sequential, classifier: nn.Sequential) -> None:
        """Take the parts."""
        super().__init__()
        self.inputs, self.features, self.classifier = inputs, features, classifier

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> logits (N, classes)."""
        return self.classifier(self.features(self.inputs(images)))


def alexnet(
    num_classes: int,
    *,
    in_channels: int = 3,
    image_side: int = 32,
    narrowing: int = 1,
    hidden: int = 512,
    dropout: float = 0.5,
) -> AlexNet:
    """AlexNet, logits of (N, num_classes) for square images in [0, 1].

    The paper of 2012 is about 224 x 224 pixels. Here all filters are 3 x 3; the first convolution moves by two pixels
    on 32 x 32 images and by one on 8 x 8 ones, and three pools leave 2 x 2 or 1 x 1 places.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour, 1 for grey.
        image_side: height and width in pixels, 8 to 15 or 28 to 47.
        narrowing: divisor of all widths of convolutions.
        hidden: units of the two hidden linear layers.
        dropout: probability before each of them.
    """
    first, second, third, fourth, fifth = (width // narrowing for width in WIDTHS)
    stride = 2 if image_side >= 28 else 1
    features = nn.Sequential(
        *(nn.Conv2d(in_channels, first, 3, stride, padding=1), nn.ReLU(), nn.MaxPool2d(2)),  # 32 -> 8, 8 -> 4
        *(nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),  # -> 4, 2
        *(nn.Conv2d(second, third, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(third, fourth, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(fourth, fifth, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),  # -> 2, 1
    )
    places = ((image_side + stride - 1) // stride // 8) ** 2
    classifier = nn.Sequential(
        *(nn.Flatten(), nn.Dropout(dropout), nn.Linear(fifth * places, hidden), nn.ReLU()),
        *(nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU()),
        nn.Linear(hidden, num_classes),
    )
    model = AlexNet(Standardise(), features, classifier)
    he_normal(model)
    return model
