"""Images of two pixels: small enough that Z is a sum, so that every density on them is known exactly.

An image is (2, 1, 1) in [0, 1], as all images here; z = 2 x - 1 is the point that it stands for, and all densities are
densities of z. An image of three thousand pixels has the same p(x), and nobody can sum over it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

CENTRE_DISTANCE, WIDTH = 0.5, 0.15  # of the hills, in z
HEIGHTS = (8 / 16, 5 / 16, 3 / 16)  # sums of halves, so that they add up to 1 in float32 too
RING_RADIUS, RING_WIDTH, BUMP_WIDTH = 0.55, 0.08, 0.3


def points(images: Tensor) -> Tensor:
    """The points z (N, 2) that images (N, 2, 1, 1) stand for."""
    return 2 * images.flatten(1) - 1


def images_at(z: Tensor) -> Tensor:
    """The images (N, 2, 1, 1) of points (N, 2)."""
    return ((z + 1) / 2)[:, :, None, None]


class Hills(nn.Module):
    """A classifier whose p(x) is known: f(x)[y] = log w_y + log N(z; m_y, s^2 I), three classes, one round hill each.

    LSE_y f(x)[y] is the log density of the mixture, so log Z = 0, and softmax f(x) is its Bayes classifier.
    """

    centres: Tensor
    weights: Tensor

    def __init__(self, turn: float = 0.0, width: float = WIDTH, heights: tuple[float, ...] = HEIGHTS) -> None:
        """Hills of weights `heights` around the origin, the first at the angle `turn` (radians)."""
        super().__init__()
        angles = turn + torch.arange(len(heights)) * (2 * math.pi / len(heights))
        self.width = width
        self.register_buffer("centres", CENTRE_DISTANCE * torch.stack([angles.cos(), angles.sin()], 1))  # (K, 2)
        self.register_buffer("weights", torch.tensor(heights))  # (K,)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 2, 1, 1) -> logits (N, K)."""
        away = (points(images)[:, None] - self.centres).square().sum(2)  # (N, K)
        return self.weights.log() - away / (2 * self.width**2) - math.log(2 * math.pi * self.width**2)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Independent draws from p(x, y): images (count, 2, 1, 1) and labels (count,), on the generator's device."""
        labels = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn((count, 2), generator=generator, device=generator.device)
        return images_at(self.centres[labels] + self.width * noise), labels

    def nearest(self, images: Tensor) -> Tensor:
        """The hill (N,) that each image is on."""
        return torch.cdist(points(images), self.centres.to(images.dtype)).argmin(1)


class Grid(NamedTuple):
    """The midpoints of equal cells that cover a square of z, as images; rows from the bottom, columns from the left."""

    images: Tensor  # (n n, 2, 1, 1)
    cell: float  # area of a cell, in z


def grid(side: float, count: int, device: str = "cpu") -> Grid:
    """`count` x `count` cells on the square [-side, side]^2, in float64.

    The midpoint rule is far better than it looks: for a smooth density that is 0 at the border its error falls faster
    than any power of the cell's width.
    """
    line = torch.linspace(-side, side, 2 * count + 1, dtype=torch.float64, device=device)[1::2]
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return Grid(images_at(torch.stack([columns.flatten(), rows.flatten()], 1)), (2 * side / count) ** 2)


def log_partition(scores: Tensor, cell: float) -> Tensor:
    """log Z = log of the integral of exp(score), from scores (n,) at the midpoints of cells of this area."""
    return scores.logsumexp(0) + math.log(cell)


def log_density_at(scores: Tensor, cell: float, temperature: float = 1.0) -> Tensor:
    """log p(z) (n,) where p is exp(score / temperature) over its integral."""
    return scores / temperature - log_partition(scores / temperature, cell)


def divergence(p: Tensor, q: Tensor, cell: float) -> float:
    """KL(p || q) in nats, from log densities (n,) at the midpoints: what taking p for q costs."""
    return max(0.0, float((p.exp() * (p - q)).sum() * cell))  # rounding can make a 0 negative


def ring(z: Tensor) -> Tensor:
    """Log density (N,) of a ring, exp(-(|z| - r)^2 / 2 w^2) over its integral on the plane."""
    r, w = RING_RADIUS, RING_WIDTH
    tail = w**2 * math.exp(-(r**2) / (2 * w**2))
    area = 2 * math.pi * (tail + r * w * math.sqrt(math.pi / 2) * (1 + math.erf(r / (w * math.sqrt(2)))))
    return -((z.norm(dim=1) - r) ** 2) / (2 * w**2) - math.log(area)


def bump(z: Tensor) -> Tensor:
    """Log density (N,) of one wide Gaussian in the middle."""
    return -z.square().sum(1) / (2 * BUMP_WIDTH**2) - math.log(2 * math.pi * BUMP_WIDTH**2)


def shares(images: Tensor, bins: int) -> Tensor:
    """Share of the images in each of `bins` x `bins` cells of [-1, 1]^2, and last the share outside: (bins^2 + 1,)."""
    return torch.bincount(cells_of(images, bins), minlength=bins**2 + 1).double() / len(images)


def exact_shares(log_p: Tensor, fine: Grid, bins: int) -> Tensor:
    """What `shares` would be with infinitely many draws from the density (n n,) on the fine grid."""
    mass = log_p.exp() * fine.cell
    return mass.new_zeros(bins**2 + 1).index_add(0, cells_of(fine.images, bins), mass)


def cells_of(images: Tensor, bins: int) -> Tensor:
    """The cell (N,) of each image, numbered row by row from the bottom left; `bins`^2 is outside."""
    place = ((points(images) + 1) / 2 * bins).floor().long()  # (N, 2): column, row
    outside = ((place < 0) | (place >= bins)).any(1)
    return (place[:, 1] * bins + place[:, 0]).masked_fill(outside, bins**2)


def total_variation(p: Tensor, q: Tensor) -> float:
    """Half the sum of |p - q|: the share of images that would have to be moved to make one histogram the other."""
    return float((p - q).abs().sum() / 2)
