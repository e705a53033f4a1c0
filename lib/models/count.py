"""How many numbers a net learns."""

from torch import nn


def parameter_count(model: nn.Module) -> int:
    """Number of trainable values: each shared parameter once, buffers and frozen parameters not at all."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
