"""What `4-kernels` measures once, since nothing is drawn: interpolation of all images, and ways to solve the system.

Apart from the arms that take a seed, so that a change of those leaves the long runs valid.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from lib.data.image_set import to_float
from lib.data.load import load
from lib.methods.kernels import (
    conjugate_gradients,
    error_of,
    evaluate,
    gram,
    gram_times,
    interpolate,
    norm_of,
    nystrom_preconditioner,
    one_hot,
)
from lib.training.memory import PeakMemory

LANDMARKS, PRODUCTS = 1000, 20  # of the Nystrom preconditioner, and of the conjugate gradients with it


def whole(dataset: str, n_images: int, n_test: int, gamma: float, device: str) -> dict[str, float]:
    """Interpolate the first `n_images` training images, all of them at full size; nothing is drawn but random labels.

    One artefact: an interrupted factorisation begins again.
    """
    points, labels, classes = _first(dataset, "train", n_images, device)
    others, test_labels, _ = _first(dataset, "test", n_test, device)
    random = torch.randint(classes, (len(points),), generator=torch.Generator().manual_seed(0)).to(device)
    y = torch.cat([one_hot(labels, classes), one_hot(random, classes)], dim=1)
    clock, started = _clock(device)
    with PeakMemory(device) as peak:
        found = interpolate(points, y, gamma)
    seconds = clock() - started
    values = evaluate(others, points, found.alpha, gamma)
    norms = [norm_of(a, f) for a, f in zip(found.alpha.split(classes, 1), found.fitted.split(classes, 1), strict=True)]
    return {
        "images": len(points),
        "gamma": gamma,
        "train error": error_of(found.fitted[:, :classes], labels),
        "test error": error_of(values[:, :classes], test_labels),
        "norm": norms[0],
        "norm, random labels": norms[1],
        "test error, random labels": error_of(values[:, classes:], test_labels),
        "residual": found.residual,
        "products": found.products,
        "jitter": found.jitter,
        "triangle": found.bytes,
        "peak memory": peak.bytes,
        "seconds": seconds,
    }


def solvers(dataset: str, gamma: float, n_images: int, device: str) -> dict[str, dict[str, float]]:
    """Three ways to the same alpha: seconds, bytes of what is held, and the residual in float64.

    A float64 factor; a float32 factor refined by conjugate gradients; a Nystrom preconditioner for them instead, and a
    stop after 20 products with K. The last two compute K anew for each product.
    """
    points, labels, classes = _first(dataset, "train", n_images, device)
    y, landmarks = one_hot(labels, classes), min(LANDMARKS, len(points))

    def direct() -> tuple[Tensor, int]:
        factor = gram(points, gamma).cholesky_()
        return factor.solve(y), factor.bytes

    def refined() -> tuple[Tensor, int]:
        found = interpolate(points, y, gamma)
        return found.alpha, found.bytes

    def nystrom() -> tuple[Tensor, int]:
        apply = nystrom_preconditioner(points, gamma, landmarks, torch.Generator().manual_seed(0))
        alpha, _, _ = conjugate_gradients(
            lambda x: gram_times(points, gamma, x), apply, y, tolerance=1e-8, max_steps=PRODUCTS
        )
        return alpha, 8 * len(points) * (landmarks - landmarks // 2)

    return {
        "float64 factor": _timed(direct, points, y, gamma, device),
        "float32 factor, refined": _timed(refined, points, y, gamma, device),
        f"Nystrom, {PRODUCTS} products": _timed(nystrom, points, y, gamma, device),
    }


def _timed(
    solve: Callable[[], tuple[Tensor, int]], points: Tensor, y: Tensor, gamma: float, device: str
) -> dict[str, float]:
    clock, started = _clock(device)
    alpha, held = solve()
    seconds = clock() - started
    residual = (y - gram_times(points, gamma, alpha)).norm() / y.norm()
    return {"seconds": seconds, "megabytes": held / 1e6, "residual": residual.item()}


def _first(dataset: str, split: str, count: int, device: str) -> tuple[Tensor, Tensor, int]:
    """Pixels (count, d) of the first images in float64, their labels, and the number of classes."""
    images = load(dataset, split)
    points = to_float(images.images[:count]).to(device).flatten(1).double()
    return points, images.labels[:count].to(device), len(images.classes)


def _clock(device: str) -> tuple[Callable[[], float], float]:
    """A clock and what it shows: the processor's own time, which a busy machine does not stretch; the wall's on GPU."""
    clock = time.process_time if torch.device(device).type == "cpu" else time.perf_counter
    return clock, clock()
