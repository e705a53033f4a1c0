"""Transfer attacks: images made against one model, tried on another."""

from torch import Tensor, nn

from lib.attacks.harness import Attack


def from_source(source: nn.Module, attack: Attack) -> Attack:
    """Returns an attack that looks only at `source`, whatever model it is asked to break.

    With `robust_accuracy` this is a black-box attack on the target: it never asks the target for a gradient. It does
    not stop early, since fooling the source is not the goal.

    Args:
        source: the model to attack instead, on the same device.
        attack: called as attack(source, images, labels), for instance `functools.partial(pgd, eps=8 / 255, steps=20)`.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> from functools import partial
    >>> from lib.attacks.fgsm import fgsm
    >>> attack = from_source(net, partial(fgsm, eps=0.1))
    >>> attack(torch.nn.Identity(), image, label).flatten()  # what the attacked net answers is not looked at
    tensor([0.5000, 0.6000])
    """

    def transferred(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return attack(source, images, labels)

    return transferred
