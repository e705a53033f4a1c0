"""The confidence loss of Lee et al. 2018: right on the data, and as uncertain as can be on everything else.

    L = E_in[-log P(y | x)] + beta E_out[KL(U || P(. | x))]

U is uniform over the K classes. The direction matters: KL(U || P) = CE(U, P) - log K grows without bound where the net
is sure of one class, so its gradient does not fade there; the reverse KL(P || U) = log K - H(P) is at most log K.
With beta = 1/2 this is Outlier Exposure (Hendrycks et al. 2019) up to a constant.
"""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.image_set import to_float

Forward = Literal["joint", "separate"]


def kl_from_uniform(logits: Tensor) -> Tensor:
    """KL(U || P) of each row in nats, with P the softmax of the logits: (N, K) -> (N,), at least 0.

    The released code takes the mean over images *and* classes of 1/K log(1 / (K P_k)) and multiplies it by K: the mean
    over images of what is returned here. Its forks that average over images alone and keep the factor weigh the term
    K times too much.
    """
    classes = logits.shape[1]
    # log P_k = z_k - logsumexp(z), and KL(U || P) = -1/K sum_k log P_k - log K
    return logits.logsumexp(dim=1) - logits.mean(dim=1) - math.log(classes)


def confidence_loss(
    model: nn.Module, images: Tensor, labels: Tensor, outliers: Tensor, *, beta: float = 1.0, forward: Forward = "joint"
) -> Tensor:
    """-log P(y | x), mean over the images, plus beta KL(U || P), mean over the outliers: a scalar.

    Args:
        model: images in [0, 1] or uint8 -> logits (N, K).
        images: (B, C, H, W) in-distribution, uint8 or float in [0, 1].
        labels: (B,) class indices.
        outliers: (M, C, H, W); what the net is to be unsure about.
        beta: weight of the second term. The submission has 1; the released code 1 for SVHN and 0.1 for CIFAR-10.
        forward: "joint" takes both through the net as one batch. "separate" takes two passes, as the released code;
            batch norm then normalises each kind by itself, while its running averages, which serve at test time, are
            those of a mixture that no batch in training was normalised with.

    Raises:
        ValueError: another word for `forward`.
    """
    if forward not in get_args(Forward):
        raise ValueError(f"forward is {' or '.join(get_args(Forward))}, found {forward!r}")
    if forward == "joint":
        logits = model(torch.cat([to_float(images), to_float(outliers)]))  # (B + M, K)
        inside, outside = logits[: len(images)], logits[len(images) :]
    else:
        inside, outside = model(images), model(outliers)
    return F.cross_entropy(inside, labels) + beta * kl_from_uniform(outside).mean()


def softmax_score(logits: Tensor) -> Tensor:
    """The detector of the paper, maximum softmax, without rounding: logit(P_max) of each row, (N, K) -> (N,).

    log(P_max / (1 - P_max)) = z_max - logsumexp of the other logits rises with P_max alone, so it ranks images as P_max
    does; but P_max in float32 is exactly 1 for many images at once, and ties there hide what the net knows.
    """
    top = logits.argmax(dim=1, keepdim=True)
    others = logits.scatter(1, top, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, top)[:, 0] - others


def energy_score(logits: Tensor) -> Tensor:
    """log sum_k exp z_k of each row (Liu et al. 2020, the negative energy): (N, K) -> (N,), higher = more inside."""
    return logits.logsumexp(dim=1)
