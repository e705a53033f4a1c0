"""Fully connected nets, such as the two of Zhang et al. 2017: 1 x 512 and 3 x 512 on 28 x 28 x 3."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from lib.models.activations import activation_named
from lib.models.initialise import he_normal
from lib.models.inputs import whitened_crop


class MLP(nn.Module):
    """Scaling, flatten, hidden layers with their activation, linear layer."""

    def __init__(self, inputs: nn.Module, layers: nn.Sequential) -> None:
        """Take the scaling module and the layers behind it."""
        super().__init__()
        self.inputs, self.layers = inputs, layers

    def forward(self, images: Tensor) -> Tensor:
        """(N, ...) -> logits (N, classes)."""
        return self.layers(self.inputs(images).flatten(1))  # (N, D) inside


def mlp(
    hidden: Sequence[int],
    num_classes: int,
    input_shape: Sequence[int] = (3, 28, 28),
    *,
    activation: str = "relu",
    dropout: float = 0.0,
    inputs: nn.Module | None = None,
) -> MLP:
    """Multilayer perceptron, logits of (N, num_classes).

    Initialisation: He normal by fan-in, last layer N(0, 1 / in), biases 0 (the paper states none).

    Args:
        hidden: width of each hidden layer; (512, 512, 512) is the paper's larger one, () a linear model.
        num_classes: number of logits.
        input_shape: (C, H, W) after scaling and cropping, or (D,) for plain vectors.
        activation: "relu", "leaky_relu", "silu" or "elu".
        dropout: probability after each hidden layer.
        inputs: scaling module; None is the paper's, a centre crop to H x W with per-image whitening.

    Raises:
        ValueError: when the input is a plain vector and no scaling is given.
    """
    if inputs is None:
        if len(input_shape) != 3:
            found = tuple(input_shape)
            raise ValueError(f"whitening needs input_shape (C, H, W), found {found}: pass inputs=nn.Identity()")
        inputs = whitened_crop(*input_shape[1:])
    widths = [prod(input_shape), *hidden]
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), activation_named(activation), nn.Dropout(dropout)]
    model = MLP(inputs, nn.Sequential(*layers, nn.Linear(widths[-1], num_classes)))
    he_normal(model)
    return model
