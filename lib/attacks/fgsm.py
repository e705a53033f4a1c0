"""The fast gradient sign method (Goodfellow et al. 2015)."""

from torch import Tensor, nn

from lib.attacks.checks import check_inputs
from lib.attacks.guard import attacking, finish, input_gradient
from lib.attacks.losses import Goal, LossName, find_loss


def fgsm(
    model: nn.Module, images: Tensor, labels: Tensor, *, eps: float, targeted: bool = False, loss: LossName = "ce"
) -> Tensor:
    """One step of length eps along the sign of the gradient: x + eps sign(grad L(x, y)), clamped to [0, 1].

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        images: (N, C, H, W) in [0, 1]; not touched.
        labels: (N,) int64 true classes, or with `targeted` the classes to reach.
        eps: radius in Linf, at most 1.
        targeted: descend towards `labels` instead of away from them.
        loss: "ce", "margin" or "dlr".

    Returns:
        (N, C, H, W) adversarial images.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> fgsm(net, image, label, eps=0.1).flatten()
    tensor([0.5000, 0.6000])
    """
    check_inputs(images, labels, eps, "linf")
    goal = Goal(find_loss(loss), targeted)
    with attacking(model, images, labels):
        gradient, _, _ = input_gradient(model, images, lambda logits: goal.value(logits, labels))
        return finish(images + eps * gradient.sign(), images, eps, "linf")
