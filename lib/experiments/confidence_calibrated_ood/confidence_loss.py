"""What `2-confidence-loss` measures: one net per training, and its logits on every set it is tested on.

With the seed vary: the initialisation, the order, the augmentation, the noise, which outliers are drawn, which kinds of
the broad set are seen, which test images of an out-of-distribution set are taken, and for sets that no publisher
divided the division itself. What does not vary: the published test images.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.data.noise_sets import gaussian
from lib.experiments.confidence_calibrated_ood.subjects import (
    NETS,
    NOT_AUGMENTED,
    augmentation,
    in_distribution,
    order,
    out_of_distribution,
)
from lib.methods.confidence_loss import Forward, confidence_loss
from lib.training.batches import Batch
from lib.training.device import Compute, prepare
from lib.training.evaluate import predict
from lib.training.loop import Augment, BatchLoss, History, supervised, train
from lib.training.recipe import Recipe, Shape

Draw = Callable[[int, torch.Generator], Tensor]  # (count, generator) -> outliers (count, C, H, W), augmented

STATISTICS_IMAGES = 2_000  # test images that are looked at with the statistics of their batch as well


@dataclass(frozen=True)
class Training:
    """What stands beside the in-distribution images of a step.

    Attributes:
        outliers: where they come from; "none" is plain cross-entropy.
        few: as few images as there are of the narrow set.
        forward: both kinds of images in one pass through the net, or each in its own.
        filled: the places of the outliers are taken by more in-distribution images.
    """

    outliers: Literal["none", "broad", "narrow", "noise"]
    few: bool = False
    forward: Forward = "joint"
    filled: bool = False


TRAININGS = {
    "CE": Training("none"),
    "CEx": Training("none", filled=True),
    "KL broad": Training("broad"),
    "KL few": Training("broad", few=True),
    "KL narrow": Training("narrow", few=True),
    "KL noise": Training("noise"),
    "KL noise, two passes": Training("noise", forward="separate"),
}


def classifier(
    seed: int,
    training: str,
    dataset: str,
    broad_dataset: str,
    narrow_dataset: str,
    near_datasets: list[str],
    far_datasets: list[str],
    noises: list[str],
    net: str,
    seen_share: float,
    few_images: int,
    beta: float,
    train_steps: int,
    batch_images: int,
    outlier_images: int,
    ood_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one net in one of the `TRAININGS`; return its weights, its logits on every set, and the labels of its own.

    Sets are called by their role: test, validation, broad/..., narrow/..., near/..., far/..., noise/... . All trainings
    of a seed share the in-distribution images, the outliers and the test images.
    """
    how, recipe = TRAININGS[training], NETS[net]
    fit, validation, test = in_distribution(dataset, seed)
    seen, tested = out_of_distribution(
        fit.shape, seed, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, seen_share, ood_images
    )
    augment = None if net in NOT_AUGMENTED else augmentation(dataset)
    compute = prepare(device)
    outliers = outlier_source(how, seen, fit.shape, few_images, augment, seed, compute.device)
    model, history = fitted(
        seed, how, recipe, fit, outliers, augment, beta, train_steps, batch_images, outlier_images, compute, checkpoint,
        fingerprint=f"{training}, {net}, beta {beta}, {outlier_images} outliers of {few_images}",
    )  # fmt: skip
    sets = {"test": test.images, "validation": validation.images} | tested
    return {
        "logits": {name: predict(model, images) for name, images in sets.items()}
        | {"test, batch statistics": with_batch_statistics(model, test.images[:STATISTICS_IMAGES])},
        "labels": {"test": test.labels, "validation": validation.labels},
        "weights": {name: value.cpu() for name, value in model.state_dict().items()},
        "cpu seconds": history.cpu_seconds,
    }


def fitted(
    seed: int,
    how: Training,
    recipe: Recipe,
    fit: ImageSet,
    outliers: Draw | None,
    augment: Augment | None,
    beta: float,
    train_steps: int,
    batch_images: int,
    outlier_images: int,
    compute: Compute,
    checkpoint: Path | None,
    fingerprint: str,
) -> tuple[nn.Module, History]:
    """A fresh net after its training, and how that went; a batch without outliers is filled with images of its own."""
    batch = batch_images + (outlier_images if how.filled else 0)
    torch.manual_seed(seed)
    model = recipe.build(fit.shape, len(fit.classes))
    history = train(
        model,
        fit.images,
        fit.labels,
        steps=train_steps,
        batch_size=batch,
        optimiser=recipe.optimiser(model, batch),
        schedule=recipe.schedule(train_steps),
        batch_loss=loss_of(how, outliers, beta, outlier_images),
        augment=augment,
        drop_last=True,
        seed=seed,
        compute=compute,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
    )
    return model, history


def loss_of(how: Training, outliers: Draw | None, beta: float, count: int) -> BatchLoss:
    """Cross-entropy, or the confidence loss with `count` fresh outliers a step."""
    if outliers is None:
        return supervised()

    def batch_loss(model: nn.Module, batch: Batch) -> Tensor:
        drawn = outliers(count, batch.generator).to(batch.images.device)
        return confidence_loss(model, batch.images, batch.labels, drawn, beta=beta, forward=how.forward)

    return batch_loss


def outlier_source(
    how: Training,
    seen: dict[str, Tensor],
    shape: Shape,
    few_images: int,
    augment: Augment | None,
    seed: int,
    device: torch.device,
) -> Draw | None:
    """Where the outliers of a training come from: a pool of images, or noise that never repeats."""
    if how.outliers == "none":
        return None
    if how.outliers == "noise":
        return lambda count, generator: gaussian(count, shape, generator, std=1.0)
    pool = seen[how.outliers].to(device)
    if how.few:
        pool = pool[order(len(pool), seed, "few")[:few_images].to(device)]

    def draw(count: int, generator: torch.Generator) -> Tensor:
        images = pool[torch.randint(len(pool), (count,), generator=generator, device=generator.device).to(device)]
        return images if augment is None else augment(images, generator)

    return draw


def with_batch_statistics(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """Logits (N, K) with each batch normalised by its own mean and variance, as in training; the model is unchanged."""
    own = copy.deepcopy(model).eval()
    for module in own.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    device = next(own.parameters()).device
    with torch.no_grad():
        return torch.cat([own(batch.to(device)).to(images.device) for batch in images.split(batch_size)])
