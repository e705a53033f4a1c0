"""What `2-noise` measures: students of one teacher that lack some kind of noise, and what their losses do meanwhile.

All nets of a seed share their images, students also initial weights, order and teacher. A student differs from
another in what noise its unlabelled images get, or in how the teacher labelled them. Every net is an artefact.
"""

from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from lib.data.randaugment import CONVENTIONS, as_bytes, one_operation, randaugment
from lib.experiments.noisy_student import subjects
from lib.experiments.noisy_student.lineages import Plan, Setting, batch_images
from lib.experiments.noisy_student.self_training import Labels, Task, tested
from lib.experiments.noisy_student.self_training import supervised as on_labelled_images
from lib.experiments.noisy_student.subjects import Data, draw
from lib.methods.self_training import check_teacher, load_teacher, pseudo_labels
from lib.methods.student_noise import divergence, noised_loss, noised_pseudo_labels
from lib.metrics.classification import accuracy
from lib.models.count import parameter_count
from lib.models.small_resnet import small_resnet
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate, predict
from lib.training.loop import Augment, train
from lib.training.recipe import Recipe, Shape
from lib.training.schedules import linear


class NoiseSetting(Setting):
    """What all nets of the page share: `noise` is the weak augmentation, which comes behind RandAugment."""

    operations: int  # RandAugment's operations on each image; 0 is none
    magnitude: float
    convention: str  # what a magnitude means: key of `CONVENTIONS`
    stochastic_depth: float  # probability of dropping the last branch


class Lengthened(TypedDict):
    """Mean losses over equal stretches of a training: share of the steps at its end, on labelled, on unlabelled."""

    share: list[float]
    labelled: list[float]
    unlabelled: list[float]


def residual(*widths: int) -> Recipe:
    """A small net with two branches that can be dropped, for one CPU core."""

    def build(shape: Shape, classes: int, dropout: float = 0.0, stochastic_depth: float = 0.0) -> nn.Module:
        strides = (2, 2, 2) if shape[-1] >= 28 else (1, 2, 1)  # down to 4x4
        return small_resnet(
            classes, widths, shape[0], strides=strides, dropout=dropout, stochastic_depth=stochastic_depth
        )

    return Recipe(build)


NETS = {
    "XXS with skips": residual(8, 16, 32),
    "S with skips": residual(24, 48, 96),
    **{name: subjects.NETS[name] for name in ("WRN-28-2", "fast-16", "fast-32", "fast-64")},
}
READ = 500  # test images on which RandAugment's operations are tried
STRETCHES = 8  # in how many parts of a training its losses are averaged


def input_noise(setting: NoiseSetting, strong: bool = True) -> Augment:
    """The augmentation: RandAugment, then shift or crop and flip; without the first where it is not `strong`."""
    weak = subjects.NOISES[setting["noise"]]
    if not strong or not setting["operations"]:
        return weak

    def strong_then_weak(images: Tensor, generator: torch.Generator) -> Tensor:
        drawn = randaugment(
            images, generator, operations=setting["operations"], magnitude=setting["magnitude"],
            convention=setting["convention"],
        )  # fmt: skip
        return weak(drawn, generator)

    return strong_then_weak


def build(plan: Plan, data: Data, setting: NoiseSetting) -> nn.Module:
    """The net of a plan with fresh weights; the nets of notebook 1 have a stochastic depth of their own."""
    name, how = plan["net"], {"dropout": setting["dropout"]}
    if name not in subjects.NETS:
        how["stochastic_depth"] = setting["stochastic_depth"]
    return NETS[name].build(data.labelled.shape, len(data.labelled.classes), **how)


class NoiseTask(Task):
    """One training of this page: other nets and another augmentation than those of notebook 1, the rest as there."""

    def noise(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The augmentation of the plan: (B, C, H, W) -> the same shape."""
        return input_noise(self.setting, self.plan.get("strong", True))(images, generator)  # type: ignore[arg-type]

    def fit(self, net: nn.Module, images: Tensor, labels: Tensor, batch_size: int, **how: Any) -> None:
        """Train, every batch full; the learning rate rises over a tenth of the steps and falls to 0 at the last."""
        steps, optimiser = self.plan["steps"], NETS[self.plan["net"]].optimiser(net, batch_images(self.setting))
        train(net, images, labels, steps=steps, batch_size=batch_size, drop_last=True, optimiser=optimiser,
              schedule=linear(steps), seed=self.seed, compute=prepare(self.device), checkpoint=self.checkpoint,
              fingerprint=f"{self.plan} {self.setting}", **how)  # fmt: skip


class Losses:
    """Mean losses on labelled and on unlabelled images, step by step; they survive an interruption."""

    def __init__(self, steps: int, device: torch.device) -> None:
        """None is noted yet."""
        self.values = torch.zeros(steps, 2, device=device)

    def note(self, step: int, labelled: Tensor, unlabelled: Tensor) -> None:
        """Note the losses of a step, from 0: scalars, not read here."""
        self.values[step] = torch.stack([labelled, unlabelled]).float()

    def stretches(self) -> Lengthened:
        """Their means over equal stretches of the training, at most `STRETCHES`."""
        parts = self.values.cpu().double().tensor_split(min(STRETCHES, len(self.values)))
        means = torch.stack([part.mean(dim=0) for part in parts])  # (stretches, 2)
        shares = [(number + 1) / len(parts) for number in range(len(parts))]
        return {"share": shares, "labelled": means[:, 0].tolist(), "unlabelled": means[:, 1].tolist()}

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"values": self.values}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.values.copy_(state["values"])


def supervised(
    seed: int, name: str, plan: Plan, dataset: str, device: str, setting: NoiseSetting, checkpoint: Path | None = None
) -> dict[str, Any]:
    """A net of labelled images alone: the teacher, and the control of its students. `name` is for the table of costs.

    Returns the weights and what was measured.
    """
    data = draw(setting, seed, dataset)
    task = NoiseTask([plan], None, data, setting, seed, device, checkpoint)
    torch.manual_seed(task.seed)
    net = build(plan, data, setting)
    on_labelled_images(net, task)
    return {"weights": net.state_dict(), "parameters": parameter_count(net), **tested(net, data.test)}


def student(
    seed: int,
    name: str,
    plan: Plan,
    teacher: dict[str, Any],
    labels: Labels,
    dataset: str,
    device: str,
    setting: NoiseSetting,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """A student from fresh weights, with what noise its plan leaves it.

    Args:
        seed: of the run.
        name: for the table of costs.
        plan: net, steps; `without` some kinds of noise, `everywhere` also on labelled images.
        teacher: what `supervised` returned.
        labels: what `labelled_by` returned.
        dataset: where the images are from.
        device: to train on.
        setting: of the page.
        checkpoint: to go on from.

    Returns:
        The weights, accuracy and calibration on test images, losses over the training, and the distance to the teacher
        on the pool and on test images, in nats.
    """
    data = draw(setting, seed, dataset)
    task = NoiseTask([{}, plan], labels, data, setting, seed, device, checkpoint)
    torch.manual_seed(task.seed)
    net = build(plan, data, setting)
    losses = Losses(plan["steps"], prepare(device).device)
    lacking = {"without": plan.get("without", ()), "everywhere": plan.get("everywhere", False)}
    loss = noised_loss(task.labelled_batches(), task.noise, note=losses.note, **lacking)
    soft = task.teachers_labels("pool")  # (N, K)
    task.fit(net, data.pool.images, soft, setting["unlabelled_batch"], batch_loss=loss, stateful={"losses": losses})
    told = {"label accuracy": accuracy(soft.numpy(), data.pool.labels.numpy()), "losses": losses.stretches()}
    distances = distance_to_teacher(net, load_teacher(build(plan, data, setting), teacher["weights"]), data)
    return {"weights": net.state_dict(), "parameters": parameter_count(net), **told, "distance": distances,
            **tested(net, data.test)}  # fmt: skip


def distance_to_teacher(net: nn.Module, teacher: nn.Module, data: Data) -> dict[str, float]:
    """Mean KL divergence of a student from its teacher, in eval mode on clean images: on the pool, on test images."""
    teacher.to(next(net.parameters()).device)
    sets = {"pool": data.pool.images[: len(data.test)], "test": data.test.images}
    return {
        name: divergence(pseudo_labels(teacher, images).cpu(), predict(net, images).cpu())
        for name, images in sets.items()
    }


def labelled_by(
    seed: int, teacher: dict[str, Any], plan: Plan, noised: bool, dataset: str, device: str, setting: NoiseSetting
) -> Labels:
    """Soft labels (N, K) of a teacher for the pool, as its students take them: of clean images, or with all its noise.

    Raises:
        ChanceTeacher: the teacher knows little more than which class is the commonest.
    """
    data = draw(setting, seed, dataset)
    net = load_teacher(build(plan, data, setting), teacher["weights"]).to(prepare(device).device)
    check_teacher(net, data.labelled.images, data.labelled.labels)
    if not noised:
        return {"pool": pseudo_labels(net, data.pool.images)}
    augment = input_noise(setting)
    return {"pool": noised_pseudo_labels(net, data.pool.images, augment, derived_seed(seed, 7)).cpu()}


def labels_worth(seed: int, labels: Labels, dataset: str, setting: NoiseSetting) -> dict[str, float]:
    """Share of right labels, mean confidence and entropy in nats of what a teacher says about the pool."""
    soft = labels["pool"].double()  # (N, K)
    right = (soft.argmax(1) == draw(setting, seed, dataset).pool.labels).double().mean().item()
    entropy = torch.special.entr(soft).sum(1).mean().item()
    return {"right": right, "confidence": soft.amax(1).mean().item(), "entropy": entropy}


def read_under(
    seed: int,
    teacher: dict[str, Any],
    plan: Plan,
    magnitudes: dict[str, list[float]],
    dataset: str,
    device: str,
    setting: NoiseSetting,
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """How much each operation changes test images, and how many of them the teacher still reads.

    Args:
        seed: of the run.
        teacher: what `supervised` returned.
        plan: of the teacher.
        magnitudes: convention -> magnitudes.
        dataset: where they are from.
        device: to read on.
        setting: of the page.

    Returns:
        Convention -> magnitude -> operation -> change (mean absolute, as a share of the range) and accuracy.
    """
    tests = draw(setting, seed, dataset).test
    images, answers = tests.images[:READ], tests.labels[:READ]
    net = load_teacher(build(plan, draw(setting, seed, dataset), setting), teacher["weights"])
    net = net.to(prepare(device).device)

    def read(name: str, magnitude: float, convention: str) -> dict[str, float]:
        generator = torch.Generator().manual_seed(derived_seed(seed, 8))
        changed = one_operation(images, name, magnitude, convention, generator)
        change = (as_bytes(changed).double() - as_bytes(images).double()).abs().mean().item() / 255
        return {"change": change, "accuracy": 1 - error_rate(net, changed, answers)}

    return {
        convention: {
            f"{magnitude:g}": {name: read(name, magnitude, convention) for name in CONVENTIONS[convention].ranges}
            for magnitude in at
        }
        for convention, at in magnitudes.items()
    }
