"""Fooling images by evolution: MAP-Elites with one champion for each class (Nguyen, Yosinski & Clune 2015).

Offspring of random champions are scored on every class at once, and an offspring takes the place of each champion that
it beats. A generation is one batch: its draws, its variation, its images and their logits are one tensor each.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from lib.attacks.checks import check_counts, check_images, check_output
from lib.attacks.guard import attacking
from lib.files import set_aside, write_atomically

Genomes = dict[str, Tensor]  # name of a part -> (individuals, ...)

PIXEL_RATE = 0.1  # share of the pixels that are mutated
MUTATION_ETA, CROSSOVER_ETA, CROSSOVER_RATE = 15.0, 10.0, 0.5
HALVED_EVERY = 1000  # generations, as published; the released code keeps the rate
SAVE_EVERY = 50  # generations


class Encoding(Protocol):
    """How a genome becomes an image, and how genomes are drawn and varied; all of a batch at once."""

    def first(self, count: int, generator: torch.Generator) -> Genomes:
        """`count` random genomes."""

    def vary(self, parents: Genomes, others: Genomes, rate: float, generator: torch.Generator) -> Genomes:
        """One offspring of each pair; `rate` is that of mutation."""

    def images(self, genomes: Genomes) -> Tensor:
        """(N, C, H, W) in [0, 1]."""


@dataclass(frozen=True)
class Pixels:
    """Direct encoding: every pixel a gene, uniform at first, varied by SBX crossover and polynomial mutation.

    Attributes:
        shape: (C, H, W) of an image.
    """

    shape: tuple[int, int, int]

    def first(self, count: int, generator: torch.Generator) -> Genomes:
        """Uniform noise."""
        return {"pixels": uniform((count, *self.shape), generator)}

    def vary(self, parents: Genomes, others: Genomes, rate: float, generator: torch.Generator) -> Genomes:
        """Half of the offspring are crossed, all are mutated."""
        a, b = parents["pixels"], others["pixels"]
        crossed = uniform((len(a), 1, 1, 1), generator) < CROSSOVER_RATE
        child = torch.where(crossed, simulated_binary_crossover(a, b, uniform(a.shape, generator)), a)
        mutated = uniform(a.shape, generator) < rate
        moved = (child + polynomial_step(uniform(a.shape, generator))).clamp(0, 1)
        return {"pixels": torch.where(mutated, moved, child)}

    def images(self, genomes: Genomes) -> Tensor:
        """The genes themselves."""
        return genomes["pixels"]


def polynomial_step(u: Tensor, eta: float = MUTATION_ETA) -> Tensor:
    """Deb's polynomial mutation of a gene of range 1: u uniform in [0, 1) -> a step in [-1, 1], mostly a small one."""
    power = 1 / (eta + 1)
    # delta = (2u)^(1 / (eta + 1)) - 1 below one half, 1 - (2 (1 - u))^(1 / (eta + 1)) above
    # delta(1 - u) = -delta(u); a power as exp(log) takes a fifth of the time
    near = torch.exp(power * torch.log(2 * torch.minimum(u, 1 - u)))
    return torch.where(u < 0.5, near - 1, 1 - near)


def simulated_binary_crossover(a: Tensor, b: Tensor, u: Tensor, eta: float = CROSSOVER_ETA) -> Tensor:
    """One child of two parents, as spread around them as one-point crossover of bits would make it, within [0, 1]."""
    power = 1 / (eta + 1)
    # beta = (2u)^(1 / (eta + 1)) up to one half, (1 / (2 (1 - u)))^(1 / (eta + 1)) above
    near = torch.exp(power * torch.log(2 * torch.minimum(u, 1 - u)))
    beta = torch.where(u <= 0.5, near, 1 / near)
    return (0.5 * ((1 + beta) * a + (1 - beta) * b)).clamp(0, 1)


@dataclass(frozen=True)
class Evolved:
    """What evolution ended with, and how it came there.

    Attributes:
        images: (K, C, H, W) the champion of each class.
        log_odds: (K,) log(P / (1 - P)) of the class.
        history: (G + 1, K) the same after each generation; the first line is the best of the random population.
        film: (R, K, C, H, W) champions at the generations `film_at`.
        film_at: R generations.
    """

    images: Tensor
    log_odds: Tensor
    history: Tensor
    film: Tensor
    film_at: tuple[int, ...]


def evolve(
    model: nn.Module,
    encoding: Encoding,
    *,
    classes: int,
    generations: int,
    population: int = 200,
    seed: int = 0,
    device: str | torch.device = "cpu",
    film_at: Sequence[int] = (),
    halved_every: int | None = HALVED_EVERY,
    checkpoint: Path | None = None,
) -> Evolved:
    """Evolve one image for each of the first `classes` outputs of the model.

    Args:
        model: images in [0, 1] to logits (N, at least `classes`), on `device`; left as it was.
        encoding: what evolves.
        classes: champions; an output beyond them, such as a class of fooling images, takes part in the softmax alone.
        generations: after the random population, which is number 0.
        population: offspring in a generation.
        seed: of every draw.
        device: where it all happens.
        film_at: generations whose champions are kept; 0 is the random population.
        halved_every: generations after which the mutation rate is halved; None keeps it.
        checkpoint: file to go on from, bit for bit on a CPU.

    Raises:
        ValueError: impossible counts, a model with fewer outputs, images outside [0, 1], or the checkpoint of another
            run.
    """
    check_counts(classes=classes, generations=generations, population=population)
    moments = tuple(sorted({moment for moment in film_at if 0 <= moment <= generations}))
    generator = torch.Generator(device).manual_seed(seed)
    with attacking(model):
        about = _identity(model, encoding, classes, generations, population, seed, moments, halved_every)
        run = _Run(model, encoding, classes, population, generator, halved_every, moments)
        run.begin()
        if checkpoint is not None and checkpoint.exists():
            run.restore(checkpoint, about)
        while run.generation < generations:
            run.step()
            if checkpoint is not None and run.generation % SAVE_EVERY == 0:
                run.save(checkpoint, about)
        images = run.shown()
        film = torch.stack(run.film) if run.film else images.new_zeros(0, *images.shape)
    return Evolved(images, run.best, torch.stack(run.history), film, moments)


def log_odds(logits: Tensor, classes: int) -> Tensor:
    """log(P_k / (1 - P_k)) of the softmax for the first `classes` of K outputs: (N, K) -> (N, classes).

    It ranks images as P_k does, but does not round: z_k - log sum_{j != k} exp z_j, the sum taken without z_k, since
    logsumexp(z) - z_k would cancel for the very images that matter.
    """
    outputs = logits.shape[1]
    own = torch.eye(outputs, dtype=torch.bool, device=logits.device)[:classes]  # (classes, K)
    others = logits[:, None, :].masked_fill(own, -torch.inf).logsumexp(dim=2)  # (N, classes)
    return logits[:, :classes] - others


class _Run:
    """A population on its way."""

    def __init__(
        self,
        model: nn.Module,
        encoding: Encoding,
        classes: int,
        population: int,
        generator: torch.Generator,
        halved_every: int | None,
        moments: tuple[int, ...],
    ) -> None:
        self.model, self.encoding, self.classes, self.population = model, encoding, classes, population
        self.generator, self.halved_every, self.moments = generator, halved_every, moments
        self.generation = 0
        self.history: list[Tensor] = []
        self.film: list[Tensor] = []

    def begin(self) -> None:
        """The best of a random population for each class."""
        genomes = self.encoding.first(self.population, self.generator)
        check_images(self.encoding.images(genomes))
        fitness = self.score(genomes)
        self.best, chosen = fitness.max(0).values, fitness.argmax(0)
        self.champions = _rows(genomes, chosen)
        self.note()

    def step(self) -> None:
        """Offspring of random champions; each class takes the best of them if it beats its champion."""
        pairs = torch.randint(
            self.classes, (2, self.population), generator=self.generator, device=self.generator.device
        )
        halvings = 0 if self.halved_every is None else self.generation // self.halved_every
        parents, others = (_rows(self.champions, chosen) for chosen in pairs)
        genomes = self.encoding.vary(parents, others, PIXEL_RATE * 0.5**halvings, self.generator)
        fitness = self.score(genomes)  # (population, classes)
        found, chosen = fitness.max(0).values, fitness.argmax(0)
        better = found > self.best
        self.best = torch.where(better, found, self.best)
        self.champions = {
            name: torch.where(better.view(-1, *[1] * (old.dim() - 1)), genomes[name][chosen], old)
            for name, old in self.champions.items()
        }
        self.generation += 1
        self.note()

    def score(self, genomes: Genomes) -> Tensor:
        """(N, classes) log odds of every class; NaN is worth nothing."""
        logits = self.model(self.encoding.images(genomes))
        check_output(logits, self.population)
        if logits.shape[1] < self.classes:
            raise ValueError(f"champions of {self.classes} classes wanted, but the model has {logits.shape[1]} outputs")
        return log_odds(logits.float(), self.classes).nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)

    def note(self) -> None:
        """Keep where the classes stand, and the champions where a film wants them."""
        self.history.append(self.best)
        if self.generation in self.moments:
            self.film.append(self.shown())

    def shown(self) -> Tensor:
        """Images of the champions."""
        return self.encoding.images(self.champions)

    def save(self, path: Path, about: str) -> None:
        """Everything that the next generation depends on, in one step."""
        tensors = {f"champions/{name}": value for name, value in self.champions.items()}
        tensors |= {"best": self.best, "history": torch.stack(self.history), "random": self.generator.get_state()}
        if self.film:
            tensors["film"] = torch.stack(self.film)
        own = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        content = save(own, {"about": about, "generation": str(self.generation)})
        write_atomically(path, hashlib.sha256(content).digest() + content)

    def restore(self, path: Path, about: str) -> None:
        """Go on from a file; a damaged one is set aside and the run begins anew."""
        stored = path.read_bytes()
        content = stored[32:]
        if hashlib.sha256(content).digest() != stored[:32]:
            set_aside(path, "its content does not match its digest")
            return
        try:
            tensors = load(content)
        except SafetensorError as fault:  # pragma: no cover - the digest has seen to it
            raise ValueError(f"{path} is no checkpoint of an evolution: {fault}") from fault
        length = int.from_bytes(content[:8], "little")
        told = json.loads(content[8 : 8 + length])["__metadata__"]
        if told["about"] != about:
            raise ValueError(f"{path} is the checkpoint of another evolution: {told['about']}; this one is {about}")
        device = self.generator.device
        self.generator.set_state(tensors.pop("random"))
        tensors = {name: value.to(device) for name, value in tensors.items()}
        self.generation, self.best = int(told["generation"]), tensors["best"]
        self.history, self.film = list(tensors["history"]), list(tensors.get("film", []))
        self.champions = {name: tensors[f"champions/{name}"] for name in self.champions}


def uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Uniform draws in [0, 1) where the generator lives."""
    return torch.rand(tuple(shape), generator=generator, device=generator.device)


def _rows(genomes: Genomes, chosen: Tensor) -> Genomes:
    return {name: values[chosen] for name, values in genomes.items()}


def _identity(model: nn.Module, encoding: Encoding, *settings: object) -> str:
    """What tells two evolutions apart: settings, encoding, and a digest of the weights."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return f"{encoding} {settings} {digest.hexdigest()[:16]}"
