"""Scores for telling in-distribution images from others, higher for in-distribution (Grathwohl et al. 2020).

Three are read from a net, two need none and are the control: what they tell apart, no density has to.
"""

import torch
from torch import Tensor, nn

from lib.data.noise_sets import gaussian_blur
from lib.methods.energy import frozen, log_density, log_density_gradient
from lib.training.evaluate import evaluating

BLUR = 1.0  # standard deviation in pixels


def net_scores(model: nn.Module, images: Tensor, batch_size: int = 500) -> dict[str, Tensor]:
    """The three scores of the paper, (N,) each in float64, of images (N, C, H, W) in [0, 1].

    Raises:
        ValueError: when there are no images.
    """
    if len(images) == 0:
        raise ValueError("there are no images to score: found 0")
    device = next(model.parameters()).device
    found: dict[str, list[Tensor]] = {"log p(x)": [], "max p(y|x)": [], "approximate mass": []}
    with evaluating(model), frozen(model):
        for batch in images.split(batch_size):
            with torch.no_grad():
                logits = model(batch.to(device)).double().cpu()  # (B, K)
            found["log p(x)"].append(log_density(logits))  # LSE_y f(x)[y], up to log Z
            found["max p(y|x)"].append(logits.softmax(dim=1).amax(dim=1))
            found["approximate mass"].append(approximate_mass(model, batch.to(device)).double().cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


def approximate_mass(model: nn.Module, images: Tensor) -> Tensor:
    """-||d log p(x) / dx||_2, (N,), from images (N, C, H, W) in [0, 1]; the gradient is by images in [-1, 1].

    A point of high density with little mass around it has neighbours of much lower density: log p(x) is steep there. Z
    is the same for all images and drops out.
    """
    gradient = log_density_gradient(model, images) / 2  # d/dz with z = 2 x - 1
    return -gradient.flatten(1).norm(dim=1)  # -||dz log p||_2


def minus_total_variation(images: Tensor) -> Tensor:
    """-(mean |x[i+1, j] - x[i, j]| + mean |x[i, j+1] - x[i, j]|), (N,) in [-2, 0], of images (N, C, H, W) in [0, 1]."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().flatten(1).double().mean(dim=1)
    across = (images[..., 1:] - images[..., :-1]).abs().flatten(1).double().mean(dim=1)
    return -(down + across)


def smoothness(images: Tensor) -> Tensor:
    """-||x - blur(x)||_2, (N,), of images (N, C, H, W) in [0, 1]: how little a Gaussian blur of one pixel changes."""
    return -(images - gaussian_blur(images, BLUR)).flatten(1).double().norm(dim=1)


def image_scores(images: Tensor) -> dict[str, Tensor]:
    """The two scores that need no net."""
    return {"minus total variation": minus_total_variation(images), "smoothness": smoothness(images)}
