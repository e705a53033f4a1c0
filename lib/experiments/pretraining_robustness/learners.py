"""The nets of notebooks 4 and 5 on the target's true labels, from scratch or from a source, at several moments.

Both notebooks ask for the same artefacts, so that whichever runs first trains them for the other. With the seed vary
the source, the target's images, the initial weights and the order of the batches; within a seed all arms share images
and order, and nets from scratch their initial weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.data.image_set import ImageSet
from lib.experiments.pretraining_robustness.sources import augmentation, beside, learn, start
from lib.experiments.pretraining_robustness.subjects import target_sets
from lib.training.device import derived_seed
from lib.training.evaluate import error_rate
from lib.training.history import Run
from lib.training.keep_looks import KeepLooks

Values = dict[str, Any]
ERRORS = ("held-out error", "test error")


def target(name: str, sizes: Sequence[int], seed: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Images to train on, held-out ones for every choice, and test images: those of `2-label-noise` of equal sizes."""
    count, held_out, tests = sizes
    return target_sets(name, (count, held_out, -(-tests // 10)), seed)[:3]


def learnt(
    seed: int,
    target_dataset: str,
    sizes: Sequence[int],
    net: str,
    rates: Sequence[float],
    steps: int,
    pretrained: Values | None = None,
    checkpoint: Path | None = None,
    **how: Any,
) -> Values:
    """Train at each rate, from scratch or from a source; the rate with the least held-out error counts.

    Returns:
        Of the rate that counts the `weights` and errors at the last step, and `looks`: at each look the step, the
        errors and the weights. Beside it `at rate`: of every rate the weights and errors at the last step.
    """
    images, held_out, tests = target(target_dataset, sizes, seed)
    tried: list[Values] = []
    for rate in rates:
        model = start(seed, net, images, pretrained)
        looks = followed(model, images, held_out, tests, net, rate, steps, seed,
                         checkpoint=beside(checkpoint, rate), **how)  # fmt: skip
        tried.append({"rate": rate, "looks": looks} | {name: values[-1] for name, values in looks.items()})
    best = min(tried, key=lambda run: float(run["held-out error"]))  # the first of equal ones
    return {
        **{name: best[name] for name in ("rate", "weights", "looks", *ERRORS)},
        "steps": steps,
        "at rate": {f"{run['rate']:g}": {name: run[name] for name in ("weights", *ERRORS)} for run in tried},
    }


def at_rate_of(seed: int, chosen: Values, checkpoint: Path | None = None, **how: Any) -> Values:
    """`learnt` at the rate that held-out images chose for another run, which spares a long training its repetition."""
    return learnt(seed, rates=[chosen["rate"]], checkpoint=checkpoint, **how)


def followed(
    model: torch.nn.Module,
    images: ImageSet,
    held_out: ImageSet,
    tests: ImageSet,
    net: str,
    rate: float,
    steps: int,
    seed: int,
    *,
    batch_size: int,
    looks: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, list[Any]]:
    """Train `model` in place; step, errors and weights at `looks` moments, equally far apart, the last among them."""
    kept = KeepLooks(max(1, -(-steps // looks)))

    def errors(run: Run) -> None:
        if run.step in kept.weights:
            for name, of in zip(ERRORS, (held_out, tests), strict=True):
                run.history.record(name, run.step, error_rate(run.model, of.images, of.labels))

    history = learn(model, images, net=net, rate=rate, steps=steps, batch_size=batch_size, device=device,
                    seed=derived_seed(seed, 41), augment=augmentation(images), hooks=[kept, errors],
                    checkpoint=checkpoint, stateful={"looks": kept})  # fmt: skip
    weights: list[dict[str, Tensor]] = list(kept.weights.values())
    found = {name: [value for _, value in history.values[name]] for name in ERRORS}
    return {"step": list(kept.weights), **found, "weights": weights}
