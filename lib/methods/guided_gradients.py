"""Guided gradients: which pixels speak for an output, by backpropagation that keeps positive evidence alone.

Springenberg, Dosovitskiy, Brox & Riedmiller 2015, "Striving for simplicity", section 3.4.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lib.attacks.guard import attacking

Output = Literal["logit", "log odds", "log probability"]  # of the predicted class

# A ReLU has one rule of its own here; for other activations the method defines none.
OTHERS = (nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.Softplus)


def guided_gradient(model: nn.Module, images: Tensor, of: Output = "logit", batch_size: int = 250) -> Tensor:
    """Gradient of an output by the image, stopped at every ReLU where it is negative.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    >>> _ = net[1].weight.data.copy_(torch.tensor([[1.0], [2.0]])), net[3].weight.data.copy_(torch.eye(2) - 0.5)
    >>> image = torch.ones(1, 1, 1, 1)  # units 1 and 2; logits -0.5 and 0.5; the second has weights -0.5 and 0.5
    >>> guided_gradient(net, image).item(), gradient(net, image).item()  # 0.5 * 2 alone, and 0.5 * 2 - 0.5 * 1
    (1.0, 0.5)

    Args:
        model: images (N, C, H, W) in [0, 1] to logits (N, K), its rectifiers `nn.ReLU` modules; it is left as it was.
        images: (N, C, H, W).
        of: what of the predicted class is differentiated, see `output`.
        batch_size: images at a time.

    Returns:
        (N, C, H, W), not scaled, on the CPU.

    Raises:
        ValueError: the model has no `nn.ReLU`, or activations of another kind.
    """
    with guided(model):
        return gradient(model, images, of, batch_size)


def gradient(model: nn.Module, images: Tensor, of: Output = "logit", batch_size: int = 250) -> Tensor:
    """The gradient as it is; arguments and result as `guided_gradient`."""
    if of not in get_args(Output):
        raise ValueError(f"{of!r} cannot be differentiated here; choose from {', '.join(get_args(Output))}")
    device = next(model.parameters()).device
    found = []
    with attacking(model), torch.enable_grad():
        for batch in images.split(batch_size):
            x = batch.to(device).requires_grad_()
            (slope,) = torch.autograd.grad(output(model(x), of).sum(), x)  # images do not meet in eval mode
            found.append(slope.cpu())
    return torch.cat(found)


def output(logits: Tensor, of: Output) -> Tensor:
    """What is differentiated, of the predicted class k: logits (N, K) -> (N,).

    The logit is z_k. The log odds are z_k - log sum_{j != k} exp z_j: like the probabilities they do not change where a
    constant is added to all logits of an image, and unlike log P_k they are not flat where the net is sure.
    """
    top = logits.argmax(dim=1, keepdim=True)  # (N, 1)
    own = logits.gather(1, top)[:, 0]
    if of == "logit":
        return own
    if of == "log odds":
        return own - logits.scatter(1, top, -torch.inf).logsumexp(dim=1)
    return own - logits.logsumexp(dim=1)


@contextmanager
def guided(model: nn.Module) -> Iterator[None]:
    """Inside, what a ReLU passes back is not negative: with output f and gradient r above, [f > 0] max(r, 0)."""
    if strange := sorted({type(module).__name__ for module in model.modules() if isinstance(module, OTHERS)}):
        raise ValueError(f"guided gradients are defined for ReLU, and the model has {', '.join(strange)}")
    rectifiers = [module for module in model.modules() if isinstance(module, nn.ReLU)]
    if not rectifiers:
        raise ValueError("the model has no nn.ReLU module to guide; one that calls F.relu must be given modules")
    hooks = [rectifier.register_full_backward_hook(_positive) for rectifier in rectifiers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _positive(_: nn.Module, below: Any, __: Any) -> tuple[Tensor]:
    return (below[0].clamp(min=0),)  # autograd's own rule has multiplied by [f > 0] already


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's rank correlation over pixels of the absolute values: two of (N, C, H, W) -> (N,) in [-1, 1].

    Colours are summed before. Equal values have the mean of their ranks.
    """
    ranks = [_ranks(image.abs().sum(dim=1).flatten(1)) for image in (a, b)]  # (N, H W)
    centred = [rank - rank.mean(dim=1, keepdim=True) for rank in ranks]
    scale = centred[0].norm(dim=1) * centred[1].norm(dim=1)
    return (centred[0] * centred[1]).sum(dim=1) / scale.clamp(min=1e-12)


def _ranks(values: Tensor) -> Tensor:
    """(N, P) -> ranks from 0, float64, ties shared."""
    below = torch.searchsorted(sorted_ := values.sort(dim=1).values, values)  # how many are smaller
    up_to = torch.searchsorted(sorted_, values, right=True)  # how many are not larger
    return (below + up_to - 1).double() / 2


def edges(images: Tensor) -> Tensor:
    """Length of Sobel's gradient of the brightness, (N, C, H, W) -> (N, 1, H, W): a map that needs no net."""
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], device=images.device)
    kernels = torch.stack([across, across.T])[:, None]  # (2, 1, 3, 3)
    grey = nn.functional.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return nn.functional.conv2d(grey, kernels).norm(dim=1, keepdim=True)
