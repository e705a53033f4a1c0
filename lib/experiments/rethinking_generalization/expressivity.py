"""What `3-expressivity` measures, one arm after the other.

Every arm takes `seed` and returns plain values for that seed. With the seed vary: the drawn images and their order, the
labels that chance draws, the initialisation, the order of the batches and the random direction of the construction.
"""

import time
from typing import Any

import torch
from torch import Tensor, nn

from lib.data.load import load
from lib.experiments.rethinking_generalization.subjects import BATCH, NETS, draw
from lib.methods.capacity import (
    least_squares_signs_fit,
    linear_rademacher,
    rademacher_bound,
    vc_bound,
)
from lib.methods.memorise import fit_report, memorise, memorise_deep
from lib.training.device import prepare
from lib.training.evaluate import error_rate
from lib.training.hooks import every, fitted
from lib.training.loop import train

FIT_CHECK = 25  # steps between two looks at the training error


def fit_until_zero_error(
    learner: str, images: Tensor, labels: Tensor, classes: int, *, seed: int, max_steps: int, device: str
) -> tuple[nn.Module, int]:
    """Train as the paper does, SGD with momentum and no regulariser, until no training label is wrong.

    Returns the net and the steps it took (`max_steps` if it never got there). Paper: appendix A.
    """
    recipe, (channels, height, width) = NETS[learner], images.shape[1:]
    torch.manual_seed(seed)
    net = recipe.build((channels, height, width), classes)
    history = train(
        net,
        images,
        labels,
        steps=max_steps,
        batch_size=BATCH,
        optimiser=recipe.optimiser(net, BATCH),
        schedule=recipe.schedule(max_steps),
        stop=every(FIT_CHECK, fitted(images, labels)),
        seed=seed,
        compute=prepare(device),
    )
    return net, len(history.losses)


def random_signs(
    seed: int, dataset: str, learner: str, n_images: list[int], max_steps: int, device: str
) -> dict[str, list[float]]:
    """Fit uniform random signs on growing samples: one draw of equation (1)'s expectation for every sample size.

    The supremum over the hypothesis class is what training finds, so 1 - 2 err is a reading from below.
    """
    generator = torch.Generator().manual_seed(seed)
    points = draw(load(dataset), max(n_images), generator)
    signs = torch.randint(2, (len(points),), generator=generator)  # 0 and 1 stand for -1 and +1
    values: dict[str, list[float]] = {"n": [], "train error": [], "rademacher": [], "steps": []}
    for n in n_images:
        net, steps = fit_until_zero_error(
            learner, points[:n], signs[:n], 2, seed=seed, max_steps=max_steps, device=device
        )
        error = error_rate(net, points[:n], signs[:n])
        values["n"].append(n)
        values["train error"].append(error)
        values["rademacher"].append(1 - 2 * error)
        values["steps"].append(steps)
    return values


def linear_control(seed: int, dataset: str, n_images: list[int], n_draws: int) -> dict[str, list[float]]:
    """The same reading for a learner whose complexity is known: the sign of a least-squares fit on the pixels."""
    generator = torch.Generator().manual_seed(seed)
    points = draw(load(dataset), max(n_images), generator).flatten(1).double()  # (n, d)
    values: dict[str, list[float]] = {"n": [], "rademacher": [], "closed form": []}
    for n in n_images:
        signs = 2.0 * torch.randint(2, (n, n_draws), generator=generator) - 1
        errors, rank = least_squares_signs_fit(points[:n], signs)
        values["n"].append(n)
        values["rademacher"].append(1 - 2 * errors.mean().item())
        values["closed form"].append(linear_rademacher(n, rank))
    return values


def linear_bound(seed: int, dataset: str, delta: float) -> dict[str, float]:
    """Both bounds for that linear learner on all training images: a random half of the classes against the other.

    Its capacity is known, d + 1 dimensions; with enough images the formulas that are vacuous for nets say something.
    """
    train_set = load(dataset)
    generator = torch.Generator().manual_seed(seed)
    classes = len(train_set.classes)
    positive = torch.randperm(classes, generator=generator)[: classes // 2]
    signs = 2.0 * torch.isin(train_set.labels, positive).double() - 1
    errors, rank = least_squares_signs_fit(train_set.images.flatten(1), signs[:, None])
    n, error = len(signs), errors.item()
    return {
        "train error": error,
        "rademacher": linear_rademacher(n, rank),
        "rademacher bound": rademacher_bound(error, linear_rademacher(n, rank), n, delta),
        "vc reading": rank + 1,
        "vc bound": vc_bound(error, rank + 1, n, delta),
    }


def stability(
    seed: int, dataset: str, n_images: int, n_test_images: int, n_replaced_images: int, max_steps: int, device: str
) -> dict[str, Any]:
    """Generalisation gap of one learner on true and on random labels, and what replacing one training example does.

    Uniform stability bounds the gap whatever the labels are, so the gap on random labels is a lower reading of it. The
    direct reading retrains with example i replaced and looks at the 0/1 loss on the example that was taken out.
    """
    generator = torch.Generator().manual_seed(seed)
    train_set, test_set = load(dataset), load(dataset, "test")
    classes = len(train_set.classes)
    chosen = torch.randperm(len(train_set), generator=generator)[: n_images + n_replaced_images]
    images = train_set.images[chosen]
    tested = torch.randperm(len(test_set), generator=generator)[:n_test_images]
    test_images, test_labels = test_set.images[tested], test_set.labels[tested]
    labelings = {
        "true": train_set.labels[chosen],
        "random": torch.randint(classes, (len(chosen),), generator=generator),
    }
    fit: dict[str, Any] = {"classes": classes, "seed": seed, "max_steps": max_steps, "device": device}
    values: dict[str, Any] = {}
    for name, labels in labelings.items():
        net, steps = fit_until_zero_error("mlp 1x512", images[:n_images], labels[:n_images], **fit)
        train_error = error_rate(net, images[:n_images], labels[:n_images])
        test_error = error_rate(net, test_images, test_labels)
        changes = [
            _replace_one(net, images, labels, out=i, new=n_images + i, n=n_images, fit=fit)
            for i in range(n_replaced_images)
        ]
        values[name] = {
            "train error": train_error,
            "test error": test_error,
            "gap": test_error - train_error,
            "replace-one change": sum(changes) / len(changes),
            "steps": steps,
        }
    return values


def _replace_one(
    net: nn.Module, images: Tensor, labels: Tensor, *, out: int, new: int, n: int, fit: dict[str, Any]
) -> float:
    """|change of the 0/1 loss| at example `out` when the net is trained again with example `new` in its place."""
    kept = torch.arange(n)
    kept[out] = new
    retrained, _ = fit_until_zero_error("mlp 1x512", images[kept], labels[kept], **fit)
    point, label = images[out : out + 1], labels[out : out + 1]
    return abs(error_rate(retrained, point, label) - error_rate(net, point, label))


def theorem_1(
    seed: int, dataset: str, n_images: list[int], placement: float = 0.05, directions: int = 8
) -> dict[str, list[float]]:
    """Build the network of Theorem 1 on growing samples under random labels; evaluate every unit on every image."""
    points, labels = _randomly_labelled(dataset, max(n_images), seed)
    values: dict[str, list[float]] = {}
    for n in n_images:
        generator = torch.Generator().manual_seed(seed)
        started = time.perf_counter()
        memory = memorise(points[:n], labels[:n], generator=generator, placement=placement, directions=directions)
        built = time.perf_counter() - started
        report = fit_report(memory, points[:n], labels[:n])
        _append(values, n=n, weights=report.weights, wrong=report.wrong, error=report.max_error,
                largest_weight=report.largest_weight, build_seconds=built, seconds=report.seconds)  # fmt: skip
    return values


def corollary_1(seed: int, dataset: str, n_images: int, depths: list[int]) -> dict[str, list[float]]:
    """Build the depth-k network of Corollary 1 on the same images, and count its weights and its width."""
    points, labels = _randomly_labelled(dataset, n_images, seed)
    n, d = len(points), points[0].numel()
    values: dict[str, list[float]] = {}
    for depth in depths:
        memory = memorise_deep(points, labels, depth=depth, generator=torch.Generator().manual_seed(seed))
        report = fit_report(memory, points, labels)
        _append(values, depth=depth, width=memory.width, weights=report.weights, wrong=report.wrong,
                error=report.max_error, weights_over_n_plus_d=report.weights / (n + d),
                width_times_depth_over_n=memory.width * depth / n, seconds=report.seconds)  # fmt: skip
    return values


def line_of_theorem_1(seed: int, dataset: str, n_images: int) -> dict[str, Tensor]:
    """The function c(t) of a small network along its line, with its points, for the figure of the construction.

    It is straight between its corners, the thresholds, so its values there and at the points say all.
    """
    points, labels = _randomly_labelled(dataset, n_images, seed)
    memory = memorise(points, labels, generator=torch.Generator().manual_seed(seed))
    t = memory.project(points)
    order = t.argsort()
    corners = torch.cat([memory.b, t]).sort().values
    return {"t": corners, "c": memory.along(corners), "points": t[order], "labels": labels[order]}


def _randomly_labelled(dataset: str, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """`n` training images, all of them in their order where n is the whole set, with uniform random labels (n,)."""
    images = load(dataset)
    generator = torch.Generator().manual_seed(seed)
    points = images.images if n == len(images) else draw(images, n, generator)
    return points, torch.randint(len(images.classes), (n,), generator=generator)


def _append(values: dict[str, list[float]], **row: float) -> None:
    for name, value in row.items():
        values.setdefault(name.replace("_", " "), []).append(value)
