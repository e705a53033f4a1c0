"""The nets of `5-fooling-images`, and how each is trained: the one that is fooled, and those that look on."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lib.attacks.cppn import Patterns
from lib.attacks.evolution import uniform
from lib.data.image_set import ImageSet, to_float
from lib.data.pixels import random_pixels
from lib.experiments.rethinking_generalization.subjects import NETS as PLAIN_NETS
from lib.methods.confidence_loss import confidence_loss
from lib.models.lenet import lenet, small_lenet
from lib.training.batches import Batch
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate
from lib.training.history import Run
from lib.training.loop import BatchLoss, train
from lib.training.optimisers import adam
from lib.training.recipe import Shape
from lib.training.schedules import linear

BATCH = 64
RATE = 3e-3  # of Adam, falling linearly
POOL = 500  # random CPPN images that the confidence loss is shown

LENETS = {"lenet": lenet, "small lenet": small_lenet}
OTHERS = ("half-width cnn", "mlp 1x512")
NETS = (*LENETS, *OTHERS)


def build(name: str, shape: Shape, outputs: int, mean: float = 0.0) -> nn.Module:
    """A net with fresh weights; a LeNet takes images less one `mean`, the others scale in their own way.

    Raises:
        ValueError: a LeNet for images of another size than its own.
    """
    if name not in LENETS:
        return PLAIN_NETS[name].build(shape, outputs)
    side = {"lenet": 28, "small lenet": 8}[name]
    if shape[1:] != (side, side):
        raise ValueError(
            f"{name!r} is for images of {side} x {side}, found {shape[1]} x {shape[2]}: choose another net"
        )
    return LENETS[name](outputs, in_channels=shape[0], mean=mean)


def loaded(name: str, shape: Shape, outputs: int, weights: Mapping[str, Tensor], device: str) -> nn.Module:
    """The net with these weights, on the device, in eval mode."""
    net = build(name, shape, outputs)
    net.load_state_dict(dict(weights))
    return net.to(device).eval()


def fitted(
    name: str,
    images: Tensor,
    labels: Tensor,
    outputs: int,
    held_out: ImageSet,
    *,
    seed: int,
    steps: int,
    device: str,
    batch_loss: BatchLoss | None = None,
    checkpoint: Path | None = None,
) -> tuple[nn.Module, float]:
    """Train a net from scratch; returns it, and what its held-out accuracy gained in the last quarter of the steps.

    Args:
        name: of the net.
        images: (N, C, H, W) in [0, 1] or uint8.
        labels: (N,) below `outputs`.
        outputs: classes, with one more where fooling images are one.
        held_out: images to follow it on.
        seed: of weights and order.
        steps: batches of 64.
        device: where.
        batch_loss: in place of cross-entropy.
        checkpoint: to go on from.
    """
    torch.manual_seed(derived_seed(seed, 1))
    channels, height, width = images.shape[1:]
    net = build(name, (channels, height, width), outputs, float(to_float(images).mean()))
    seen = to_float(held_out.images).to(prepare(device).device)

    def look(run: Run) -> None:
        if run.step in (steps * 3 // 4, steps):
            run.history.record("accuracy", run.step, 1 - error_rate(run.model, seen, held_out.labels))

    history = train(
        net,
        images,
        labels,
        steps=steps,
        batch_size=BATCH,
        optimiser=adam(net, lr=RATE),
        schedule=linear(steps),
        batch_loss=batch_loss,
        seed=derived_seed(seed, 2),
        compute=prepare(device),
        hooks=[look],
        checkpoint=checkpoint,
        fingerprint=f"{name} {outputs} {seed}",
    )
    accuracies = [value for _, value in history.values["accuracy"]]
    return net, accuracies[-1] - accuracies[0]


def unsure_of_random_images(shape: Shape, seed: int, device: str) -> BatchLoss:
    """The confidence loss of Lee et al. 2018, its outliers being what evolution begins with, and shuffled digits.

    As many outliers as images: uniform noise, images with their pixels shuffled, and random CPPN images by turns.
    """
    generator = torch.Generator(device).manual_seed(derived_seed(seed, 3))
    patterns = Patterns(shape)
    pool = patterns.images(patterns.first(POOL, generator))

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images = to_float(batch.images)
        third = max(1, len(images) // 3)
        chosen = torch.randint(POOL, (third,), generator=batch.generator, device=pool.device)
        noise = uniform((third, *images.shape[1:]), batch.generator)
        outliers = torch.cat([noise, random_pixels(images[:third], batch.generator), pool[chosen]])
        return confidence_loss(model, images, batch.labels, outliers)

    return loss
