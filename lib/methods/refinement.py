"""Refinement: some SGLD steps from the input before the net classifies it (Grathwohl et al. 2020, JEM-k)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lib.methods.energy import at_least_float32, log_density
from lib.methods.sgld import Langevin, langevin, move


def refine(
    model: nn.Module, images: Tensor, sampler: Langevin, generator: torch.Generator, *, through: bool = False
) -> Tensor:
    """Where k SGLD steps on log p(x) lead from the images, (N, C, H, W), as a function that has a gradient.

    The value does not depend on `through`, the gradient does:

    * through: that of the chain, d x_{t+1} / d x_t = I + (a / 4) d^2 log p(x_t) / dx^2, and 0 where the clamp holds.
    * otherwise straight-through, d x_k / d x_0 = I, as if the chain were not there. That is what an attack on the
      released code gets; the accuracy it leaves may be the chain's or the missing gradient's, and says which to nobody.

    Args:
        model: images in [0, 1] -> logits (N, K), in eval mode.
        images: (N, C, H, W) in [0, 1].
        sampler: number, size, noise and clamp of the steps.
        generator: of the noise, on the device of the images; the noise is held constant in the gradient.
        through: differentiate the chain.
    """
    if not (through and torch.is_grad_enabled() and images.requires_grad):
        # x - x.detach() is exactly 0 and has the gradient 1
        return langevin(model, images, sampler, generator) + (images - images.detach())
    x = images
    for _ in range(sampler.steps):
        x = moved(model, x, sampler, generator)
    return x


def moved(model: nn.Module, x: Tensor, sampler: Langevin, generator: torch.Generator) -> Tensor:
    """x <- x + (a / 4) d/dx log p(x) + (s / 2) xi, with a graph that reaches through d/dx."""
    density = log_density(at_least_float32(model(x))).sum()
    (slope,) = torch.autograd.grad(density, x, create_graph=True)
    return move(x, slope, sampler, generator)


class Refined(nn.Module):
    """The net behind k SGLD steps: images -> logits of the refined images, other noise at every call."""

    def __init__(
        self, model: nn.Module, sampler: Langevin, generator: torch.Generator, *, through: bool = False
    ) -> None:
        """Takes what `refine` takes."""
        super().__init__()
        self.model, self.sampler, self.generator, self.through = model, sampler, generator, through

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        logits: Tensor = self.model(refine(self.model, images, self.sampler, self.generator, through=self.through))
        return logits


def push_from_noise(
    model: nn.Module, noise: Tensor, classes: Tensor, *, step_size: float, steps: int, confidence: float
) -> tuple[Tensor, Tensor]:
    """Distal adversaries: x <- clip(x + a g / |g|) with g = d/dx log p(y | x), until p(y | x) is high enough.

    Args:
        model: images in [0, 1] -> logits, in eval mode.
        noise: (N, C, H, W) in [0, 1], where to start.
        classes: (N,) the y to be confident in.
        step_size: a, length of a step in L2.
        steps: at most so many.
        confidence: an image rests once its p(y | x) is at least this.

    Returns:
        The images, and p(y | x) of each (N,).
    """
    x = noise.detach().clone()
    each = torch.arange(len(x), device=x.device)
    confident: Callable[[Tensor], Tensor] = lambda logits: logits.log_softmax(1)[each, classes]  # noqa: E731
    for _ in range(steps):
        with torch.enable_grad():
            leaf = x.requires_grad_()
            found = confident(model(leaf))
            (g,) = torch.autograd.grad(found.sum(), leaf)
        length = g.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
        climbing = (found.detach().exp() < confidence)[:, None, None, None]
        x = torch.where(climbing, (leaf.detach() + step_size * g / length).clamp(0, 1), leaf.detach())
    with torch.no_grad():
        return x, confident(model(x)).exp()
