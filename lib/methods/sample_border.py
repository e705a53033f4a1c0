"""Where samples lie, by their distance from the data, as a judge sees it: on the data, at their border, or beyond.

In the plane a sample is at the border between 2 and 5 standard deviations from its class. Among images there is no
such unit, so that of the data is taken: the border begins at the distance r beyond which 13.5 % of fresh images lie, as
P(|z| > 2) = e^-2 of a Gaussian in the plane, and ends at 5/2 r.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lib.methods.sample_quality import features
from lib.metrics.classification import softmax
from lib.training.evaluate import predict

OUTSIDE = math.exp(-2)  # share of fresh images beyond r
ENDS = 2.5  # the border, in units of r
SURE = 0.9  # largest probability above which the judge is sure


class Judge(NamedTuple):
    """A net that took no part, with the data as it sees them.

    Attributes:
        net: images -> logits, whose last linear layer's input counts as the image's place.
        places: (M, D) of training images.
        radius: r, the (1 - e^-2) quantile of the distances of fresh images.
    """

    net: nn.Module
    places: Tensor
    radius: float

    def distances(self, images: Tensor) -> Tensor:
        """From the place of each image (N, C, H, W) to that of the nearest training image: (N,)."""
        return torch.cdist(features(self.net, images), self.places).amin(dim=1)


def judge(net: nn.Module, known: Tensor, fresh: Tensor) -> Judge:
    """Set the unit: `known` are training images of the net, `fresh` others of the same kind."""
    unset = Judge(net, features(net, known), 0.0)
    return unset._replace(radius=float(unset.distances(fresh).double().quantile(1 - OUTSIDE)))


def zones(distances: Tensor, radius: float) -> dict[str, float]:
    """Shares of samples (N,) on the data (at most r), at their border (at most 5/2 r), beyond, and the first two."""
    core, near = ((distances <= end).double().mean().item() for end in (radius, ENDS * radius))
    return {"core": core, "border": near - core, "beyond": 1 - near, "on or at the border": near}


def covered(logits: Tensor) -> float:
    """Effective share of the K classes among images that a net answers so, (N, K): exp of an entropy, over K.

    1 where all classes are equally frequent among the answers, 1 / K where all images are of one.
    """
    counts = torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1]).double()
    shares = counts[counts > 0] / counts.sum()
    return float(torch.exp(-(shares * shares.log()).sum())) / logits.shape[1]


def spread(images: Tensor) -> float:
    """Mean L2 distance between two different images (N, C, H, W) in [0, 1]."""
    distances = torch.cdist(images.flatten(1), images.flatten(1))
    return float(distances.sum() / max(1, len(images) * (len(images) - 1)))


def seen_by(judge: Judge, samples: Tensor, real: Tensor) -> dict[str, float]:
    """All of it for samples (N, C, H, W) beside as many real images: zones, unsure share, classes, spread."""
    logits = predict(judge.net, samples)
    unsure = float((softmax(logits.cpu()).max(axis=1) <= SURE).mean())
    return zones(judge.distances(samples), judge.radius) | {
        "unsure": unsure,
        "classes covered": covered(logits),
        "spread": spread(samples) / max(spread(real[: len(samples)]), 1e-12),
    }
