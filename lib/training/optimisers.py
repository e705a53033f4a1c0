"""Optimisers: SGD, Adam, and Muon for the filters of convolutional nets."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Coefficients of the odd polynomial a s + b s^3 + c s^5 that Newton-Schulz applies to every singular value s.
# Three rounds take each s in [0.02, 1] to about 0.7 .. 1.2: near enough to 1 for an update.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def sgd(
    model: nn.Module,
    lr: float,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    *,
    decay_vectors: bool = True,
) -> torch.optim.SGD:
    """SGD with momentum on the trainable parameters; weight decay as plain L2, added to the gradient.

    `decay_vectors=False` spares biases and norm parameters (everything with one dimension) the decay.
    """
    groups = decay_groups(model, weight_decay, decay_vectors)
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=fusible(model))


def adam(
    model: nn.Module,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    *,
    decay_vectors: bool = True,
) -> torch.optim.Adam:
    """Adam (Kingma and Ba 2015) on the trainable parameters; weight decay and `decay_vectors` as in `sgd`."""
    groups = decay_groups(model, weight_decay, decay_vectors)
    return torch.optim.Adam(groups, lr=lr, betas=betas, fused=fusible(model))


def muon(
    model: nn.Module,
    lr: float = 0.2,
    *,
    batch_size: int,
    momentum: float = 0.6,
    head_lr: float = 0.5,
    vector_lr: float = 0.05,
    head_momentum: float = 0.85,
    decay_per_image: float = 2e-6,
) -> "Muon":
    """The recipe of the small nets: Muon for the filters, SGD with Nesterov momentum for the rest.

    Args:
        model: its trainable parameters are sorted by shape: 4 dimensions are filters, 1 are biases and norms, the rest
            linear weights.
        lr: of the filters; 0.2 from scratch, 0.05 to fine-tune.
        batch_size: weight decay of the linear weights and vectors is `decay_per_image` times this, as plain L2.
        momentum: of the filters, which have no weight decay: their norm is fixed.
        head_lr: of the linear weights.
        vector_lr: of the biases and norm parameters.
        head_momentum: of the linear weights and vectors.
        decay_per_image: see batch_size.
    """
    parameters = trainable(model)
    filters = [p for p in parameters if p.ndim == 4]
    vectors = [p for p in parameters if p.ndim <= 1]
    linear = [p for p in parameters if 1 < p.ndim != 4]
    rest = {"orthogonal": False, "momentum": head_momentum, "weight_decay": decay_per_image * batch_size}
    groups = [
        {"params": filters, "lr": lr, "orthogonal": True, "momentum": momentum, "weight_decay": 0.0},
        {"params": linear, "lr": head_lr, **rest},
        {"params": vectors, "lr": vector_lr, **rest},
    ]
    return Muon([group for group in groups if group["params"]])


class Muon(torch.optim.Optimizer):
    """Nesterov momentum; the filters' update made orthogonal, the filters themselves kept at a fixed norm.

    Jordan et al. 2024 ("Muon"), with the normalised filters of their CIFAR-10 speed runs.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        """Each group has params, lr, momentum, weight_decay, and `orthogonal`: True for filters."""
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        direction = self._nesterov(parameter, group)
        if group["orthogonal"]:
            out = len(parameter)  # (out, in, k, k)
            parameter.mul_(out**0.5 / parameter.norm())
            rows = direction.permute(0, 2, 3, 1)  # (out, k, k, in): no copy in channels-last order
            direction = newton_schulz(rows.flatten(1)).view(rows.shape).permute(0, 3, 1, 2)
        parameter.add_(direction, alpha=-group["lr"])

    def _nesterov(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        """g + m b with b <- m b + g and g the gradient of loss + decay / 2 |parameter|^2."""
        assert parameter.grad is not None
        gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].mul_(group["momentum"]).add_(gradient)
        return gradient.add(state["momentum"], alpha=group["momentum"])


def newton_schulz(matrix: Tensor, steps: int = 3) -> Tensor:
    """Roughly the nearest (semi-)orthogonal matrix U V^T to a matrix U S V^T: (rows, columns) -> the same shape.

    X <- a X + (b X X^T + c (X X^T)^2) X, which acts on the singular values alone; they start in [0, 1].
    """
    a, b, c = NEWTON_SCHULZ
    x = matrix / (matrix.norm() + 1e-7)
    if tall := len(x) > x.shape[1]:
        x = x.T  # the Gram matrix is the smaller one
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def decay_groups(model: nn.Module, weight_decay: float, decay_vectors: bool) -> list[dict[str, Any]]:
    """Parameter groups with `weight_decay`, without it for one-dimensional parameters if they are to be spared."""
    parameters = trainable(model)
    spared = [p for p in parameters if p.ndim <= 1 and not decay_vectors]
    decayed = [p for p in parameters if p.ndim > 1 or decay_vectors]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Parameters with requires_grad; an error when there are none."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the model has no trainable parameter: set requires_grad on those to train")
    return parameters


def fusible(model: nn.Module) -> bool:
    """Whether torch can update all parameters in one kernel; not on the meta device."""
    return all(parameter.device.type in ("cpu", "cuda") for parameter in model.parameters())
