"""The noise of Noisy Student, kind by kind: taken from some images of a batch, or given to the teacher (table 6).

The noise is augmentation, dropout and stochastic depth. In the paper's ablation unlabelled images lose some of it while
labelled ones keep all, so that a difference is not one of over-fitting the labelled images.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.methods.self_training import WEIGHTINGS
from lib.models.wide_resnet import StochasticDepth
from lib.training.batches import Batch, Batches
from lib.training.evaluate import evaluating
from lib.training.loop import Augment, BatchLoss

AUGMENTATION = "augmentation"
IN_THE_NET: dict[str, type[nn.Module]] = {"dropout": nn.Dropout, "stochastic depth": StochasticDepth}
KINDS = (AUGMENTATION, *IN_THE_NET)

Note = Callable[[int, Tensor, Tensor], Any]  # (step, mean loss on labelled, on unlabelled images): scalars, detached


def noised_loss(
    labelled: Batches, augment: Augment, *, without: Collection[str] = (), everywhere: bool = False, note: Note
) -> BatchLoss:
    r"""The student's loss, one average over n labelled and m pseudo-labelled images, with some kinds of noise removed.

    1 / (n + m) [ sum_i l(y_i, f(a(x_i))) + sum_j l(t_j, f'(a'(u_j))) ], where f' and a' lack the kinds in `without`.

    Args:
        labelled: where the labelled images of each step come from.
        augment: (images, generator) -> images, the noise of the input.
        without: kinds of `KINDS` that the unlabelled images are spared.
        everywhere: whether the labelled images are spared them too.
        note: told both mean losses at each step.

    Returns:
        For `train`: called with a model and a batch of clean unlabelled images and their soft labels (m, K).

    Raises:
        ValueError: another kind of noise.
    """
    if unknown := set(without) - set(KINDS):
        raise ValueError(f"the kinds of noise are {', '.join(KINDS)}, found {', '.join(sorted(unknown))}")
    augmented = AUGMENTATION not in without

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        seen = labelled.at(batch.step, batch.generator)
        n, m = len(seen.images), len(batch.images)
        unlabelled = augment(batch.images, batch.generator) if augmented else batch.images
        own = augment(seen.images, batch.generator) if augmented or not everywhere else seen.images
        with noise_spares(model, 0 if everywhere else n, without):
            logits = model(torch.cat([own, unlabelled]))  # (n + m, K): one pass, so that both share batch norm
        on_labelled = F.cross_entropy(logits[:n], seen.labels)
        on_unlabelled = F.cross_entropy(logits[n:], batch.labels)
        note(batch.step, on_labelled.detach(), on_unlabelled.detach())
        share, rest = WEIGHTINGS["text"](n, m)
        return share * on_labelled + rest * on_unlabelled

    return loss


@contextmanager
def noise_spares(model: nn.Module, rows: int, kinds: Collection[str]) -> Iterator[None]:
    """Within, dropout or stochastic depth, where they are among `kinds`, act on the first `rows` images alone."""

    def spare(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return torch.cat([output[:rows], inputs[0][rows:]])

    spared = tuple(IN_THE_NET[kind] for kind in kinds if kind in IN_THE_NET)
    handles = [module.register_forward_hook(spare) for module in model.modules() if isinstance(module, spared)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def noised_pseudo_labels(
    teacher: nn.Module, images: Tensor, augment: Augment, seed: int, batch_size: int = 500
) -> Tensor:
    """Soft labels (N, K) of a teacher with all its noise: the mistake that table 6 measures on purpose.

    One draw for each image. Batch norm stays in eval mode: its batch statistics are no noise of the paper's.

    Args:
        teacher: any net; its mode is as before afterwards.
        images: (N, C, H, W), which are augmented.
        augment: the noise of the input.
        seed: of the draw; torch's own generators are as before afterwards.
        batch_size: images at once.
    """
    device = next(teacher.parameters()).device
    devices = [device] if device.type == "cuda" else []
    with evaluating(teacher), torch.no_grad(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        generator = torch.Generator(device).manual_seed(seed)
        for module in teacher.modules():
            module.training = isinstance(module, tuple(IN_THE_NET.values()))
        drawn = [teacher(augment(batch.to(device), generator)) for batch in images.split(batch_size)]
        return torch.softmax(torch.cat(drawn), dim=1).to(images.device)


def divergence(teacher: Tensor, student: Tensor) -> float:
    """Mean KL(teacher || student) in nats: what the student's loss on soft labels has above their entropy.

    Args:
        teacher: probabilities (N, K).
        student: logits (N, K).
    """
    return F.kl_div(F.log_softmax(student.double(), 1), teacher.double(), reduction="batchmean").item()
