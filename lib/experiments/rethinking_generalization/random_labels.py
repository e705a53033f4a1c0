"""What `1-random-labels` measures, one arm after the other.

Every arm takes `seed` and returns plain values for that seed. With the seed vary: the drawn images (and the split,
where nobody fixed one), the labels, pixels and permutations that chance draws, the initialisation and the order of the
batches. Every training of a learner has the same number of steps, the same schedule and no regulariser, so that two of
them differ in their data alone.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.data.labels import corrupt_labels
from lib.data.load import is_published, load
from lib.data.pixels import gaussian_pixels, random_pixels, shuffled_pixels, spatial_permutation
from lib.experiments.rethinking_generalization.subjects import BATCH, NETS
from lib.training.batches import Batch
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import answers, error_rate, predict
from lib.training.history import Run
from lib.training.hooks import every, measure
from lib.training.loop import train

TestLabels = dict[str, Tensor]  # kind of test error -> the labels (N,) it is counted against
Corruption = Callable[[Tensor], Tensor]  # images (N, C, H, W) -> images


def label_corruption(
    seed: int,
    dataset: str,
    learner: str,
    levels: list[float],
    n_images: int,
    n_test_images: int,
    n_epochs: int,
    curve_points: int,
    curve_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Fit labels of which each was replaced with probability p by a uniform class, for every p of `levels`.

    The labels are drawn once and stay; what is replaced at one p is replaced alike at every larger p. Test errors are
    counted against the true labels, and against test labels corrupted with the same p.
    """
    generator = torch.Generator().manual_seed(seed)
    train_set, test_set = draw_sets(dataset, n_images, n_test_images, generator)
    classes = len(train_set.classes)
    runs = {}
    for p in levels:
        generator.manual_seed(derived_seed(seed, 2))
        labels = corrupt_labels(train_set.labels, p, classes, generator)
        test_labels = {"clean": test_set.labels, "corrupted": corrupt_labels(test_set.labels, p, classes, generator)}
        runs[str(p)] = follow(
            learner, train_set.images, labels, test_set.images, test_labels, classes, seed=seed, n_epochs=n_epochs,
            curve_points=curve_points, curve_images=curve_images, device=device, checkpoint=_beside(checkpoint, str(p)),
        )  # fmt: skip
    return runs


def input_corruption(
    seed: int,
    dataset: str,
    learner: str,
    inputs: list[str],
    n_images: int,
    n_test_images: int,
    n_epochs: int,
    curve_points: int,
    curve_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Fit the true labels on inputs that were scrambled or replaced, once and for good; test images likewise."""
    generator = torch.Generator().manual_seed(seed)
    train_set, test_set = draw_sets(dataset, n_images, n_test_images, generator)
    corrupt = corruptions(train_set.images, generator)
    runs = {}
    for name in inputs:
        generator.manual_seed(derived_seed(seed, 3))
        images, test_images = corrupt[name](train_set.images), corrupt[name](test_set.images)
        runs[name] = follow(
            learner, images, train_set.labels, test_images, {"clean": test_set.labels}, len(train_set.classes),
            seed=seed, n_epochs=n_epochs, curve_points=curve_points, curve_images=curve_images, device=device,
            checkpoint=_beside(checkpoint, name),
        )  # fmt: skip
    return runs


def corruptions(images: Tensor, generator: torch.Generator) -> dict[str, Corruption]:
    """The paper's three corruptions of the input (section 2.1), by the name of the curve in figure 1a."""
    # One permutation for all images of train and test.
    permutation = spatial_permutation(*images.shape[2:], generator)  # type: ignore[call-arg]
    return {
        "shuffled pixels": partial(shuffled_pixels, permutation=permutation),
        "random pixels": partial(random_pixels, generator=generator),  # another one for every image
        "gaussian": partial(gaussian_pixels, generator=generator, like=images),  # mean and variance of the training set
    }


def follow(
    learner: str,
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: TestLabels,
    classes: int,
    *,
    seed: int,
    n_epochs: int,
    curve_points: int,
    curve_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train for `n_epochs` as the paper does (appendix A) and measure on the way and at the end.

    On the way, at about `curve_points` evenly spaced epochs: training accuracy in eval mode on all training images, and
    test errors on the first `curve_images` test images. At the end all test images count.

    Returns:
        `losses` (steps,), `steps per epoch`, the curves (`step`, `train accuracy`, `<kind> test error`), and under
        `final ...` what they end with.
    """
    net, per_epoch = _new_net(learner, images, classes, seed), steps_per_epoch(len(images))
    few = {kind: answers[:curve_images] for kind, answers in test_labels.items()}
    stride = per_epoch * max(1, n_epochs // curve_points)
    history = train(
        net,
        images,
        labels,
        **_as_the_paper(net, learner, n_epochs * per_epoch, seed, device),
        hooks=[
            every(stride, measure("train accuracy", lambda model: 1 - error_rate(model, images, labels))),
            every(stride, partial(note_test_errors, images=test_images[:curve_images], labels=few)),
        ],
        checkpoint=checkpoint,
        fingerprint=f"{learner} {checkpoint and checkpoint.name}",
    )
    return {
        "losses": history.losses,
        "steps per epoch": per_epoch,
        "step": [step for step, _ in history.values["train accuracy"]],
        **{name: [value for _, value in curve] for name, curve in history.values.items()},
        "final train accuracy": 1 - error_rate(net, images, labels),
        **{f"final {name}": error for name, error in test_errors(net, test_images, test_labels).items()},
    }


def _as_the_paper(net: nn.Module, learner: str, steps: int, seed: int, device: str) -> dict[str, Any]:
    """How the recipe of a learner trains its net."""
    recipe = NETS[learner]
    return {
        "steps": steps,
        "batch_size": BATCH,
        "optimiser": recipe.optimiser(net, BATCH),
        "schedule": recipe.schedule(steps),
        "seed": seed,
        "compute": prepare(device),
    }


def note_test_errors(run: Run, images: Tensor, labels: TestLabels) -> None:
    """Record every kind of test error in the history of the run."""
    for name, error in test_errors(run.model, images, labels).items():
        run.history.record(name, run.step, error)


def test_errors(net: nn.Module, images: Tensor, labels: TestLabels) -> dict[str, float]:
    """`<kind> test error` for every kind of labels, from one pass over the images."""
    found = answers(predict(net, images))  # (N,)
    return {f"{kind} test error": (found != wanted).double().mean().item() for kind, wanted in labels.items()}


def redrawn_labels(
    seed: int, dataset: str, learner: str, n_images: int, n_epochs: int, device: str
) -> dict[str, float]:
    """The control: labels as random as before, but drawn anew at every epoch, so that there is nothing to memorise.

    Returns loss and training accuracy over the last epoch, the accuracy against the labels of that epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    train_set, _ = draw_sets(dataset, n_images, 1, generator)
    classes, images = len(train_set.classes), train_set.images
    drawn = torch.randint(classes, (n_epochs, n_images), generator=generator)  # (epochs, N)
    net, per_epoch = _new_net(learner, images, classes, seed), steps_per_epoch(n_images)
    compute = prepare(device)
    drawn = drawn.to(compute.device)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(model(batch.images), drawn[batch.step // per_epoch][batch.indices])

    settings = _as_the_paper(net, learner, n_epochs * per_epoch, seed, device)
    history = train(net, images, train_set.labels, **settings, batch_loss=loss)
    return {
        "loss": history.losses[-per_epoch:].mean().item(),
        "train accuracy": 1 - error_rate(net, images, drawn[-1].cpu()),
    }


def draw_sets(dataset: str, n_images: int, n_test_images: int, generator: torch.Generator) -> tuple[ImageSet, ImageSet]:
    """Training and test images drawn by chance; a set that its publisher did not divide is divided anew."""
    if is_published(dataset):
        train_set, test_set = load(dataset), load(dataset, "test")
    else:
        whole = load(dataset, "all")
        order = torch.randperm(len(whole), generator=generator)
        train_set, test_set = whole.take(order[:n_images], "train"), whole.take(order[n_images:], "test")
    for images, count in ((train_set, n_images), (test_set, n_test_images)):
        if count > len(images):
            raise ValueError(f"{count} images wanted, but {images.name} {images.split} has {len(images)}: ask for less")
    chosen = torch.randperm(len(train_set), generator=generator)[:n_images]
    tested = torch.randperm(len(test_set), generator=generator)[:n_test_images]
    return train_set.take(chosen), test_set.take(tested)


def steps_per_epoch(n_images: int) -> int:
    """Batches of 128 in an epoch, the last one smaller."""
    return math.ceil(n_images / BATCH)


def _new_net(learner: str, images: Tensor, classes: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    channels, height, width = images.shape[1:]
    return NETS[learner].build((channels, height, width), classes)


def _beside(checkpoint: Path | None, name: str) -> Path | None:
    """A checkpoint for one training of an arm; a finished one is read back whole, so that none is done twice."""
    return checkpoint and checkpoint.with_name(f"{checkpoint.name}.{name.replace(' ', '-')}")
