"""Initial weights, said once."""

from typing import Literal

from torch import nn


def he_normal(model: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_in") -> None:
    """Draw every filter and hidden linear weight from N(0, 2 / fan), the last linear from N(0, 1 / fan_in); biases 0.

    He et al. 2015, equation 10. fan_in = k^2 in, fan_out = k^2 out. The last layer has no ReLU behind it, hence no
    factor 2. Draws from torch's global generator: seed it first.
    """
    layers = drawn_layers(model)
    for layer in layers[:-1]:
        nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
    for layer in layers[-1:]:
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="linear")
    zero_biases(model)


def zero_biases(model: nn.Module) -> None:
    """Set the bias of every convolution and linear layer to 0."""
    for layer in drawn_layers(model):
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def drawn_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers in order; none on the meta device, where there is nothing to draw."""
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return [layer for layer in layers if not layer.weight.is_meta]  # torch takes seconds to load normal_ for meta
