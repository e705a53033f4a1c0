"""What `4-unlabelled-data` measures: students of one teacher that see more or less of the pool, in other ways.

Teacher, supervised nets and the student of the whole pool are those of notebook 1, by the same calls. What stands here
are students on a part of the pool, students that begin with weights of another net, and the two trainings in a row that
joint training is compared with. All of a seed share labelled and test images, pool and the teacher's labels.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.experiments.noisy_student.lineages import Plan, Setting, batch_images
from lib.experiments.noisy_student.self_training import Labels, Task, at_least, build, tested
from lib.experiments.noisy_student.subjects import NETS, draw
from lib.methods.self_training import joint_loss, load_teacher
from lib.models.count import parameter_count
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import predict
from lib.training.loop import train
from lib.training.schedules import linear

Trained = dict[str, Any]  # what an arm here or `self_training.trained` returned


def part_of_pool(count: int, share: float, seed: int) -> Tensor:
    """Places (max(1, round(share * count)),) of a pool of `count` images; a smaller share is part of a larger one."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(derived_seed(seed, 4)))
    return order[: max(1, round(share * count))]


def student(
    seed: int,
    name: str,
    plan: Plan,
    labels: Labels,
    dataset: str,
    device: str,
    setting: Setting,
    start: Trained | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Joint training on the labelled images and a share of the pool, from fresh weights or from those of `start`.

    Args:
        seed: of the run.
        name: for the table of costs.
        plan: net, steps; `share` of the pool, all of it by default.
        labels: the teacher's, as `self_training.labelled_by` returned them.
        dataset: of all images.
        device: to train on.
        setting: of the comparison; its batches are the ratio.
        start: a trained net of the same size.
        checkpoint: to go on from.

    Returns:
        The weights, accuracy and calibration on test images; of the part of the pool "chosen", how many images it has,
        and "label accuracy", the share of right labels: as a student of `self_training`.
    """
    task, net = begun(seed, plan, labels, dataset, device, setting, start, checkpoint)
    pool, soft = task.data.pool, task.teachers_labels("pool")
    places = part_of_pool(len(soft), plan.get("share", 1.0), seed)
    images, told, size = pool.images[places], soft[places], setting["unlabelled_batch"]
    task.fit(net, at_least(size, images), at_least(size, told), size, fingerprint=f"{plan} {setting}",
             batch_loss=joint_loss(task.labelled_batches(), task.noise))  # fmt: skip
    right = (told.argmax(dim=1) == pool.labels[places]).double().mean().item()
    return outcome(net, task) | {"label accuracy": right, "chosen": float(len(places))}


def pretrained(
    seed: int,
    name: str,
    plan: Plan,
    labels: Labels,
    dataset: str,
    device: str,
    setting: Setting,
    checkpoint: Path | None = None,
) -> Trained:
    """Pseudo-labelled images alone, as many a step as a student sees of both kinds. Arguments as those of `student`."""
    task, net = begun(seed, plan, labels, dataset, device, setting, None, checkpoint)
    size = batch_images(setting)
    images, told = task.data.pool.images, task.teachers_labels("pool")
    task.fit(net, at_least(size, images), at_least(size, told), size, augment=task.noise,
             fingerprint=f"{plan} {setting}")  # fmt: skip
    return outcome(net, task)


def continued(
    seed: int,
    name: str,
    plan: Plan,
    start: Trained,
    dataset: str,
    device: str,
    setting: Setting,
    checkpoint: Path | None = None,
) -> Trained:
    """Train a net on with labelled images alone: a fine-tuning, or a teacher that goes on.

    Args:
        seed: of the run.
        name: for the table of costs.
        plan: net and steps; `rate`, times the learning rate of a training from fresh weights.
        start: the trained net.
        dataset: of all images.
        device: to train on.
        setting: of the comparison.
        checkpoint: to go on from.

    Returns:
        As `student` of the net, and "right on the pool": its accuracy there by the true labels, which no student knows,
        to choose a rate by.
    """
    task, net = begun(seed, plan, None, dataset, device, setting, start, checkpoint)
    size, steps, labelled = batch_images(setting), plan["steps"], task.data.labelled
    optimiser = NETS[plan["net"]].optimiser(net, size)
    for group in optimiser.param_groups:
        group["lr"] *= plan["rate"]
    train(net, at_least(size, labelled.images), at_least(size, labelled.labels), steps=steps, batch_size=size,
          drop_last=True, optimiser=optimiser, schedule=linear(steps), augment=task.noise, seed=task.seed,
          compute=prepare(device), checkpoint=checkpoint, fingerprint=f"{plan} {setting}")  # fmt: skip
    answers = predict(net, task.data.pool.images).argmax(dim=1).cpu()
    right = (answers == task.data.pool.labels).double().mean().item()
    return outcome(net, task) | {"right on the pool": right}


def begun(
    seed: int,
    plan: Plan,
    labels: Labels | None,
    dataset: str,
    device: str,
    setting: Setting,
    start: Trained | None,
    checkpoint: Path | None = None,
) -> tuple[Task, nn.Module]:
    """The training of a net after its teacher, and the net: fresh weights of the seed, or those of `start`."""
    task = Task([{}, plan], labels, draw(setting, seed, dataset), setting, seed, device, checkpoint)
    torch.manual_seed(task.seed)
    net = build(plan, task.data, setting)
    return task, load_teacher(net, start["weights"]) if start else net


def outcome(net: nn.Module, task: Task) -> Trained:
    """What every arm here returns of its net."""
    return {"weights": net.state_dict(), "parameters": parameter_count(net), **tested(net, task.data.test)}
