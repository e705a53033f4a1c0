"""A classifier's logits read as energies: E(x, y) = -f(x)[y] (Grathwohl et al. 2020)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def log_density(logits: Tensor) -> Tensor:
    """log p(x) + log Z = LSE_y f(x)[y], from logits (N, K) to (N,); Z is the same unknown constant for all images.

    Softmax ignores a constant added to all logits of an image; this does not.
    """
    return logits.logsumexp(dim=1)


def class_log_density(logits: Tensor, classes: Tensor) -> Tensor:
    """log p(x | y) + log Z_y = f(x)[y], from logits (N, K) and classes (N,) to (N,); each class has its Z_y."""
    return logits.gather(1, classes[:, None])[:, 0]


def log_density_gradient(model: nn.Module, images: Tensor, classes: Tensor | None = None) -> Tensor:
    """Gradient by the image of log p(x), or of log p(x | y) where classes are given: (N, C, H, W).

    With the weights frozen (see `frozen`) the backward pass goes to the images alone.

    Args:
        model: images in [0, 1] -> logits (N, K).
        images: (N, C, H, W) in [0, 1]; the gradient is in units of these, half of that by an image in [-1, 1].
        classes: (N,) class of each image, or None for the marginal.
    """
    x = images.detach().requires_grad_()
    with torch.enable_grad():
        logits = at_least_float32(model(x))
    # d LSE / d f = softmax f and d f[y] / d f = onehot y: one backward pass from the logits is enough.
    seed = (
        F.one_hot(classes, logits.shape[1]).to(logits.dtype) if classes is not None else logits.detach().softmax(dim=1)
    )
    (gradient,) = torch.autograd.grad(logits, x, seed)
    return gradient


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits of half precision as float32, others as they are: densities are differences of large numbers."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within, no weight of the model asks for a gradient, so that none is computed and little of the graph is kept."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
