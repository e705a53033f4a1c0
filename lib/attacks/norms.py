"""The two threat models, an eps-ball in Linf or L2 cut with the box [0, 1]: sizes, projections, random starts."""

import math
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Shapes one number per image, (N,), so that it multiplies a batch of images, (N, 1, 1, 1)."""
    return values.to(images.dtype).view(-1, *[1] * (images.ndim - 1))


def length(differences: Tensor, norm: Norm) -> Tensor:
    """Returns the norm of each image-shaped difference, (N,), in its own dtype."""
    return torch.linalg.vector_norm(differences.flatten(1), ord=float("inf") if norm == "linf" else 2, dim=1)


def size(differences: Tensor, norm: Norm) -> Tensor:
    """Returns the norm of each image-shaped difference, (N,), in float64: what the checks use."""
    return length(differences.double(), norm)


def project(points: Tensor, images: Tensor, eps: float, norm: Norm) -> Tensor:
    """Puts points back into the eps-ball around their images and into the box [0, 1].

    In Linf this is the nearest point of the intersection. In L2 the point is first scaled back to the ball and then
    clamped to the box: since the image itself lies in the box, clamping moves no pixel away from it, and the result
    lies in both sets (it is not always the nearest such point).

    Args:
        points: (N, ...) points to put back.
        images: (N, ...) centres of the balls, in [0, 1].
        eps: radius.
        norm: "linf" or "l2".
    """
    if norm == "linf":
        return torch.clamp(points, images - eps, images + eps).clamp_(0, 1)
    difference = points - images
    shrink = eps / length(difference, norm).clamp_min(torch.finfo(points.dtype).tiny)
    return (images + difference * per_image(shrink.clamp(max=1), images)).clamp_(0, 1)


def settle(points: Tensor, images: Tensor, eps: float, norm: Norm) -> Tensor:
    """Projects for the last time, so exactly that the result lies in the ball to one ulp of the dtype.

    A sum over pixels collects their rounding errors. In L2 the projection is therefore done in float64, and where
    rounding the result put it outside, every pixel moves one representable number towards the image.
    """
    if norm == "linf":
        return project(points, images, eps, norm)
    inside = eps * (1 - 2.0**-50)
    settled = project(points.double(), images.double(), inside, norm).to(images.dtype)
    outside = per_image(size(settled.double() - images.double(), norm) > eps, images).bool()
    return torch.where(outside, torch.nextafter(settled, images), settled)


def ascent_direction(gradients: Tensor, norm: Norm) -> Tensor:
    """Returns the step of length 1 in the norm that raises the linearised loss most; zero where the gradient is."""
    if norm == "linf":
        return gradients.sign()
    # Dividing by the largest entry first keeps the squares of very small gradients from underflowing.
    tiny = torch.finfo(gradients.dtype).tiny
    flat = gradients.flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(tiny)
    return (flat / torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp_min(tiny)).view_as(gradients)


def draw_uniform(like: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """Draws uniform numbers in the shape of `like`; a generator of another device draws there and the result moves."""
    device = like.device if generator is None else generator.device
    return (
        torch.rand(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device) * (high - low)
        + low
    )


def draw_integers(shape: tuple[int, ...], high: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws integers from 0 to high - 1 on the device of `like`."""
    device = like.device if generator is None else generator.device
    return torch.randint(high, shape, generator=generator, device=device).to(like.device)


def draw_bits(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws true or false with equal probability, on the device of `like`."""
    return draw_integers(shape, 2, like, generator).bool()


def draw_signs(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws -1 or +1 with equal probability, in the dtype and on the device of `like`."""
    return (2 * draw_integers(shape, 2, like, generator) - 1).to(like.dtype)


def draw_in_ball(images: Tensor, eps: float, norm: Norm, generator: torch.Generator | None) -> Tensor:
    """Draws one point per image, uniform in the eps-ball, then clamped to the box."""
    if norm == "linf":
        return project(images + draw_uniform(images, -eps, eps, generator), images, eps, norm)
    device = images.device if generator is None else generator.device
    normal = torch.randn(images.shape, generator=generator, dtype=images.dtype, device=device).to(images.device)
    pixels = math.prod(images.shape[1:])
    # A radius r = eps u^(1/d) with u uniform makes a random direction uniform in the d-dimensional ball.
    radius = eps * draw_uniform(images.new_empty(len(images)), 0, 1, generator) ** (1 / pixels)
    return project(images + ascent_direction(normal, norm) * per_image(radius, images), images, eps, norm)
