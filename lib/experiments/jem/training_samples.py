"""What `2-training` makes of the trained nets' chains: pictures, and how good they are."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lib.experiments.jem.subjects import Division, Protocol, loaded, part
from lib.experiments.jem.training import Task, opened
from lib.methods.sample_quality import features, frechet_distance, nearest
from lib.methods.sgld import Langevin, langevin
from lib.training.evaluate import answers, predict

FILMED = 8  # chains whose every step is kept


class Chains(NamedTuple):
    """Samples, the class each is meant to be of, and for the first few every step of the way."""

    images: Tensor  # (N, C, H, W)
    classes: Tensor  # (N,)
    film: Tensor  # (steps + 1, FILMED, C, H, W); empty for chains from the buffer


def samples(
    seed: int, pooled_dataset: str, task: Task, joint: Task, conditional: Task, twin: Task, judge: Task,
    sample_images: int, fresh_steps: int, device: str,
) -> Task:  # fmt: skip
    """Chains of JEM from its buffer and from noise, of p(x | y) alone, and of the twin; what a judge makes of them.

    `joint`, `conditional`, `twin` and `judge` are what the arms returned that trained these nets with the same seed.
    """
    p, division = opened(pooled_dataset, task, seed)
    jem, of_twin, judging = (net_of(p, division, trained, device) for trained in (joint, twin, judge))
    count = sample_images
    own = from_buffer(jem, joint["chains"], count, seed)
    fresh = from_noise(jem, p, division, count, fresh_steps, seed, device)
    chains = {
        "JEM, buffer": own,
        "JEM, fresh chains": fresh,
        "p(x|y) alone, buffer": by_place(conditional["chains"], count, len(division.train.classes), seed),
        "classifier alone, fresh chains": from_noise(of_twin, p, division, count, fresh_steps, seed, device),
        "held-out images": as_chains(part(division.validation.images, count, seed), jem),
        "uniform noise": as_chains(uniform_noise(own.images.shape, seed), jem),
    }
    return {
        "quality": {name: quality(found, judging, division) for name, found in chains.items()},
        "mosaic": mosaic(own, fresh, division),
        "film": as_bytes(fresh.film),
        "log density": torch.stack([predict(jem, frame).logsumexp(1) for frame in fresh.film]),
        "film classes": fresh.classes[: fresh.film.shape[1]],
        "judge accuracy": judge["accuracy"],
    }


def net_of(p: Protocol, division: Division, trained: dict[str, Any], device: str) -> nn.Module:
    """The net of an arm."""
    return loaded(p.build(division, 0), trained["weights"], device)


def as_chains(images: Tensor, model: nn.Module) -> Chains:
    """Images with the classes that the model sees in them: as in the paper, whose grids sort the buffer so."""
    return Chains(images, answers(predict(model, images)), images.new_zeros(0))


def from_buffer(model: nn.Module, buffer: Tensor, count: int, seed: int) -> Chains:
    """Chains at random from the buffer, none picked for its looks."""
    return as_chains(part(buffer.cpu(), count, seed), model)


def uniform_noise(shape: torch.Size, seed: int) -> Tensor:
    """Where fresh chains start."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def by_place(buffer: Tensor, count: int, classes: int, seed: int) -> Chains:
    """The same for a buffer whose every chain was run for a class of its own, its place modulo the classes."""
    places = part(torch.arange(len(buffer)), count, seed)
    return Chains(buffer[places].cpu(), places % classes, buffer.new_zeros(0))


def from_noise(
    model: nn.Module, p: Protocol, division: Division, count: int, steps: int, seed: int, device: str
) -> Chains:
    """Chains of p(x) that start at uniform noise and never saw the buffer."""
    random = torch.Generator(device).manual_seed(seed)
    start = torch.rand((count, *division.train.shape), generator=random, device=device)
    film = [start[:FILMED].cpu()]
    sampler = Langevin(steps, p.sgld_step_size, p.sgld_noise, p.clamp)
    end = langevin(model, start, sampler, random, look=lambda x: film.append(x[:FILMED].cpu()))
    return as_chains(end.cpu(), model)._replace(film=torch.stack(film))


def quality(chains: Chains, judge: nn.Module, division: Division) -> dict[str, float]:
    """Judge's opinion, distance in its features from test images, distance to the training images.

    The judge agrees with a chain if it names the class that the chain's own net sees. The mean is over classes, and one
    that no chain is of counts 0: chains that are all alike are not samples.
    """
    count = len(chains.images)
    real = part(division.test.images, count, 0)
    away = nearest(chains.images, division.train.images)[0].mean()
    usual = nearest(real, division.train.images)[0].mean()
    return {
        "judge agrees": by_class(answers(predict(judge, chains.images)), chains.classes, len(division.train.classes)),
        "frechet distance": frechet_distance(features(judge, chains.images), features(judge, real)),
        "nearest training image": float(away / usual),
    }


def by_class(named: Tensor, meant: Tensor, classes: int) -> float:
    """Share of the (N,) answers that are what was meant, averaged over the classes; an empty class counts 0."""
    right = torch.bincount(meant[named == meant], minlength=classes)
    return (right / torch.bincount(meant, minlength=classes).clamp(min=1)).mean().item()


def mosaic(own: Chains, fresh: Chains, division: Division) -> Tensor:
    """For each class the first chain of the buffer and the first fresh one, each above its nearest training image.

    (4, classes, C, H, W) uint8; grey where no chain is of the class.
    """
    images, classes = division.train.images, len(division.train.classes)
    rows = torch.full((4, classes, *division.train.shape), 0.5)
    for row, chains in ((0, own), (2, fresh)):
        for label in range(classes):
            found = (chains.classes == label).nonzero()[:, 0]
            if len(found):
                rows[row, label] = chains.images[found[0]]
                rows[row + 1, label] = images[nearest(rows[row, label][None], images)[1][0]]
    return as_bytes(rows)


def as_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] as uint8; what lies outside is cut off."""
    return (255 * images.clamp(0, 1)).round().to(torch.uint8)
