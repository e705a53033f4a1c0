"""Robust accuracy under one attack or a sequence of them, with the passes and the time it took and its flags.

The list of promises follows AttackBench (Cina et al. 2025) and the reliability flags of AutoAttack.
"""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from lib.attacks.checks import check_counts, check_images, check_labels, check_logits, check_result, check_threat
from lib.attacks.flags import Flag, gradients_not_finite, logits_not_finite, probe, spread
from lib.attacks.folding import inference_copy
from lib.attacks.guard import attacking
from lib.attacks.losses import FEW_CLASSES, margin
from lib.attacks.norms import Norm
from lib.attacks.stochastic import averaged

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (model, images, labels) -> adversarial images
PROBED_IMAGES = 64
FRESH = 5  # the last verdict on a stochastic model takes this many times the passes of one in the search


@dataclass(frozen=True)
class AttackReport:
    """What an attack achieved and what it took.

    A stochastic model (`samples` > 1, or the flag "randomised output") loses images to single unlucky draws, the more
    often the more it is looked at. So there every image is attacked by every member, the attempt of the largest margin
    is kept, and the verdict falls once, at the end, on the mean of 5 x `samples` fresh passes that had no part in the
    search, at the clean images and at the attacked ones alike.

    Attributes:
        accuracy: share of all images that are classified correctly before and after the attack; for a stochastic
            model, that the last verdict finds correct after it.
        clean_accuracy: share classified correctly before it.
        robust: (N,) bool, which images withstood.
        adversarial: (N, C, H, W), the last attempt on each image; the image itself where it was misclassified anyway.
            For a stochastic model the strongest attempt on each image.
        forward_passes: images passed forwards, the clean and the final check included.
        backward_passes: images passed backwards.
        seconds: wall-clock time.
        flags: signs that the number cannot be trusted; empty when there are none.
        members: robust accuracy after each attack of a sequence, in order; for a stochastic model by the draws of the
            search, each of which could lose an image.
        search_accuracy: robust accuracy by the draws of the search, the last of `members`; below `accuracy` by what
            unlucky draws lost, and equal to it for a deterministic model.
    """

    accuracy: float
    clean_accuracy: float
    robust: Tensor
    adversarial: Tensor
    forward_passes: int
    backward_passes: int
    seconds: float
    flags: tuple[Flag, ...] = ()
    members: dict[str, float] = field(default_factory=dict)
    search_accuracy: float = float("nan")

    def __repr__(self) -> str:
        """One line without the tensors."""
        raised = ", ".join(flag.name for flag in self.flags) or "none"
        return (
            f"AttackReport(accuracy={self.accuracy:.4f}, clean_accuracy={self.clean_accuracy:.4f}, "
            f"images={len(self.robust)}, forward_passes={self.forward_passes}, "
            f"backward_passes={self.backward_passes}, seconds={self.seconds:.2f}, flags: {raised})"
        )


def robust_accuracy(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    *,
    batch_size: int,
    eps: float | None = None,
    norm: Norm = "linf",
    samples: int = 1,
    fold: bool = True,
) -> AttackReport:
    """Measures the share of images that are classified correctly and withstand an attack.

    Misclassified images are not attacked. An attack that takes a keyword `stop_early` is told to leave an image alone
    once it is misclassified (for stochastic models, `samples` > 1, it is told not to: one draw decides nothing).
    How a stochastic model is judged is told in `AttackReport`.

    Args:
        model: classifier from images in [0, 1] to logits (N, K); attacked and judged in eval mode.
        images: (N, C, H, W) float32 or float64 in [0, 1]; moved to the model's device a batch at a time.
        labels: (N,) int64, the true classes.
        attack: called as attack(model, images, labels) on a copy of a batch; returns images of the same shape and
            dtype. Usually `functools.partial(pgd, eps=8 / 255, steps=20)`.
        batch_size: images attacked at once.
        eps: where given, each batch that the attack returns is checked to lie in this ball (the attacks of this room
            check their own ball in any case).
        norm: the ball's norm.
        samples: for stochastic models, the number of passes whose mean probabilities are attacked and judged.
        fold: attack a faster copy of the model with folded batch norms; the model itself judges. Set it to False for
            an attack that relies on the identity of the model's layers.

    Raises:
        ValueError: if the images, labels, logits or settings are not what is described here, or the attack is a
            targeted one, which would aim at the true labels.
        RuntimeError: if the attack returns images outside the ball or the box, or changes the model's buffers.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> from lib.attacks.fgsm import fgsm
    >>> from functools import partial
    >>> robust_accuracy(net, image, label, partial(fgsm, eps=0.04), batch_size=1, eps=0.04).accuracy
    1.0
    >>> robust_accuracy(net, image, label, partial(fgsm, eps=0.1), batch_size=1, eps=0.1).accuracy
    0.0
    """
    settings = inspect.signature(attack).parameters
    if "targeted" in settings and settings["targeted"].default is True:
        raise ValueError(
            "robust_accuracy hands the attack the true labels, and with targeted=True it would aim at them and break "
            "nothing; leave targeted out, or choose targets yourself: "
            "lambda model, images, labels: pgd(model, images, (labels + 1) % classes, targeted=True, ...)"
        )
    if "stop_early" in settings:
        attack = partial(attack, stop_early=samples == 1)  # type: ignore[call-arg]
    return run_members(
        model, images, labels, {"attack": attack}, batch_size=batch_size, eps=eps, norm=norm, samples=samples, fold=fold
    )


def run_members(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    members: Mapping[str, Attack],
    *,
    batch_size: int,
    eps: float | None = None,
    norm: Norm = "linf",
    samples: int = 1,
    fold: bool = True,
    least_classes: Mapping[str, int] | None = None,
) -> AttackReport:
    """Runs a sequence of attacks, each on the images that withstood those before; see `robust_accuracy`.

    Members named in `least_classes` are refused, before the first one starts, if the model has fewer classes.
    """
    check_images(images)
    check_labels(labels, len(images))
    check_counts(batch_size=batch_size, samples=samples)
    if eps is not None:
        check_threat(eps, norm, images)
    start, passes, device = time.perf_counter(), Passes(), device_of(model, images)
    labels = labels.to(images.device)
    rows = spread(len(images), PROBED_IMAGES).to(images.device)
    after = {}
    with attacking(model):
        some, some_labels = images[rows].to(device), labels[rows].to(device)
        judge = averaged(model, samples)
        with passes.counted({model}):
            clean, _, classes = _judged(judge, images, labels, batch_size, device)
        _check_classes(members, classes, least_classes or {})
        flags = probe(model, some, some_labels, averaging=samples > 1)
        random = samples > 1 or any(flag.name == "randomised output" for flag in flags)
        fast = inference_copy(model, some) if fold else model
        search = _Search(judge, averaged(fast, samples), images, labels, clean, random)
        with passes.counted({model, fast}):
            for name, attack in members.items():
                for batch in search.rows(batch_size):
                    search.run(attack, batch, device, eps, norm)
                after[name] = _share(search.robust)
        robust, finite = search.robust, search.finite
        if random:
            fresh = averaged(model, FRESH * samples)
            with passes.counted({model}):
                clean, _, _ = _judged(fresh, images, labels, batch_size, device)
                robust, finite, _ = _judged(fresh, search.adversarial, labels, batch_size, device, finite=False)
    seconds = time.perf_counter() - start
    return AttackReport(
        _share(robust),
        _share(clean),
        robust,
        search.adversarial,
        passes.forward,
        passes.backward,
        seconds,
        _with_found(flags, passes.share_not_finite(), 1 - _share(finite)),
        after,
        _share(search.robust),
    )


class _Search:
    """What the members have found so far."""

    def __init__(
        self, judge: nn.Module, attacked: nn.Module, images: Tensor, labels: Tensor, clean: Tensor, random: bool
    ) -> None:
        """Starts with the clean images, of which those in `clean`, (N,) bool, were classified correctly."""
        self.judge, self.attacked, self.images, self.labels, self.random = judge, attacked, images, labels, random
        self.adversarial, self.robust, self.finite = images.clone(), clean.clone(), torch.ones_like(clean)
        self.largest = images.new_full((len(images),), -torch.inf)  # margin, of a stochastic model

    def rows(self, batch_size: int) -> Iterator[Tensor]:
        """The images that still stand, of a stochastic model all, a batch at a time; nothing where none does."""
        attacked = torch.ones_like(self.robust) if self.random else self.robust
        rows = attacked.nonzero().squeeze(1)
        return iter(rows.split(batch_size) if len(rows) else ())

    def run(self, attack: Attack, rows: Tensor, device: torch.device, eps: float | None, norm: Norm) -> None:
        """Attacks one batch, looks at what came back and keeps it."""
        x, y = self.images[rows].to(device), self.labels[rows].to(device)
        found = attack(self.attacked, _copy(x), y).detach()
        check_result(found, x, eps, norm)
        logits = self.judge(found)
        withstands, self.finite[rows] = (answer.to(rows.device) for answer in _verdict(logits, y))
        if not self.random:
            self.adversarial[rows], self.robust[rows] = found.to(rows.device), withstands
            return
        value = margin(logits, y).nan_to_num(nan=torch.inf).to(rows.device, self.largest.dtype)
        stronger = value > self.largest[rows]
        self.adversarial[rows[stronger]] = found.to(rows.device)[stronger]
        self.largest[rows] = torch.maximum(value, self.largest[rows])
        self.robust[rows] &= withstands


class Passes:
    """Counts the images that a model passes forwards and backwards."""

    forward = 0
    backward = 0
    not_finite: Tensor | int = 0  # input gradients; kept on the device, so that counting does not wait for it

    @contextmanager
    def counted(self, models: Iterable[nn.Module]) -> Iterator[None]:
        """Counts while the context lasts."""
        handles = [model.register_forward_hook(self._count) for model in models]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _count(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.forward += len(inputs[0])
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(self._count_backward)
            if inputs[0].requires_grad:
                inputs[0].register_hook(self._look_at)

    def _count_backward(self, gradient: Tensor) -> None:
        self.backward += len(gradient)

    def _look_at(self, gradient: Tensor) -> None:
        self.not_finite = self.not_finite + (~gradient.isfinite()).flatten(1).any(1).sum()

    def share_not_finite(self) -> float:
        """Of the images passed backwards, the share whose gradient was NaN or infinite in places."""
        return float(self.not_finite) / max(1, self.backward)


def device_of(model: nn.Module, images: Tensor) -> torch.device:
    """The device of the model's parameters, or of the images for a model without any."""
    return next((parameter.device for parameter in model.parameters()), images.device)


def _check_classes(members: Iterable[str], classes: int, least: Mapping[str, int]) -> None:
    short = {name: least[name] for name in members if classes < least.get(name, 2)}
    if short:
        needs = " and ".join(f"{name} needs at least {count} classes" for name, count in short.items())
        raise ValueError(f"{needs} and the model has {classes}; {FEW_CLASSES}")


def _judged(
    model: nn.Module, images: Tensor, labels: Tensor, batch_size: int, device: torch.device, *, finite: bool = True
) -> tuple[Tensor, Tensor, int]:
    """Which images are classified correctly and which have finite logits, (N,) bool, and the number of classes."""
    verdicts, classes = [], 0
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        logits = model(x.to(device))
        check_logits(logits, y, finite=finite)
        verdicts.append(_verdict(logits.to(y.device), y))
        classes = logits.shape[1]
    correct, with_finite = (torch.cat(parts) for parts in zip(*verdicts, strict=True))
    return correct, with_finite, classes


def _verdict(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows are classified correctly with logits that are finite; and which logits are, (N,) bool."""
    finite = logits.isfinite().all(1)
    return (logits.argmax(1) == labels) & finite, finite


def _with_found(flags: tuple[Flag, ...], gradients: float, logits: float) -> tuple[Flag, ...]:
    """Adds what only the attack itself met with: shares of gradients and of logits that were not finite."""
    seen = {flag.name for flag in flags}
    found = (gradients_not_finite(gradients), logits_not_finite(logits))
    return flags + tuple(flag for flag in found if flag is not None and flag.name not in seen)


def _copy(images: Tensor) -> Tensor:
    """A copy for the attack to do with as it likes, channels last as the model's fast copy."""
    return images.clone(memory_format=torch.channels_last if images.ndim == 4 else torch.preserve_format)


def _share(rows: Tensor) -> float:
    return rows.double().mean().item()
