"""What `3-class-imbalance` measures: one arm, asked for every method, start and length.

With the seed vary: the source net, the target's images (training, held-out and test), which class is large, what is
copied, left out or interpolated, the initial weights, the order of the batches. Within a seed all arms share images and
class sizes, and nets from scratch their initial weights.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lib.data.augment import crop_and_flip
from lib.data.image_set import ImageSet
from lib.data.imbalance import class_sizes, imbalanced
from lib.data.load import is_published, load
from lib.data.splits import split
from lib.data.warp import small_warp
from lib.experiments.pretraining_robustness.sources import beside, learn, start
from lib.experiments.pretraining_robustness.subjects import weights_of
from lib.methods.class_imbalance import class_weights, over_sampled, smote, under_sampled, weighted_loss
from lib.training.device import derived_seed
from lib.training.evaluate import answers, predict
from lib.training.history import History
from lib.training.loop import Augment

METHODS = ("plain", "cost-sensitive", "over-sampling", "under-sampling", "SMOTE")


class Target(NamedTuple):
    """The target of one seed."""

    images: ImageSet  # to train on, imbalanced
    held_out: ImageSet  # balanced: what rates are chosen by, in every arm alike
    tests: ImageSet  # balanced


def target_of(
    seed: int, target_dataset: str, largest: int, smallest_share: float, gamma: float, parts: Sequence[int]
) -> Target:
    """Imbalanced training images, and balanced held-out and test images.

    Args:
        seed: of everything that is drawn, which class is large included.
        target_dataset: its name.
        largest: images of the largest class.
        smallest_share: the smallest class's part of that.
        gamma: of `class_sizes`.
        parts: numbers of held-out and of test images.
    """
    held_out_count, test_count = parts
    if is_published(target_dataset):
        whole, tests = load(target_dataset), load(target_dataset, "test")
        pool, held_out = split(whole, (len(whole) - held_out_count, held_out_count), seed)
        (tests,) = split(tests, (min(test_count, len(tests)),), seed)
    else:
        whole = load(target_dataset, "all")
        rest = len(whole) - held_out_count - test_count
        pool, held_out, tests = split(whole, (rest, held_out_count, test_count), seed)
    sizes = class_sizes(len(pool.classes), largest, max(1, round(smallest_share * largest)), gamma)
    return Target(imbalanced(pool, sizes, derived_seed(seed, 41), shuffle_classes=True), held_out, tests)


def rebalanced(images: ImageSet, method: str, seed: int) -> ImageSet:
    """What the method makes of the training images; plain and cost-sensitive training leave them as they are."""
    random = np.random.RandomState(derived_seed(seed, 42) % 2**32)
    if method == "over-sampling":
        return images.take(over_sampled(images.labels, random))
    if method == "under-sampling":
        return images.take(under_sampled(images.labels, random))
    if method == "SMOTE":
        return interpolated(images, random)
    return images


def interpolated(images: ImageSet, random: np.random.RandomState) -> ImageSet:
    """The images and those that SMOTE adds, between pixels, rounded to the type of the images."""
    vectors, labels = smote(images.images.flatten(1), images.labels, random)
    if not images.images.is_floating_point():
        vectors = vectors.round()
    pixels = vectors.to(images.images.dtype).view(-1, *images.shape)
    checksum = hashlib.sha256(images.checksum.encode() + pixels.numpy().tobytes()).hexdigest()
    return replace(images, images=pixels, labels=labels, checksum=checksum)


def augmentation(images: ImageSet) -> Augment:
    """Crop and flip, or small turns and shifts of 8x8 digits; the same in every arm."""
    return crop_and_flip if images.shape[-1] >= 28 else small_warp


def trained(
    model: nn.Module,
    images: ImageSet,
    seed: int,
    *,
    method: str,
    net: str,
    rate: float,
    steps: int,
    batch_size: int,
    device: str,
    augmented: bool = True,
    checkpoint: Path | None = None,
) -> History:
    """Train `model` in place on `images`, which `rebalanced` made."""
    weights = class_weights(images.labels, len(images.classes))
    return learn(model, images, net=net, rate=rate, steps=steps, batch_size=batch_size, device=device, told=method,
                 seed=derived_seed(seed, 43), augment=augmentation(images) if augmented else None,
                 batch_loss=weighted_loss(weights) if method == "cost-sensitive" else None,
                 checkpoint=checkpoint)  # fmt: skip


def class_errors(model: nn.Module, images: ImageSet) -> Tensor:
    """(K,) the error on the images of each class; a class that is not among them gets the error over all."""
    wrong = (answers(predict(model, images.images)).cpu() != images.labels).double()
    errors = [wrong[images.labels == c] for c in range(len(images.classes))]
    return torch.stack([of_class.mean() if len(of_class) else wrong.mean() for of_class in errors])


def outcome(model: nn.Module, target: Target) -> dict[str, Any]:
    """Errors as fractions: total (the mean over classes), on the minority, on the largest class, by rank in size."""
    sizes = target.images.labels.bincount(minlength=len(target.images.classes))
    order = sizes.argsort(descending=True, stable=True)
    errors = class_errors(model, target.tests)
    minority = sizes < sizes.double().mean()  # the paper's meaning of the word
    return {
        "total error": errors.mean().item(),
        "minority error": errors[minority].mean().item(),
        "largest class error": errors[order[0]].item(),
        "held-out error": class_errors(model, target.held_out).mean().item(),
        "error by rank": errors[order].tolist(),
        "class sizes": sizes[order].tolist(),
        "minority classes": int(minority.sum()),
    }


def fit(
    seed: int,
    target_dataset: str,
    largest: int,
    smallest_share: float,
    gamma: float,
    parts: Sequence[int],
    method: str,
    net: str,
    rates: Sequence[float],
    steps: int,
    pretrained: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Train with one of `METHODS`, from scratch or from a source; of several rates held-out images choose.

    Returns the errors of the last step, the rate, the passes, and total and held-out error at every rate.
    """
    target = target_of(seed, target_dataset, largest, smallest_share, gamma, parts)
    images = rebalanced(target.images, method, seed)
    tried = []
    for rate in rates:
        model = start(seed, net, target.images, pretrained)
        history = trained(model, images, seed, method=method, net=net, rate=rate, steps=steps,
                          checkpoint=beside(checkpoint, rate), **how)  # fmt: skip
        spent = {"rate": rate, "steps": steps, "passes": history.images, "images": len(images)}
        tried.append(outcome(model, target) | spent | {"weights": weights_of(model)})
    return best_rate(tried)


def at_rate_of(seed: int, chosen: dict[str, Any], checkpoint: Path | None = None, **how: Any) -> dict[str, Any]:
    """`fit` at the rate that held-out images chose for another run, which spares a long training its repetition."""
    return fit(seed, rates=[chosen["rate"]], checkpoint=checkpoint, **how)


def best_rate(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The run that errs least on held-out images, the first of equal ones, beside the errors at all rates."""
    best = min(tried, key=lambda run: run["held-out error"])
    kept = ("total error", "minority error", "held-out error")
    return {**best, "at rate": {f"{run['rate']:g}": {name: run[name] for name in kept} for run in tried}}
