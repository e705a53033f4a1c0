"""Methods for imbalanced classes: class weights, over- and under-sampling, SMOTE (Chawla et al. 2002).

With N images of K classes, n_c of class c. The three that resample return a set in which every class is as large as
the largest (over-sampling, SMOTE) or the smallest (under-sampling).
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.training.batches import Batch

NEIGHBOURS = 5  # of SMOTE, as in its paper


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """w_c = N / (K n_c), so that the weights of the images sum to N and every class has the same share N / K of them.

    Args:
        labels: (N,) class indices.
        classes: K; a class without images has weight 0.

    Returns:
        (K,) float32.
    """
    sizes = labels.bincount(minlength=classes)
    weights = len(labels) / (classes * sizes.clamp_min(1).float())
    return torch.where(sizes > 0, weights, 0.0)


def weighted_loss(weights: Tensor) -> Callable[[nn.Module, Batch], Tensor]:
    """The cost-sensitive batch loss (1/B) sum_i w_{y_i} (-log p_{y_i}).

    The sum is divided by the number of images and not by their weights, so that its expectation over batches is the
    weighted loss of the whole set.
    """

    def batch_loss(model: nn.Module, batch: Batch) -> Tensor:
        losses = F.cross_entropy(model(batch.images).float(), batch.labels, reduction="none")  # (B,)
        return (weights.to(losses.device)[batch.labels] * losses).mean()

    return batch_loss


def over_sampled(labels: Tensor, random: np.random.RandomState) -> Tensor:
    """Places (K max_c n_c,) of a balanced set: every image once, then random copies of the smaller classes' images."""
    found, sizes = classes_of(labels)
    copies = [random.choice(members, sizes.max() - len(members), replace=True) for members in found]
    return torch.from_numpy(np.concatenate([np.arange(len(labels)), *copies]))


def under_sampled(labels: Tensor, random: np.random.RandomState) -> Tensor:
    """Places (K min_c n_c,) of a balanced set: of every class a random part as large as the smallest class."""
    found, sizes = classes_of(labels)
    return torch.from_numpy(
        np.concatenate([random.choice(members, sizes.min(), replace=False) for members in found])
    )  # a smallest class is kept as a whole


def smote(
    vectors: Tensor, labels: Tensor, random: np.random.RandomState, neighbours: int = NEIGHBOURS
) -> tuple[Tensor, Tensor]:
    """Balance by new points on the lines between an image and one of its nearest neighbours in the same class:

    x = x_i + u (x_j - x_i), u uniform in [0, 1), i any image of the class, j among the `neighbours` nearest to it.

    Args:
        vectors: (N, D).
        labels: (N,) class indices.
        random: where i, j and u come from.
        neighbours: a class of fewer images than `neighbours` + 1 has all its other images as neighbours; a class of
            one image can only be copied.

    Returns:
        (K max_c n_c, D) float64 and (K max_c n_c,): the given points first, then the new ones class by class.
    """
    points = vectors.double()
    found, sizes = classes_of(labels)
    new, names = [points], [labels]
    for members in found:
        wanted = int(sizes.max()) - len(members)
        if wanted == 0:
            continue
        own = points[torch.from_numpy(members)]  # (n, D)
        near = nearest(own, min(neighbours, len(own) - 1))  # (n, k)
        pair = torch.from_numpy(random.randint(0, near.numel(), wanted))  # each stands for an (i, j)
        u = torch.from_numpy(random.uniform(size=wanted))[:, None]
        i, j = pair // near.shape[1], near.flatten()[pair]
        new.append(own[i] + u * (own[j] - own[i]))
        names.append(labels[members[0]].expand(wanted))
    return torch.cat(new), torch.cat(names)


def nearest(points: Tensor, count: int) -> Tensor:
    """(n, count) places of the points nearest to each of `points` (n, D), itself excluded; of a lone point, itself."""
    if count == 0:
        return torch.zeros(len(points), 1, dtype=torch.int64)
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    distances.fill_diagonal_(torch.inf)
    return distances.argsort(dim=1, stable=True)[:, :count]


def classes_of(labels: Tensor) -> tuple[list[np.ndarray], np.ndarray]:
    """The places of each class that occurs, in the order of the classes, and how many those are."""
    values = labels.cpu().numpy()
    found = [np.flatnonzero(values == value) for value in np.unique(values)]
    return found, np.array([len(members) for members in found])
