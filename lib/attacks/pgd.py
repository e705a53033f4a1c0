"""Projected gradient descent (Madry et al. 2018), correct and as the 2019 code of Hendrycks et al. published it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.attacks.checks import check_counts, check_inputs
from lib.attacks.guard import attacking, finish, first_success, input_gradient
from lib.attacks.losses import Goal, LossName, find_loss
from lib.attacks.norms import Norm, ascent_direction, draw_in_ball, draw_uniform, per_image, project

Slope = Callable[[Tensor, Tensor], Tensor]  # (points, labels) -> gradient at the points


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int,
    step_size: float | None = None,
    norm: Norm = "linf",
    restarts: int = 1,
    random_start: bool = True,
    targeted: bool = False,
    loss: LossName = "ce",
    stop_early: bool = False,
    as_published: bool = False,
    batch_statistics: bool = False,
    generator: torch.Generator | None = None,
    checked: bool = True,
    graphed: Callable[[Slope], Slope] | None = None,
) -> Tensor:
    """Climbs the loss inside the eps-ball: x <- P(x + step d), with d = sign(grad L) in Linf, grad L / |grad L| in L2.

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        images: (N, C, H, W) in [0, 1]; not touched.
        labels: (N,) int64 true classes, or with `targeted` the classes to reach.
        eps: radius; at most 1 in Linf.
        steps: gradient steps in each restart.
        step_size: length of a step in the norm; 2.5 eps / steps by default (Madry et al., section 5).
        norm: "linf" or "l2".
        restarts: attempts; of several, each image keeps one that reached its goal, else that of the highest loss.
        random_start: start uniformly in the ball rather than at the image.
        targeted: descend towards `labels` instead of climbing away from them.
        loss: "ce", "margin" or "dlr".
        stop_early: leave an image alone once it has reached its goal. Right for measuring robust accuracy, where
            `robust_accuracy` sets it; wrong for adversarial training, which wants the last step's high loss.
        as_published: the Linf attack of the pre-training code of 2019. It adds the random start to the batch in
            place, so the ball lies around the noised image, which may leave [0, 1]; the result may be 2 eps away.
        batch_statistics: let batch norms use the attacked batch's statistics, as attacks in training mode do; the
            batch then stays whole, whatever `stop_early` says.
        generator: source of the random starts.
        checked: look whether images, labels, result and the model's buffers are what they must be. Every look makes a
            GPU wait, so adversarial training, which attacks at every step, leaves them out there.
        graphed: makes of (points, labels) -> gradient a faster function of the same values, such as a CUDA graph.

    Returns:
        (N, C, H, W) adversarial images.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> pgd(net, image, label, eps=0.1, steps=3, random_start=False).flatten()
    tensor([0.5000, 0.6000])
    """
    if checked:
        check_inputs(images, labels, eps, norm)
    _check_settings(steps, restarts, step_size, norm, random_start, as_published)
    length = 2.5 * eps / steps if step_size is None else step_size
    goal = Goal(find_loss(loss), targeted)
    climb = _Climb(model, goal, eps, norm, steps, length, random_start, as_published, generator, graphed)
    with attacking(model, images, labels, batch_statistics=batch_statistics, checked=checked):
        if stop_early and not batch_statistics:
            found = first_success(images, labels, [climb.until_reached] * restarts)
        else:
            found = climb.strongest(images, labels, restarts)
        return finish(found, images, 2 * eps if as_published else eps, norm, checked)


@dataclass(frozen=True)
class _Climb:
    """One attempt: where it starts, how it steps, where it ends."""

    model: nn.Module
    goal: Goal
    eps: float
    norm: Norm
    steps: int
    length: float
    random: bool
    published: bool
    generator: torch.Generator | None
    graphed: Callable[[Slope], Slope] | None

    def start(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The first points and the centres of the balls, which are the images but in the published code."""
        if self.published:
            noised = images + draw_uniform(images, -self.eps, self.eps, self.generator)
            return noised, noised
        return (draw_in_ball(images, self.eps, self.norm, self.generator) if self.random else images), images

    def gradient(self, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of the goal's value with respect to the points; and the logits."""
        gradients, _, logits = input_gradient(self.model, points, lambda logits: self.goal.value(logits, labels))
        return gradients, logits

    def slope(self, points: Tensor, labels: Tensor) -> Tensor:
        """The gradient alone."""
        return self.gradient(points, labels)[0]

    def ascend(self, points: Tensor, gradients: Tensor, centres: Tensor) -> Tensor:
        """x <- P(x + step d)."""
        return project(points + self.length * ascent_direction(gradients, self.norm), centres, self.eps, self.norm)

    def last(self, images: Tensor, labels: Tensor) -> Tensor:
        """The last point, whatever happened on the way."""
        points, centres = self.start(images)
        slope = self.graphed(self.slope) if self.graphed else self.slope
        for _ in range(self.steps):
            points = self.ascend(points, slope(points, labels), centres)
        return points

    def until_reached(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The first point that reached the goal, else the last, and whether it was reached, (N,) bool."""
        points, centres = self.start(images)
        result, reached = points.clone(), torch.zeros_like(labels, dtype=torch.bool)
        rows = torch.arange(len(images), device=images.device)  # places in the batch of those still climbing
        for _ in range(self.steps):
            gradients, logits = self.gradient(points, labels)
            done = self.goal.reached(logits, labels)
            if done.any():
                result[rows[done]], reached[rows[done]] = points[done], True
                rows, points, gradients, centres, labels = _without(done, rows, points, gradients, centres, labels)
                if len(rows) == 0:
                    return result, reached
            points = self.ascend(points, gradients, centres)
        result[rows], reached[rows] = points, self.goal.reached(self.model(points), labels)
        return result, reached

    def strongest(self, images: Tensor, labels: Tensor, restarts: int) -> Tensor:
        """Of several attempts, for each image one that reached the goal, else the one of the highest loss."""
        best, best_score = self.last(images, labels), torch.full_like(labels, -torch.inf, dtype=torch.double)
        for attempt in range(restarts) if restarts > 1 else ():
            points = best if attempt == 0 else self.last(images, labels)
            logits = self.model(points)
            score = self.goal.value(logits, labels).double() + 1e9 * self.goal.reached(logits, labels)
            best = torch.where(per_image(score > best_score, images).bool(), points, best)
            best_score = torch.maximum(score, best_score)
        return best


def _without(done: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Leaves out the images that are done."""
    return tuple(tensor[~done] for tensor in tensors)


def _check_settings(
    steps: int, restarts: int, step_size: float | None, norm: Norm, random_start: bool, as_published: bool
) -> None:
    check_counts(steps=steps, restarts=restarts)
    if step_size is not None and not 0 <= step_size < float("inf"):
        raise ValueError(f"step_size must be finite and not negative, found {step_size}")
    if as_published and not (norm == "linf" and random_start):
        raise ValueError("as_published is an Linf attack with a random start; leave norm and random_start as they are")
