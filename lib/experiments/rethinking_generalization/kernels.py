"""What `4-kernels` measures, one arm after the other.

With the seed vary: which training images are used, which are held out to choose a width or a ridge on, which test
images, and whatever is random beside them: labels, centres, filters, the order of SGD.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.data.image_set import ImageSet, to_float
from lib.data.parts import parts
from lib.data.pixels import gaussian_pixels
from lib.files import write_atomically
from lib.methods.fixed_features import Features, gabor, pixels, random_filters
from lib.methods.kernels import (
    Triangle,
    distance_triangle,
    error_of,
    evaluate,
    gaussian,
    kernel_of,
    kernel_sgd,
    log_cosh_hessian,
    median_squared_distance,
    minimum_norm,
    norm_of,
    one_hot,
    sgd,
    squared_distances,
    symmetric_product,
)
from lib.training.device import derived_seed

Columns = dict[str, list[float]]  # column -> a value for each point of a grid


@dataclass(frozen=True)
class Images:
    """Images in [0, 1], (N, C, H, W) float32, and their labels (N,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Task:
    """What one seed works on; the three parts have no image in common."""

    train: Images
    held_out: Images
    test: Images
    classes: int
    generator: torch.Generator

    def random_labels(self, like: Tensor) -> Tensor:
        """A uniform label for each of `like`; one in ten is the true one by luck."""
        return torch.randint(self.classes, (len(like),), generator=self.generator).to(like.device)


def draw(seed: int, dataset: str, n_train: int, n_held_out: int, n_test: int, device: str) -> Task:
    """Parts drawn by the seed, on the device."""
    drawn = parts(dataset, (n_train, n_held_out, n_test), seed)
    train, held_out, test = (_on(part, device) for part in drawn)
    generator = torch.Generator().manual_seed(derived_seed(seed, 7))
    return Task(train, held_out, test, len(drawn[0].classes), generator)


def widths_and_ridges(
    seed: int,
    dataset: str,
    features: str,
    filters: int,
    n_images: int,
    n_held_out: int,
    n_test: int,
    widths: list[float],
    ridges: list[float],
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Interpolate with kernels of every width, then add an l2 penalty, K + ridge I; true labels and random ones.

    A width c stands for gamma = c / (median squared distance), so that it means the same for any features. It is chosen
    on held-out images; so is the ridge, at that width. All of them share one matrix of distances.
    """
    task = draw(seed, dataset, n_images, n_held_out, n_test, device)
    system = KernelSystem(task, features_of(features, task, filters))
    at = _each(widths, lambda width: system.at(width / system.median), checkpoint)
    chosen = _best(at) | {"width": _best_of(widths, at)}
    beside = checkpoint and checkpoint.with_name(f"{checkpoint.name}-ridges")
    with_ridge = _each(ridges, lambda ridge: system.at(chosen["gamma"], ridge), beside)
    penalised = _best(with_ridge) | {"ridge": _best_of(ridges, with_ridge)}
    found = {"images": n_images, "median": system.median, "width": widths, "at": at, "chosen": chosen}
    return found | {"penalised": {"ridge": ridges, "at": with_ridge, "chosen": penalised}}


class KernelSystem:
    """The distances within one sample and to other images, from which the kernel matrix of any width follows."""

    def __init__(self, task: Task, features: Features) -> None:
        """Compute all distances, in float64."""
        points = features(task.train.images)
        others = torch.cat([features(task.held_out.images), features(task.test.images)])
        self.task, self.median = task, median_squared_distance(points)
        self.distances, self.across = distance_triangle(points), squared_distances(others, points)
        self.random = task.random_labels(task.train.labels)

    def at(self, gamma: float, ridge: float = 0.0) -> dict[str, float]:
        """Fit true and random labels by (K + ridge I) alpha = y, and measure norm, residual and errors."""
        task, n = self.task, self.distances.n
        kernel = kernel_of(self.distances, gamma)
        y = torch.cat([one_hot(labels, task.classes) for labels in (task.train.labels, self.random)], dim=1)
        alpha = Triangle(n, kernel, self.distances.size).add_to_diagonal_(ridge).cholesky_().solve(y)
        fitted = symmetric_product(n, kernel, alpha, self.distances.size)
        true, random = slice(None, task.classes), slice(task.classes, None)
        predicted = torch.cat([torch.exp(-gamma * part) @ alpha for part in self.across.split(1000)])
        held_out, test = predicted.split([len(task.held_out.labels), len(task.test.labels)])
        return {
            "gamma": gamma,
            "held-out error": error_of(held_out[:, true], task.held_out.labels),
            "test error": error_of(test[:, true], task.test.labels),
            "test accuracy": 1 - error_of(test[:, true], task.test.labels),
            "train error": error_of(fitted[:, true], task.train.labels),
            "residual": ((y - fitted - ridge * alpha).norm() / y.norm()).item(),
            "norm": norm_of(alpha[:, true], fitted[:, true]),
            "norm, random labels": norm_of(alpha[:, random], fitted[:, random]),
            "test error, random labels": error_of(test[:, random], task.test.labels),
            "test accuracy, random labels": 1 - error_of(test[:, random], task.test.labels),
        }


def features_of(name: str, task: Task, filters: int) -> Features:
    """The features by their name; random filters are taken from the training images."""
    if name == "random filters":
        return random_filters(task.train.images, filters, task.generator)
    return {"pixels": pixels, "gabor": gabor}[name]


def bad_interpolants(
    seed: int, dataset: str, n_images: int, n_test: int, across: dict[str, Any], device: str
) -> dict[str, dict[str, float]]:
    """Interpolants of the same images with the same kernel: of minimum norm, and built so that they do not generalise.

    Random centres: f = sum_j beta_j k(c_j, .) with K(X, C) beta = y, at Gaussian pixels with the mean and variance of
    the images, as in section 2.1. Wrong test labels: minimum norm on training and test images together. Each has a fair
    rival: centres at other training images, and the right labels of the same test images.
    """
    task, gamma = draw(seed, dataset, n_images, n_images, n_test, device), across["chosen"]["gamma"]
    x, fresh, test = (pixels(part.images) for part in (task.train, task.held_out, task.test))
    noise = pixels(gaussian_pixels(task.train.images, task.generator))
    shift = torch.randint(1, task.classes, (len(test),), generator=task.generator).to(device)
    wrong = (task.test.labels + shift) % task.classes  # uniform over all classes but the right one

    def measured(centres: Tensor, fitted: Tensor, labels: Tensor) -> dict[str, float]:
        y = one_hot(labels, task.classes)
        matrix = gaussian(fitted, centres, gamma)
        beta = torch.linalg.solve(matrix, y)
        values = gaussian(test, centres, gamma) @ beta
        norm = norm_of(beta, gaussian(centres, centres, gamma) @ beta)
        return {
            "norm": float(f"{norm:.3e}"),  # K(X, C) is close to singular: further digits are another machine's
            "train error": error_of((matrix @ beta)[: len(x)], task.train.labels),
            "residual": ((matrix @ beta - y).norm() / y.norm()).item(),
            "test error": error_of(values, task.test.labels),
            "error on further images": error_of(gaussian(fresh, centres, gamma) @ beta, task.held_out.labels),
        }

    both, train_labels = torch.cat([x, test]), task.train.labels
    rivals = {
        "minimum norm": measured(x, x, train_labels),
        "random centres": measured(noise, x, train_labels),
        "centres at other images": measured(fresh, x, train_labels),
        "wrong test labels": measured(both, both, torch.cat([train_labels, wrong])),
        "right test labels": measured(both, both, torch.cat([train_labels, task.test.labels])),
    }
    return rivals


def sgd_from_zero(
    seed: int, dataset: str, n_images: int, n_held_out: int, n_test: int, n_epochs: int
) -> dict[str, dict[str, float]]:
    """Where SGD ends, beside the minimum-norm interpolant w*: |w - w*| / |w*|, |w| / |w*| and the angle between them.

    A linear model on pixels less the mean of held-out images, from zero and from a start as long as w*; and one in the
    features of the Gaussian kernel of width 2, where all of it is measured in the kernel's own inner product.
    """
    task = draw(seed, dataset, n_images, n_held_out, n_test, "cpu")
    x, test = pixels(task.train.images), pixels(task.test.images)
    mean, y = pixels(task.held_out.images).mean(0), one_hot(task.train.labels, task.classes)
    x0, test0 = x - mean, test - mean  # of other images, or the rows would sum to zero
    goal = minimum_norm(x0, y)
    start = torch.randn(goal.shape, generator=task.generator, dtype=torch.float64)
    start *= goal.norm() / start.norm()
    runs = {}
    for name, begin in (("linear", torch.zeros_like(goal)), ("linear, another start", start)):
        *_, w = sgd(x0, y, begin, epochs=n_epochs, generator=task.generator)
        runs[name] = _beside(w, goal, lambda a, b: (a * b).sum().item()) | {
            "residual": ((x0 @ w - y).norm() / y.norm()).item(),
            "test error": error_of(test0 @ w, task.test.labels),
        }
    gamma = 2 / median_squared_distance(x)
    matrix = gaussian(x, x, gamma)
    alpha = kernel_sgd(matrix, y, epochs=n_epochs, generator=task.generator)
    best = torch.linalg.solve(matrix, y)
    runs["gaussian kernel"] = _beside(alpha, best, lambda a, b: (a * (matrix @ b)).sum().item()) | {
        "residual": ((matrix @ alpha - y).norm() / y.norm()).item(),
        "test error": error_of(evaluate(test, x, alpha, gamma), task.test.labels),
    }
    return runs


def _beside(w: Tensor, goal: Tensor, inner: Callable[[Tensor, Tensor], float]) -> dict[str, float]:
    """Distance, norm and angle of w beside `goal` in an inner product."""
    square, ours = inner(goal, goal), inner(w, w)
    off = w - goal
    across = max(inner(off, off) - inner(off, goal) ** 2 / square, 0.0)  # of w, what is orthogonal to the goal
    return {
        "distance": math.sqrt(max(inner(off, off), 0.0) / square),
        "norm over minimum": math.sqrt(max(ours, 0.0) / square),
        "angle": math.atan2(math.sqrt(across), inner(w, goal) / math.sqrt(square)),  # exact for small ones, unlike acos
    }


def hessians(seed: int, dataset: str, n_images: int, n_test: int) -> dict[str, dict[str, float]]:
    """The Hessian of the mean log cosh loss at two interpolants of a linear model, and at a point that is none.

    The target is +1 for the first half of the classes and -1 for the others. The second interpolant adds to w* five
    times its length of what no training image sees; the point beside them is w* / 2.
    """
    task = draw(seed, dataset, n_images, 1, n_test, "cpu")
    x, test = pixels(task.train.images), pixels(task.test.images)
    y, test_y = (1 - 2.0 * (part.labels >= task.classes / 2).double() for part in (task.train, task.test))
    goal = minimum_norm(x, y[:, None])[:, 0]
    unseen = torch.randn(len(goal), generator=task.generator, dtype=torch.float64)
    unseen -= x.T @ torch.linalg.solve(x @ x.T, x @ unseen)
    other = goal + 5 * goal.norm() / unseen.norm().clamp(min=1e-12) * unseen
    at_goal = log_cosh_hessian(x, y, goal)
    return {
        name: {
            "difference": ((log_cosh_hessian(x, y, w) - at_goal).norm() / at_goal.norm()).item(),
            "trace": log_cosh_hessian(x, y, w).trace().item(),
            "train error": error_of_signs(x @ w, y),
            "test error": error_of_signs(test @ w, test_y),
            "norm over minimum": (w.norm() / goal.norm()).item(),
        }
        for name, w in (("minimum norm", goal), ("another interpolant", other), ("no interpolant", goal / 2))
    }


def error_of_signs(values: Tensor, signs: Tensor) -> float:
    """Share of values (n,) whose sign is not that of `signs` (n,)."""
    return (values * signs <= 0).double().mean().item()


def _on(images: ImageSet, device: str) -> Images:
    return Images(to_float(images.images).to(device), images.labels.to(device))


def _each(grid: list[float], measure: Callable[[float], dict[str, float]], checkpoint: Path | None) -> Columns:
    """`measure` at every point of the grid, as columns; what is measured is kept in `checkpoint` and not done again."""
    done = json.loads(checkpoint.read_text()) if checkpoint and checkpoint.exists() else []
    for value in grid[len(done) :]:
        done.append(measure(value))
        if checkpoint:
            write_atomically(checkpoint, json.dumps(done))
    return {name: [row[name] for row in done] for name in done[0]}


def _best(at: Columns) -> dict[str, float]:
    """The line of least held-out error; of equal ones the first."""
    best = at["held-out error"].index(min(at["held-out error"]))
    return {name: values[best] for name, values in at.items()}


def _best_of(grid: list[float], at: Columns) -> float:
    return grid[at["held-out error"].index(min(at["held-out error"]))]
