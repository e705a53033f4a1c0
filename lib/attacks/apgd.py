"""Auto-PGD (Croce & Hein 2020, algorithm 1): PGD with momentum that halves its own step size."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from lib.attacks.checks import check_counts, check_inputs
from lib.attacks.guard import attacking, finish, first_success, input_gradient
from lib.attacks.losses import Loss, find_loss, targeted_dlr
from lib.attacks.norms import Norm, ascent_direction, draw_in_ball, per_image, project

MOMENTUM = 0.75  # alpha: share of the new step, the rest repeats the last one
PROGRESS = 0.75  # rho: share of steps between two checkpoints that must have raised the loss


def apgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int = 100,
    norm: Norm = "linf",
    loss: Literal["ce", "margin", "dlr", "targeted_dlr"] = "ce",
    restarts: int = 1,
    target_classes: int = 9,
    stop_early: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Climbs the loss in the eps-ball without a step size to choose.

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        images: (N, C, H, W) in [0, 1]; not touched.
        labels: (N,) int64 true classes.
        eps: radius; at most 1 in Linf.
        steps: gradient steps in each attempt.
        norm: "linf" or "l2".
        loss: "ce", "margin", "dlr", or "targeted_dlr", which makes one attempt for each of the likeliest other classes.
        restarts: attempts, or with "targeted_dlr" attempts for each class.
        target_classes: number of classes tried by "targeted_dlr", at most all the others.
        stop_early: leave an image alone once it is misclassified; False for stochastic models.
        generator: source of the random starts.

    Returns:
        (N, C, H, W) for each image the first misclassified point, else the point of the highest loss of the last
        attempt.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> moved = apgd(net, image, label, eps=0.1, generator=torch.Generator().manual_seed(0))
    >>> net(moved).argmax().item()
    1
    """
    check_inputs(images, labels, eps, norm)
    check_counts(steps=steps, restarts=restarts, target_classes=target_classes)
    climb = partial(_climb, model, eps=eps, norm=norm, steps=steps, stop_early=stop_early, generator=generator)
    with attacking(model, images, labels):
        if loss == "targeted_dlr":
            targets = [partial(likely_class, model, rank=rank) for rank in target_ranks(model, images, target_classes)]
            runs = [partial(climb, targeted_dlr, target) for target in targets for _ in range(restarts)]
        else:
            runs = [partial(climb, find_loss(loss), None)] * restarts
        return finish(first_success(images, labels, runs), images, eps, norm)


def target_ranks(model: nn.Module, images: Tensor, most: int) -> range:
    """1, 2, ... for the likeliest wrong class, the second likeliest, ...: at most `most`, at most all there are."""
    classes = model(images[:1]).shape[1]
    return range(1, min(most, classes - 1) + 1)


def likely_class(model: nn.Module, images: Tensor, labels: Tensor, rank: int) -> Tensor:
    """The class of the given rank among the wrong ones at the clean images, likeliest first, (N,)."""
    others = model(images).scatter(1, labels[:, None], float("-inf"))
    return others.argsort(1, descending=True)[:, rank - 1]


def checkpoints(steps: int) -> list[int]:
    """Steps at which the step size is reconsidered: w_j = ceil(p_j N), section 3.1.

    p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06); counted in hundredths, exactly.
    """
    shares = [0, 22]
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    return sorted({-(-share * steps // 100) for share in shares if share <= 100})


class _State(NamedTuple):
    """Where each image still under attack stands; every field has one entry per image."""

    rows: Tensor  # place in the batch
    images: Tensor
    classes: Tensor  # (n, 1) labels, or (n, 2) labels and targets: what the loss takes beside the logits
    x: Tensor
    x_before: Tensor
    gradient: Tensor
    value: Tensor
    x_best: Tensor
    gradient_best: Tensor
    best: Tensor  # highest loss so far
    length: Tensor  # eta, the step size
    rises: Tensor  # steps since the last checkpoint that raised the loss
    best_then: Tensor  # highest loss at the last checkpoint
    halved: Tensor  # whether eta was halved at the last checkpoint

    def only(self, kept: Tensor) -> "_State":
        """The images where `kept` is true."""
        return _State(*(entry[kept] for entry in self))


def _climb(
    model: nn.Module,
    loss: Loss,
    choose: Callable[[Tensor, Tensor], Tensor] | None,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    norm: Norm,
    steps: int,
    stop_early: bool,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """One attempt: the first misclassified points, else those of the highest loss, and which are misclassified."""
    classes = labels[:, None] if choose is None else torch.stack([labels, choose(images, labels)], 1)
    found, broken = images.clone(), torch.zeros_like(labels, dtype=torch.bool)
    state = _start(images, classes, draw_in_ball(images, eps, norm, generator), eps)
    last_check, checks = 0, checkpoints(steps)[1:]
    for step in range(steps + 1):
        if step > 0:
            state = _move(state, eps, norm, first=step == 1)
        state, wrong = _look(model, loss, state)
        if stop_early and wrong.any():
            found[state.rows[wrong]], broken[state.rows[wrong]] = state.x[wrong], True
            state = state.only(~wrong)
            if len(state.rows) == 0:
                break
        if step in checks:
            state, last_check = _reconsider(state, step - last_check), step
    found[state.rows] = state.x_best
    return found, broken


def _start(images: Tensor, classes: Tensor, x: Tensor, eps: float) -> _State:
    none, no = images.new_full((len(images),), -torch.inf), torch.zeros(len(images), device=images.device)
    rows = torch.arange(len(images), device=images.device)
    length = torch.full_like(none, 2 * eps)  # eta_0 = 2 eps
    nothing = torch.zeros_like(images)
    return _State(rows, images, classes, x, x, nothing, none, x, nothing, none, length, no, none, no.bool())


def _look(model: nn.Module, loss: Loss, state: _State) -> tuple[_State, Tensor]:
    """Loss and gradient at the new points, the best kept; and which points are misclassified."""
    gradient, value, logits = input_gradient(model, state.x, lambda z: loss(z, *state.classes.unbind(1)))
    better = value > state.best
    at = per_image(better, state.x).bool()
    looked = state._replace(
        rises=state.rises + (value > state.value),
        gradient=gradient,
        value=value,
        best=torch.where(better, value, state.best),
        x_best=torch.where(at, state.x, state.x_best),
        gradient_best=torch.where(at, gradient, state.gradient_best),
    )
    return looked, logits.argmax(1) != state.classes[:, 0]


def _move(state: _State, eps: float, norm: Norm, first: bool) -> _State:
    """z = P(x + eta d),  x <- P(x + alpha (z - x) + (1 - alpha)(x - x_before)), equations 3 and 4."""
    x, images = state.x, state.images
    z = project(x + per_image(state.length, x) * ascent_direction(state.gradient, norm), images, eps, norm)
    if not first:
        z = project(x + MOMENTUM * (z - x) + (1 - MOMENTUM) * (x - state.x_before), images, eps, norm)
    return state._replace(x=z, x_before=x)


def _reconsider(state: _State, interval: int) -> _State:
    """Halves eta and returns to the best point where the loss rose too rarely or nothing changed (section 3.1)."""
    rarely = state.rises < PROGRESS * interval
    stuck = ~state.halved & (state.best <= state.best_then)
    halve = rarely | stuck
    at = per_image(halve, state.x).bool()
    return state._replace(
        length=torch.where(halve, state.length / 2, state.length),
        x=torch.where(at, state.x_best, state.x),
        gradient=torch.where(at, state.gradient_best, state.gradient),
        value=torch.where(halve, state.best, state.value),
        rises=torch.zeros_like(state.rises),
        best_then=state.best,
        halved=halve,
    )
