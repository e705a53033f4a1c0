"""Expectation over transformation: a stochastic model is attacked and judged on its mean probabilities."""

import math

import torch
from torch import Tensor, nn

from lib.attacks.checks import check_output


class Averaged(nn.Module):
    """log E[softmax(z)] over several passes of a stochastic model, (N, K).

    As logits these give the mean probabilities, so the gradient of any loss is that of the mean prediction (Athalye et
    al. 2018, section 4.2), and the predicted class is that of the mean.

    >>> import torch
    >>> steady = Averaged(torch.nn.Flatten(), samples=4)
    >>> steady(torch.tensor([[[[0.0, 0.0]]]])).exp()  # the mean of four equal predictions
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, model: nn.Module, samples: int) -> None:
        """Takes a classifier whose output differs from pass to pass, and the number of passes to average."""
        super().__init__()
        if samples < 1:
            raise ValueError(f"samples must be at least 1, found {samples}")
        self.model, self.samples = model, samples

    def forward(self, images: Tensor) -> Tensor:
        """Averages over `samples` passes."""
        passes = torch.stack([self._one(images).log_softmax(1) for _ in range(self.samples)])  # (S, N, K)
        return passes.logsumexp(0) - math.log(self.samples)

    def _one(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)
        check_output(logits, len(images))
        return logits


def averaged(model: nn.Module, samples: int) -> nn.Module:
    """The model itself for one sample, or else its average over `samples` passes."""
    return model if samples == 1 else Averaged(model, samples)
