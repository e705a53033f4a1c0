"""Signs that a robust accuracy cannot be trusted, as data.

Each flag says what was measured, the threshold, what it means and what to do, after the list of AutoAttack (Croce &
Hein 2020) and the advice of Athalye et al. (2018) and Carlini et al. (2019).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lib.attacks.guard import input_gradient, raw_input_gradient
from lib.attacks.losses import cross_entropy, margin
from lib.attacks.norms import ascent_direction, draw_in_ball

SMALL_STEP = 1 / 255  # one grey level, within the ball of any attack worth running


@dataclass(frozen=True)
class Flag:
    """One raised sign: its name, the value measured, the threshold it passed, what that means and what to do."""

    name: str
    value: float
    threshold: float
    meaning: str
    remedy: str


def probe(model: nn.Module, images: Tensor, labels: Tensor, *, averaging: bool = False) -> tuple[Flag, ...]:
    """Looks at a few images for properties of the model that make gradient attacks fail.

    Args:
        model: classifier in eval mode (see `lib.attacks.guard.attacking`).
        images: (N, ...) a few clean images on the model's device.
        labels: (N,) their classes.
        averaging: whether attack and verdict average over passes, so that a randomised output is taken care of.

    Returns:
        The flags raised, out of "randomised output", "output depends on the batch", "zero gradients", "gradients not
        finite", "gradients mislead", "probabilities instead of logits", "gradients at test time" and "tied logits".
    """
    gradients, _, logits = raw_input_gradient(model, images, lambda z: cross_entropy(z, labels))
    with _GradientSpy() as spy:
        again = model(images)
    scale = logits.abs().amax().item() or 1.0
    half = max(1, len(images) // 2)
    randomness = (again - logits).abs().amax().item() / scale
    dependence = (model(images[:half]) - again[:half]).abs().amax().item() / scale
    without = (gradients.flatten(1) == 0).all(1).double().mean().item()
    random = randomised_output(randomness)
    found = [
        None if averaging else random,
        zero_gradients(without),
        None if random else batch_dependent_output(dependence),  # a randomised output differs in any case
        gradients_not_finite(_share(~gradients.isfinite().flatten(1).all(1))),
        None if random else misleading_gradients(_share_misled(model, images, labels)),
        probabilities(_share(_are_probabilities(logits))),
        gradients_at_test_time(float(spy.seen)),
        tied_logits(_share(_nearly_tied(logits))),
    ]
    return tuple(flag for flag in found if flag is not None)


def spread(count: int, most: int) -> Tensor:
    """At most `most` rows out of `count`, evenly spread, the first and the last among them: sets are often sorted."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long()


class _GradientSpy(TorchFunctionMode):
    """Notes whether the code inside switches gradients on or takes any."""

    seen = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        switched_on = func is torch._C._set_grad_enabled and args[:1] == (True,)
        self.seen |= switched_on or func in (torch.autograd.grad, Tensor.backward)
        return func(*args, **(kwargs or {}))


def _share(rows: Tensor) -> float:
    return rows.double().mean().item()


def _share_misled(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images whose margin's gradients at two points within a grey level have a cosine below one half."""
    generator = torch.Generator().manual_seed(0)  # of its own: a look must not shift the attacks' draws
    points = (draw_in_ball(images, SMALL_STEP, "linf", generator) for _ in range(2))
    first, second = (input_gradient(model, x, lambda z: margin(z, labels))[0].flatten(1) for x in points)
    moving = (first != 0).any(1) & (second != 0).any(1)  # where there is none, another flag tells
    cosine = (ascent_direction(first, "l2") * ascent_direction(second, "l2")).sum(1)
    return _share(moving & (cosine < 0.5))


def _are_probabilities(logits: Tensor) -> Tensor:
    """Rows without a negative number that add up to one, (N,) bool."""
    return (logits >= 0).all(1) & ((logits.sum(1) - 1).abs() < 1e-3)


def _nearly_tied(logits: Tensor) -> Tensor:
    """Rows whose two largest logits differ by no more than ten times their rounding, (N,) bool."""
    first, second = logits.topk(2, dim=1).values.unbind(1)
    return first - second <= 10 * torch.finfo(logits.dtype).eps * logits.abs().amax(1)


def randomised_output(difference: float, threshold: float = 1e-4) -> Flag | None:
    """Two passes over the same images differ by more than rounding, relative to the largest logit."""
    return _raise_above(
        Flag(
            "randomised output",
            difference,
            threshold,
            "two passes over the same images give different logits, so one gradient and one verdict are draws",
            'attack and judge the mean: samples=20 in robust_accuracy, version="rand" in autoattack',
        )
    )


def batch_dependent_output(difference: float, threshold: float = 1e-3) -> Flag | None:
    """The logits of an image depend on the other images in its batch."""
    return _raise_above(
        Flag(
            "output depends on the batch",
            difference,
            threshold,
            "an image's logits change with the images beside it, so an image broken in one batch may stand in another",
            "use statistics fixed in training (batch norm in eval mode)",
        )
    )


def zero_gradients(share: float, threshold: float = 0.05) -> Flag | None:
    """The cross-entropy has no gradient at some clean images."""
    return _raise_above(
        Flag(
            "zero gradients",
            share,
            threshold,
            "the gradient of the loss is exactly zero at this share of the images, so gradient attacks do not move",
            "run Square, which needs no gradient, or attack a differentiable stand-in of the layer that blocks it",
        )
    )


def gradients_not_finite(share: float, threshold: float = 0.0) -> Flag | None:
    """The gradient of the loss is NaN or infinite somewhere."""
    return _raise_above(
        Flag(
            "gradients not finite",
            share,
            threshold,
            "the gradient at this share of the images is NaN or infinite in places, where attacks take NaN for zero",
            "look for a square root or a division at 0, or a logarithm, in the model; until then trust Square alone",
        )
    )


def misleading_gradients(share: float, threshold: float = 0.25) -> Flag | None:
    """Gradients at neighbouring points disagree: they are shattered, and say little about the next step."""
    return _raise_above(
        Flag(
            "gradients mislead",
            share,
            threshold,
            "within one grey level of this share of the images the gradient of the margin points elsewhere",
            "run Square, which needs no gradient, or attack a smooth stand-in of the layer that shatters the gradient",
        )
    )


def probabilities(share: float, threshold: float = 0.5) -> Flag | None:
    """The model returns probabilities where logits are meant."""
    return _raise_above(
        Flag(
            "probabilities instead of logits",
            share,
            threshold,
            "outputs are not negative and add up to one: a second softmax on top of them flattens every loss",
            "return the logits, before the softmax",
        )
    )


def gradients_at_test_time(seen: float, threshold: float = 0.0) -> Flag | None:
    """The forward pass itself switches gradients on or takes them; `seen` is 1 if so."""
    return _raise_above(
        Flag(
            "gradients at test time",
            seen,
            threshold,
            "the model takes gradients in its forward pass, as defences do that adapt to or purify their input, "
            "and attacks may not differentiate through that",
            "attack the model without that step too, and through it with an attack made for it",
        )
    )


def tied_logits(share: float, threshold: float = 0.05) -> Flag | None:
    """The two largest logits tie, so that the predicted class is a matter of rounding."""
    return _raise_above(
        Flag(
            "tied logits",
            share,
            threshold,
            "the two largest logits of this share of the images are equal up to rounding, so the verdict is that of "
            "the order of the classes",
            "take a large common offset out of the logits, or compute in float64",
        )
    )


def logits_not_finite(share: float, threshold: float = 0.0) -> Flag | None:
    """Attacked images count as broken because the model gave no finite answer."""
    return _raise_above(
        Flag(
            "logits not finite",
            share,
            threshold,
            "the logits of this share of the images are finite before and NaN or infinite after the attack, "
            "which counts as broken",
            "make the model defined everywhere in [0, 1], off the grid of 256 grey levels as well",
        )
    )


def black_box_better(share: float, threshold: float = 0.0) -> Flag | None:
    """A black-box or transferred attack breaks images that the white-box attacks left standing."""
    return _raise_above(
        Flag(
            "black-box better than white-box",
            share,
            threshold,
            "an attack without gradients breaks this share of the images although those with gradients did not",
            "suspect masked gradients: more steps and restarts, other losses, or an attack adapted to the model",
        )
    )


def rising_accuracy(over: str, accuracies: Sequence[float], images: int) -> Flag | None:
    """Accuracy rises where the attack became stronger, by more than chance explains.

    Args:
        over: what was raised, "eps" or "steps".
        accuracies: robust accuracies in order of rising strength, each measured on its own.
        images: number of images; the threshold is one image or 1 % of them, whichever is more.
    """
    lowest, rise = accuracies[0], 0.0
    for accuracy in accuracies[1:]:
        rise, lowest = max(rise, accuracy - lowest), min(lowest, accuracy)
    return _raise_above(
        Flag(
            f"accuracy rises with {over}",
            rise,
            max(1 / images, 0.01) + 1e-9,  # one image exactly is no rise, whatever its rounding
            f"raising {over} made the attack weaker, so it has not found what it could have",
            "more steps, a smaller step size or another loss",
        )
    )


def above_chance_at_largest(accuracy: float, chance: float, images: int) -> Flag | None:
    """The largest eps of a curve leaves more images standing than a constant answer would."""
    slack = 2 * (chance * (1 - chance) / images) ** 0.5
    return _raise_above(
        Flag(
            "largest eps does not reach chance",
            accuracy,
            chance + slack,
            "the accuracy at the largest eps is above that of the commonest class",
            "extend the curve; if it stays so at eps = 0.5 (Linf), where every image can be made grey, "
            "the attack fails",
        )
    )


def commonest_share(labels: Tensor) -> float:
    """The accuracy of always answering the commonest class."""
    return torch.bincount(labels).amax().item() / len(labels)


def _raise_above(flag: Flag) -> Flag | None:
    return flag if flag.value > flag.threshold else None
