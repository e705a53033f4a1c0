"""FAB, the fast adaptive boundary attack in its targeted form (Croce & Hein 2020, "Minimally distorted ...").

It looks for the nearest misclassified point, walking along the decision boundary, rather than for the highest loss.
One thing differs from the paper: the model is linearised at the point a step led to, not at the point between it and
the image to which a misclassified iterate goes back. That point lies nearer to the boundary, and one pass gives both
the verdict and the gradient: a forward pass less in each step, with no loss of strength in our comparison.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lib.attacks.apgd import likely_class, target_ranks
from lib.attacks.checks import check_counts, check_inputs
from lib.attacks.guard import attacking, finish, first_success, input_gradient
from lib.attacks.norms import Norm, draw_in_ball, length, per_image

LARGEST_BIAS = 0.1  # alpha_max: how far an iterate is drawn towards the image
OVERSHOOT = 1.05  # eta: how far a step goes beyond the boundary of the linearised model
BACKWARD = 0.9  # beta: how far a misclassified iterate stays from the image


def fab(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int = 100,
    norm: Norm = "linf",
    restarts: int = 1,
    target_classes: int = 9,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Looks for the nearest point beyond the boundary to each likely class; an image is done within eps.

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        images: (N, C, H, W) in [0, 1]; not touched.
        labels: (N,) int64 true classes.
        eps: radius within which a misclassified point counts.
        steps: iterations for each class and restart.
        norm: "linf" or "l2".
        restarts: attempts for each class; the first starts at the image, others at random points near it.
        target_classes: number of classes tried, likeliest first.
        generator: source of the random starts.

    Returns:
        (N, C, H, W) a misclassified point within eps where one was found, else the image.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> moved = fab(net, image, label, eps=0.1, generator=torch.Generator().manual_seed(0))
    >>> net(moved).argmax().item(), bool((moved - image).abs().max() <= 0.1 + 1e-6)
    (1, True)
    """
    check_inputs(images, labels, eps, norm)
    check_counts(steps=steps, restarts=restarts, target_classes=target_classes)
    walk = partial(_walk, model, eps=eps, norm=norm, steps=steps)
    with attacking(model, images, labels):
        ranks = target_ranks(model, images, target_classes)
        starts = [0.0] + [eps / 2] * (restarts - 1)
        runs = [partial(walk, rank=rank, radius=radius, generator=generator) for rank in ranks for radius in starts]
        return finish(first_success(images, labels, runs), images, eps, norm)


class _State(NamedTuple):
    rows: Tensor  # place in the batch
    images: Tensor
    labels: Tensor
    targets: Tensor
    x: Tensor
    nearest: Tensor  # nearest misclassified point so far
    distance: Tensor  # its distance

    def only(self, kept: Tensor) -> "_State":
        """The images where `kept` is true."""
        return _State(*(entry[kept] for entry in self))


def _walk(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    rank: int,
    radius: float,
    eps: float,
    norm: Norm,
    steps: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """One attempt towards the class of one rank: misclassified points within eps, and where there is one."""
    found, broken = images.clone(), torch.zeros_like(labels, dtype=torch.bool)
    rows, never = torch.arange(len(images), device=images.device), images.new_full((len(images),), torch.inf)
    start = draw_in_ball(images, radius, norm, generator) if radius > 0 else images
    state = _State(rows, images, labels, likely_class(model, images, labels, rank), start, images, never)
    for step in range(steps + 1):
        state = _step(model, state, norm) if step < steps else _last_search(model, state, norm)
        done = state.distance <= eps
        if done.any():
            found[state.rows[done]], broken[state.rows[done]] = state.nearest[done], True
            state = state.only(~done)
            if len(state.rows) == 0:
                break
    return found, broken


def _step(model: nn.Module, state: _State, norm: Norm) -> _State:
    """x <- (1 - alpha)(b + eta delta) + alpha (x_0 + eta delta_0), where b is x, or nearer x_0 if x is wrong."""
    x, x_0 = state.x, state.images
    target = partial(_logit_difference, labels=state.labels, targets=state.targets)
    w, difference, logits = input_gradient(model, x, target)
    state, wrong = _note(state, x, logits, norm)
    b = torch.where(per_image(wrong, x).bool(), x_0 + BACKWARD * (x - x_0), x)
    # Linearised around x, the boundary to the target class is {z: difference + <w, z - x> = 0}.
    rest, rest_0 = (-difference - (w * (z - x)).flatten(1).sum(1) for z in (b, x_0))
    delta, delta_0 = to_hyperplane(torch.cat([b, x_0]), torch.cat([w, w]), torch.cat([rest, rest_0]), norm).chunk(2)
    way, way_0 = length(delta, norm).clamp_min(1e-8), length(delta_0, norm).clamp_min(1e-8)
    alpha = per_image((way / (way + way_0)).clamp(max=LARGEST_BIAS), x)
    x = (1 - alpha) * (b + OVERSHOOT * delta) + alpha * (x_0 + OVERSHOOT * delta_0)
    return state._replace(x=x.clamp(0, 1))


def _last_search(model: nn.Module, state: _State, norm: Norm) -> _State:
    """Looks at the last point, then bisects three times between each image and its nearest misclassified point."""
    state, _ = _note(state, state.x, model(state.x), norm)
    near, far = torch.zeros_like(state.distance), torch.ones_like(state.distance)
    end = state.nearest
    for _ in range(3):
        middle = (near + far) / 2
        x = state.images + per_image(middle, end) * (end - state.images)
        state, wrong = _note(state, x, model(x), norm)
        near, far = torch.where(wrong, near, middle), torch.where(wrong, middle, far)
    return state


def _note(state: _State, x: Tensor, logits: Tensor, norm: Norm) -> tuple[_State, Tensor]:
    """Keeps points that are misclassified and nearer than any before; and says which are misclassified."""
    wrong = logits.argmax(1) != state.labels
    distance = length(x - state.images, norm)
    nearer = wrong & (distance < state.distance)
    nearest = torch.where(per_image(nearer, x).bool(), x, state.nearest)
    return state._replace(nearest=nearest, distance=torch.where(nearer, distance, state.distance)), wrong


def _logit_difference(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """z_t - z_y, (N,)."""
    return (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None])).squeeze(1)


def to_hyperplane(x: Tensor, w: Tensor, rest: Tensor, norm: Norm) -> Tensor:
    """Returns the smallest delta with <w, delta> = rest and x + delta in [0, 1]; the most the box allows if none has.

    In both norms delta_i = sign(w_i) min(t s_i, room_i), with speeds s_i = 1 in Linf and |w_i| in L2, and room_i the
    way to the box. g(t) = sum_i |w_i| delta_i is concave and piecewise linear, so Newton's method from t = 0 climbs to
    g(t) = |rest| from below and is exact once no further pixel meets the box.

    Args:
        x: (N, ...) points in [0, 1].
        w: (N, ...) normals.
        rest: (N,) what <w, delta> must be.
        norm: "linf" or "l2".
    """
    flat = w.flatten(1) * rest.sign()[:, None]  # turned so that <w, delta> must grow
    a, rest = flat.abs(), rest.abs()
    speed = torch.ones_like(a) if norm == "linf" else a / a.amax(1, keepdim=True).clamp_min(1e-30)
    room = torch.where(flat > 0, 1 - x.flatten(1), x.flatten(1))
    gain, t = a * speed, torch.zeros_like(rest)
    for _ in range(a.shape[1] + 1):
        reach = speed * t[:, None]
        missing = rest - torch.linalg.vecdot(a, torch.minimum(reach, room))  # |rest| - g(t)
        slope = torch.linalg.vecdot(gain, (reach < room).to(gain.dtype))  # g'(t)
        wanted = (missing > 1e-6 * rest) & (slope > 0)
        if not wanted.any():
            break
        t = torch.where(wanted, t + missing / slope.clamp_min(torch.finfo(t.dtype).tiny), t)
    return (flat.sign() * torch.minimum(speed * t[:, None], room)).view_as(x)
