"""Losses for noisy labels: forward correction (Patrini et al. 2017), gold loss correction (Hendrycks et al. 2018).

Both take a noisy label as drawn from row y of a matrix C, with C[i, j] = p(noisy label j | true class i). A net whose
answer p is right about the true class should then predict the noisy label with C^T p, and that is what is trained.
They differ in how C is estimated by a net that was first trained on the noisy labels as they are.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.training.batches import Batch

NEVER = -1e4  # in place of log 0: a noisy label that a class never gets
OUTLIERS = 0.97  # quantile from which the released code takes a confidence for an outlier, with ten classes


def forward_loss(logits: Tensor, labels: Tensor, matrix: Tensor, reduction: str = "mean") -> Tensor:
    """-log (C^T softmax(z))_y = -log sum_i p_i C[i, y] of each image, in logarithms so that no p_i is lost to rounding.

    Args:
        logits: (B, K).
        labels: (B,) noisy labels y.
        matrix: C (K, K), rows are distributions; the identity makes this the cross-entropy.
        reduction: "mean", "sum" or "none".
    """
    log_p = F.log_softmax(logits, dim=1)  # (B, K): log p_i
    log_c = matrix.to(logits).log().clamp_min(NEVER).T[labels]  # (B, K): log C[i, y]
    losses = -torch.logsumexp(log_p + log_c, dim=1)  # (B,)
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def anchor_matrix(probabilities: Tensor, quantile: float | None = None) -> Tensor:
    """The forward correction's estimate: row i of C is what the net answers for the image it is surest shows class i.

    Args:
        probabilities: (N, K) softmax answers of a net trained on the noisy labels, for the images trained on.
        quantile: images whose confidence in i reaches this quantile are passed over as outliers; None takes the surest.

    Returns:
        (K, K), each row one row of `probabilities`, so that it sums to 1.
    """
    confidence = probabilities
    if quantile is not None:
        bound = torch.quantile(probabilities, quantile, dim=0)  # (K,)
        confidence = probabilities.masked_fill(probabilities >= bound, -1.0)
    return probabilities[confidence.argmax(dim=0)]  # (K, K): the anchor of class i in row i


def gold_matrix(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Gold loss correction's estimate: row i of C is the mean answer for the trusted images of class i.

    Args:
        probabilities: (T, K) softmax answers, for the trusted images, of a net trained on the untrusted ones.
        labels: (T,) their true labels.

    Raises:
        ValueError: a class has no trusted image.
    """
    classes = probabilities.shape[1]
    counts = torch.bincount(labels, minlength=classes)
    if not counts.all():
        missing = (counts == 0).nonzero()[:, 0].tolist()
        raise ValueError(f"every class needs a trusted image to estimate its row; none of class {missing}")
    sums = torch.zeros(classes, classes).index_add_(0, labels.cpu(), probabilities.cpu().float())
    return sums / counts.cpu()[:, None]


def corrected_loss(matrix: Tensor, trusted: Tensor | None = None) -> Callable[[nn.Module, Batch], Tensor]:
    """The batch loss (sum over trusted of -log p_y + sum over the others of -log (C^T p)_y) / B.

    Args:
        matrix: C (K, K), as estimated.
        trusted: (N,) bool, which of the images trained on have a true label; None is none, the forward correction.
    """

    def batch_loss(model: nn.Module, batch: Batch) -> Tensor:
        logits = model(batch.images).float()
        losses = forward_loss(logits, batch.labels, matrix, "none")  # (B,)
        if trusted is not None:
            plain = F.cross_entropy(logits, batch.labels, reduction="none")
            losses = torch.where(trusted.to(batch.indices.device)[batch.indices], plain, losses)
        return losses.mean()

    return batch_loss
