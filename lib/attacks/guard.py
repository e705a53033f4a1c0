"""What every attack runs inside: a model that is left as it was, the gradient of the image, the last projection."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lib.attacks.checks import check_logits, check_result
from lib.attacks.norms import Norm, settle


@contextmanager
def attacking(
    model: nn.Module,
    images: Tensor | None = None,
    labels: Tensor | None = None,
    *,
    batch_statistics: bool = False,
    checked: bool = True,
) -> Iterator[None]:
    """Puts the model in eval mode without parameter gradients, and afterwards back exactly as it was.

    Gradients are off inside; `input_gradient` switches them on for the image alone.

    Args:
        model: the model to guard.
        images: (N, ...) where given with labels, the model's first output inside is checked: logits (N, K) that cover
            the labels, finite at the images.
        labels: (N,) the images' classes.
        batch_statistics: let batch norms use the statistics of the attacked batch, as code does that attacks in
            training mode; their running statistics still do not change.
        checked: look at the first output and compare the buffers afterwards with what they were.

    Raises:
        ValueError: if the first output is not what is described here.
        RuntimeError: if a buffer (a running mean, say) is not what it was before.
    """
    modes = [(module, module.training) for module in model.modules()]
    norms = _batch_norms(model) if batch_statistics else []
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = {name: buffer.clone() for name, buffer in model.named_buffers()} if checked else {}
    first_look: RemovableHandle | None = None
    try:
        with torch.inference_mode(False), torch.no_grad():
            model.eval()
            for parameter in trained:
                parameter.requires_grad_(False)
            for norm in norms:
                norm.training, norm.track_running_stats = True, False
            if checked and images is not None and labels is not None:
                first_look = _check_first_output(model, images, labels)
            yield
    finally:
        if first_look is not None:
            first_look.remove()
        for norm in norms:
            norm.track_running_stats = True
        for module, mode in modes:
            module.training = mode
        for parameter in trained:
            parameter.requires_grad_(True)
    if checked:
        _check_buffers(model, before)


def input_gradient(
    model: nn.Module, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Differentiates an objective of the logits with respect to the images.

    Args:
        model: the classifier.
        images: (N, ...) where to differentiate.
        objective: from logits (N, K) to one number per image (N,).

    Returns:
        The gradient in the shape of the images, zero where the model gives none or none that is finite; the objective
        (N,); and the logits (N, K).
    """
    gradient, values, logits = raw_input_gradient(model, images, objective)
    return gradient.nan_to_num(), values, logits  # not in place: what autograd returns may share memory


def raw_input_gradient(
    model: nn.Module, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """`input_gradient` with the values that are not finite left in."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = model(images)
        values = objective(logits)
        gradient = torch.autograd.grad(values.sum(), images, allow_unused=True)[0] if values.requires_grad else None
    if gradient is None:
        gradient = torch.zeros_like(images)
    return gradient.detach(), values.detach(), logits.detach()


def first_success(
    images: Tensor, labels: Tensor, runs: Iterable[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]
) -> Tensor:
    """Runs one attempt after the other, each on the images that withstood those before.

    Args:
        images: (N, ...) clean images.
        labels: (N,) passed on.
        runs: attempts (images, labels) -> (attacked images, whether each succeeded).

    Returns:
        (N, ...) the successful attempt on each image, or else the last one.
    """
    found = images.clone()
    standing = torch.arange(len(images), device=images.device)
    for run in runs:
        if len(standing) == 0:
            break
        found[standing], success = run(images[standing], labels[standing])
        standing = standing[~success]
    return found


def finish(points: Tensor, images: Tensor, eps: float, norm: Norm, checked: bool = True) -> Tensor:
    """The last line of every attack: into ball and box to one ulp, and checked."""
    points = settle(points, images, eps, norm)
    if checked:
        check_result(points, images, eps, norm)
    return points


def _check_first_output(model: nn.Module, images: Tensor, labels: Tensor) -> RemovableHandle:
    """Looks once, at the first forward pass, whatever points that is made with."""

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        handle.remove()
        check_logits(output, labels, images=len(inputs[0]), finite=False)
        if not torch.isfinite(output).all():  # a diverged net, or one that fails away from the clean images alone?
            check_logits(model(images), labels)

    handle = model.register_forward_hook(look)
    return handle


def _batch_norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Those with running statistics."""
    kind = nn.modules.batchnorm._BatchNorm
    return [module for module in model.modules() if isinstance(module, kind) and module.track_running_stats]


def _check_buffers(model: nn.Module, before: dict[str, Tensor]) -> None:
    if _all_equal([(buffer, before[name]) for name, buffer in model.named_buffers() if name in before]) and all(
        name in before for name, _ in model.named_buffers()
    ):
        return
    for name, buffer in model.named_buffers():
        if name not in before or not _identical(buffer, before[name]):
            raise RuntimeError(
                f"the model changed its buffer {name!r} while it was attacked in eval mode; "
                "an attack must not change what it attacks, so let forward() update state only when self.training"
            )


def _all_equal(pairs: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether all pairs are equal and without NaN: one answer, so that a GPU is waited for once, not once a buffer."""
    if any(left.shape != right.shape for left, right in pairs):
        return False
    return not pairs or bool(torch.stack([(left == right).all() for left, right in pairs]).all())


def _identical(left: Tensor, right: Tensor) -> bool:
    """Equal, where a NaN equals a NaN: the statistics of a diverged network."""
    return torch.equal(left, right) or (
        torch.equal(left.isnan(), right.isnan()) and torch.equal(left.nan_to_num(), right.nan_to_num())
    )
