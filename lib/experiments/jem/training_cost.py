"""What a step of JEM costs, in passes and in measured time, and what freezing the weights saves."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from lib.experiments.jem.subjects import Division, Protocol
from lib.experiments.jem.training import JOINT, Task, opened, recipe_of
from lib.methods.jem import Guard, JointLoss, passes_per_step
from lib.methods.sgld import Langevin, ReplayBuffer, langevin, langevin_the_obvious_way
from lib.training.batches import Batch
from lib.training.loop import BatchLoss, supervised
from lib.training.optimisers import adam

ROUNDS = 7  # of which the median is taken; all sides take turns in each
STEPS = 5  # of SGLD that are timed together
WAYS = {"weights frozen": langevin, "the obvious way": langevin_the_obvious_way}


def step_cost(seed: int, pooled_dataset: str, task: Task, chain_lengths: list[int], device: str) -> Task:
    """Time of an update by JEM over that of an update by cross-entropy, for several K, beside the ratio of passes."""
    p, division = opened(pooled_dataset, task, seed)
    net = p.build(division, seed).to(device)
    optimiser = adam(net, 0.0)  # updates cost what they cost, and leave the net as it is
    batch = a_batch(division, p.batch_size, device)
    losses: dict[str, BatchLoss] = {"classifier": supervised()}
    losses |= {f"K = {k}": joint_loss(p, division, k, seed, device) for k in chain_lengths}
    seconds = in_turn({name: partial(update, net, optimiser, loss, batch) for name, loss in losses.items()}, device)
    return {
        f"K = {k}": {
            "passes over a classifier's": passes_per_step(k) / passes_per_step(0, batches=1),
            "passes, separate batches": passes_per_step(k, batches=3) / passes_per_step(0, batches=1),
            "seconds over a classifier's": ratio(seconds[f"K = {k}"], seconds["classifier"]),
        }
        for k in chain_lengths
    }


def sampler_cost(seed: int, pooled_dataset: str, task: Task, device: str) -> dict[str, dict[str, float]]:
    """SGLD steps with frozen weights and by `.backward()`: time, memory of a graph, and whether the samples agree."""
    p, division = opened(pooled_dataset, task, seed)
    net = p.build(division, seed).to(device)
    start = a_batch(division, p.batch_size, device).images
    ways = {name: partial(chains, way, net, start, p, seed) for name, way in WAYS.items()}
    seconds = in_turn({name: partial(way, STEPS) for name, way in ways.items()}, device)
    frozen_way = next(iter(ways))
    return {
        name: {
            "seconds per step": median(seconds[name]) / STEPS,
            "seconds over the frozen way's": ratio(seconds[name], seconds[frozen_way]),
            "megabytes kept for backward": kept_for_backward(partial(way, 1)) / 1e6,
            "largest difference of a pixel": (way(STEPS) - ways[frozen_way](STEPS)).abs().max().item(),
        }
        for name, way in ways.items()
    }


def chains(way: Callable[..., Tensor], net: nn.Module, start: Tensor, p: Protocol, seed: int, steps: int) -> Tensor:
    """So many steps of one way to run chains, always from the same start with the same noise."""
    net.zero_grad(set_to_none=False)  # the obvious way adds to the weights' gradients
    sampler = Langevin(steps, p.sgld_step_size, p.sgld_noise, p.clamp)
    return way(net, start, sampler, torch.Generator(start.device).manual_seed(seed))


def a_batch(division: Division, size: int, device: str) -> Batch:
    """The first training images as a batch, all where there are too few."""
    places = torch.arange(min(size, len(division.train)))
    images, labels = division.train.images[places].to(device), division.train.labels[places].to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    return Batch(images, labels, places, 0, torch.Generator())


def joint_loss(p: Protocol, division: Division, k: int, seed: int, device: str) -> JointLoss:
    """JEM's loss with K = k and a buffer of its own."""
    random = torch.Generator(device).manual_seed(seed)
    buffer = ReplayBuffer(p.buffer_size, division.train.shape, random)
    never = Guard(burst=float("inf"), drift=float("inf"))
    return JointLoss(recipe_of(replace(p, sgld_steps=k), JOINT), buffer, random, never)


def update(net: nn.Module, optimiser: torch.optim.Optimizer, loss: BatchLoss, batch: Batch) -> None:
    """One training step."""
    optimiser.zero_grad()
    loss(net, batch).backward()
    optimiser.step()


def in_turn(sides: dict[str, Callable[[], Any]], device: str) -> dict[str, list[float]]:
    """Seconds of every side in `ROUNDS` rounds, of CPU time where the CPU computes; a first call does not count."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS + 1):
        for name, side in sides.items():
            started = clock()
            side()
            if device != "cpu":
                torch.cuda.synchronize()
            if number:
                seconds[name].append(clock() - started)
    return seconds


def ratio(seconds: list[float], others: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return median(a / b for a, b in zip(seconds, others, strict=True))


def kept_for_backward(call: Callable[[], Any]) -> float:
    """Largest number of bytes that one graph keeps of its own: tensors saved for the backward pass, weights aside."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and not tensor.is_leaf:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        call()
    return float(sum(kept.values()))
