"""What `2-label-noise` measures, one arm after the other.

Every arm takes `seed` and returns plain values for that seed. With the seed vary: the source net, the target's images
(training, held-out and test), the noisy labels, which images are trusted, the initial weights, the order of the
batches. Within a seed all arms share images, noisy labels and order, and nets from scratch their initial weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lib.data.cifar import CIFAR100_SUPERCLASS
from lib.data.image_set import ImageSet
from lib.data.labels import (
    flip_noise_matrix,
    hierarchical_noise_matrix,
    labels_from_matrix,
    uniform_noise_matrix,
)
from lib.data.load import load
from lib.data.splits import stratified_order
from lib.experiments.pretraining_robustness.sources import augmentation, beside, learn, new_net, start
from lib.experiments.pretraining_robustness.subjects import target_sets, weights_of
from lib.methods.label_correction import OUTLIERS, anchor_matrix, corrected_loss, gold_matrix
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import answers as answered_by
from lib.training.evaluate import predict
from lib.training.history import History, Run
from lib.training.loop import BatchLoss

# Which classes hierarchical noise confuses with one another: vehicles and animals of CIFAR-10, digits by shape.
SUPERCLASSES = {
    "cifar10": (0, 0, 1, 1, 1, 1, 1, 1, 0, 0),
    "cifar100": CIFAR100_SUPERCLASS,
    "digits": (0, 1, 2, 2, 1, 2, 0, 1, 0, 0),
}


class Noisy(NamedTuple):
    """The target of one seed."""

    images: ImageSet  # to train on, with the labels that are given
    true: Tensor  # (N,) their true labels, which no arm but the gold ones may look at
    held_out: ImageSet  # with true labels: what rates are chosen by, in every arm alike
    held_out_given: Tensor  # (M,) the same images' noisy labels
    tests: ImageSet


def noisy_target(
    seed: int,
    target_dataset: str,
    sizes: Sequence[int],
    noise: str,
    strength: float,
    human_datasets: Sequence[str] = (),
) -> Noisy:
    """Training, held-out and test images; the labels of the first two are noisy, drawn once by the seed.

    Args:
        seed: of everything that is drawn.
        target_dataset: its name.
        sizes: numbers of training, held-out and test images.
        noise: "uniform", "flip", "hierarchical" or "human".
        strength: s of C = (1 - s) I + s S; human noise has its own.
        human_datasets: the set that holds the human labels of the same training images.
    """
    count, held_out_count, test_count = sizes
    images, held_out, tests, _ = target_sets(target_dataset, (count, held_out_count, -(-test_count // 10)), seed)
    classes = len(images.classes)
    generator = torch.Generator().manual_seed(derived_seed(seed, 31))
    if noise == "human":
        own, others = human_labels(target_dataset, human_datasets[0], (count, held_out_count), seed)
    else:
        matrix = {
            "uniform": lambda: uniform_noise_matrix(strength, classes),
            "flip": lambda: flip_noise_matrix(strength, classes, generator),
            "hierarchical": lambda: hierarchical_noise_matrix(strength, superclasses(target_dataset)),
        }[noise]()
        own, others = (labels_from_matrix(part.labels, matrix, generator) for part in (images, held_out))
    return Noisy(images.with_labels(own), images.labels, held_out, others, tests)


def superclasses(dataset: str) -> Sequence[int]:
    """For each class the superclass within which hierarchical noise confuses it."""
    return SUPERCLASSES[dataset.removeprefix("fake:")]


def human_labels(dataset: str, human: str, sizes: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
    """What annotators called the training and the held-out images that `target_sets` draws for this seed."""
    order = stratified_order(load(dataset).labels, seed)
    labels = load(human).labels
    count, held_out = sizes
    parts = order[:count], order[count : count + held_out]
    own, others = (labels[torch.from_numpy(part).sort().values] for part in parts)
    return own, others


def trusted_images(target: Noisy, share: float, seed: int) -> Tensor:
    """(N,) bool: a stratified share of the training images, at least one a class, whose true labels are known."""
    classes, count = len(target.images.classes), len(target.true)
    chosen = torch.from_numpy(stratified_order(target.true, derived_seed(seed, 32)).copy())
    trusted = torch.zeros(count, dtype=torch.bool)
    trusted[chosen[: max(classes, round(share * count))]] = True
    return trusted


def trained(
    model: nn.Module,
    images: ImageSet,
    target: Noisy,
    seed: int,
    *,
    net: str,
    rate: float,
    steps: int,
    batch_size: int,
    device: str,
    looks: int = 0,
    augmented: bool = True,
    loss: BatchLoss | None = None,
    told: str = "",
    checkpoint: Path | None = None,
) -> History:
    """Train `model` in place on `images`, with `looks` looks at errors on the way and one at the end.

    `told` says what `loss` was made of; together with initial weights and data it tells one checkpoint from another.
    """
    every = max(1, -(-steps // max(1, looks)))
    given = images.take(torch.arange(min(len(images), len(target.held_out))))
    looked_at = {  # images -> what their answers are compared with
        "train": (given, {"train error, given labels": given.labels}),
        "test": (target.tests, {"test error": target.tests.labels}),
        "held out": (
            target.held_out,
            {"held-out error": target.held_out.labels, "held-out error, given labels": target.held_out_given},
        ),
    }

    def look(run: Run) -> None:
        if run.step % every and run.step != steps:
            return
        for shown, labels_of in looked_at.values():
            answered = answered_by(predict(run.model, shown.images))
            for name, labels in labels_of.items():
                run.history.record(name, run.step, (answered != labels).double().mean().item())

    return learn(model, images, net=net, rate=rate, steps=steps, batch_size=batch_size, device=device, told=told,
                 seed=derived_seed(seed, 34), augment=augmentation(images) if augmented else None, batch_loss=loss,
                 hooks=[look], checkpoint=checkpoint)  # fmt: skip


def outcome(model: nn.Module, history: History, rate: float, steps: int) -> dict[str, Any]:
    """What a run leaves: errors of its last step, its curves, and where each kind of held-out labels would stop it."""
    curve = {name: [value for _, value in points] for name, points in history.values.items()}
    at = [step for step, _ in history.values["test error"]]
    last = {name: values[-1] for name, values in curve.items()}
    return {
        **last,
        "rate": rate,
        "steps": steps,
        "passes": history.images,
        "curve": {"step": at, **curve},
        "stopped": stopped(at, curve, "held-out error"),
        "stopped by given labels": stopped(at, curve, "held-out error, given labels"),
        "weights": weights_of(model),
    }


def stopped(at: list[int], curve: dict[str, list[float]], by: str) -> dict[str, float]:
    """Step and test error of the look at which the errors named `by` are least, the first of equal ones."""
    best = min(range(len(at)), key=lambda place: curve[by][place])
    return {"step": at[best], "test error": curve["test error"][best]}


def at_rate_of(seed: int, chosen: dict[str, Any], checkpoint: Path | None = None, **how: Any) -> dict[str, Any]:
    """`plain` at the rate that held-out images chose for another run, which spares a long training its repetition."""
    return plain(seed, rates=[chosen["rate"]], checkpoint=checkpoint, **how)


def best_rate(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose rate true held-out labels speak for, the first of equal ones, beside the errors at all rates."""
    best = min(tried, key=lambda run: run["held-out error"])
    return {**best, "at rate": {f"{run['rate']:g}": run["test error"] for run in tried}}


def plain(
    seed: int,
    target_dataset: str,
    sizes: Sequence[int],
    noise: str,
    strength: float,
    net: str,
    rates: Sequence[float],
    steps: int,
    pretrained: dict[str, Any] | None = None,
    human_datasets: Sequence[str] = (),
    checkpoint: Path | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Train on the noisy labels as they are, from scratch or from a source; of several rates the best one counts."""
    target = noisy_target(seed, target_dataset, sizes, noise, strength, human_datasets)
    tried = []
    for rate in rates:
        model = start(seed, net, target.images, pretrained)
        history = trained(model, target.images, target, seed, net=net, rate=rate, steps=steps,
                          checkpoint=beside(checkpoint, rate), **how)  # fmt: skip
        tried.append(outcome(model, history, rate, steps))
    return best_rate(tried)


def forward(
    seed: int,
    first: dict[str, Any],
    target_dataset: str,
    sizes: Sequence[int],
    noise: str,
    strength: float,
    net: str,
    rates: Sequence[float],
    steps: int,
    pretrained: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    **how: Any,
) -> dict[str, Any]:
    """The forward correction: C from the net that `plain` trained on the noisy labels, then anew with the loss of C.

    As in the released code the answers are those for the training images, with the surest 3 % passed over where there
    are ten classes, and the second phase starts where the first did.
    """
    target = noisy_target(seed, target_dataset, sizes, noise, strength)
    model = new_net(net, target.images, seed)
    model.load_state_dict(first["weights"])
    classes = len(target.images.classes)
    matrix = anchor_matrix(answers(model, target.images, how["device"]), OUTLIERS if classes == 10 else None)
    tried = []
    for rate in rates:
        model = start(seed, net, target.images, pretrained)
        history = trained(model, target.images, target, seed, net=net, rate=rate, steps=steps,
                          loss=corrected_loss(matrix), told=told(matrix), checkpoint=beside(checkpoint, rate),
                          **how)  # fmt: skip
        tried.append(outcome(model, history, rate, steps) | distance(matrix, noise, strength))
    return best_rate(tried)


def gold(
    seed: int,
    trusted_share: float,
    target_dataset: str,
    sizes: Sequence[int],
    noise: str,
    strength: float,
    net: str,
    rates: Sequence[float],
    steps: int,
    pretrained: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Gold loss correction: train on the untrusted images, estimate C on the trusted, train anew on both.

    Both phases take the same steps, start from the same weights and have the same rate.
    """
    target = noisy_target(seed, target_dataset, sizes, noise, strength)
    trusted = trusted_images(target, trusted_share, seed)
    labels = torch.where(trusted, target.true, target.images.labels)
    everything, untrusted = target.images.with_labels(labels), target.images.take(~trusted)
    tried = []
    for rate in rates:
        how |= {"net": net, "rate": rate, "steps": steps}
        model = start(seed, net, target.images, pretrained)
        trained(model, untrusted, target, seed, checkpoint=beside(checkpoint, rate, "first"), **how | {"looks": 0})
        matrix = gold_matrix(answers(model, target.images.take(trusted), how["device"]), target.true[trusted])
        model = start(seed, net, target.images, pretrained)
        history = trained(model, everything, target, seed, loss=corrected_loss(matrix, trusted), told=told(matrix),
                          checkpoint=beside(checkpoint, rate), **how)  # fmt: skip
        tried.append(outcome(model, history, rate, steps) | distance(matrix, noise, strength))
    return best_rate(tried)


def trusted_alone(
    seed: int,
    trusted_share: float,
    target_dataset: str,
    sizes: Sequence[int],
    net: str,
    rates: Sequence[float],
    steps: int,
    pretrained: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Train on the trusted images with their true labels and on nothing else: what gold loss correction must beat."""
    target = noisy_target(seed, target_dataset, sizes, "uniform", 0.0)
    images = target.images.take(trusted_images(target, trusted_share, seed))
    tried = []
    for rate in rates:
        model = start(seed, net, target.images, pretrained)
        history = trained(model, images, target, seed, net=net, rate=rate, steps=steps,
                          checkpoint=beside(checkpoint, rate), **how)  # fmt: skip
        tried.append(outcome(model, history, rate, steps))
    return best_rate(tried)


def answers(model: nn.Module, images: ImageSet, device: str) -> Tensor:
    """(N, K) probabilities that the net gives to the images as they are, not augmented."""
    prepare(device).place(model)
    return predict(model, images.images).float().softmax(dim=1).cpu()


def distance(matrix: Tensor, noise: str, strength: float) -> dict[str, float]:
    """How far an estimated matrix lies from that of uniform noise: the mean over rows of sum_j |C_ij - C'_ij| / 2."""
    if noise != "uniform":
        return {}
    true = uniform_noise_matrix(strength, len(matrix))
    return {"error of the matrix": float((matrix.cpu() - true).abs().sum(1).mean() / 2)}


def told(matrix: Tensor) -> str:
    """What identifies a matrix among others."""
    return str([round(value, 6) for value in matrix.flatten().tolist()])
