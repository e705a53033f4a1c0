"""What `5-robustness` measures: the nets of notebook 1 on corrupted, perturbed and attacked test images.

Nothing is trained here. All nets of a seed are asked about the same changed images, so that differences are taken image
by image; with the seed vary the nets, the corruptions' draws and, for a set without a published test part, the images.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lib.attacks.autoattack import autoattack
from lib.attacks.fgsm import fgsm
from lib.attacks.harness import Attack, AttackReport, robust_accuracy
from lib.attacks.losses import LossName
from lib.attacks.pgd import pgd
from lib.attacks.transfer import from_source
from lib.data.corruptions import BENCHMARK, corrupt
from lib.data.image_set import ImageSet, to_float
from lib.data.perturbations import NOISE, PERTURBATIONS, sequence
from lib.experiments.noisy_student.lineages import Plan, Setting
from lib.experiments.noisy_student.self_training import build
from lib.experiments.noisy_student.subjects import draw
from lib.methods.self_training import load_teacher
from lib.metrics.corruption import flip_probability
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import answers, predict

ATTACK_BATCH = 500
Trained = Mapping[str, Any]  # what `self_training.trained` returned


def restored(trained: Trained, plan: Plan, dataset: str, setting: Setting, seed: int, device: str) -> nn.Module:
    """A net of notebook 1 as it was after its training, in eval mode."""
    net = build(plan, draw(setting, seed, dataset), setting)
    return load_teacher(net, trained["weights"]).to(prepare(device).device)


def by_name(student: Trained, supervised: Trained, without_noise: Trained, teacher: Trained) -> dict[str, Trained]:
    """The four nets of a seed under the names that tables and plans have for them."""
    return {"student": student, "supervised": supervised, "without noise": without_noise, "teacher": teacher}


def asked(setting: Setting, seed: int, dataset: str, count: int) -> ImageSet:
    """The first test images, which are in a random order."""
    test = draw(setting, seed, dataset).test
    return test.take(torch.arange(min(count, len(test))))


def under_corruption(
    seed: int,
    student: Trained,
    supervised: Trained,
    without_noise: Trained,
    teacher: Trained,
    plans: Mapping[str, Plan],
    severities: Sequence[int],
    corrupted_images: int,
    dataset: str,
    device: str,
    setting: Setting,
) -> dict[str, Any]:
    """Errors under the fifteen corruptions by severity, of all images and of those that two nets share.

    Args:
        seed: of the run.
        student: and the next three, what `trained` returned for these nets.
        supervised: trained on the labelled images alone, as long as the student.
        without_noise: a student whose unlabelled images got no noise.
        teacher: of both students.
        plans: name of a net -> the last of its lineage.
        severities: of 1 to 5, all of them in the benchmark.
        corrupted_images: how many test images, each under all settings.
        dataset: where the images are from.
        device: to ask the nets on.
        setting: of notebook 1's comparison.

    Returns:
        Name of a net -> "clean accuracy", "errors": corruption -> error for each severity, "shared errors": the same
        over the images that student and supervised net both classify right when clean, and their "shared" share.
    """
    given = by_name(student, supervised, without_noise, teacher)
    nets = {name: restored(own, plans[name], dataset, setting, seed, device) for name, own in given.items()}
    test = asked(setting, seed, dataset, corrupted_images)
    clean = {name: right(net, test.images, test.labels) for name, net in nets.items()}  # (N,) each
    shared = clean["student"] & clean["supervised"]
    errors: dict[str, dict[str, list[float]]] = {name: {} for name in nets}
    shared_errors: dict[str, dict[str, list[float]]] = {name: {} for name in nets}
    for kind in BENCHMARK:
        wrong = {name: [] for name in nets}  # type: dict[str, list[Tensor]]
        for severity in severities:
            changed = corrupt(test.images, kind, severity, draws(seed, kind, severity))
            for name, net in nets.items():
                wrong[name].append(~right(net, changed, test.labels))
        for name, by_severity in wrong.items():
            errors[name][kind] = [share(each) for each in by_severity]
            shared_errors[name][kind] = [share(each[shared]) for each in by_severity]
    return {
        name: {
            "clean accuracy": share(clean[name]),
            "errors": errors[name],
            "shared errors": shared_errors[name],
            "shared": share(shared),
        }
        for name in nets
    }


def draws(seed: int, kind: str, severity: int) -> torch.Generator:
    """The source of a corruption's randomness: one for each setting of each seed, on the CPU everywhere."""
    return torch.Generator().manual_seed(derived_seed(seed, 100 + 5 * BENCHMARK.index(kind) + severity))


def right(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which of (N, C, H, W) images the net classifies right, (N,)."""
    return answers(predict(net, to_float(images))) == labels


def share(rows: Tensor) -> float:
    """The mean of (N,) yes and no; 0 of none, where two nets share no image."""
    return rows.double().mean().item() if len(rows) else 0.0


def under_perturbation(
    seed: int,
    student: Trained,
    supervised: Trained,
    without_noise: Trained,
    teacher: Trained,
    plans: Mapping[str, Plan],
    sequence_images: int,
    dataset: str,
    device: str,
    setting: Setting,
) -> dict[str, Any]:
    """How often answers change along sequences of slightly perturbed images: net -> "flips": perturbation -> share.

    Args: as `under_corruption`; `sequence_images` test images, each in every sequence.
    """
    given = by_name(student, supervised, without_noise, teacher)
    nets = {name: restored(own, plans[name], dataset, setting, seed, device) for name, own in given.items()}
    test = asked(setting, seed, dataset, sequence_images)
    flips: dict[str, dict[str, float]] = {name: {} for name in nets}
    for place, kind in enumerate(PERTURBATIONS):
        generator = torch.Generator().manual_seed(derived_seed(seed, 200 + place))
        said: dict[str, list[Tensor]] = {name: [] for name in nets}
        for frame in sequence(test.images, kind, generator):
            for name, net in nets.items():
                said[name].append(answers(predict(net, frame)))  # (N,)
        for name, frames in said.items():
            reference = "first" if kind in NOISE else "previous"
            flips[name][kind] = flip_probability(torch.stack(frames, 1).numpy(), reference=reference)  # type: ignore[arg-type]
    return {name: {"flips": own} for name, own in flips.items()}


def attacked(
    seed: int,
    trained: Trained,
    other: Trained,
    plans: Sequence[Plan],
    radii: Sequence[float],
    attack_steps: int,
    attacked_images: int,
    autoattack_images: int,
    dataset: str,
    device: str,
    setting: Setting,
) -> dict[str, Any]:
    """A net under FGSM and PGD over radii, with what tells whether its gradients hide something.

    Args:
        seed: of the run.
        trained: the net that is attacked.
        other: a net whose adversarial images are tried on it.
        plans: of the two.
        radii: radii on the scale of 0 to 255, rising.
        attack_steps: of PGD, each a quarter of the radius.
        attacked_images: test images.
        autoattack_images: the first so many of them also meet AutoAttack at the smallest radius; 0 for none.
        dataset: where the images are from.
        device: to attack on.
        setting: of notebook 1's comparison.

    Returns:
        "fgsm": radius as text -> accuracy; "pgd" with "cross-entropy", "margin" and "transferred": likewise; "flags":
        names of the signs that a number may be too high; with AutoAttack "autoattack": its accuracy.
    """
    net = restored(trained, plans[0], dataset, setting, seed, device)
    source = restored(other, plans[1], dataset, setting, seed, device)
    test = asked(setting, seed, dataset, attacked_images)
    images, labels = to_float(test.images), test.labels

    def under(attack: Attack, level: float) -> AttackReport:
        return robust_accuracy(net, images, labels, attack, batch_size=ATTACK_BATCH, eps=level / 255)

    def climbing(purpose: int, level: float, loss: LossName = "ce") -> partial[Tensor]:
        start = torch.Generator(prepare(device).device).manual_seed(derived_seed(seed, purpose))
        eps = level / 255
        return partial(pgd, eps=eps, steps=attack_steps, step_size=eps / 4, loss=loss, generator=start)

    single = [under(partial(fgsm, eps=level / 255), level) for level in radii]
    climbed = [under(climbing(301, level), level) for level in radii]
    margin = [under(climbing(302, level, "margin"), level) for level in radii]
    carried = [under(from_source(source, climbing(303, level)), level) for level in radii]
    reports = [*single, *climbed, *margin]
    return {
        "clean accuracy": single[0].clean_accuracy,
        "fgsm": by_level(radii, single),
        "pgd": {
            "cross-entropy": by_level(radii, climbed),
            "margin": by_level(radii, margin),
            "transferred": by_level(radii, carried),
        },
        "flags": sorted({flag.name for report in reports for flag in report.flags}),
        **strongest(net, images[:autoattack_images], labels[:autoattack_images], radii[0], attack_steps, seed, device),
    }


def by_level(levels: Sequence[float], reports: Sequence[AttackReport]) -> dict[str, float]:
    """Radius as text -> accuracy."""
    return {f"{level:g}": report.accuracy for level, report in zip(levels, reports, strict=True)}


def strongest(
    net: nn.Module, images: Tensor, labels: Tensor, level: float, steps: int, seed: int, device: str
) -> dict[str, float]:
    """AutoAttack's standard version on some images: with ten steps of PGD go its own hundred and 5,000 queries."""
    if len(images) == 0:
        return {}
    start = torch.Generator(prepare(device).device).manual_seed(derived_seed(seed, 304))
    report = autoattack(net, images, labels, eps=level / 255, steps=steps**2, queries=50 * steps**2,
                        batch_size=ATTACK_BATCH, generator=start)  # fmt: skip
    return {"autoattack": report.accuracy}


def pictured(
    seed: int,
    student: Trained,
    supervised: Trained,
    plans: Sequence[Plan],
    severities: Sequence[int],
    pictured_images: int,
    dataset: str,
    device: str,
    setting: Setting,
) -> dict[str, Any]:
    """A few test images under every corruption at every severity, with what both nets answer and how sure they are.

    Returns:
        "classes": names; "severities"; "labels" (N,); "images": corruption -> (S, N, C, H, W) uint8; "answers" and
        "confidence": net -> corruption -> (S, N).
    """
    nets = {
        "student": restored(student, plans[0], dataset, setting, seed, device),
        "supervised": restored(supervised, plans[1], dataset, setting, seed, device),
    }
    test = asked(setting, seed, dataset, pictured_images)
    images = (255 * to_float(test.images)).round().to(torch.uint8)
    changed = {
        kind: torch.stack([corrupt(images, kind, severity, draws(seed, kind, severity)) for severity in severities])
        for kind in BENCHMARK
    }
    told = {
        name: {kind: [predict(net, to_float(each)).softmax(1).max(1) for each in changed[kind]] for kind in BENCHMARK}
        for name, net in nets.items()
    }
    return {
        "classes": list(test.classes),
        "severities": list(severities),
        "labels": test.labels,
        "images": changed,
        "answers": {n: {k: torch.stack([t.indices for t in of]) for k, of in own.items()} for n, own in told.items()},
        "confidence": {n: {k: torch.stack([t.values for t in of]) for k, of in own.items()} for n, own in told.items()},
    }
