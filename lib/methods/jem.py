"""JEM: one net trained as a classifier and as an energy model at once (Grathwohl et al. 2020)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.image_set import to_float
from lib.methods.energy import at_least_float32, class_log_density, log_density, log_density_gradient
from lib.methods.sgld import Langevin, ReplayBuffer, langevin
from lib.models.graphed import Graphed
from lib.training.batches import Batch
from lib.training.loop import Diverged


class Terms(NamedTuple):
    """What a factorisation of p(x, y) makes of the logits of a batch of data and of a batch of chains."""

    data: Tensor  # (B,) unnormalised log density of the data
    chains: Tensor  # (B',) of the chains
    classification: Tensor  # scalar, -log p(y | x) of the data, 0 where the factorisation has no such factor


def joint(data: Tensor, labels: Tensor, chains: Tensor, classes: Tensor) -> Terms:
    """log p(x, y) = log p(x) + log p(y | x): the marginal by sampling, the conditional exactly."""
    return Terms(log_density(data), log_density(chains), F.cross_entropy(data, labels))


def class_conditional(data: Tensor, labels: Tensor, chains: Tensor, classes: Tensor) -> Terms:
    """log p(x, y) = log p(x | y) + log p(y), the ablation: all of it by sampling, each chain for a class of its own."""
    return Terms(class_log_density(data, labels), class_log_density(chains, classes), data.new_zeros(()))


# factorisation -> its terms, and whether chains sample p(x | y) rather than p(x)
FACTORISATIONS: dict[str, tuple[Callable[[Tensor, Tensor, Tensor, Tensor], Terms], bool]] = {
    "p(x) p(y|x)": (joint, False),
    "p(x|y) p(y)": (class_conditional, True),
}


PAIRINGS = ("label", "place")


@dataclass(frozen=True)
class Recipe:
    """How the energy part is trained. The defaults are the released code's; `stabilised` adds what keeps it stable.

    Attributes:
        sampler: of the chains.
        factorisation: key of `FACTORISATIONS`.
        pairing: of p(x|y) alone. "label": each chain is of the class of the image beside it, as in the released code.
            "place": of the class that belongs to its place in the buffer, whatever the batch holds; then the gradient
            of the classes' biases is noise.
        data_noise: sigma of the Gaussian noise on the data, for images in [-1, 1].
        energy_penalty: weight of the mean square of the log densities of data and chains.
        clip_norm: largest norm of the gradient of all weights.
        buffer_size: chains in the replay buffer.
        restart: probability that a visited chain starts anew.
    """

    sampler: Langevin = field(default_factory=Langevin)
    factorisation: str = "p(x) p(y|x)"
    pairing: str = "label"
    data_noise: float = 0.03
    energy_penalty: float = 0.0
    clip_norm: float | None = None
    buffer_size: int = 10_000
    restart: float = 0.05

    def __post_init__(self) -> None:
        """Refuse a pairing that does not exist."""
        if self.pairing not in PAIRINGS:
            raise ValueError(f"chains are paired by {' or '.join(PAIRINGS)}, found {self.pairing!r}")


def jem_loss(
    model: nn.Module, images: Tensor, labels: Tensor, chains: Tensor, classes: Tensor, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of one step, and the mean log density of data and of chains; all scalars.

    -log p(x) has the gradient -(d/dw log p~(data) - E d/dw log p~(chains)), with the chains held constant.
    One data batch serves both factors, and one forward pass serves data and chains; the released code takes two
    independent data batches and three passes.

    Args:
        model: images in [0, 1] -> logits (B, K).
        images: (B, C, H, W) data with its noise.
        labels: (B,) classes.
        chains: (B', C, H, W) samples of the model.
        classes: (B',) class of each chain; read by "p(x|y) p(y)" alone.
        recipe: factorisation and penalty.
    """
    logits = at_least_float32(model(torch.cat([images, chains])))
    terms, _ = FACTORISATIONS[recipe.factorisation]
    data, sampled, classification = terms(logits[: len(images)], labels, logits[len(images) :], classes)
    gap = data.mean() - sampled.mean()
    penalty = recipe.energy_penalty * (data.square().mean() + sampled.square().mean())
    return classification - gap + penalty, data.detach().mean(), sampled.detach().mean()


@dataclass
class Guard:
    """Says whether training has diverged, from the gap between the mean log densities of data and of chains.

    A healthy gap is a few nats to either side of 0. The released code asks whether |loss| > 1e8, which NaN is not.

    Attributes:
        burst: |gap| beyond this is a divergence at once.
        drift: |gap| beyond this is one when it lasts.
        patience: for so many steps running.
    """

    burst: float = 1e3
    drift: float = 10.0
    patience: int = 10
    running: int = 0

    def cause(self, gap: float) -> str:
        """Why the run counts as diverged after a step with this gap; empty while it does not."""
        self.running = self.running + 1 if abs(gap) > self.drift else 0
        if not isfinite(gap):
            return "not finite"
        if abs(gap) > self.burst:
            return "burst"
        return "drift" if self.running >= self.patience else ""


class JointLoss:
    """The `batch_loss` of a JEM step: visit some chains, compare them with the data, see whether that is still sane."""

    def __init__(
        self,
        recipe: Recipe,
        buffer: ReplayBuffer,
        generator: torch.Generator,
        guard: Guard,
        look_every: int = 1,
        graphs: bool = False,
    ) -> None:
        """The generator, on the buffer's device, draws the chains, their noise and that of the data.

        The guard looks every `look_every` steps: one on a CPU; a GPU is waited for at each look, so some more there.
        With `graphs` the chains' gradient is replayed as a CUDA graph.
        """
        self.graphs, self.gradients = graphs, dict[nn.Module, Graphed]()
        self.look_every, self.unread = look_every, list[Tensor]()  # on the device, per step since the last look
        self.recipe, self.buffer, self.generator, self.guard = recipe, buffer, generator, guard
        self.trace: list[list[float]] = []  # per step: mean log density of data and of chains, largest |pixel| of these
        self.cause = "not finite"  # of a divergence that the loop finds before the guard does

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of one batch.

        Raises:
            Diverged: the guard says so.
        """
        recipe, generator = self.recipe, self.generator
        _, conditional = FACTORISATIONS[recipe.factorisation]
        if conditional and recipe.pairing == "label":
            places, starts = self.buffer.draw_for(batch.labels, generator)
        else:
            places, starts = self.buffer.draw(len(batch.images), generator)
        classes = self.buffer.class_of(places)
        chains = langevin(
            model, starts, recipe.sampler, generator, classes if conditional else None, gradient=self._gradient(model)
        )
        self.buffer.put(places, chains)
        images = noisy(to_float(batch.images), recipe.data_noise, generator)
        loss, data, sampled = jem_loss(model, images, batch.labels, chains, classes, recipe)
        self._watch(loss, data, sampled, chains)
        return loss

    def _gradient(self, model: nn.Module) -> Graphed | None:
        if not self.graphs:
            return None
        if model not in self.gradients:
            self.gradients[model] = Graphed(partial(log_density_gradient, model))
        return self.gradients[model]

    def _watch(self, loss: Tensor, data: Tensor, sampled: Tensor, chains: Tensor) -> None:
        largest = (2 * chains - 1).abs().max()  # as an image in [-1, 1]
        self.unread.append(torch.stack([data, sampled, largest, loss.detach()]))
        if len(self.unread) == self.look_every:
            self.look()

    def look(self) -> None:
        """Let the guard see the steps since the last look.

        Raises:
            Diverged: it says so of one of them; the trace then ends with that one.
        """
        for *line, loss in self._read():
            step = len(self.trace)
            self.trace.append(line)
            if cause := self.guard.cause(line[0] - line[1]):
                self.cause = cause
                raise Diverged(step, loss, float("nan"))

    def note_until(self, step: int) -> None:
        """Bring the trace up to step number `step`, at which the loop itself found a divergence."""
        self.trace = [*self.trace, *(line for *line, _ in self._read())][: step + 1]

    def _read(self) -> list[list[float]]:
        seen = torch.stack(self.unread).tolist() if self.unread else []  # a GPU is waited for once
        self.unread = []
        return seen


def noisy(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Images in [0, 1] with Gaussian noise that has deviation `sigma` in [-1, 1], so half of that here; not clipped."""
    noise = torch.randn(images.shape, generator=generator, device=generator.device).to(images.device)
    return images + sigma / 2 * noise


def passes_per_step(steps: int, *, batches: int = 2) -> int:
    """Cost of a JEM step in forward passes of one batch, a classifier's step being 3 (forward, and backward as two).

    An SGLD step is a forward pass and a backward pass to the images alone, 2. Every trained batch is 3: data and chains
    (2 batches), or as in the released code data for p(x), labelled data and chains (3).
    """
    return 2 * steps + 3 * batches
