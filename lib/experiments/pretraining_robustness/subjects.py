"""What the notebooks of this paper share: images drawn by seed, nets with their recipes, adversarial training."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from lib.data.augment import crop_and_flip
from lib.data.cifar import CIFAR100_CLASSES, CIFAR100_SUPERCLASS
from lib.data.image_set import ImageSet, to_float
from lib.data.letters import DIGIT_LOOK_ALIKES
from lib.data.load import is_published, load
from lib.data.splits import split
from lib.methods.adversarial_training import adversarial_loss
from lib.models.fast_resnet import fast_resnet
from lib.models.small_cnn import small_cnn
from lib.models.wide_resnet import wide_resnet
from lib.training.device import derived_seed, prepare
from lib.training.history import History, Hook, Run
from lib.training.keep_best import KeepBest
from lib.training.loop import train
from lib.training.optimisers import sgd
from lib.training.recipe import Recipe, Shape
from lib.training.schedules import cosine

ATTACK_BATCH = 500
SELECTION_STEPS = 10  # of the PGD that scores a checkpoint on held-out images

# Classes of the source that resemble one of the target's (the paper's list of 153 was not released). Of CIFAR-100 they
# are the seven superclasses of land mammals, reptiles and vehicles, 35 classes.
RELATED = {
    "letters": DIGIT_LOOK_ALIKES,
    "cifar100": tuple(
        name
        for name, group in zip(CIFAR100_CLASSES, CIFAR100_SUPERCLASS, strict=True)
        if group in {8, 11, 12, 15, 16, 18, 19}
    ),
}


def cnn(*widths: int) -> Recipe:
    """A small net with Muon: widths for 32x32 images; 8x8 images get 8-16-32 and smaller strides."""

    def build(shape: Shape, classes: int) -> nn.Module:
        if shape[-1] < 28:
            return small_cnn(classes, (8, 16, 32), shape[0], strides=(2, 1, 2))
        return small_cnn(classes, widths, shape[0], strides=(2, 2, 2))

    return Recipe(build)


def wrn(depth: int, width: int) -> Recipe:
    """A wide residual net with the paper's optimiser: SGD with Nesterov momentum, cosine to 0, decay on all weights."""
    return Recipe(
        lambda shape, classes: wide_resnet(depth, width, classes, in_channels=shape[0]),
        lambda net, batch, rate=0.1: sgd(net, rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
        cosine,
    )


def fast(width: int) -> Recipe:
    """The fast residual net with Muon, for a GPU."""
    return Recipe(lambda shape, classes: fast_resnet(classes, width, in_channels=shape[0]))


NETS = {
    "small cnn": cnn(24, 48, 96),
    "smaller cnn": cnn(16, 32, 64),
    "wrn-16-4": wrn(16, 4),
    "wrn-28-10": wrn(28, 10),
    "fast-32": fast(32),
    "fast-64": fast(64),
}


def new_net(net: str, images: ImageSet, seed: int) -> nn.Module:
    """The net for these images, with fresh weights that follow from `seed`."""
    torch.manual_seed(seed)
    return NETS[net].build(images.shape, len(images.classes))


def target_sets(name: str, sizes: Sequence[int], seed: int) -> tuple[ImageSet, ImageSet, ImageSet, ImageSet]:
    """Training, held-out, test and attacked test images of the target, drawn by `seed`, stratified.

    `sizes` are those of the training, held-out and attacked images; clean accuracy is measured on up to ten times as
    many test images as are attacked. Where a publisher fixed the test images, the first two come from the training
    images; elsewhere the test images come from what the first two leave.
    """
    count, held_out_count, attacked_count = sizes
    if is_published(name):
        images, held_out = split(load(name), (count, held_out_count), seed)
        tests = load(name, "test")
    else:
        whole = load(name, "all")
        rest = len(whole) - count - held_out_count
        images, held_out, tests = split(whole, (count, held_out_count, rest), seed)
    more, attacked = (
        split(tests, (min(count, len(tests)),), seed)[0] for count in (10 * attacked_count, attacked_count)
    )
    return images, held_out, more, attacked


def unrelated(images: ImageSet, dataset: str) -> ImageSet:
    """The images of the classes that do not resemble the target's; labels keep their numbers.

    Raises:
        ValueError: when it is not known which classes do.
    """
    name = dataset.removeprefix("fake:")
    if name not in RELATED:
        raise ValueError(f"which classes of {name} resemble the target's is not known; known for {', '.join(RELATED)}")
    related = [images.classes.index(label) for label in RELATED[name]]
    return images.take(~torch.isin(images.labels, torch.tensor(related)))


def fit(
    model: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    *,
    rate: float,
    steps: int,
    batch_size: int,
    loss: dict[str, Any],
    seed: int,
    device: str,
    hooks: Sequence[Hook] = (),
    keep: KeepBest | None = None,
    checkpoint: Path | None = None,
) -> History:
    """Adversarial training with the settings `loss` of `adversarial_loss`, the rate brought down to 0."""
    compute = prepare(device)
    return train(
        model,
        images.images,
        images.labels,
        steps=steps,
        batch_size=batch_size,
        optimiser=recipe.optimiser(model, batch_size, rate),
        schedule=recipe.schedule(steps),
        batch_loss=adversarial_loss(**loss, graphs=compute.graphs),
        augment=crop_and_flip if images.shape[-1] >= 28 else None,  # a shift of 8x8 digits only under-fits them
        seed=seed,
        compute=compute,
        hooks=hooks,
        checkpoint=checkpoint,
        fingerprint=f"{images.checksum} {rate} {loss}",
        stateful={"best": keep} if keep else {},
    )


def watch(held_out: ImageSet, seen: ImageSet, eps: float, seed: int, every: int) -> tuple[KeepBest, Hook]:
    """What looks at a run every so many steps and at the last, and what keeps the weights of the best look.

    Best is said of the held-out images alone; the training images are scored for the curve.
    """
    latest: dict[str, float] = {}
    keep = KeepBest(lambda model: latest["held-out"])

    def look(run: Run) -> None:
        if run.step % every and run.step != run.steps:
            return
        for name, images in (("held-out", held_out), ("train", seen)):
            latest[name] = robust_share(run.model, images, eps, seed)
            run.history.record(name, run.step, latest[name])
        keep(run)

    return keep, look


def robust_share(model: nn.Module, images: ImageSet, eps: float, seed: int) -> float:
    """Accuracy on these images under PGD-10 on the cross-entropy: what checkpoints and rates are chosen by."""
    attack = partial(pgd, eps=eps, steps=SELECTION_STEPS, generator=start(seed, 0))
    pixels = to_float(images.images)
    return robust_accuracy(model, pixels, images.labels, attack, batch_size=ATTACK_BATCH, eps=eps).accuracy


def start(seed: int, purpose: int) -> torch.Generator:
    """The generator of an attack's random starts."""
    return torch.Generator().manual_seed(derived_seed(seed, 7, purpose))


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
