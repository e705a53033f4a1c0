"""Training of JEM that survives its divergences: roll back to the last good state, take another seed, go on.

The run is cut into segments. Where a segment begins, weights, optimiser and buffer are remembered; a segment that
diverges is undone and tried again with another seed, and the divergence is kept as data. The same places serve to
resume a killed run: everything random in a segment follows from (seed, its first step, restarts so far).
"""

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.methods.jem import Guard, JointLoss, Recipe
from lib.methods.sgld import ReplayBuffer
from lib.models.count import parameter_count
from lib.training.checkpoint import read_checkpoint, write_checkpoint
from lib.training.device import Compute, derived_seed, prepare
from lib.training.history import Hook, Run
from lib.training.loop import Augment, Diverged, train
from lib.training.optimisers import adam
from lib.training.schedules import Schedule, constant

BUFFER, ORDER, CHAINS = 11, 12, 13  # purposes of the seeds derived from the run's
GUARD_EVERY = 10  # steps, on a device that a look makes wait


@dataclass(frozen=True)
class Rescue:
    """What is done about a divergence.

    Attributes:
        segment: steps between two states that can be returned to.
        restarts: rollbacks after which the run is given up.
        rate: factor on the learning rate at each restart; 1 is the paper's remedy, another seed and nothing else.
    """

    segment: int = 100
    restarts: int = 8
    rate: float = 1.0


@dataclass
class JointRun:
    """A run of JEM: what it has done so far, and at its end what it leaves behind.

    Attributes:
        buffer: the chains.
        step: steps done, not counting undone ones.
        trace: one line per step taken, undone ones too, with finite numbers: step, mean log density of data and of
            chains, largest |pixel| of the chains as images in [-1, 1].
        divergences: one per rollback: step, where it went back to, cause, line of the trace.
        measured: [step, value] of every measurement on the way.
        cpu_seconds: of training, undone steps too.
    """

    buffer: ReplayBuffer
    step: int = 0
    trace: list[list[float]] = field(default_factory=list)
    divergences: list[dict[str, Any]] = field(default_factory=list)
    measured: list[list[float]] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Everything, for the checkpoint."""
        return {**vars(self), "buffer": self.buffer.state_dict(), "trace": list(self.trace)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.buffer.load_state_dict(state["buffer"])
        for name in vars(self).keys() - {"buffer"}:
            setattr(self, name, state[name])


def train_jointly(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    recipe: Recipe,
    steps: int,
    batch_size: int,
    learning_rate: float,
    schedule: Schedule | None = None,
    augment: Augment | None = None,
    guard: Callable[[], Guard] = Guard,
    rescue: Rescue | None = None,
    seed: int = 0,
    compute: Compute | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    fingerprint: str = "",
    measure: Mapping[int, Callable[[nn.Module], float]] | None = None,
) -> JointRun:
    """Train `model` in place by JEM with Adam; it is left in eval mode.

    The result follows from initial weights, data and arguments, whether or not the run was killed and resumed.

    Args:
        model: images in [0, 1] -> logits.
        images: (N, C, H, W) uint8 or float in [0, 1].
        labels: (N,) int64.
        recipe: sampler, factorisation and what stabilises.
        steps: updates of the weights.
        batch_size: data images, and chains, of a step.
        learning_rate: Adam's, times schedule(step).
        schedule: None is constant.
        augment: of the data.
        guard: makes the judge of divergence for a segment.
        rescue: what happens then; None is `Rescue()`.
        seed: of everything but the initial weights.
        compute: None is `prepare()`.
        checkpoint: file to resume from, written between segments when the last is `checkpoint_seconds` old.
        checkpoint_seconds: see above.
        fingerprint: what net, data and arguments are, so that the checkpoint of another run is refused.
        measure: after how many steps -> what is measured of the net then; it goes to `run.measured`.

    Returns:
        The run; `run.step < steps` if it was given up after too many restarts.
    """
    compute, rescue, schedule = compute or prepare(), rescue or Rescue(), schedule or constant()
    compute.place(model)
    optimiser = adam(model, learning_rate)
    run = JointRun(new_buffer(recipe, images, labels, generator(compute, seed, BUFFER)))
    about = {"seed": seed, "steps": steps, "parameters": parameter_count(model), "fingerprint": fingerprint}
    restore(checkpoint, about, model, optimiser, run)
    saved = time.monotonic()
    while run.step < steps and len(run.divergences) <= rescue.restarts:
        attempt = (run.step, len(run.divergences))
        chance = generator(compute, seed, CHAINS, *attempt)
        loss = JointLoss(recipe, run.buffer, chance, guard(), looks_every(compute), compute.graphs)
        before = deepcopy((model.state_dict(), optimiser.state_dict(), run.buffer.state_dict()))
        started, length = time.process_time(), min(rescue.segment, steps - run.step)
        try:
            train(
                model, images, labels, steps=length, batch_size=batch_size, optimiser=optimiser,
                schedule=shifted(schedule, run.step, rescue.rate ** len(run.divergences)), batch_loss=loss,
                augment=augment, clip_norm=recipe.clip_norm, drop_last=len(images) >= batch_size,
                seed=derived_seed(seed, ORDER, *attempt), compute=compute, hooks=[looks(run, measure or {})],
                retake=False,  # a second visit would find other chains
            )  # fmt: skip
            loss.look()
        except Diverged as found:
            loss.note_until(found.step)
            note_divergence(run, loss, run.step + found.step)
            put_back(before, model, optimiser, run.buffer)
        else:
            note_steps(run, loss)
            run.step += length
        run.cpu_seconds += time.process_time() - started
        if checkpoint is not None and time.monotonic() - saved >= checkpoint_seconds:
            write_checkpoint(checkpoint, about, model, {"optimiser": optimiser.state_dict(), "run": run.state_dict()})
            saved = time.monotonic()
    model.eval()
    return run


def new_buffer(recipe: Recipe, images: Tensor, labels: Tensor, random: torch.Generator) -> ReplayBuffer:
    """The buffer of a run before its first step."""
    classes = int(labels.max()) + 1
    return ReplayBuffer(recipe.buffer_size, tuple(images.shape[1:]), random, recipe.restart, classes)


def generator(compute: Compute, seed: int, *purpose: int) -> torch.Generator:
    """A generator on the run's device, seeded for one purpose."""
    return torch.Generator(compute.device).manual_seed(derived_seed(seed, *purpose))


def looks_every(compute: Compute) -> int:
    """Steps between two looks of the guard."""
    return min(GUARD_EVERY, compute.look_every)


def shifted(schedule: Schedule, start: int, factor: float) -> Schedule:
    """The schedule as a segment that begins at step `start` of the run sees it, times a factor."""
    return lambda step: factor * schedule(start + step)


def looks(run: JointRun, measure: Mapping[int, Callable[[nn.Module], float]]) -> Hook:
    """The hook that measures at the steps of the whole run that were asked for; an undone step is measured again."""
    start = run.step

    def look(segment: Run) -> None:
        if quantity := measure.get(start + segment.step):
            taken = [line for line in run.measured if line[0] != start + segment.step]
            run.measured = [*taken, [float(start + segment.step), quantity(segment.model)]]

    return look


def note_steps(run: JointRun, loss: JointLoss) -> None:
    """Append the steps that a segment took to the trace, but for those whose numbers are not finite."""
    run.trace += [[float(run.step + i), *line] for i, line in enumerate(loss.trace) if all(map(isfinite, line))]


def note_divergence(run: JointRun, loss: JointLoss, step: int) -> None:
    """Append a segment that diverged to the trace, and the divergence to the list."""
    note_steps(run, loss)
    run.divergences.append({"step": step, "back_to": run.step, "cause": loss.cause, "line": len(run.trace) - 1})


def put_back(
    before: tuple[Any, Any, Any], model: nn.Module, optimiser: torch.optim.Optimizer, buffer: ReplayBuffer
) -> None:
    """Return to a remembered state."""
    weights, moments, chains = before
    model.load_state_dict(weights)
    optimiser.load_state_dict(moments)
    buffer.load_state_dict(chains)


def restore(
    checkpoint: Path | None, about: dict[str, Any], model: nn.Module, optimiser: torch.optim.Optimizer, run: JointRun
) -> None:
    """Go on from the checkpoint, if there is one."""
    state = read_checkpoint(checkpoint, about, model) if checkpoint else None
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])
        run.load_state_dict(state["run"])


def got_past(run: JointRun, margin: int) -> list[bool]:
    """For every restart that tells, whether the run came past the divergence before it.

    Past is `margin` steps beyond the one at which it had diverged, all of them sane. The last restart does not tell
    where the run ended before that, nor the last divergence of a run that was given up, which had no restart.
    """
    places = [divergence["step"] for divergence in run.divergences]
    told = [after > before + margin for before, after in pairwise(places)]
    return told + [True] * (bool(places) and run.step > places[-1] + margin)
