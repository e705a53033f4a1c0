"""How good samples are, without Inception: a Frechet distance in the features of any net, and memorisation."""

import torch
from torch import Tensor, nn

from lib.training.evaluate import predict


def features(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """What the last linear layer of a net sees, (N, D)."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        predict(model, images, batch_size)
    finally:
        hook.remove()
    return torch.cat(seen)


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the Gaussians fitted to two sets of features (N, D), (M, D).

    Heusel et al. 2017 (FID), with whatever features one has: not comparable with a FID, which uses Inception's, nor
    between different numbers of images, since the bias falls with N.
    """
    first, second = first.double(), second.double()
    mean = (first.mean(0) - second.mean(0)).square().sum()
    c1, c2 = torch.cov(first.T), torch.cov(second.T)
    # tr (C1 C2)^(1/2) is the sum of the singular values of C1^(1/2) C2^(1/2).
    cross = torch.linalg.svdvals(square_root(c1) @ square_root(c2)).sum()
    return float(mean + c1.trace() + c2.trace() - 2 * cross)


def square_root(covariance: Tensor) -> Tensor:
    """The symmetric root of a symmetric matrix without negative eigenvalues but for rounding, (D, D)."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def nearest(images: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """L2 distance (N,), for pixels in [-1, 1], of each image to the nearest of `among` (M, C, H, W), and its index."""
    distances = 2 * torch.cdist(images.flatten(1), among.flatten(1))  # (N, M)
    found = distances.min(dim=1)
    return found.values, found.indices
