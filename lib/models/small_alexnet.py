"""The small AlexNet of Zhang et al. 2017 (section 3.4 of the fact sheet): 1,387,786 parameters."""

from torch import Tensor, nn

from lib.models.initialise import he_normal
from lib.models.inputs import whitened_crop


class SmallAlexNet(nn.Module):
    """Two rounds of convolution, ReLU, max pool and local response normalisation, then three linear layers."""

    def __init__(self, num_classes: int, in_channels: int, inputs: nn.Module) -> None:
        """Layers for 28 x 28 images after `inputs`."""
        super().__init__()
        self.inputs = inputs
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # SAME padding: 28 -> 14
            local_response_norm(),
            nn.Conv2d(64, 64, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # 14 -> 7
            local_response_norm(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 384),
            nn.ReLU(),
            nn.Linear(384, 192),
            nn.ReLU(),
            nn.Linear(192, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8, 28 x 28 after `inputs` -> logits (N, classes)."""
        return self.classifier(self.features(self.inputs(images)))


def small_alexnet(num_classes: int, *, in_channels: int = 3, inputs: nn.Module | None = None) -> SmallAlexNet:
    """Small AlexNet of Zhang et al. 2017, logits of (N, num_classes) for images in [0, 1].

    The paper states neither the 64 channels (they follow from its parameter count) nor the constants of the
    normalisation (TensorFlow's tutorial of the time) nor the initialisation (ours: He normal by fan-in, last layer
    N(0, 1 / in), biases 0).

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour, 1 for grey.
        inputs: scaling module with a 28 x 28 output; None is the paper's, centre crop with per-image whitening.
    """
    model = SmallAlexNet(num_classes, in_channels, inputs or whitened_crop(28, 28))
    he_normal(model)
    return model


def local_response_norm() -> nn.LocalResponseNorm:
    """x_c / (1 + (0.001 / 9) sum of x^2 over the channels c - 4 ... c + 4)^0.75."""
    return nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)  # torch divides alpha by the window of 9
