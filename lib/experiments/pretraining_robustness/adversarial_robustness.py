"""What `1-adversarial-robustness` measures, one arm after the other.

Every arm takes `seed` and returns plain values for that seed. With the seed vary: initialisation and order of the
source's training, the target's training, held-out and attacked images, the new head, the order of the target's training
and all random starts. The source's images are its whole training set and do not vary.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.attacks.autoattack import autoattack
from lib.attacks.curve import robustness_curve
from lib.attacks.harness import AttackReport, robust_accuracy
from lib.attacks.pgd import pgd
from lib.data.image_set import ImageSet, to_float
from lib.data.load import load
from lib.data.splits import split
from lib.experiments.pretraining_robustness.subjects import (
    ATTACK_BATCH,
    NETS,
    fit,
    new_net,
    robust_share,
    start,
    target_sets,
    unrelated,
    watch,
    weights_of,
)
from lib.methods.adversarial_training import freeze_trunk, passes, transplant
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate

LOOKS = 12  # at held-out images in the course of a long training


def pretrain(
    seed: int,
    source_dataset: str,
    source: str,
    net: str,
    rate: float,
    steps: int,
    batch_size: int,
    eps: float,
    attack_steps: int,
    test_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train a net on the source: `source` is "untargeted", "targeted", "clean" or "unrelated classes".

    The last is untargeted too, without the classes that resemble the target's.
    """
    images, tests = load(source_dataset), load(source_dataset, "test")
    if source == "unrelated classes":
        images, tests = unrelated(images, source_dataset), unrelated(tests, source_dataset)
    loss = {"eps": 0.0 if source == "clean" else eps, "steps": attack_steps, "targeted": source == "targeted"}
    model = new_net(net, images, derived_seed(seed, 1))
    history = fit(model, images, NETS[net], rate=rate, steps=steps, batch_size=batch_size, loss=loss,
                  seed=derived_seed(seed, 2), device=device, checkpoint=checkpoint)  # fmt: skip
    tests = split(tests, (min(len(tests), test_images),), seed)[0]
    return {
        "weights": weights_of(model),
        "classes": len(images.labels.unique()),
        "steps": steps,
        "passes": passes(history.images, 0 if source == "clean" else attack_steps),
        "clean accuracy": 1 - error_rate(model, tests.images, tests.labels),
        "robust accuracy": robust_share(model, tests, eps, seed),
    }


def tune(
    seed: int,
    pretrained: dict[str, Any],
    target_dataset: str,
    sizes: Sequence[int],
    layers: str,
    rates: Sequence[float],
    net: str,
    steps: int,
    batch_size: int,
    eps: float,
    attack_steps: int,
    device: str,
    as_published: bool = False,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Tune a pre-trained net by adversarial training on the target; `layers` is "all layers" or "last layer".

    Of several rates, the one that leaves the net most robust on the held-out images counts.
    """
    images, held_out, _, _ = target_sets(target_dataset, sizes, seed)
    frozen = layers == "last layer"
    loss = {"eps": eps, "steps": attack_steps, "as_published": as_published, "frozen_trunk": frozen}
    tried = []
    for rate in rates:
        model = new_net(net, images, derived_seed(seed, 3))
        transplant(model, pretrained["weights"])
        if frozen:
            freeze_trunk(model)
        own = checkpoint and checkpoint.with_name(f"{checkpoint.name}.{rate}")
        history = fit(model, images, NETS[net], rate=rate, steps=steps, batch_size=batch_size, loss=loss,
                      seed=derived_seed(seed, 4), device=device, checkpoint=own)  # fmt: skip
        tried.append({
            "weights": weights_of(model),
            "rate": rate,
            "steps": steps,
            "passes": passes(history.images, attack_steps),
            "held-out accuracy": robust_share(model, held_out, eps, seed),
        })  # fmt: skip
    return most_robust(tried)


def scratch(
    seed: int,
    target_dataset: str,
    sizes: Sequence[int],
    rates: Sequence[float],
    net: str,
    steps: int,
    batch_size: int,
    eps: float,
    attack_steps: int,
    device: str,
    looks: int = LOOKS,
    as_published: bool = False,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Adversarial training on the target from random weights, with `looks` looks at held-out images on the way.

    Of several rates, as in tuning, the one that leaves the net most robust on the held-out images counts. Returns the
    weights of the last step and those of the best look, which the test images have no part in choosing.
    """
    images, held_out, _, _ = target_sets(target_dataset, sizes, seed)
    seen = images.take(torch.arange(min(len(images), len(held_out))))
    loss = {"eps": eps, "steps": attack_steps, "as_published": as_published}
    tried = []
    for rate in rates:
        model = new_net(net, images, derived_seed(seed, 5))
        keep, look = watch(held_out, seen, eps, seed, every=-(-steps // looks) if looks else steps)
        own = checkpoint and checkpoint.with_name(f"{checkpoint.name}.{rate}")
        history = fit(model, images, NETS[net], rate=rate, steps=steps, batch_size=batch_size, loss=loss,
                      seed=derived_seed(seed, 6), device=device, hooks=[look], keep=keep, checkpoint=own)  # fmt: skip
        tried.append({
            "weights": weights_of(model),
            "rate": rate,
            "best weights": keep.weights,
            "best step": keep.step,
            "steps": steps,
            "passes": passes(history.images, attack_steps),
            "held-out accuracy": history.last("held-out"),
            "curve": {name: [[step, value] for step, value in points] for name, points in history.values.items()},
        })  # fmt: skip
    return most_robust(tried)


def most_robust(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The run that held-out images speak for; the first of equal ones."""
    return max(tried, key=lambda run: run["held-out accuracy"])


def steps_of_equal_compute(pretrained: dict[str, Any], tuned: dict[str, Any]) -> int:
    """Steps of training from scratch that take as many forward-backward passes as the source's training and tuning."""
    return round((pretrained["passes"] + tuned["passes"]) / tuned["passes"] * tuned["steps"])


def annealed(seed: int, overtrained: dict[str, Any], checkpoint: Path | None = None, **settings: Any) -> dict[str, Any]:
    """`scratch` again, its rate brought down to 0 at the best step of a longer run: early stopping done fairly."""
    return scratch(seed, steps=overtrained["best step"], looks=0, checkpoint=checkpoint, **settings)


def robustness(
    seed: int,
    trained: dict[str, Any],
    weights: str,
    target_dataset: str,
    sizes: Sequence[int],
    net: str,
    eps: float,
    steps: int,
    autoattack_images: int,
    device: str,
) -> dict[str, Any]:
    """Accuracy on the test images, under PGD on the attacked ones with two losses, under AutoAttack on fewer.

    PGD takes steps of eps / 4 (the paper's 2/255). Beside it stands the released code's, which reaches up to 2 eps.
    With 20 steps of PGD go AutoAttack's standard 100 iterations and 5,000 queries.
    """
    model, tests, attacked = restored(seed, trained[weights], target_dataset, sizes, net, device)
    images, labels = to_float(attacked.images), attacked.labels

    def under(purpose: int, reach: float, **settings: Any) -> AttackReport:
        settings |= {"eps": eps, "steps": steps, "step_size": eps / 4, "generator": start(seed, purpose)}
        attack = partial(pgd, **settings)
        return robust_accuracy(model, images, labels, attack, batch_size=ATTACK_BATCH, eps=reach)

    ce, margin = under(1, eps), under(2, eps, loss="margin")
    standing = ce.robust & margin.robust
    return {
        "clean": 1 - error_rate(model, tests.images, tests.labels),
        "PGD, cross-entropy": ce.accuracy,
        "PGD, margin": margin.accuracy,
        "PGD, worst": share(standing),
        "PGD, as published": under(3, 2 * eps, as_published=True).accuracy,
        "flags": flag_names(ce, margin),
        **strongest(model, images[:autoattack_images], labels[:autoattack_images], standing, eps, steps, seed),
    }


def strongest(
    model: nn.Module, images: Tensor, labels: Tensor, standing: Tensor, eps: float, steps: int, seed: int
) -> dict[str, Any]:
    """AutoAttack in its standard version on some images, and which share of the same images PGD left standing."""
    if len(images) == 0:
        return {}
    report = autoattack(model, images, labels, eps=eps, steps=5 * steps, queries=250 * steps, batch_size=ATTACK_BATCH,
                        generator=start(seed, 4))  # fmt: skip
    return {
        "AutoAttack": report.accuracy,
        "PGD, worst, same images": share(standing[: len(images)]),
        "AutoAttack members": report.members,
        "AutoAttack flags": flag_names(report),
    }


def radii(
    seed: int,
    trained: dict[str, Any],
    weights: str,
    target_dataset: str,
    sizes: Sequence[int],
    net: str,
    eps: Sequence[float],
    steps: int,
    device: str,
) -> dict[str, Any]:
    """Robust accuracy against the radius under PGD on the margin, with the flags that the curve raises."""
    model, _, attacked = restored(seed, trained[weights], target_dataset, sizes, net, device)
    attack = partial(pgd, steps=steps, loss="margin", generator=start(seed, 5))
    images = to_float(attacked.images)
    curve = robustness_curve(model, images, attacked.labels, attack, eps, batch_size=ATTACK_BATCH)
    return {"eps": list(curve.values), "accuracy": list(curve.accuracy), "flags": [flag.name for flag in curve.flags]}


def restored(
    seed: int, weights: dict[str, Tensor], dataset: str, sizes: Sequence[int], net: str, device: str
) -> tuple[nn.Module, ImageSet, ImageSet]:
    """The trained net, this seed's test images, and those of them that it attacks."""
    _, _, tests, attacked = target_sets(dataset, sizes, seed)
    model = new_net(net, tests, seed)
    model.load_state_dict(weights)
    return prepare(device).place(model).eval(), tests, attacked


def share(standing: Tensor) -> float:
    """Share of (N,) bool that is true."""
    return standing.double().mean().item()


def flag_names(*reports: AttackReport) -> list[str]:
    """Names of the flags that any of the reports raised."""
    return sorted({flag.name for report in reports for flag in report.flags})
