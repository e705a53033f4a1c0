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

from lib.attacks.checks import check_images, check_labels, check_logits, check_result
from lib.attacks.flags import Flag, probe
from lib.attacks.folding import inference_copy
from lib.attacks.guard import attacking
from lib.attacks.norms import Norm
from lib.attacks.stochastic import averaged

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (model, images, labels) -> adversarial images
PROBED_IMAGES = 64


@dataclass(frozen=True)
class AttackReport:
    """What an attack achieved and what it took.

    Attributes:
        accuracy: share of all images that are classified correctly before and after the attack.
        clean_accuracy: share classified correctly before it.
        robust: (N,) bool, which images withstood.
        adversarial: (N, C, H, W), the last attempt on each image; the image itself where it was misclassified anyway.
        forward_passes: images passed forwards, the clean and the final check included.
        backward_passes: images passed backwards.
        seconds: wall-clock time.
        flags: signs that the number cannot be trusted; empty when there are none.
        members: robust accuracy after each attack of a sequence, in order.
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
        ValueError: if the images, labels or logits are not what is described here.
        RuntimeError: if the attack returns images outside the ball or the box, or changes the model's buffers.
    """
    if "stop_early" in inspect.signature(attack).parameters:
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
) -> AttackReport:
    """Runs a sequence of attacks, each on the images that withstood those before; see `robust_accuracy`."""
    check_images(images)
    check_labels(labels, len(images))
    start, passes, device = time.perf_counter(), Passes(), device_of(model, images)
    some, after = images[:PROBED_IMAGES].to(device), {}
    with attacking(model):
        adversarial, judge = images.clone(), averaged(model, samples)
        with passes.counted({model}):
            robust = torch.cat([_clean(judge, x.to(device), y) for x, y in _batches(images, labels, batch_size)])
        clean_accuracy = robust.double().mean().item()
        flags = probe(model, some, labels[:PROBED_IMAGES].to(device), averaging=samples > 1)
        fast = inference_copy(model, some) if fold else model
        attacked = averaged(fast, samples)
        with passes.counted({model, fast}):
            for name, attack in members.items():
                for rows in _standing(robust, batch_size):
                    x, y = images[rows].to(device), labels[rows].to(device)
                    found = attack(attacked, _copy(x), y).detach()
                    check_result(found, x, eps, norm)
                    adversarial[rows] = found.to(images.device)
                    robust[rows] = _withstands(judge(found), y).to(images.device)
                after[name] = robust.double().mean().item()
    accuracy, seconds = robust.double().mean().item(), time.perf_counter() - start
    return AttackReport(
        accuracy, clean_accuracy, robust, adversarial, passes.forward, passes.backward, seconds, flags, after
    )


class Passes:
    """Counts the images that a model passes forwards and backwards."""

    forward = 0
    backward = 0

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
        self.forward += len(output)
        if output.requires_grad:
            output.register_hook(self._count_backward)

    def _count_backward(self, gradient: Tensor) -> None:
        self.backward += len(gradient)


def device_of(model: nn.Module, images: Tensor) -> torch.device:
    """The device of the model's parameters, or of the images for a model without any."""
    return next((parameter.device for parameter in model.parameters()), images.device)


def _batches(images: Tensor, labels: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(images.split(batch_size), labels.split(batch_size), strict=True)


def _standing(robust: Tensor, batch_size: int) -> Iterator[Tensor]:
    """The rows of the images that still stand, a batch at a time; nothing where none does."""
    rows = robust.nonzero().squeeze(1)
    return iter(rows.split(batch_size) if len(rows) else ())


def _clean(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which clean images are classified correctly; the first look at a model's logits, so they are checked."""
    logits = model(images)
    check_logits(logits, labels)
    return _withstands(logits.to(labels.device), labels)


def _copy(images: Tensor) -> Tensor:
    """A copy for the attack to do with as it likes, channels last as the model's fast copy."""
    return images.clone(memory_format=torch.channels_last if images.ndim == 4 else torch.preserve_format)


def _withstands(logits: Tensor, labels: Tensor) -> Tensor:
    """Classified correctly, with logits that are finite."""
    return (logits.argmax(1) == labels) & logits.isfinite().all(1)
