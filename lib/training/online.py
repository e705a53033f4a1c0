"""Accuracy on the mini-batches as they are trained on: augmented, with dropout, before the update."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.training.batches import Batch


class OnlineAccuracy:
    """Cross-entropy as a `batch_loss` for `train` that notes the share of each batch answered right.

    Where images are augmented no net sees an image twice, so that this average over the stream is what a paper calls
    training accuracy then. Pass it to `train` among `stateful` as well, so that it survives an interruption.
    """

    def __init__(self, steps: int) -> None:
        """For a run of `steps` steps."""
        self.right = torch.full((steps,), float("nan"))  # share of the batch of each step, 0 .. 1

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """The mean cross-entropy of the batch, a scalar."""
        logits = model(batch.images)  # (B, classes)
        self.right = self.right.to(logits.device)
        self.right[batch.step] = (logits.detach().argmax(dim=1) == batch.labels).float().mean()
        return F.cross_entropy(logits, batch.labels)

    def over(self, first: int, end: int) -> float:
        """Mean over the steps `first` to `end - 1`, which must have been taken."""
        return self.right[first:end].double().mean().item()

    def state_dict(self) -> dict[str, Any]:
        """What was noted so far."""
        return {"right": self.right.cpu().clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.right = state["right"].clone()
