"""The activation functions by name."""

from torch import nn


class _LeakyReLU(nn.LeakyReLU):
    """max(x, 0.2 x), the slope of JEM's code."""

    def __init__(self) -> None:
        super().__init__(0.2)


ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "leaky_relu": _LeakyReLU, "silu": nn.SiLU, "elu": nn.ELU}


def activation_named(name: str) -> nn.Module:
    """A fresh activation module: "relu", "leaky_relu" (slope 0.2), "silu" or "elu".

    Raises:
        ValueError: for any other name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
