"""Small nets and data sets for the tests of the attacks."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from lib.attacks.pgd import pgd


@lru_cache
def digits() -> tuple[Tensor, Tensor]:
    """All 1,797 digits, (N, 1, 8, 8) in [0, 1]."""
    data = load_digits()
    return torch.tensor(data.images[:, None] / 16, dtype=torch.float32), torch.tensor(data.target)


def small_net(width: int = 16, dropout: float = 0.1) -> nn.Sequential:
    """Two convolutions with batch norm, dropout, one linear layer: 8x8 grey images to ten classes."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(2 * width * 16, 10),
    )


def train(eps: float = 0.0, epochs: int = 4, seed: int = 0, rate: float = 0.05) -> nn.Sequential:
    """Trains a small net on digits; on PGD-5 images where eps > 0."""
    torch.manual_seed(seed)
    images, labels = digits()
    net, generator = small_net(), torch.Generator().manual_seed(seed)
    weights = list(net.parameters())
    speeds = [torch.zeros_like(weight) for weight in weights]
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(128):
            x, y = images[batch], labels[batch]
            if eps > 0:
                x = pgd(net, x, y, eps=eps, steps=5, generator=generator)
            gradients = torch.autograd.grad(F.cross_entropy(net(x), y), weights)
            with torch.no_grad():  # momentum by hand: importing torch.optim's compiler takes longer than the training
                for weight, speed, gradient in zip(weights, speeds, gradients, strict=True):
                    speed.mul_(0.9).add_(gradient)
                    weight.sub_(rate * speed)
    return net.eval()


class Linear(nn.Module):
    """z = W x + b on flattened images, where every attack has a closed-form optimum."""

    def __init__(self, shape: tuple[int, ...], classes: int, generator: torch.Generator, dtype: torch.dtype):
        super().__init__()
        pixels = torch.Size(shape).numel()
        self.weight = nn.Parameter(torch.randn(classes, pixels, generator=generator, dtype=dtype))
        self.bias = nn.Parameter(torch.randn(classes, generator=generator, dtype=dtype))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


class Masked(nn.Module):
    """A trained net behind sixteen grey levels: rounding has no gradient."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net((images * 16).round() / 16)


class Noisy(nn.Module):
    """A trained net that adds noise to its input on every pass."""

    def __init__(self, net: nn.Module, sigma: float):
        super().__init__()
        self.net, self.sigma = net, sigma

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images + self.sigma * torch.randn_like(images))
