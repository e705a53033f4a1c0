"""The constants that p(x | y) alone leaves open, fitted afterwards."""

import torch
import torch.nn.functional as F
from torch import Tensor


def fit_class_constants(scores: Tensor, labels: Tensor, rounds: int = 100) -> tuple[Tensor, float]:
    """Constants b (K,) and a factor c > 0 so that softmax(c f(x) + b) fits the labels best.

    A model of p(x | y) has f(x)[y] = log p(x | y) + log Z_y, and nothing in its training says anything of the Z_y. By
    Bayes p(y | x) = softmax(f(x)[y] - log Z_y + log p(y)): K numbers are missing. The factor is for the temperature at
    which the chains sample, which scales f. Together they are a logistic regression, which is convex.

    Args:
        scores: f(x), (N, K).
        labels: (N,) classes.
        rounds: of L-BFGS.
    """
    scores = scores.detach().double()
    scale = scores.std().clamp(min=1e-12)  # so that both unknowns are of order 1
    b = torch.zeros(scores.shape[1], dtype=torch.float64, device=scores.device, requires_grad=True)
    log_c = torch.zeros((), dtype=torch.float64, device=scores.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([b, log_c], max_iter=rounds, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(log_c.exp() * scores / scale + b, labels)
        value.backward()
        return value

    optimiser.step(loss)
    return b.detach() - b.detach().mean(), float(log_c.detach().exp() / scale)
