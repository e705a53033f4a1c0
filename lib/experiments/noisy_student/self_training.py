"""What `1-self-training` measures: nets that learn from the net before them.

Every net is an artefact, and so are the labels it gives, which its students take as an argument; a run that was stopped
in some round goes on in that round. With the seed vary: which images are labelled, initial weights, order, noise; and,
for a set without a published test part, the test images.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.experiments.noisy_student.lineages import Lineage, Plan, Setting, batch_images
from lib.experiments.noisy_student.subjects import NETS, NOISES, Data, draw
from lib.methods.self_training import (
    MissingTeacher,
    balance_as_coded,
    balance_as_published,
    check_teacher,
    confident,
    consistency_loss,
    joint_loss,
    load_teacher,
    pseudo_labels,
)
from lib.metrics.calibration import (
    calibration_error,
    calibration_noise_floor,
    reliability_curve,
    signed_confidence_error,
)
from lib.metrics.classification import accuracy, confidence_and_correct, nll_from_logits, softmax
from lib.models.count import parameter_count
from lib.training.batches import Batches
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import predict
from lib.training.loop import train
from lib.training.schedules import linear

SURE = 0.95  # a net that labels for itself does so above this probability, as in FixMatch

# Which images of the pool a student sees, from the teacher's probabilities (N, K): places (n,), some perhaps twice.
SELECTIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "all": lambda p, g: torch.arange(len(p)),
    "published": lambda p, g: (kept := confident(p))[balance_as_published(p[kept], len(p) // p.shape[1], g)],
    "code": lambda p, g: balance_as_coded(p, len(p) // p.shape[1], g),
}


Labels = dict[str, Tensor]  # what a teacher says about the "pool" (N, K) and about the "labelled" images (n, K)


class Task(NamedTuple):
    """One training: the last of a lineage, on which images, with which seed, where."""

    lineage: Lineage
    labels: Labels | None  # of the teacher
    data: Data
    setting: Setting
    run_seed: int
    device: str
    checkpoint: Path | None

    @property
    def plan(self) -> Plan:
        """The training itself."""
        return self.lineage[-1]

    @property
    def seed(self) -> int:
        """Every round has initial weights, order and noise of its own."""
        return derived_seed(self.run_seed, len(self.lineage))

    def teachers_labels(self, kind: str) -> Tensor:
        """Soft labels for the images of the "pool" (N, K) or for the "labelled" ones (n, K).

        Raises:
            MissingTeacher: there is no net before the last one of the lineage.
        """
        if self.labels is None:
            raise MissingTeacher(
                "no teacher: found a student without ancestors; put the teacher before it in its lineage"
            )
        return self.labels[kind]

    def noise(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The input noise of this comparison: (B, C, H, W) -> the same shape."""
        return NOISES[self.setting["noise"]](images, generator)

    def labelled_batches(self) -> Batches:
        """The labelled images that accompany each batch of unlabelled ones, always as many."""
        labelled, size = self.data.labelled, self.setting["labelled_batch"]
        images, labels = at_least(size, labelled.images), at_least(size, labelled.labels)
        return Batches(images, labels, size, self.seed, prepare(self.device).device, drop_last=True)

    def fit(self, net: nn.Module, images: Tensor, labels: Tensor, batch_size: int, **how: Any) -> None:
        """Train, every batch full; the learning rate rises over a tenth of the steps and falls to 0 at the last."""
        steps, optimiser = self.plan["steps"], NETS[self.plan["net"]].optimiser(net, batch_images(self.setting))
        train(net, images, labels, steps=steps, batch_size=batch_size, drop_last=True, optimiser=optimiser,
              schedule=linear(steps), seed=self.seed, compute=prepare(self.device), checkpoint=self.checkpoint,
              **how)  # fmt: skip


def supervised(net: nn.Module, task: Task) -> dict[str, float]:
    """Labelled images alone, with the noise and the batch of a student. Algorithm 1, step 1."""
    labelled, size = task.data.labelled, batch_images(task.setting)
    task.fit(net, at_least(size, labelled.images), at_least(size, labelled.labels), size, augment=task.noise)
    return {}


def student(net: nn.Module, task: Task) -> dict[str, float]:
    """Take the teacher's labels, choose from the pool, and train on both. Algorithm 1, step 3.

    Returns the share of right pseudo-labels among the chosen images, and how many there are.
    """
    plan, pool = task.plan, task.data.pool
    soft = task.teachers_labels("pool")  # (N, K)
    generator = torch.Generator().manual_seed(derived_seed(task.seed, 2))
    chosen = SELECTIONS[plan.get("selection", "all")](soft, generator)
    answers = soft.argmax(dim=1)  # (N,)
    targets = {"soft": soft, "hard": answers}[plan.get("labels", "soft")]
    how = {"noise_on_unlabelled": plan.get("noise", True), "weighting": plan.get("weighting", "text")}
    loss = joint_loss(task.labelled_batches(), task.noise, **how)
    task.fit(net, pool.images[chosen], targets[chosen], task.setting["unlabelled_batch"], batch_loss=loss)
    return {"label accuracy": (answers == pool.labels)[chosen].double().mean().item(), "chosen": float(len(chosen))}


def consistency(net: nn.Module, task: Task) -> dict[str, float]:
    """No teacher: the net labels for itself while it learns, in the manner of FixMatch.

    Returns the share of the pool that it is sure enough of at the end to label: where that is small it learnt from the
    labelled images alone.
    """
    pool = task.data.pool.images
    unread = torch.zeros(len(pool), dtype=torch.int64)
    loss = consistency_loss(task.labelled_batches(), task.noise, threshold=SURE)
    task.fit(net, pool, unread, task.setting["unlabelled_batch"], batch_loss=loss)
    return {"sure of": len(confident(pseudo_labels(net, pool), SURE)) / len(pool)}


def distillation(net: nn.Module, task: Task) -> dict[str, float]:
    """The teacher's soft labels, but on the labelled images alone: knowledge distillation (Hinton et al. 2015)."""
    targets, size = task.teachers_labels("labelled"), batch_images(task.setting)
    images = task.data.labelled.images
    task.fit(net, at_least(size, images), at_least(size, targets), size, augment=task.noise)
    return {}


def at_least(count: int, rows: Tensor) -> Tensor:
    """The rows, repeated where there are fewer than a batch of them."""
    return torch.cat([rows] * -(-count // len(rows)))


METHODS = {"supervised": supervised, "student": student, "consistency": consistency, "distillation": distillation}


def trained(
    seed: int,
    name: str,
    lineage: Lineage,
    labels: Labels | None,
    dataset: str,
    device: str,
    setting: Setting,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train the last net of a lineage with the labels that the net before it gave, and test it.

    `name` is the title of the lineage, for the table of costs. Returns the weights and what was measured.
    """
    data = draw(setting, seed, dataset)
    task = Task(lineage, labels, data, setting, seed, device, checkpoint)
    torch.manual_seed(task.seed)
    net = build(task.plan, data, setting)
    method = METHODS[task.plan.get("method", "student" if lineage[:-1] else "supervised")]
    told = method(net, task)
    return {"weights": net.state_dict(), "parameters": parameter_count(net), **told, **tested(net, data.test)}


def labelled_by(seed: int, teacher: dict[str, Any], plan: Plan, dataset: str, device: str, setting: Setting) -> Labels:
    """What a trained net says about the images as they are: the labels of its students, soft, (N, K).

    Args:
        seed: of the run.
        teacher: what `trained` returned.
        plan: the last of its lineage.
        dataset: where the images are from.
        device: to label on.
        setting: of the comparison.

    Raises:
        ChanceTeacher: the net is not twice as good as chance on the labelled images.
    """
    data = draw(setting, seed, dataset)
    net = load_teacher(build(plan, data, setting), teacher["weights"]).to(device)
    check_teacher(net, data.labelled.images, data.labelled.labels)
    return {name: pseudo_labels(net, getattr(data, name).images) for name in ("pool", "labelled")}


def build(plan: Plan, data: Data, setting: Setting) -> nn.Module:
    """The net of a plan with fresh weights."""
    return NETS[plan["net"]].build(data.labelled.shape, len(data.labelled.classes), dropout=setting["dropout"])


def tested(net: nn.Module, test: ImageSet) -> dict[str, Any]:
    """Accuracy and calibration on the test images: fractions, nats, and the bins of the reliability diagram."""
    logits = predict(net, test.images).cpu().numpy()
    confidence, correct = confidence_and_correct(softmax(logits), test.labels.numpy())
    curve = reliability_curve(confidence, correct, bins=10)
    return {
        "accuracy": accuracy(logits, test.labels.numpy()),
        "nll": nll_from_logits(logits, test.labels.numpy()),
        "calibration error": calibration_error(confidence, correct),
        "calibration noise floor": calibration_noise_floor(confidence),
        "confidence - accuracy": signed_confidence_error(confidence, correct),
        "reliability": {name: getattr(curve, name).tolist() for name in ("confidence", "accuracy", "size")},
    }
