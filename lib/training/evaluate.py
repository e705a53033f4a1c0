"""Logits and error of a net in eval mode."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def predict(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """Logits (N, classes) of (N, C, H, W) images, in eval mode, without gradients, on the device of the images.

    Afterwards every module is in the mode in which it was.

    Raises:
        ValueError: when there are no images.
    """
    if len(images) == 0:
        raise ValueError("there are no images to predict: found 0")
    device = next((parameter.device for parameter in model.parameters()), images.device)
    with evaluating(model), torch.no_grad():
        return torch.cat([model(batch.to(device)).to(images.device) for batch in images.split(batch_size)])


def answers(logits: Tensor) -> Tensor:
    """The class of the largest logit, or probability, of each row, the first of equal ones: (N, K) -> (N,).

    Raises:
        ValueError: some are NaN. `argmax` would take the first of these for the largest, and a broken net for one that
            knows a class.
    """
    broken = logits.isnan().any(dim=1)  # (N,)
    if broken.any():
        raise ValueError(
            f"the net answers NaN for {int(broken.sum())} of {len(logits)} images, which is no class; "
            "look for weights or images that are not finite"
        )
    return logits.argmax(dim=1)


def error_rate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of images whose answer is not the label: 0 .. 1.

    Raises:
        ValueError: no images, not as many labels, or a net that answers NaN.
    """
    if len(images) != len(labels):
        raise ValueError(f"as many labels as images are needed, found {len(labels)} and {len(images)}")
    predicted = answers(predict(model, images, batch_size))  # (N,)
    return (predicted != labels.to(predicted.device)).double().mean().item()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode within; after it each module is as before, those that were frozen in eval mode among them."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
