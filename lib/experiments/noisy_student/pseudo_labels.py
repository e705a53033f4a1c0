"""What `3-pseudo-labels` measures: students of one teacher that learn from other parts of a pool, or other labels.

The pool is half of the teacher's classes, unevenly many of each, and half of other classes. Teacher, supervised control
and the weightings of the loss are the nets of notebook 1, by the same calls. All students of a seed share labelled and
test images, pool, initial weights, teacher and number of steps; they differ in which images of the pool they see and in
what they are told of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.data.load import load
from lib.data.splits import split
from lib.experiments.noisy_student.lineages import Plan, Setting
from lib.experiments.noisy_student.self_training import Labels, Task, at_least, build, tested
from lib.experiments.noisy_student.subjects import draw
from lib.methods.self_training import (
    CONFIDENCE_FILTER,
    balance_as_coded,
    balance_as_published,
    check_teacher,
    joint_loss,
    load_teacher,
    pseudo_labels,
)
from lib.methods.student_labels import (
    by_confidence,
    commonest_over_rarest,
    images_left,
    searched_threshold,
    surer_than,
    targets,
    threshold_grid,
)
from lib.models.count import parameter_count
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import predict

OUTSIDE = -1  # the label of an image of another class
RAREST = 0.25  # share of its images that the rarest class keeps
COLUMNS = 50  # of the histogram of confidences


class Pool(NamedTuple):
    """Unlabelled images (N, C, H, W). Their labels (N,) serve to report what the pseudo-labels are worth, no more."""

    images: Tensor
    labels: Tensor


def mixed_pool(seed: int, dataset: str, outside_dataset: str, outside_images: int, setting: Setting) -> Pool:
    """The pool of one seed: images of the teacher's classes, thinned class by class, then images of other classes."""
    inside = uneven(draw(setting, seed, dataset).pool, derived_seed(seed, 3))
    (outside,) = split(load(outside_dataset), (outside_images,), seed)
    labels = torch.full((len(outside),), OUTSIDE)
    return Pool(torch.cat([inside.images, outside.images]), torch.cat([inside.labels, labels]))


def uneven(images: ImageSet, seed: int) -> ImageSet:
    """Of class number r = 0..K-1, in an order that the seed draws, the share RAREST^(r / (K - 1)) of its images."""
    generator = torch.Generator().manual_seed(seed)
    classes = len(images.classes)
    ranks = torch.randperm(classes, generator=generator).tolist()
    kept = []
    for label, rank in enumerate(ranks):
        members = (images.labels == label).nonzero()[:, 0]
        count = round(len(members) * RAREST ** (rank / (classes - 1)))
        kept.append(members[torch.randperm(len(members), generator=generator)[:count]])
    return images.take(torch.cat(kept).sort().values)


# Which images a student sees, from the teacher's probabilities (N, K): places (n,), some perhaps twice.
SELECTIONS: dict[str, Callable[[Tensor, Plan, torch.Generator], Tensor]] = {
    "filter": lambda p, plan, g: surer_than(p, plan["threshold"]),
    "bin": lambda p, plan, g: by_confidence(p, plan["bins"])[plan["bin"]],
    "random": lambda p, plan, g: torch.randperm(len(p), generator=g)[: max(1, len(p) // plan["bins"])],
    "published": lambda p, plan, g: (kept := surer_than(p))[balance_as_published(p[kept], per_class(p), g)],
    "code": lambda p, plan, g: coded if len(coded := balance_as_coded(p, per_class(p), g)) else surer_than(p),
}


def per_class(probabilities: Tensor) -> int:
    """Images of each class after balancing: as many as there are on average after the filter."""
    return max(1, len(surer_than(probabilities)) // probabilities.shape[1])


def labels_of_pool(
    seed: int,
    teacher: dict[str, Any],
    plan: Plan,
    dataset: str,
    outside_dataset: str,
    outside_images: int,
    device: str,
    setting: Setting,
) -> Labels:
    """What a trained net says about the pool, images as they are: {"pool": (N, K)}, soft.

    Args:
        seed: of the run.
        teacher: what `self_training.trained` returned.
        plan: of the teacher.
        dataset: of the labelled images, and half of the pool.
        outside_dataset: of the other half.
        outside_images: how many these are.
        device: to label on.
        setting: of the comparison.

    Raises:
        ChanceTeacher: the teacher knows little more than which class is the commonest.
    """
    data = draw(setting, seed, dataset)
    net = load_teacher(build(plan, data, setting), teacher["weights"]).to(prepare(device).device)
    check_teacher(net, data.labelled.images, data.labelled.labels)
    pool = mixed_pool(seed, dataset, outside_dataset, outside_images, setting)
    return {"pool": pseudo_labels(net, pool.images).cpu()}


def student(
    seed: int,
    name: str,
    plan: Plan,
    labels: Labels,
    dataset: str,
    outside_dataset: str,
    outside_images: int,
    device: str,
    setting: Setting,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """A student from fresh weights on labelled images and on a part of the pool, by what its plan says of both.

    Args:
        seed: of the run.
        name: for the table of costs.
        plan: net, steps; `pool`, a key of `SELECTIONS`, with its bin or threshold; `labels` and `temperature`.
        labels: what `labels_of_pool` returned.
        dataset: of the labelled images, and half of the pool.
        outside_dataset: of the other half.
        outside_images: how many these are.
        device: to train on.
        setting: of the comparison.
        checkpoint: to go on from.

    Returns:
        The weights, accuracy and calibration on test images, and what it learnt from; see `worth`.
    """
    data = draw(setting, seed, dataset)
    task = Task([{}, plan], labels, data, setting, seed, device, checkpoint)
    torch.manual_seed(task.seed)
    net = build(plan, data, setting)
    pool = mixed_pool(seed, dataset, outside_dataset, outside_images, setting)
    soft = task.teachers_labels("pool")  # (N, K)
    chosen = SELECTIONS[plan["pool"]](soft, plan, torch.Generator().manual_seed(derived_seed(task.seed, 2)))
    told = targets(soft[chosen], plan.get("labels", "soft"), plan.get("temperature", 1.0))
    size = setting["unlabelled_batch"]
    loss = joint_loss(task.labelled_batches(), task.noise)
    task.fit(net, at_least(size, pool.images[chosen]), at_least(size, told), size, batch_loss=loss,
             fingerprint=f"{plan} {setting}")  # fmt: skip
    return {"weights": net.state_dict(), "parameters": parameter_count(net), "learnt from": worth(soft, chosen, pool),
            "balanced accuracy": balanced_accuracy(net, data.test), **tested(net, data.test)}  # fmt: skip


def worth(soft: Tensor, chosen: Tensor, pool: Pool) -> dict[str, float]:
    """What the chosen images of a pool are: how many, distinct, of other classes, rightly labelled; how sure; how even.

    Args:
        soft: the teacher's probabilities for the pool (N, K).
        chosen: places (n,), some perhaps twice.
        pool: the images.
    """
    confidence, answers = soft[chosen].double().max(dim=1)
    labels = pool.labels[chosen]
    known = labels != OUTSIDE
    right = (answers == labels).double().sum().item()
    return {
        "images": float(len(chosen)),
        "over the pool": len(chosen) / len(soft),
        "distinct over the pool": len(chosen.unique()) / len(soft),
        "other classes": 1 - known.double().mean().item(),
        "right": right / len(chosen),
        "right of known": right / max(1, int(known.sum())),
        "lowest confidence": confidence.min().item(),
        "mean confidence": confidence.mean().item(),
        "commonest over rarest": commonest_over_rarest(soft[chosen]),
    }


def balanced_accuracy(net: nn.Module, test: ImageSet) -> float:
    """Mean over the classes of the test images of the share of their images that are named rightly."""
    answers = predict(net, test.images).argmax(dim=1).cpu()
    hit = (answers == test.labels).double()
    return torch.stack([hit[test.labels == label].mean() for label in test.labels.unique()]).mean().item()


def about_pool(
    seed: int,
    labels: Labels,
    bins: int,
    dataset: str,
    outside_dataset: str,
    outside_images: int,
    setting: Setting,
) -> dict[str, Any]:
    """What a teacher's labels are before any student: bin by bin, as a histogram, and under the released search.

    Args:
        seed: of the run.
        labels: what `labels_of_pool` returned.
        bins: of equally many images.
        dataset: of half of the pool.
        outside_dataset: of the other half.
        outside_images: how many these are.
        setting: of the comparison.

    Returns:
        "bins": one `worth` for each; "histogram": images by confidence in `COLUMNS` columns, of known classes rightly
        and wrongly labelled, of other classes; "grid": the released search's thresholds, and class by class the images
        that each leaves; "search": its outcome, begun at 1.00 and at .99.
    """
    soft = labels["pool"]
    pool = mixed_pool(seed, dataset, outside_dataset, outside_images, setting)
    confidence, answers = soft.double().max(dim=1)
    kinds = {"right": answers == pool.labels, "other classes": pool.labels == OUTSIDE}
    kinds["wrong"] = ~(kinds["right"] | kinds["other classes"])
    columns = (confidence * COLUMNS).long().clamp(max=COLUMNS - 1)
    grid, wanted = threshold_grid(), per_class(soft)
    of_class = [confidence[answers == label] for label in range(soft.shape[1])]
    return {
        "bins": [worth(soft, places, pool) for places in by_confidence(soft, bins)],
        "removed": {kind: _removed(confidence, which) for kind, which in (("of all", None), *kinds.items())},
        "histogram": {kind: columns[which].bincount(minlength=COLUMNS).tolist() for kind, which in kinds.items()},
        "grid": {"threshold": grid, "left": [images_left(own, grid) for own in of_class], "wanted": wanted},
        "search": {f"from {start:.2f}": _searched(of_class, wanted, start) for start in (1.0, 0.99)},
    }


def _removed(confidence: Tensor, which: Tensor | None) -> float:
    """The share of some images that the filter at .3 takes away; 0 where there are none."""
    own = confidence if which is None else confidence[which]
    return 1 - (own > CONFIDENCE_FILTER).double().mean().item() if len(own) else 0.0


def _searched(of_class: list[Tensor], wanted: int, start: float) -> dict[str, Any]:
    """Where the released search ends for each class, and how many images its thresholds leave."""
    found = [searched_threshold(own, wanted, start) for own in of_class]
    left = [int((own >= threshold).sum()) for own, threshold in zip(of_class, found, strict=True)]
    return {"thresholds": found, "left": left}
