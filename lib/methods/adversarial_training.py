"""Adversarial training (Madry et al. 2018) and what Hendrycks, Lee and Mazeika (ICML 2019) make of it: tuning a net
that was adversarially trained on a larger source, all of it or its last layer alone.
"""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from lib.attacks.pgd import Slope, pgd
from lib.data.image_set import to_float
from lib.data.labels import corrupt_labels
from lib.models.graphed import Graphed
from lib.training.batches import Batch

BatchLoss = Callable[[nn.Module, Batch], Tensor]


def adversarial_loss(
    *,
    eps: float,
    steps: int,
    targeted: bool = False,
    as_published: bool = False,
    frozen_trunk: bool = False,
    graphs: bool = False,
) -> BatchLoss:
    """The loss of adversarial training, min over theta of E max over |d| <= eps of L(f(x + d), y), on one batch.

    PGD looks for the inner maximum from a random start, and only what it finds enters the loss; there is no clean term.
    As in the paper's code, the attack sees batch norms that use the batch's own statistics. Their running statistics
    move once a step, by the pass that is trained on, never by the passes of the attack.

    The inner attack has the precision of the training step, bfloat16 on a GPU (as in Wong et al. 2020): it chooses the
    batch, nothing of it is reported, images and projection are float32, so that ball and box hold exactly, and every
    arm of a comparison has the same. Robust accuracy is measured outside of training, in float32.

    Args:
        eps: radius of the Linf ball, in [0, 1] units; 0 is ordinary training.
        steps: of PGD, each 2.5 eps / steps long (the paper's 10 steps of 2/255 for 8/255).
        targeted: the adversary pulls each image towards a wrong class drawn at random, instead of away from its own.
        as_published: the attack of the released code, whose ball lies around the noised image; up to 2 eps.
        frozen_trunk: train with all batch norms in eval mode, in the attack too, since a trunk that is not trained must
            not change through its statistics either.
        graphs: replay the gradient of the attack as a CUDA graph.

    Returns:
        A `batch_loss` for `lib.training.loop.train`.
    """

    replays: dict[nn.Module, Graphed] = {}

    def batch_loss(model: nn.Module, batch: Batch) -> Tensor:
        if frozen_trunk:
            model.eval()
        images, goal = to_float(batch.images), batch.labels
        if eps > 0:
            if targeted:  # towards a wrong class, uniform over the others
                goal = corrupt_labels(batch.labels, 1.0, _classes(model), batch.generator, exclude_true=True)
            images = pgd(model, images, goal, eps=eps, steps=steps, targeted=targeted, as_published=as_published,
                         batch_statistics=not frozen_trunk, generator=batch.generator,
                         checked=images.device.type == "cpu", graphed=once(model) if graphs else None)  # fmt: skip
        return F.cross_entropy(model(images), batch.labels)  # L(f(x + d), y) at the d that PGD found

    def once(model: nn.Module) -> Callable[[Slope], Graphed]:
        """The function of the first attack serves all: it is the same but for its arguments."""
        return lambda slope: replays.setdefault(model, Graphed(slope))

    return batch_loss


def passes(images: int, attack_steps: int) -> int:
    """Forward-backward passes of training on `images` images: one for each step of the attack, one for the weights."""
    return images * (attack_steps + 1)


def transplant(net: nn.Module, source: Mapping[str, Tensor]) -> None:
    """Put the source net's weights into `net`, all but the last linear layer, which stays as it was drawn.

    Args:
        net: same family as the source net, with the target's number of classes.
        source: the source net's `state_dict`, its last layer included.

    Raises:
        ValueError: when the two nets differ anywhere but in the last layer.
    """
    head = last_linear(net)
    own = net.state_dict()
    kept = {name: own[name] for name in own if name.rpartition(".")[0] == head}
    trunk = {name: value for name, value in source.items() if name.rpartition(".")[0] != head}
    different = [n for n in own if n not in kept and (n not in trunk or trunk[n].shape != own[n].shape)]
    different += [n for n in trunk if n not in own]
    if different:
        raise ValueError(f"source and target net differ beyond their last layer: {', '.join(different[:3])}")
    net.load_state_dict(trunk | kept)


def freeze_trunk(net: nn.Module) -> None:
    """Let the last linear layer alone be trained; with `frozen_trunk` in the loss, statistics stay as well."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    for parameter in net.get_submodule(last_linear(net)).parameters():
        parameter.requires_grad_(True)


def last_linear(net: nn.Module) -> str:
    """Name of the last linear layer.

    Raises:
        ValueError: when the net has none.
    """
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise ValueError("the net has no linear layer to replace: expected a classifier that ends in one")
    return names[-1]


def _classes(model: nn.Module) -> int:
    layer = model.get_submodule(last_linear(model))
    assert isinstance(layer, nn.Linear)
    return layer.out_features
