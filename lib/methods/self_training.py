"""Noisy Student Training (Xie et al. 2020): labels from a teacher, and what a student makes of them.

One round of algorithm 1: a teacher trained with noise on labelled images labels the unlabelled ones *without* noise;
then a student of its size or larger, from fresh weights, is trained *with* noise on both. The student is the teacher of
the next round.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.wide_resnet import StochasticDepth
from lib.training.batches import Batch, Batches
from lib.training.evaluate import answers, error_rate, predict
from lib.training.loop import Augment, BatchLoss

CONFIDENCE_FILTER = 0.3  # section 3.2 of v1; the paper did not tune it


class MissingTeacher(ValueError):
    """There are no weights to make a teacher of."""


class ChanceTeacher(ValueError):
    """The teacher knows no more than chance does, so that its labels are worth nothing."""


def load_teacher(net: nn.Module, weights: Mapping[str, Tensor] | Path | None) -> nn.Module:
    """Put trained weights into `net` and return it in eval mode.

    The released code goes on with random weights where the teacher's checkpoint is missing (its issues 8 and 9).

    Args:
        net: of the teacher's architecture.
        weights: a state dict, or a safetensors file of one.

    Raises:
        MissingTeacher: no weights, no such file, or the weights of another net.
    """
    if isinstance(weights, Path):
        if not weights.is_file():
            raise MissingTeacher(f"no teacher found at {weights}: train it first, or name the file that holds it")
        weights = safetensors.torch.load_file(weights)
    if not weights:
        raise MissingTeacher(f"no teacher: found {weights!r} in place of its weights; train the teacher first")
    try:
        net.load_state_dict(dict(weights))
    except RuntimeError as fault:
        raise MissingTeacher(
            f"the weights found are not this teacher's; build the net they belong to: {fault}"
        ) from None
    return net.eval()


def check_teacher(teacher: nn.Module | None, images: Tensor, labels: Tensor) -> nn.Module:
    """The teacher, after asking that it know more than which class is the commonest.

    It must be right on the labelled images as often as one answer for all of them would be, and on a tenth of the rest:
    19 % for ten equal classes, 55 % for two. Fewer images than classes cannot tell, and pass.

    Args:
        teacher: the net that is to label.
        images: (N, C, H, W); its training images will do.
        labels: (N,) class indices.

    Raises:
        MissingTeacher: it is None.
        ChanceTeacher: it does not; most likely its weights were never trained or not loaded.
        ValueError: it answers NaN.
    """
    if teacher is None:
        raise MissingTeacher("no teacher: found None in place of a net; train or load one first")
    classes = predict(teacher, images[:1]).shape[1]
    accuracy = 1 - error_rate(teacher, images, labels)
    commonest = labels.bincount().max().item() / len(labels)
    wanted = commonest + 0.1 * (1 - commonest)
    if len(labels) >= classes and accuracy < wanted:
        raise ChanceTeacher(
            f"the teacher is right on {accuracy:.1%} of {len(labels):,} labelled images, where the commonest class "
            f"makes {commonest:.1%}: its weights were probably not trained or not loaded. Train it, or load them, "
            f"until it is right on {wanted:.0%} at least"
        )
    return teacher


def pseudo_labels(teacher: nn.Module, images: Tensor, kind: str = "soft", temperature: float = 1.0) -> Tensor:
    """What the teacher says about images as they are, in eval mode: no augmentation, no dropout (algorithm 1, step 2).

    Args:
        teacher: any net; its mode is as before afterwards.
        images: (N, C, H, W).
        kind: "soft" gives softmax(logits / temperature), (N, K); "hard" the most probable class, (N,).
        temperature: above 0; 1 in the paper.

    Raises:
        ValueError: another kind or temperature, or a teacher that answers NaN.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"the temperature of pseudo-labels must be above 0 and finite, found {temperature}")
    logits = predict(teacher, images)  # (N, K)
    hard = answers(logits)  # (N,)
    kinds = {"soft": torch.softmax(logits / temperature, dim=1), "hard": hard}
    if kind not in kinds:
        raise ValueError(f"pseudo-labels are {' or '.join(kinds)}, found {kind!r}")
    return kinds[kind]


def confident(probabilities: Tensor, threshold: float = CONFIDENCE_FILTER) -> Tensor:
    """Places (n,) of the images whose largest probability is above the threshold: the paper's filter.

    Args:
        probabilities: (N, K), rows summing to 1.
        threshold: 0.3 in the paper; an image exactly at it is left out.
    """
    return (probabilities.amax(dim=1) > threshold).nonzero()[:, 0]


def balance_as_published(probabilities: Tensor, per_class: int, generator: torch.Generator) -> Tensor:
    """Places of `per_class` images for each predicted class: the most confident; too few are filled up by duplicates.

    Section 3.2 of v1. A class that is never predicted stays empty.

    Args:
        probabilities: (N, K) of the images that passed the filter.
        per_class: 130,000 in the paper.
        generator: draws the duplicates.
    """
    confidence, predicted = probabilities.max(dim=1)
    chosen = []
    for members in _by_class(predicted, probabilities.shape[1]):
        best = members[confidence[members].argsort(descending=True, stable=True)[:per_class]]
        missing = per_class - len(best)
        again = torch.randint(len(best), (missing,), generator=generator).to(best.device)
        chosen += [best, best[again]]
    return torch.cat(chosen) if chosen else predicted[:0]


def balance_as_coded(probabilities: Tensor, per_class: int, generator: torch.Generator) -> Tensor:
    """The released code's balancing: `per_class` images of each predicted class on average.

    Of a frequent class, the images above the largest threshold on a grid of 0.01 (1.00 to 0.3) that leaves enough of
    them, each kept with probability N / n. Of a scarce one, every image N / n times on average.

    Args:
        probabilities: (N, K).
        per_class: N.
        generator: draws who is kept.
    """
    confidence, predicted = probabilities.max(dim=1)
    passed = confidence >= CONFIDENCE_FILTER
    chosen = []
    for members in _by_class(predicted.where(passed, -1), probabilities.shape[1]):
        kept = members[confidence[members] >= _threshold_that_leaves(per_class, confidence[members])]
        times = per_class / len(kept)  # N / n
        extra = torch.rand(len(kept), generator=generator).to(kept.device) < times % 1
        chosen.append(kept.repeat_interleave(int(times) + extra.long()))
    return torch.cat(chosen) if chosen else predicted[:0]


def _threshold_that_leaves(wanted: int, confidence: Tensor) -> float:
    """The largest multiple of 0.01, from 0.3 up, that leaves `wanted` images; 0.3 where none does."""
    grid = [step / 100 for step in range(100, round(100 * CONFIDENCE_FILTER), -1)]
    return next((value for value in grid if (confidence >= value).sum() >= wanted), CONFIDENCE_FILTER)


def _by_class(predicted: Tensor, classes: int) -> list[Tensor]:
    """For each class that was predicted at all, the places of its images."""
    members = [(predicted == index).nonzero()[:, 0] for index in range(classes)]
    return [places for places in members if len(places)]


# How the two means are weighted, from the numbers n of labelled and m of unlabelled images in a batch. The released
# code's is the text's times (n + m) / n: the same mixture. To RMSProp, which the code uses, that is a weaker weight
# decay; to optimisers that follow the size of the gradient it is a higher learning rate too.
WEIGHTINGS: dict[str, Callable[[int, int], tuple[float, float]]] = {
    "text": lambda n, m: (n / (n + m), m / (n + m)),  # one average over labelled and unlabelled images
    "algorithm 1": lambda n, m: (1.0, 1.0),
    "code": lambda n, m: (1.0, m / n),
}


def joint_loss(
    labelled: Batches, augment: Augment, *, noise_on_unlabelled: bool = True, weighting: str = "text"
) -> BatchLoss:
    """The student's loss: cross-entropy on labelled and on pseudo-labelled images, in one forward pass.

    One pass, as in the code, so that both share their batch-norm statistics.

    Args:
        labelled: where the labelled images of each step come from.
        augment: (images, generator) -> images, the noise of the input.
        noise_on_unlabelled: without it unlabelled images are clean, and dropout and stochastic depth spare them, while
            labelled images keep their noise (the paper's ablation, table 6).
        weighting: key of `WEIGHTINGS`; another one is a ValueError.

    Returns:
        For `train`: called with a model and a batch of *clean* unlabelled images and their pseudo-labels, soft (m, K)
        or hard (m,).
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(f"the two means are weighted by {', '.join(WEIGHTINGS)}, found {weighting!r}")
    weights = WEIGHTINGS[weighting]

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        seen = labelled.at(batch.step, batch.generator)
        n, m = len(seen.images), len(batch.images)
        unlabelled = augment(batch.images, batch.generator) if noise_on_unlabelled else batch.images
        images = torch.cat([augment(seen.images, batch.generator), unlabelled])  # (n + m, C, H, W)
        with noise_on_first(model, n + m if noise_on_unlabelled else n):
            logits = model(images)
        on_labelled, on_unlabelled = weights(n, m)
        return on_labelled * F.cross_entropy(logits[:n], seen.labels) + on_unlabelled * F.cross_entropy(
            logits[n:], batch.labels
        )

    return loss


def consistency_loss(labelled: Batches, augment: Augment, *, threshold: float = 0.95) -> BatchLoss:
    """A loss in the manner of FixMatch (Sohn et al. 2020): one net labels for itself while it learns.

    Its answers on clean images, where their probability reaches the threshold, are hard labels for the same images with
    noise; there is no teacher. In FixMatch the weaker view is shifted and flipped; here it is what our teachers see.

    Args:
        labelled: where the labelled images of each step come from.
        augment: the noise, on labelled and unlabelled images.
        threshold: 0.95 in FixMatch.

    Returns:
        For `train`: called with a model and a batch of clean unlabelled images, whose labels are not looked at.
    """

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        seen = labelled.at(batch.step, batch.generator)
        n, m = len(seen.images), len(batch.images)
        noised = augment(torch.cat([seen.images, batch.images]), batch.generator)
        with noise_on_first(model, n + m):
            logits = model(torch.cat([noised, batch.images]))  # (n + 2 m, K): one pass for all three
        confidence, answer = torch.softmax(logits[n + m :].detach(), dim=1).max(dim=1)
        each = F.cross_entropy(logits[n : n + m], answer, reduction="none")  # (m,)
        return F.cross_entropy(logits[:n], seen.labels) + (each * (confidence >= threshold)).mean()

    return loss


@contextmanager
def noise_on_first(model: nn.Module, rows: int) -> Iterator[None]:
    """Within, dropout and stochastic depth act on the first `rows` images of a batch and spare the others."""

    def spare(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return torch.cat([output[:rows], inputs[0][rows:]]) if rows < len(output) else output

    noisy = [module for module in model.modules() if isinstance(module, nn.Dropout | StochasticDepth)]
    handles = [module.register_forward_hook(spare) for module in noisy]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
