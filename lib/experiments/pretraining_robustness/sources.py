"""The plainly trained source nets of notebooks 2 to 5, and how every net there, source, tuned or scratch, learns.

All four notebooks ask for the same artefact, `experiment.artefacts(source, source_dataset=..., classes="all", net=...,
rate=..., steps=..., batch_size=..., test_images=..., device=...)`, so that the first to run trains it for the others.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from lib.data.augment import crop_and_flip
from lib.data.image_set import ImageSet
from lib.data.load import load
from lib.data.splits import split
from lib.experiments.pretraining_robustness import subjects
from lib.experiments.pretraining_robustness.subjects import unrelated, weights_of, wrn
from lib.methods.adversarial_training import transplant
from lib.models.mlp import mlp
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate
from lib.training.history import History, Run
from lib.training.loop import Augment, train
from lib.training.optimisers import sgd
from lib.training.recipe import Recipe
from lib.training.schedules import cosine

LOOKS = 8  # at test images in the course of the training


def fully_connected(*widths: int) -> Recipe:
    """A small net for 8x8 images, by the paper's optimiser: ten times as fast there as a convolutional one."""

    return Recipe(
        lambda shape, classes: mlp(widths, classes, shape),
        lambda net, batch, rate=0.1: sgd(net, rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
        cosine,
    )


NETS = {**subjects.NETS, "mlp 2x256": fully_connected(256, 256), "wrn-40-2": wrn(40, 2)}


def new_net(net: str, images: ImageSet, seed: int) -> nn.Module:
    """The net for these images, with fresh weights that follow from `seed`."""
    torch.manual_seed(seed)
    return NETS[net].build(images.shape, len(images.classes))


def start(seed: int, net: str, images: ImageSet, pretrained: dict[str, Any] | None) -> nn.Module:
    """Fresh weights, or the source's with a fresh last layer."""
    model = new_net(net, images, derived_seed(seed, 33))
    if pretrained is not None:
        transplant(model, pretrained["weights"])
    return model


def learn(
    model: nn.Module,
    images: ImageSet,
    *,
    net: str,
    rate: float,
    steps: int,
    batch_size: int,
    device: str,
    told: str = "",
    **how: Any,
) -> History:
    """Train `model` in place by the recipe of `net`; `how` goes to `train`.

    `told` says what else makes this training; with initial weights and data it tells one checkpoint from another.
    """
    recipe = NETS[net]
    first = sum(float(value.double().sum()) for value in model.state_dict().values())
    return train(
        model,
        images.images,
        images.labels,
        steps=steps,
        batch_size=batch_size,
        optimiser=recipe.optimiser(model, batch_size, rate),
        schedule=recipe.schedule(steps),
        compute=prepare(device),
        fingerprint=f"{images.checksum} {rate} {first} {told}",
        **how,
    )


def beside(checkpoint: Path | None, rate: float, phase: str = "") -> Path | None:
    """The checkpoint of one rate, and of one phase, of an arm."""
    return checkpoint and checkpoint.with_name(f"{checkpoint.name}.{rate}{phase}")


def augmentation(images: ImageSet) -> Augment | None:
    """Crop and flip, the same on source and target; none on 8x8 images, where a shift only under-fits."""
    return crop_and_flip if images.shape[-1] >= 28 else None


def source(
    seed: int,
    source_dataset: str,
    classes: str,
    net: str,
    rate: float,
    steps: int,
    batch_size: int,
    test_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train a net on the source without an adversary; `classes` is "all" or "unrelated", those unlike the target's.

    Returns its weights, how many images it was trained on, its test error and how that fell on the way. Without
    related classes the net keeps its outputs for them, which no image asks for.
    """
    images, tests = load(source_dataset), load(source_dataset, "test")
    if classes == "unrelated":
        images, tests = unrelated(images, source_dataset), unrelated(tests, source_dataset)
    (tests,) = split(tests, (min(len(tests), test_images),), seed)
    model = new_net(net, images, derived_seed(seed, 21))
    every = -(-steps // LOOKS)

    def look(run: Run) -> None:
        if run.step % every == 0 or run.step == steps:
            run.history.record("test", run.step, error_rate(run.model, tests.images, tests.labels))

    history = learn(model, images, net=net, rate=rate, steps=steps, batch_size=batch_size, device=device,
                    seed=derived_seed(seed, 22), augment=augmentation(images), hooks=[look],
                    checkpoint=checkpoint)  # fmt: skip
    return {
        "weights": weights_of(model),
        "classes": len(images.labels.unique()),
        "steps": steps,
        "passes": history.images,
        "test error": history.last("test"),
        "curve": {"step": [s for s, _ in history.values["test"]], "test error": [e for _, e in history.values["test"]]},
    }
