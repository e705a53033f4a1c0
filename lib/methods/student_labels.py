"""What is done to pseudo-labels before a student learns from them: hardened, tempered, divided by confidence.

The filter and both ways of balancing are in `self_training`. Confidence is the largest probability that the teacher
gives any class. References: Xie et al. 2020, section 3.2 of v1 and figure 4; the released code's balancing script.
"""

import torch
from torch import Tensor

from lib.methods.self_training import CONFIDENCE_FILTER, confident

SMOOTHING = 0.1  # of the released code's hard labels


def targets(probabilities: Tensor, kind: str = "soft", temperature: float = 1.0) -> Tensor:
    r"""What a student learns of its teacher's probabilities p.

    soft:     t_k = p_k^(1/T) / sum_j p_j^(1/T), which is softmax(logits / T)
    hard:     the likeliest class y
    smoothed: t_k = (1 - .1) [k = y] + .1 / K, the released code's hard labels

    The gradient of the cross-entropy on the student's logits is f - t. A hard label pulls an image of which the teacher
    says 30 % to one class by 1 - f, with all force; the soft one lets go where f = .3.

    Args:
        probabilities: (N, K), rows summing to 1.
        kind: soft, hard or smoothed.
        temperature: above 0, of soft labels; below 1 they are surer than the teacher.

    Returns:
        (N, K) probabilities, or (N,) classes for hard labels.

    Raises:
        ValueError: another kind, or a temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature of soft labels must be above 0, found {temperature}")
    if kind == "soft":
        return torch.softmax(probabilities.double().log() / temperature, dim=1).float()
    answers = probabilities.argmax(dim=1)
    if kind == "hard":
        return answers
    if kind == "smoothed":
        classes = probabilities.shape[1]
        return (1 - SMOOTHING) * torch.nn.functional.one_hot(answers, classes).float() + SMOOTHING / classes
    raise ValueError(f"labels are soft, hard or smoothed, found {kind!r}")


def by_confidence(probabilities: Tensor, bins: int) -> list[Tensor]:
    """Places of the images in bins of equally many, the least sure first; what does not divide is left out.

    Args:
        probabilities: (N, K).
        bins: how many.

    Returns:
        One tensor of N // bins places, one at least, for each bin.
    """
    order = probabilities.amax(dim=1).argsort(stable=True)
    size = max(1, len(order) // bins)
    return [order[len(order) * number // bins :][:size] for number in range(bins)]


def surer_than(probabilities: Tensor, threshold: float = CONFIDENCE_FILTER) -> Tensor:
    """Places of the images that pass the filter; the surest one where none does, so that there is one to learn from."""
    passed = confident(probabilities, threshold)
    return passed if len(passed) else probabilities.amax(dim=1).argmax().view(1)


def commonest_over_rarest(probabilities: Tensor) -> float:
    """How many images the commonest predicted class has over the rarest, none counting as one."""
    counts = probabilities.argmax(dim=1).bincount(minlength=probabilities.shape[1])
    return counts.max().item() / max(1, counts.min().item())


def images_left(confidence: Tensor, grid: list[float]) -> list[int]:
    """How many images have at least each confidence of a grid: what the released search looks at.

    Args:
        confidence: (n,) of the images that one class is predicted for.
        grid: thresholds.
    """
    return [int((confidence >= threshold).sum()) for threshold in grid]


def searched_threshold(confidence: Tensor, wanted: int, largest: float = 1.0) -> float:
    """The largest threshold of a grid, from `largest` down to .3, that leaves `wanted` images; .3 where none does.

    The released code begins at 1.00, where its comment says .99: of a class with many images at a confidence of exactly
    1 it then takes those alone.

    Args:
        confidence: (n,) of the images that one class is predicted for.
        wanted: images.
        largest: where the search begins, in hundredths.
    """
    grid = threshold_grid(largest)
    left = images_left(confidence, grid)
    return next((threshold for threshold, count in zip(grid, left, strict=True) if count >= wanted), CONFIDENCE_FILTER)


def threshold_grid(largest: float = 1.0) -> list[float]:
    """The thresholds that the released code tries, in its order: `largest`, then .01 less each, down to .3."""
    return [step / 100 for step in range(round(100 * largest), round(100 * CONFIDENCE_FILTER) - 1, -1)]
