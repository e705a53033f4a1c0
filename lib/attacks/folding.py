"""A faster copy of a model for evaluation: batch norm folded into the convolution before it, channels last."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def inference_copy(model: nn.Module, images: Tensor) -> nn.Module:
    """Returns a copy with the same outputs that runs faster, or the model itself where no such copy can be made.

    In eval mode a batch norm is an affine map with fixed numbers; after a convolution it can be multiplied into the
    weights (Jacob et al. 2018, section 3.2). Which batch norm follows which convolution is observed in one forward
    pass, so that control flow in `forward` does not matter, and the copy is used only if it reproduces the model's
    logits on `images`.

    Args:
        model: classifier in eval mode; left as it is.
        images: (N, C, H, W) a few images to observe and compare with.
    """
    try:
        with torch.no_grad():
            pairs = _follow_each_other(model, images)
            folded = _fold(model, pairs)
            if not _same_outputs(model, folded, images):  # a convolution's output was needed elsewhere too
                few = images[:4]
                folded = _fold(model, [pair for pair in pairs if _same_outputs(model, _fold(model, [pair]), few)])
            return folded if _same_outputs(model, folded, images) else model
    except (RuntimeError, TypeError, AttributeError, NotImplementedError):
        return model  # it cannot be copied, or its code looks inside its layers: attack it as it is


def _follow_each_other(model: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Names of (convolution, batch norm) where the second was called once, on the output of the first."""
    calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []  # the tensors are kept, so that their identity is unique

    def note(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_hook(lambda m, inputs, output: calls.append((name, m, inputs[0], output)))

    kinds = (nn.Conv2d, nn.BatchNorm2d)
    handles = [note(name, module) for name, module in model.named_modules() if isinstance(module, kinds)]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    names = [name for name, *_ in calls]
    made_by = {id(output): name for name, m, _, output in calls if isinstance(m, nn.Conv2d)}
    return [
        (made_by[id(seen)], name)
        for name, m, seen, _ in calls
        if isinstance(m, nn.BatchNorm2d) and m.track_running_stats and id(seen) in made_by
        if names.count(name) == 1 and names.count(made_by[id(seen)]) == 1
    ]


def _fold(model: nn.Module, pairs: list[tuple[str, str]]) -> nn.Module:
    """A frozen copy, channels last, with these pairs folded."""
    folded = copy.deepcopy(model).requires_grad_(False)
    for conv_name, norm_name in pairs:
        conv, norm = folded.get_submodule(conv_name), folded.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        folded.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
        folded.set_submodule(norm_name, nn.Identity())
    return folded.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]


def _same_outputs(model: nn.Module, folded: nn.Module, images: Tensor) -> bool:
    """Equal up to rounding: 1e-4 of the largest logit in float32, 1e-9 in float64."""
    expected = model(images)
    tolerance = (1e-9 if images.dtype == torch.float64 else 1e-4) * expected.abs().amax().item()
    return bool((folded(images) - expected).abs().amax() <= tolerance)
