"""Label corruption: Zhang et al. 2017, section 2.1, and the noise matrices of Hendrycks et al. 2019."""

from collections.abc import Sequence

import torch
from torch import Tensor


def corrupt_labels(
    labels: Tensor, fraction: float, classes: int, generator: torch.Generator, *, exclude_true: bool = False
) -> Tensor:
    """Replace each label, independently with probability `fraction`, by a uniformly drawn class.

    As in Zhang et al. 2017 (section 2.1) the true class can be drawn, so that only fraction * (K-1)/K really change.

    Args:
        labels: (N,), int64, on any device.
        fraction: corruption probability p in [0, 1].
        classes: number of classes K.
        generator: source of randomness.
        exclude_true: draw among the K-1 wrong classes instead, so that a fraction p really changes.

    Returns:
        New labels (N,); the input is left as it was.
    """
    check_noise(labels, fraction, classes)
    shape, device = labels.shape, generator.device
    chosen = torch.rand(shape, generator=generator, device=device) < fraction  # (N,)
    if exclude_true:
        shift = torch.randint(1, classes, shape, generator=generator, device=device)
        drawn = (labels + shift.to(labels.device)) % classes
    else:
        drawn = torch.randint(0, classes, shape, generator=generator, device=device).to(labels.device)
    return torch.where(chosen.to(labels.device), drawn, labels)


def random_labels(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Labels drawn uniformly, independent of the true ones: `corrupt_labels` with p = 1 (Zhang et al. 2017)."""
    return corrupt_labels(labels, 1.0, classes, generator)


def uniform_noise_matrix(strength: float, classes: int) -> Tensor:
    """C = (1 - s) I + s 11^T / K, of Hendrycks et al. 2019: row i is the distribution of the noisy label of class i.

    The true class keeps s/K of the moved mass, so s = 1 is pure chance and the real flip rate is s (K-1)/K.
    """
    check_strength(strength)
    return (1 - strength) * torch.eye(classes) + strength / classes * torch.ones(classes, classes)  # (K, K)


def flip_noise_matrix(strength: float, classes: int, generator: torch.Generator) -> Tensor:
    """C = (1 - s) I + s F, where each row of F has a single one, at a random other class."""
    check_strength(strength)
    shift = torch.randint(1, classes, (classes,), generator=generator, device=generator.device).cpu()
    target = (torch.arange(classes) + shift) % classes  # (K,), never the class itself
    flips = torch.nn.functional.one_hot(target, classes).float()
    return (1 - strength) * torch.eye(classes) + strength * flips


def hierarchical_noise_matrix(strength: float, superclass: Sequence[int]) -> Tensor:
    """C = (1 - s) I + s S, where row i of S is uniform over the other classes of the same superclass.

    Args:
        strength: s in [0, 1].
        superclass: for each class, the index of its superclass (for CIFAR-100 `lib.data.cifar.CIFAR100_SUPERCLASS`);
            every superclass needs at least two members.
    """
    check_strength(strength)
    group = torch.tensor(superclass)
    siblings = (group[:, None] == group[None, :]).float() - torch.eye(len(group))  # (K, K)
    if not siblings.sum(1).all():
        raise ValueError("every superclass needs at least two classes; a class without siblings has nowhere to move to")
    return (1 - strength) * torch.eye(len(group)) + strength * siblings / siblings.sum(1, keepdim=True)


def labels_from_matrix(labels: Tensor, matrix: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each noisy label from row `labels[i]` of the corruption matrix C (K, K), once per image.

    Returns:
        New labels (N,), int64, on the device of `labels`.
    """
    if not torch.allclose(matrix.sum(1), torch.ones(len(matrix)), atol=1e-5) or matrix.min() < 0:
        raise ValueError("each row of a corruption matrix must be a distribution: non-negative and summing to 1")
    cumulative = matrix.double().cumsum(1)[labels.cpu()]  # (N, K)
    uniform = torch.rand(len(labels), 1, generator=generator, device=generator.device, dtype=torch.float64).cpu()
    return (uniform > cumulative).sum(1).clamp_(max=len(matrix) - 1).to(labels.device)


def uniform_noise(labels: Tensor, strength: float, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Labels under uniform noise and the matrix C (K, K) that made them (Hendrycks et al. 2019, label corruption)."""
    check_noise(labels, strength, classes)
    matrix = uniform_noise_matrix(strength, classes)
    return labels_from_matrix(labels, matrix, generator), matrix


def flip_noise(labels: Tensor, strength: float, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Labels under flip noise (one wrong class per class) and the matrix C (K, K) that made them."""
    check_noise(labels, strength, classes)
    matrix = flip_noise_matrix(strength, classes, generator)
    return labels_from_matrix(labels, matrix, generator), matrix


def check_strength(strength: float) -> None:
    """Raise unless the noise strength is a fraction."""
    if not 0 <= strength <= 1:
        raise ValueError(f"noise strength must lie in [0, 1], found {strength}; percent are divided by 100 first")


def check_noise(labels: Tensor, strength: float, classes: int) -> None:
    """Raise unless the strength is a fraction and the labels are indices of at least two classes."""
    check_strength(strength)
    if classes < 2:
        raise ValueError(f"label noise needs at least two classes, found {classes}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, found {int(labels.min())}..{int(labels.max())}")
