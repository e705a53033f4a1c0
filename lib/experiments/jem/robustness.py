"""What `5-robustness` measures: what the nets of `2-training` and `3-calibration` withstand, and make of noise.

The nets are handed over as artefacts; two more are trained here, for comparison: one adversarially, one by
cross-entropy on images with much noise. Every arm takes `seed` and returns plain values for that seed. With the seed
vary: all that varies for the nets, the attacked images, the starts of the attacks, the noise of the chains, and the
noise that is pushed.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lib.attacks.autoattack import autoattack
from lib.attacks.harness import Attack, AttackReport, robust_accuracy
from lib.attacks.losses import LossName
from lib.attacks.norms import Norm
from lib.attacks.pgd import pgd
from lib.attacks.transfer import from_source
from lib.experiments.jem.subjects import Division, Protocol, loaded
from lib.experiments.jem.training import Task, accuracies, classify, opened
from lib.methods.adversarial_training import adversarial_loss
from lib.methods.refinement import Refined, push_from_noise
from lib.methods.sgld import Langevin
from lib.training.device import derived_seed

Values = dict[str, Any]

JEM, TWIN, LONG = "JEM", "classifier alone, same steps", "classifier alone, same passes"
NOISY, STRONG = "classifier alone, same data noise", "classifier alone, strong noise"
EARLY, ADVERSARIAL = "classifier alone, stopped early", "adversarially trained"
# row -> its net and the name of the weights in it
ROWS = {
    JEM: ("joint", "weights"),
    TWIN: ("same_steps", "weights"),
    LONG: ("same_passes", "weights"),
    NOISY: ("same_data_noise", "weights"),
    STRONG: ("strong_noise", "weights"),
    EARLY: ("watched", "early weights"),
    ADVERSARIAL: ("adversarial", "weights"),
}
DISTAL = (TWIN, ADVERSARIAL, JEM)  # the paper's rows
NOISE = "uniform noise"
SHOWN_CLASSES = 5
FACTORS = (0.25, 0.5, 1.0, 2.0)  # of the judged radius
NORMS: tuple[Norm, ...] = ("linf", "l2")
STRONG_SIGMA = 0.2  # for images in [-1, 1]; JEM's data have .03
LENGTHS = [0, 1, 10]  # SGLD steps before classifying
COPIES = 4  # of the chain's noise, in attack and verdict
ADVERSARIAL_STEPS = 5  # of PGD in a step of adversarial training
PER_CLASS = 10  # distal images
ATTACK_BATCH = 256


def radii(linf: float, l2: float) -> dict[str, float]:
    """The judged radius in each norm, for images in [0, 1]."""
    return {"linf": linf, "l2": l2}


class Target(NamedTuple):
    """A net and the images it is attacked on."""

    model: nn.Module
    images: Tensor  # (N, C, H, W) in [0, 1]
    labels: Tensor  # (N,)


def strong_noise_net(seed: int, pooled_dataset: str, task: Task, device: str, checkpoint: Path | None = None) -> Values:
    """The twin of as many steps, with noise of `STRONG_SIGMA` on its images: smooth without a density."""
    p, division = opened(pooled_dataset, task, seed)
    net = p.build(division, seed)
    history = classify(p, net, division, p.steps, STRONG_SIGMA, seed, device, checkpoint=checkpoint)
    return trained(net, p, division, seed, history.cpu_seconds)


def adversarial_net(
    seed: int, pooled_dataset: str, task: Task, eps: float, attack_steps: int, device: str,
    checkpoint: Path | None = None,
) -> Values:  # fmt: skip
    """The same net trained on the worst images that PGD finds within eps in Linf: what robustness costs when bought."""
    p, division = opened(pooled_dataset, task, seed)
    net = p.build(division, seed)
    loss = adversarial_loss(eps=eps, steps=attack_steps)
    history = classify(p, net, division, p.steps, 0.0, seed, device, batch_loss=loss, checkpoint=checkpoint)
    return trained(net, p, division, seed, history.cpu_seconds)


def trained(net: nn.Module, p: Protocol, division: Division, seed: int, cpu_seconds: float) -> Values:
    """What an arm that trains returns."""
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    return {**accuracies(net, division, p.data_noise, seed), "weights": weights, "cpu seconds": cpu_seconds}


def target(
    seed: int, pooled_dataset: str, task: Task, net: Task, weights: str, count: int, device: str
) -> tuple[Target, Protocol, Division]:  # fmt: skip
    """The net with its weights, and `count` of this seed's test images, in whose order the seed has its say."""
    p, division = opened(pooled_dataset, task, seed)
    model = loaded(p.build(division, seed), net[weights], device)
    chosen = torch.randperm(len(division.test), generator=torch.Generator().manual_seed(seed))[:count]
    return Target(model, division.test.images[chosen], division.test.labels[chosen]), p, division


def withstood(
    seed: int, pooled_dataset: str, task: Task, net: Task, weights: str, radius: Mapping[str, float], steps: int,
    images: int, autoattack_images: int, autoattack_steps: int, device: str,
) -> Values:  # fmt: skip
    """Accuracy of one net against the radius in both norms, and under AutoAttack at the judged radius on fewer images.

    `radius` is norm -> judged radius for images in [0, 1]; AutoAttack has the authors' settings
    where `autoattack_steps` is 100; its queries are 50 times as many.
    """
    on, _, _ = target(seed, pooled_dataset, task, net, weights, images, device)
    found: Values = {}
    for norm in NORMS:
        reports = [under_pgd(on, radius[norm] * factor, norm, steps, seed) for factor in FACTORS]
        standing = torch.stack([first.robust & second.robust for first, second in reports])  # (R, N)
        # What breaks an image in a small ball does so in a larger one.
        curve = standing.cummin(0).values
        judged = FACTORS.index(1.0)
        found[norm] = {
            "radius over the judged one": list(FACTORS),
            "accuracy": curve.double().mean(1).tolist(),
            "PGD": share(curve[judged]),
            "flags": flag_names(*(report for pair in reports for report in pair)),
            **under_autoattack(on, curve[judged], radius[norm], norm, autoattack_steps, autoattack_images, seed),
        }
        found["clean"] = reports[0][0].clean_accuracy
    return found


def under_pgd(on: Target, eps: float, norm: Norm, steps: int, seed: int) -> list[AttackReport]:
    """PGD from a random start on the cross-entropy, and once more on the margin."""
    losses: tuple[LossName, ...] = ("ce", "margin")
    return [
        robust_accuracy(
            *on,
            partial(pgd, eps=eps, steps=steps, norm=norm, loss=loss, generator=random(on, seed, place)),
            batch_size=ATTACK_BATCH,
            eps=eps,
            norm=norm,
        )
        for place, loss in enumerate(losses)
    ]


def under_autoattack(
    on: Target, standing: Tensor, eps: float, norm: Norm, steps: int, count: int, seed: int
) -> Values:  # fmt: skip
    """AutoAttack's standard version on the first `count` images, and what it breaks of those that PGD left standing."""
    if not count:
        return {}
    report = autoattack(on.model, on.images[:count], on.labels[:count], eps=eps, norm=norm, steps=steps,
                        queries=50 * steps, batch_size=ATTACK_BATCH, generator=random(on, seed, 2))  # fmt: skip
    left = standing[:count].to(report.robust.device)
    return {
        "AutoAttack": report.accuracy,
        "PGD, same images": share(left),
        "AutoAttack adds": share(left & ~report.robust),
        "AutoAttack flags": flag_names(report),
    }


def refined(
    seed: int, pooled_dataset: str, task: Task, net: Task, weights: str, radius: Mapping[str, float],
    lengths: list[int], copies: int, steps: int, images: int, device: str,
) -> Values:  # fmt: skip
    """Accuracy in Linf of a net behind k SGLD steps, for each k, under an attack on each gradient, and the worst."""
    on, p, _ = target(seed, pooled_dataset, task, net, weights, images, device)
    return {f"k = {k}": after_refinement(on, p, k, radius["linf"], steps, copies, seed) for k in lengths}


def after_refinement(on: Target, p: Protocol, k: int, eps: float, steps: int, copies: int, seed: int) -> Values:
    """One k. Without a chain the three attacks are three random starts, so that every k is attacked as often."""
    behind = {through: behind_steps(on, p, k, through, seed) for through in (False, True)}
    climbs = [partial(pgd, eps=eps, steps=steps, loss="margin", generator=random(on, seed, 3 + i)) for i in range(3)]
    attacks: dict[str, tuple[bool, Attack]] = {
        "straight-through": (False, climbs[0]),
        "full gradient": (True, climbs[1]),
        "transfer": (False, from_source(on.model, climbs[2])),
    }
    reports = {
        name: robust_accuracy(behind[through], on.images, on.labels, attack, batch_size=ATTACK_BATCH, eps=eps,
                              samples=copies if k else 1, fold=False)
        for name, (through, attack) in attacks.items()
    }  # fmt: skip
    standing = torch.stack([report.robust for report in reports.values()])
    first = reports["straight-through"]
    better = [name for name, report in reports.items() if report.accuracy < first.accuracy]
    return {
        "clean": first.clean_accuracy,
        **{name: report.accuracy for name, report in reports.items()},
        "worst": share(standing.all(0)),
        "flags": {name: flag_names(report) for name, report in reports.items()}
        | {"straight-through": flag_names(first) + [f"{name} breaks more" for name in better]},
    }


def behind_steps(on: Target, p: Protocol, k: int, through: bool, seed: int) -> Refined:
    """The net behind k steps of the sampler that it was trained with."""
    sampler = Langevin(k, p.sgld_step_size, p.sgld_noise, p.clamp)
    return Refined(on.model, sampler, random(on, seed, 6 + through), through=through)


def distal(
    seed: int, pooled_dataset: str, task: Task, joint: Task, same_steps: Task, adversarial: Task, judge: Task,
    per_class: int, push_steps: int, confidence: float, device: str,
) -> Values:  # fmt: skip
    """Push the same noise towards every class with each of the paper's three nets; ask a judge what the images show.

    A step is a hundredth of the square root of the number of pixels long, in L2.
    """
    nets = {"joint": joint, "same_steps": same_steps, "adversarial": adversarial}
    p, division = opened(pooled_dataset, task, seed)
    kinds = len(division.train.classes)
    generator = torch.Generator().manual_seed(derived_seed(seed, 9))
    noise = torch.rand(per_class * kinds, *division.train.shape, generator=generator).to(device)
    asked = torch.arange(per_class * kinds, device=device) % kinds
    judging = loaded(p.build(division, seed), judge["weights"], device)
    found: Values = {NOISE: {"judge agrees": agreement(judging, noise, asked)}}
    mosaic = {}
    for row in DISTAL:
        model = loaded(p.build(division, seed), nets[ROWS[row][0]]["weights"], device)
        pushed, sure = push_from_noise(model, noise, asked, step_size=0.01 * noise[0].numel() ** 0.5, steps=push_steps,
                                       confidence=confidence)  # fmt: skip
        found[row] = {
            "judge agrees": agreement(judging, pushed, asked),
            "got confident": share(sure >= confidence),
            "distance moved": (pushed - noise).flatten(1).norm(dim=1).mean().item(),
        }
        mosaic[row] = (pushed[:SHOWN_CLASSES] * 255).round().to(torch.uint8).cpu()
    return {"rows": found, "mosaic": mosaic}


def agreement(judge: nn.Module, images: Tensor, asked: Tensor) -> float:
    """Share of the images in which the judge sees the class that was asked for."""
    with torch.no_grad():
        return share(judge(images).argmax(1) == asked)


def viewed(
    seed: int, pooled_dataset: str, task: Task, nets: Mapping[str, Task], radius: Mapping[str, float], device: str, *,
    row: str, factor: float, k: int, count: int = 40,
) -> Values:  # fmt: skip
    """What the interactive view shows: accuracy of a net behind k steps in an Linf ball, some images and attacks."""
    arm, weights = ROWS[row]
    on, p, _ = target(seed, pooled_dataset, task, nets[arm], weights, count, device)
    model, eps = behind_steps(on, p, k, True, seed), radius["linf"] * factor
    attack = partial(pgd, eps=eps, steps=10, loss="margin", generator=random(on, seed, 10))
    report = robust_accuracy(model, on.images, on.labels, attack, batch_size=ATTACK_BATCH, eps=eps,
                             samples=2 if k else 1, fold=False)  # fmt: skip
    pictures = torch.stack([on.images[:8], report.adversarial[:8].cpu()])
    return {
        "clean": report.clean_accuracy,
        "robust": report.accuracy,
        "withstood": report.robust[:8].tolist(),
        "pictures": (pictures * 255).round().to(torch.uint8),
        "eps": eps,
    }


def random(on: Target, seed: int, purpose: int) -> torch.Generator:
    """A stream of random numbers for one purpose, on the net's device."""
    device = next(on.model.parameters()).device
    return torch.Generator(device).manual_seed(derived_seed(seed, 20 + purpose))


def share(true: Tensor) -> float:
    """Share of (N,) bool that is true."""
    return true.double().mean().item()


def flag_names(*reports: AttackReport) -> list[str]:
    """Names of the flags that any of the reports raised."""
    return sorted({flag.name for report in reports for flag in report.flags})
