"""Robust accuracy under PGD and AutoAttack against torchattacks, foolbox and ART, each called as its users call it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.compare import OURS, Disagreement, Row, Side, peer
from benchmarks.nets import DIGITS, Subject
from lib.attacks.autoattack import autoattack
from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd

BATCH, STEPS = 100, 20
ROUNDS = 3
IMAGES_OF_PGD, IMAGES_OF_SHORT_AUTOATTACK, IMAGES_OF_FULL_AUTOATTACK = 1500, 100, 1000
CLASSES = 10
TOLERATED = 0.003  # as a fraction of the images; for fewer than 333 of them, one image
STANDARD_STEPS, STEPS_OF_TORCHATTACKS, QUERIES = 100, 10, 5000

USUAL_RADIUS = 8 / 255
PGD_GOALS = {"plain": 3.0, "adversarial": 1.5}


@dataclass(frozen=True)
class Task:
    """Images (N, C, H, W) in [0, 1] and labels (N,)."""

    images: Tensor
    labels: Tensor
    batch: int = BATCH

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Mini-batches, of the same size for all."""
        return zip(self.images.split(self.batch), self.labels.split(self.batch), strict=True)


@dataclass(frozen=True)
class Target:
    """Which net is attacked, within which radius."""

    subject: Subject
    kind: str
    radius: float | None = None  # None: where PGD leaves between 20 and 80 % of the images

    def net(self) -> nn.Module:
        """The trained net."""
        return self.subject.trained(self.kind)

    @property
    def eps(self) -> float:
        """The radius in the maximum norm."""
        return self.radius or self.subject.recipes[self.kind].eps

    @property
    def step_size(self) -> float:
        """Madry et al.'s 2.5 eps / steps."""
        return 2.5 * self.eps / STEPS


def rows(subject: Subject) -> dict[str, Callable[[int], Row]]:
    """The rows of this file by their keys, each made when it is its turn, its counts divided by a number."""
    plain, adversarial = Target(subject, "plain"), Target(subject, "adversarial")
    # The speed depends on how soon images fall, so the normally trained net is attacked at two radii: at the usual
    # one, where it keeps nothing, and at one where the strengths of the attacks can be told apart.
    usual = Target(subject, "plain", USUAL_RADIUS)
    # All of AutoAttack's steps on a thousand images take hours on CIFAR-10 and minutes on digits.
    digits = {kind: Target(DIGITS, kind) for kind in ("plain", "adversarial")}
    return {
        "pgd-plain": partial(pgd_row, usual, "pgd-plain"),
        "pgd-plain-small": partial(pgd_row, plain, "pgd-plain-small"),
        "pgd-adversarial": partial(pgd_row, adversarial, "pgd-adversarial"),
        "autoattack-short": partial(short_autoattack_row, adversarial),
        "autoattack-plain": partial(full_autoattack_row, digits["plain"]),
        "autoattack-adversarial": partial(full_autoattack_row, digits["adversarial"]),
    }


def pgd_row(target: Target, key: str, divide: int) -> Row:
    """PGD from a random start, each round on other images."""
    images, labels = target.subject.attacked_images(IMAGES_OF_PGD // divide)
    chunks = [Task(*pair) for pair in zip(images.chunk(ROUNDS), labels.chunk(ROUNDS), strict=True)]
    sides = {OURS: our_pgd, "torchattacks": torchattacks_pgd, "foolbox": foolbox_pgd, "ART": art_pgd}
    return Row(
        key=key,
        measure=f"PGD-{STEPS} robust accuracy, {described(target)}, {len(images):,} images",
        unit="images",
        goal=PGD_GOALS[target.kind],
        sides={name: partial(side, target) for name, side in sides.items()},
        rounds=chunks,
        first=Task(images[:BATCH], labels[:BATCH]),
        count=lambda task: len(task.images),
        check=as_strong,
        note="Time is saved on images that have fallen; of those that stand, all sides compute the same passes.",
    )


def described(target: Target) -> str:
    """Net, set and radius in words."""
    trained = {"plain": "normally trained", "adversarial": "adversarially trained"}[target.kind]
    return f"{trained} net on {target.subject.name}, eps {target.eps:.3g}"


def our_pgd(target: Target) -> Side:
    """With everything that `robust_accuracy` does besides: clean accuracy, flags, checks of ball and box."""
    net = target.net()

    def robust(task: Task, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        attack = partial(pgd, eps=target.eps, steps=STEPS, generator=generator)
        return robust_accuracy(net, task.images, task.labels, attack, batch_size=BATCH).robust

    return robust


def torchattacks_pgd(target: Target) -> Side:
    """A batch at a time, then the prediction."""
    net = target.net()
    attack = peer("torchattacks").PGD(net, eps=target.eps, alpha=target.step_size, steps=STEPS)
    return by_batches(lambda images, labels: correct(net, attack(images, labels), labels))


def foolbox_pgd(target: Target) -> Side:
    """It judges success itself."""
    foolbox = peer("foolbox")
    wrapped = foolbox.PyTorchModel(target.net(), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(abs_stepsize=target.step_size, steps=STEPS)
    return by_batches(lambda images, labels: ~attack(wrapped, images, labels, epsilons=target.eps)[2])


def art_pgd(target: Target) -> Side:
    """It makes its own batches of arrays."""
    subject, classifiers = target.subject, peer("art.estimators.classification")
    shape = (subject.channels, subject.side, subject.side)
    wrapped = classifiers.PyTorchClassifier(
        target.net(), nn.CrossEntropyLoss(), shape, CLASSES, clip_values=(0.0, 1.0), device_type="cpu"
    )
    attack = peer("art.attacks.evasion").ProjectedGradientDescent(
        wrapped,
        eps=target.eps,
        eps_step=target.step_size,
        max_iter=STEPS,
        num_random_init=1,
        batch_size=BATCH,
        verbose=False,
    )

    def robust(task: Task, number: int) -> Tensor:
        found = attack.generate(task.images.numpy(), task.labels.numpy())
        return torch.from_numpy(wrapped.predict(found, batch_size=BATCH).argmax(1)) == task.labels

    return robust


def short_autoattack_row(target: Target, divide: int) -> Row:
    """AutoAttack with the 10 steps of torchattacks' own `AutoAttack`."""
    return autoattack_row(target, "autoattack-short", STEPS_OF_TORCHATTACKS, IMAGES_OF_SHORT_AUTOATTACK // divide)


def full_autoattack_row(target: Target, divide: int) -> Row:
    """AutoAttack with the 100 steps of its authors, on enough images to compare what is left standing."""
    return autoattack_row(target, f"autoattack-{target.kind}", STANDARD_STEPS, IMAGES_OF_FULL_AUTOATTACK // divide)


def autoattack_row(target: Target, key: str, steps: int, count: int) -> Row:
    """The standard sequence of four attacks with this many steps, once on all images as one batch: it takes minutes."""
    images, labels = target.subject.attacked_images(count)
    return Row(
        key=key,
        measure=f"standard AutoAttack with {steps} steps and {QUERIES:,} queries, {described(target)}, "
        f"{count:,} images",
        unit="images",
        goal=1.5,
        sides={OURS: partial(our_autoattack, target, steps), "torchattacks": partial(their_autoattack, target, steps)},
        rounds=[Task(images, labels, batch=count)],
        first=Task(images[:4], labels[:4]),
        count=lambda task: len(task.images),
        check=as_strong,
        note="Both sides leave fallen images alone; what is left to save is parameter gradients and batch norms.",
        memory=False,
    )


def our_autoattack(target: Target, steps: int) -> Side:
    """With the flags and checks that belong to it."""
    net = target.net()

    def robust(task: Task, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        return autoattack(
            net, task.images, task.labels, eps=target.eps, batch_size=task.batch, steps=steps, generator=generator
        ).robust

    return robust


def their_autoattack(target: Target, steps: int) -> Side:
    """Its four members, put together as its class AutoAttack does; that class leaves no choice of the steps."""
    library, net = peer("torchattacks"), target.net()
    common = {"eps": target.eps, "norm": "Linf", "seed": 0}
    attack = library.MultiAttack(
        [
            library.APGD(net, steps=steps, loss="ce", **common),
            library.APGDT(net, steps=steps, n_classes=CLASSES, **common),
            library.FAB(net, steps=steps, n_classes=CLASSES, multi_targeted=True, **common),
            library.Square(net, n_queries=QUERIES, **common),
        ]
    )
    return by_batches(lambda images, labels: correct(net, attack(images, labels), labels))


def by_batches(attacked: Callable[[Tensor, Tensor], Tensor]) -> Side:
    """(images, labels) -> which withstood, batch by batch."""

    def robust(task: Task, number: int) -> Tensor:
        torch.manual_seed(number)
        return torch.cat([attacked(images, labels) for images, labels in task.batches()])

    return robust


def correct(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which images are classified correctly."""
    with torch.no_grad():
        return net(images).argmax(1) == labels


def as_strong(ours: list[Tensor], theirs: list[Tensor]) -> str:
    """Our attack leaves no more images standing, up to the tolerance; fewer is better. Over all counted rounds."""
    our_share, their_share = (torch.cat(sides[1:]).double().mean().item() for sides in (ours, theirs))
    shares = f"robust accuracy {100 * our_share:.2f} % against {100 * their_share:.2f} %"
    attacked = sum(map(len, ours[1:]))
    if our_share - their_share > max(TOLERATED, 1 / attacked) + 1e-9:
        raise Disagreement(f"{shares}: our attack is weaker")
    return shares
