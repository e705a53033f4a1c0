"""What `2-regularisers` measures: one training, with each regulariser on or off.

The arm takes `seed` and returns plain values for that seed. With the seed vary: the drawn images (training, held-out
and, where nobody fixed them, test images), the random labels, the initialisation, the order of the batches, the
augmentation and what dropout drops. Trainings of a seed that differ in their regularisers alone share all the rest.
"""

from functools import partial, reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.data.augment import random_crop, random_flip
from lib.data.image_set import ImageSet
from lib.data.labels import corrupt_labels
from lib.data.rotations import random_rotation
from lib.experiments.rethinking_generalization.random_labels import draw_sets, steps_per_epoch
from lib.experiments.rethinking_generalization.regularised_nets import NETS, WITHOUT
from lib.experiments.rethinking_generalization.subjects import BATCH, RATES
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate
from lib.training.history import History, Run
from lib.training.keep_best import KeepBest
from lib.training.loop import Augment, Diverged, train
from lib.training.online import OnlineAccuracy
from lib.training.schedules import exponential

ROTATION = 25.0  # degrees at most, table 4
CROP_SHARE = 16  # the crop moves an image by up to a sixteenth of its side: 2 pixels of 32, as a 28x28 window does
CURVE_IMAGES = 1000  # training and test images looked at on the way; at the end all of them
CURVES = ("train accuracy", "held-out accuracy", "test accuracy")


def switches(weight_decay: float, dropout: float, everything: list[str]) -> dict[str, dict[str, Any]]:
    """Name -> what is on; all the rest of a training is the same. `everything` names what is on together at the end."""
    off: dict[str, Any] = {"augmentations": [], "weight_decay": 0.0, "dropout": 0.0}
    on: dict[str, dict[str, Any]] = {
        "crop": {"augmentations": ["crop"]},
        "flip": {"augmentations": ["flip"]},
        "weight decay": {"weight_decay": weight_decay},
        "dropout": {"dropout": dropout},
    }
    alone = {name: off | setting for name, setting in on.items()}
    paper = off | on["crop"] | on["weight decay"]
    every = {name: value for chosen in everything for name, value in on[chosen].items()}
    every["augmentations"] = [name for name in ("crop", "flip") if name in everything]
    return {"nothing": off, **alone, "crop and weight decay": paper, "everything": off | every}


def trained(
    seed: int,
    dataset: str,
    learner: str,
    augmentations: list[str],
    weight_decay: float,
    dropout: float,
    noise_share: float,
    relative_rate: float,
    last_rate: float,
    n_images: int,
    n_held_out_images: int,
    n_test_images: int,
    n_epochs: int,
    curve_points: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one net with the given regularisers and follow it on training, held-out and test images.

    A share `noise_share` of the training and held-out labels is random, drawn once; test labels are true. The rate
    starts at `relative_rate` times the net's own and falls by one factor after each epoch, to `last_rate` of its start
    at the end. The net of the epoch with the best held-out accuracy is kept beside the final one: early stopping that
    never saw a test image.
    """
    fit, held_out, test = labelled_sets(seed, dataset, noise_share, n_images, n_held_out_images, n_test_images)
    torch.manual_seed(seed)
    recipe, rate = NETS[learner], relative_rate * RATES[learner.removesuffix(WITHOUT)]
    net = recipe.build(fit.shape, len(fit.classes), dropout)
    per_epoch = steps_per_epoch(n_images)
    steps, looked_at = n_epochs * per_epoch, {epoch * per_epoch for epoch in curve_epochs(n_epochs, curve_points)}
    online = OnlineAccuracy(steps)
    watch = Watch({"train": _first(fit, CURVE_IMAGES), "held-out": held_out, "test": _first(test, CURVE_IMAGES)})
    try:
        history = train(
            net,
            fit.images,
            fit.labels,
            steps=steps,
            batch_size=BATCH,
            optimiser=recipe.optimiser(net, BATCH, rate=rate, weight_decay=weight_decay),
            schedule=exponential(last_rate ** (1 / n_epochs), every=per_epoch),
            batch_loss=online,
            augment=augmentation(augmentations, fit.shape[-1]),
            seed=derived_seed(seed, 5),
            compute=prepare(device),
            hooks=[lambda run: watch(run) if run.step in looked_at else None],
            checkpoint=checkpoint,
            fingerprint=f"{learner} {augmentations} {dropout} {noise_share} {last_rate}",
            stateful={"online": online, "best": watch.best},
        )
    except Diverged:
        return without_an_answer(len(fit.classes))
    return summary(net, fit, test, watch, history, online, per_epoch)


def curve_epochs(n_epochs: int, points: int) -> set[int]:
    """About `points` epochs, evenly spaced, the last one among them."""
    return {round(n_epochs * (place + 1) / points) for place in range(points)} - {0}


class Watch:
    """Hook that measures accuracy on several sets, and keeps the net that was best on the held-out images."""

    def __init__(self, sets: dict[str, ImageSet]) -> None:
        """Name -> images with the labels that answers are compared with; one of them is "held-out"."""
        self.sets = sets
        self.held_out = 0.0
        self.best = KeepBest(lambda model: self.held_out)  # measured a line before

    def __call__(self, run: Run) -> None:
        """Note every accuracy in the history, then compare."""
        for name, images in self.sets.items():
            run.history.record(f"{name} accuracy", run.step, accuracy(run.model, images))
        self.held_out = run.history.last("held-out accuracy")
        self.best(run)


def augmentation(names: list[str], side: int) -> Augment | None:
    """What is done to each mini-batch, in this order: "crop", "flip", "rotation"; None where nothing is.

    The strength is one number each, for every net and every arm. A shift by up to 2 pixels, mirrored at the border, and
    a centre crop of 28x28 behind it are the random 28x28 window of a 32x32 image.
    """
    ways: dict[str, Augment] = {
        "crop": lambda images, generator: random_crop(images, max(1, side // CROP_SHARE), generator=generator),
        "flip": lambda images, generator: random_flip(images, generator=generator),
        "rotation": lambda images, generator: random_rotation(images, ROTATION, generator),
    }
    chosen = [ways[name] for name in names]
    return partial(_one_after_the_other, chosen) if chosen else None


def _one_after_the_other(ways: list[Augment], images: Tensor, generator: torch.Generator) -> Tensor:
    return reduce(lambda changed, way: way(changed, generator), ways, images)


def labelled_sets(
    seed: int, dataset: str, noise_share: float, n_images: int, n_held_out_images: int, n_test_images: int
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Training, held-out and test images; of the first two a share of the labels is replaced by a uniform class.

    Held-out images come from the training part. Their labels are as noisy as those trained on, since whoever has only
    noisy labels has only these to choose by.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn, test = draw_sets(dataset, n_images + n_held_out_images, n_test_images, generator)
    generator.manual_seed(derived_seed(seed, 4))
    drawn = drawn.with_labels(corrupt_labels(drawn.labels, noise_share, len(drawn.classes), generator))
    order = torch.arange(len(drawn))
    return drawn.take(order[:n_images], "fit"), drawn.take(order[n_images:], "validation"), test


def summary(
    net: nn.Module,
    fit: ImageSet,
    test: ImageSet,
    watch: Watch,
    history: History,
    online: OnlineAccuracy,
    per_epoch: int,
) -> dict[str, Any]:
    """Curves, the final net on all images, and the net at the epoch that the held-out images chose."""
    steps = [step for step, _ in history.values["held-out accuracy"]]
    curves = {name: [value for _, value in history.values[name]] for name in CURVES}
    final = {
        "train accuracy": accuracy(net, fit),
        "held-out accuracy": curves["held-out accuracy"][-1],
        "test accuracy": accuracy(net, test),
        "online accuracy": stretch(online, len(history.losses), per_epoch),
    }
    three_quarters = len(history.losses) * 3 // 4
    before = max((place for place, step in enumerate(steps) if step <= three_quarters), default=0)
    net.load_state_dict(watch.best.weights)
    stopped = accuracy(net, test)
    return {
        "diverged": 0.0,
        "epoch": [step / per_epoch for step in steps],
        "curve": curves | {"online accuracy": [stretch(online, step, per_epoch) for step in steps]},
        "final": final,
        "stopped early": {
            "epoch": watch.best.step / per_epoch,
            "held-out accuracy": watch.best.best,
            "test accuracy": stopped,
            "gain": stopped - final["test accuracy"],
        },
        "gain in the last quarter": {
            "held-out accuracy": final["held-out accuracy"] - curves["held-out accuracy"][before],
            "online accuracy": final["online accuracy"] - stretch(online, three_quarters, per_epoch),
        },
        "gain by test images": max(curves["test accuracy"]) - curves["test accuracy"][-1],
    }


def stretch(online: OnlineAccuracy, end: int, per_epoch: int) -> float:
    """Online accuracy over the ten epochs before step `end`, or from the first step on."""
    return online.over(max(0, end - 10 * per_epoch), end)


def without_an_answer(classes: int) -> dict[str, Any]:
    """What a run that diverged leaves behind: no curve, and a net that is as good as chance."""
    chance = 1 / classes
    nothing: dict[str, Any] = {"diverged": 1.0, "epoch": [], "gain by test images": 0.0}
    nothing["curve"] = {name: [] for name in (*CURVES, "online accuracy")}
    nothing["final"] = dict.fromkeys((*CURVES, "online accuracy"), chance)
    nothing["stopped early"] = {"epoch": 0.0, "held-out accuracy": chance, "test accuracy": chance, "gain": 0.0}
    nothing["gain in the last quarter"] = {"held-out accuracy": 0.0, "online accuracy": 0.0}
    return nothing


def accuracy(net: nn.Module, images: ImageSet) -> float:
    """Share of the images answered with their label, in eval mode."""
    return 1 - error_rate(net, images.images, images.labels)


def _first(images: ImageSet, count: int) -> ImageSet:
    return images.take(torch.arange(min(count, len(images))))
