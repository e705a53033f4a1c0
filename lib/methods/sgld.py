"""Stochastic gradient Langevin dynamics on images, and the replay buffer that keeps its chains going.

Step sizes and noise are those of JEM, for images scaled to [-1, 1]. Images are kept in [0, 1] as everywhere else: with
z = 2 x - 1, a step a in z is a / 4 in x (once for the gradient, once for the image), and noise s is s / 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.methods.energy import at_least_float32, class_log_density, frozen, log_density, log_density_gradient
from lib.training.evaluate import evaluating


@dataclass(frozen=True)
class Langevin:
    """z <- z + a dz log p(z) + s xi with xi ~ N(0, 1), `steps` times, with a and s apart as in the paper.

    Proper Langevin dynamics has s^2 = 2 a. The released code's a = 1, s = .01 is nearly gradient ascent: it samples
    p^(1/T) at the temperature T = s^2 / 2a = 5e-5.

    Attributes:
        steps: K, gradient steps of one visit.
        step_size: a, for images in [-1, 1].
        noise: s, for images in [-1, 1].
        clamp: keep the image in its range after each step (the released code does not).
    """

    steps: int = 20
    step_size: float = 1.0
    noise: float = 0.01
    clamp: bool = False

    @property
    def temperature(self) -> float:
        """T = s^2 / 2a."""
        return self.noise**2 / (2 * self.step_size)


def langevin(
    model: nn.Module,
    images: Tensor,
    sampler: Langevin,
    generator: torch.Generator,
    classes: Tensor | None = None,
    look: Callable[[Tensor], Any] | None = None,
    gradient: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Run the chains on from `images`; returns where they are after the last step, without a graph.

    The net is in eval mode and its weights are frozen meanwhile: a step costs one forward pass and one backward pass
    to the image, and no graph outlives it.

    Args:
        model: images in [0, 1] -> logits.
        images: (N, C, H, W) where the chains are, in [0, 1] but for what an unclamped chain does.
        sampler: number and size of the steps.
        generator: of the noise, on the device of the images.
        classes: (N,) to sample p(x | y) with these y; None samples p(x).
        look: called with the images after every step.
        gradient: (images) or (images, classes) -> `log_density_gradient` of this model, computed in another way (as a
            CUDA graph); None computes it plainly.
    """
    x = images.detach()
    gradient = gradient or partial(log_density_gradient, model)
    which = () if classes is None else (classes,)
    with evaluating(model), frozen(model):
        for _ in range(sampler.steps):
            x = move(x, gradient(x, *which), sampler, generator)
            if look is not None:
                look(x)
    return x


def move(x: Tensor, gradient: Tensor, sampler: Langevin, generator: torch.Generator) -> Tensor:
    """One step of the chains (N, C, H, W), given the gradient by x."""
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    # z <- z + a d/dz + s xi, in x = (z + 1) / 2
    moved = torch.add(x, gradient, alpha=sampler.step_size / 4).add_(noise, alpha=sampler.noise / 2)
    return moved.clamp_(0, 1) if sampler.clamp else moved


def langevin_the_obvious_way(
    model: nn.Module, images: Tensor, sampler: Langevin, generator: torch.Generator, classes: Tensor | None = None
) -> Tensor:
    """The same chains as everybody first writes them: `.backward()`, which computes every weight's gradient as well.

    Slower, and it adds to the weights' gradients, which the caller then has to clear. Kept to be compared with.
    """
    x = images.detach()
    model.eval()
    for _ in range(sampler.steps):
        x = x.detach().requires_grad_()
        logits = at_least_float32(model(x))
        score = log_density(logits) if classes is None else class_log_density(logits, classes)
        score.sum().backward()
        assert x.grad is not None
        x = move(x.detach(), x.grad, sampler, generator)
    return x


class ReplayBuffer:
    """Chains that are visited again and again: a visit goes on where the last one stopped (Du and Mordatch 2019).

    Each visited chain starts anew from uniform noise with probability `restart`. A chain's class, where one is asked
    for, is its place in the buffer modulo the number of classes. The chains of one visit are drawn without repetition,
    so that none is written back twice; the released code draws with repetition.

    For p(x | y) a visit draws, for every labelled image, a chain of that image's class, as the released code does: data
    and chains then hold every class equally often, and the gradient of the biases of the classes is exactly 0.
    """

    def __init__(
        self, size: int, shape: tuple[int, ...], generator: torch.Generator, restart: float = 0.05, classes: int = 10
    ) -> None:
        """`size` chains of `shape` (C, H, W), uniform in [0, 1], on the generator's device."""
        self.images = torch.rand((size, *shape), generator=generator, device=generator.device)
        self.restart, self.classes = restart, classes

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Places (count,) of the chains to visit and where they start from (count, C, H, W).

        Raises:
            ValueError: there are not as many chains.
        """
        if count > len(self.images):
            raise ValueError(
                f"{count} chains wanted, the buffer has {len(self.images)}: make it at least a batch large"
            )
        places = torch.randperm(len(self.images), generator=generator, device=self.images.device)[:count]
        return places, self._starts(places, generator)

    def draw_for(self, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As `draw`, a chain of each label's class: places (count,), where `class_of` is `labels`, and starts.

        Raises:
            ValueError: a class occurs more often among the labels than it has chains.
        """
        per_class = len(self.images) // self.classes
        which = F.one_hot(labels, self.classes).cumsum(0).gather(1, labels[:, None])[:, 0] - 1  # n-th of its class
        if len(labels) > per_class and (commonest := int(which.max()) + 1) > per_class:
            raise ValueError(
                f"{commonest} chains of one class wanted, the buffer has {per_class}: make it at least "
                f"{self.classes} times a batch large"
            )
        # (per_class, K): for each class its chains in random order
        order = torch.rand((per_class, self.classes), generator=generator, device=self.images.device).argsort(0)
        places = order[which, labels] * self.classes + labels
        return places, self._starts(places, generator)

    def _starts(self, places: Tensor, generator: torch.Generator) -> Tensor:
        """Where the chains are, or, for a few of them, uniform noise."""
        shape, device = (len(places), *self.images.shape[1:]), self.images.device
        fresh = torch.rand(shape, generator=generator, device=device)
        anew = torch.rand(len(places), generator=generator, device=device) < self.restart  # (count,)
        return torch.where(anew[:, None, None, None], fresh, self.images[places])

    def put(self, places: Tensor, images: Tensor) -> None:
        """Leave the chains where they are now."""
        self.images[places] = images

    def class_of(self, places: Tensor) -> Tensor:
        """Class (count,) of the chains at these places."""
        return places % self.classes

    def state_dict(self) -> dict[str, Any]:
        """The chains."""
        return {"images": self.images.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.images.copy_(state["images"])
