"""The temperature T at which chains really sample p^(1/T), read off where they are.

A step a and a noise s that were chosen apart ask for T = s^2 / 2a. What they give differs: a step of finite size adds
heat, and chains that do not cross from hill to hill are not at equilibrium at all. Two thermometers tell these apart.
"""

import torch
from torch import Tensor, nn

from lib.methods.energy import frozen, log_density
from lib.training.evaluate import evaluating

COLDEST, HOTTEST = 1e-6, 1e6  # ends of the scale of `by_energy`
HALVINGS = 200


def by_energy(level: float, scores: Tensor) -> float:
    """The T at which exp(score / T) has the mean score `level`; beyond the ends of the scale, its end.

    d/d(1/T) of the log likelihood of p^(1/T) is N (level - E_T score): the same T is the one that maximum likelihood
    fits. It is a global reading: chains that hold the hills in wrong shares are read as too hot or too cold.

    Args:
        level: mean score LSE f(x) of the chains.
        scores: (n,) score at the midpoints of equal cells that cover the density.
    """

    def mean_score(temperature: float) -> float:
        return float((torch.softmax(scores / temperature, 0) * scores).sum())

    low, high = COLDEST, HOTTEST
    if mean_score(high) >= level:
        return high
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if mean_score(middle) > level else (low, middle)  # hotter is lower
        if high / low < 1 + 1e-12:
            break
    return (low * high) ** 0.5


def by_curvature(model: nn.Module, images: Tensor) -> float:
    """T = E |grad g|^2 / -E laplacian g with g = LSE f(x): the configurational temperature (Rugh 1997).

    Integration by parts: 0 = integral of div(p grad g) = E laplacian g + E |grad g|^2 / T, for p = exp(g / T) / Z. It
    needs no Z, and it is a local reading: chains at equilibrium each within its own hill are read right. A step of SGLD
    scales both sides alike, so the unit of the images does not matter.

    Args:
        model: images in [0, 1] -> logits; twice differentiable.
        images: (N, C, H, W) where the chains are. D = C H W backward passes: for few pixels.
    """
    with evaluating(model), frozen(model):
        x = images.detach().flatten(1).requires_grad_()  # (N, D)
        (gradient,) = torch.autograd.grad(log_density(model(x.view_as(images))).sum(), x, create_graph=True)
        laplacian = sum(
            torch.autograd.grad(gradient[:, d].sum(), x, retain_graph=True)[0][:, d] for d in range(x.shape[1])
        )
    assert isinstance(laplacian, Tensor)
    return float(gradient.detach().square().sum(1).mean() / -laplacian.mean())


def of_a_hill(step_size: float, noise: float, curvature: float) -> float:
    """T of chains on a Gaussian hill of curvature c, exactly, by either thermometer: s^2 / 2a / (1 - a c / 2).

    z <- (1 - a c) z + s xi has the variance s^2 / (1 - (1 - a c)^2) = s^2 / (a c (2 - a c)), and p^(1/T) has T / c.

    Raises:
        ValueError: a c >= 2, where the chain runs away.
    """
    if step_size * curvature >= 2:
        raise ValueError(f"step {step_size} x curvature {curvature} is {step_size * curvature:g}; the chain needs < 2")
    return noise**2 / (2 * step_size) / (1 - step_size * curvature / 2)
