"""Generators, discriminators and classifiers without batch norm for images from 8 x 8 to 32 x 32.

Generators end in a sigmoid and so make images in [0, 1], the range of the data; discriminators and classifiers scale
that to [-1, 1] themselves, so that nothing but the image tells the two kinds apart.
"""

from math import prod

from torch import Tensor, nn

from lib.models.initialise import he_normal
from lib.models.inputs import Standardise
from lib.models.mlp import mlp

Shape = tuple[int, int, int]  # of one image: (C, H, W)
LEAK = 0.2  # slope of the discriminators' leaky ReLU
DCGAN_STD = 0.02  # of the initial weights of a DCGAN


def mlp_generator(shape: Shape, latent: int, hidden: int = 128) -> nn.Sequential:
    """Two hidden layers: (B, latent) -> (B, C, H, W) in [0, 1]."""
    return nn.Sequential(
        mlp([hidden, hidden], prod(shape), (latent,), inputs=nn.Identity()), nn.Sigmoid(), nn.Unflatten(1, shape)
    )


def mlp_discriminator(shape: Shape, hidden: int = 128) -> nn.Module:
    """Two hidden layers: (B, C, H, W) in [0, 1] -> (B, 1), the logit of being real."""
    return mlp([hidden, hidden], 1, shape, activation="leaky_relu", inputs=Standardise())


def small_generator(shape: Shape, latent: int, width: int) -> nn.Sequential:
    """A linear layer to a quarter of the pixels, doubled once: (B, latent) -> (B, C, H, W) in [0, 1], H and W even.

    Raises:
        ValueError: an odd height or width.
    """
    channels, height, columns = shape
    if height % 2 or columns % 2:
        raise ValueError(f"height and width must be even, found {height} x {columns}")
    small = (width, height // 2, columns // 2)
    net = nn.Sequential(
        *(nn.Linear(latent, prod(small)), nn.Unflatten(1, small), nn.BatchNorm2d(width), nn.ReLU()),
        *(nn.ConvTranspose2d(width, width // 2, 4, 2, 1), nn.BatchNorm2d(width // 2), nn.ReLU()),
        *(nn.Conv2d(width // 2, channels, 3, padding=1), nn.Sigmoid()),
    )
    he_normal(net)
    return net


def small_discriminator(shape: Shape, width: int) -> nn.Sequential:
    """Two convolutions of stride 2, no batch norm: (B, C, H, W) in [0, 1] -> (B, 1), the logit of being real."""
    channels, height, columns = shape
    net = nn.Sequential(
        *(Standardise(), nn.Conv2d(channels, width // 2, 4, 2, 1), nn.LeakyReLU(LEAK)),
        *(nn.Conv2d(width // 2, width, 4, 2, 1), nn.LeakyReLU(LEAK), nn.Flatten()),
        nn.Linear(width * (height // 4) * (columns // 4), 1),
    )
    he_normal(net)
    return net


class PlainCNN(nn.Module):
    """Scaling, convolutions, linear layers with dropout between them; no batch norm."""

    def __init__(self, inputs: nn.Module, features: nn.Sequential, head: nn.Sequential) -> None:
        """Take the parts."""
        super().__init__()
        self.inputs, self.features, self.head = inputs, features, head

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> logits (N, classes)."""
        return self.head(self.features(self.inputs(images)))


def plain_cnn(shape: Shape, classes: int, width: int, dropout: float = 0.5) -> PlainCNN:
    """Three convolutions (width / 2, width, width) and a hidden layer of 128 units, logits of (N, classes).

    The kind of the paper's VGG in small: neither batch norm nor skip connections, dropout before the last layer.
    """
    channels, height, columns = shape
    quarter = (height // 2 + 1) // 2, (columns // 2 + 1) // 2
    features = nn.Sequential(
        *(nn.Conv2d(channels, width // 2, 4, 2, 1), nn.ReLU()),  # (H / 2, W / 2)
        *(nn.Conv2d(width // 2, width, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(width, width, 3, 2, 1), nn.ReLU(), nn.Flatten()),  # half of that, rounded up
    )
    head = nn.Sequential(
        nn.Linear(width * quarter[0] * quarter[1], 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, classes)
    )
    net = PlainCNN(Standardise(), features, head)
    he_normal(net)
    return net


def dcgan_generator(channels: int = 3, latent: int = 100) -> nn.Sequential:
    """The released code's, for 32 x 32: 512 at 4 x 4, 256 at 8 x 8, 128 at 16 x 16; (B, latent) -> images in [0, 1]."""
    layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    for fan_in, out, stride, padding in ((latent, 512, 1, 0), (512, 256, 2, 1), (256, 128, 2, 1)):
        layers += [nn.ConvTranspose2d(fan_in, out, 4, stride, padding, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    net = nn.Sequential(*layers, nn.ConvTranspose2d(128, channels, 4, 2, 1, bias=False), nn.Sigmoid())
    return as_dcgan(net)


def dcgan_discriminator(channels: int = 3) -> nn.Sequential:
    """The released code's, for 32 x 32, its last sigmoid left to the loss: images in [0, 1] -> (B, 1, 1, 1)."""
    net = nn.Sequential(
        *(nn.Conv2d(channels, 128, 4, 2, 1, bias=False), nn.LeakyReLU(LEAK)),
        *(nn.Conv2d(128, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.LeakyReLU(LEAK)),
        *(nn.Conv2d(256, 512, 4, 2, 1, bias=False), nn.BatchNorm2d(512), nn.LeakyReLU(LEAK)),
        nn.Conv2d(512, 1, 4, 1, 0, bias=False),
    )
    return as_dcgan(net)


def as_dcgan(net: nn.Sequential) -> nn.Sequential:
    """Filters from N(0, 0.02^2), the scales of batch norm from N(1, 0.02^2) (Radford et al. 2016), in place."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, DCGAN_STD)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, DCGAN_STD)
    return net
