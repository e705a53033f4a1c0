"""The one training loop: a whole data set on the device, one callable for the loss, hooks, exact resume."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.models.count import parameter_count
from lib.training.batches import Batch, Batches
from lib.training.checkpoint import Keeper, Stateful, identity, name_of
from lib.training.device import Compute, own_randomness, prepare, rng_state, set_rng_state
from lib.training.history import History, Hook, Run
from lib.training.interrupt import between_steps
from lib.training.progress import progress_line
from lib.training.schedules import Schedule, constant

Augment = Callable[[Tensor, torch.Generator], Tensor]  # (B, C, H, W) -> (B, C, H', W')
BatchLoss = Callable[[nn.Module, Batch], Tensor]  # -> scalar


class Diverged(RuntimeError):
    """Loss or gradient were not finite at `step` (from 0). Model and checkpoint hold the state before that step.

    On a GPU that state is come to by taking the steps since the last look again (see `LastGood`), to the rounding of
    kernels that are not deterministic there; without `retake` it is the state of that look itself.

    What a `batch_loss` of the caller changed by itself, besides the model's buffers, is not undone. Where an update
    from a finite gradient overflowed, the weights are broken (`gradient_norm` is then NaN) and cannot be put back; the
    checkpoint still holds an earlier state that is good.
    """

    def __init__(self, step: int, loss: float, gradient_norm: float) -> None:
        """Say where and with which values; `step` was not taken."""
        super().__init__(f"training diverged at step {step}: loss {loss}, gradient norm {gradient_norm}")
        self.step, self.loss, self.gradient_norm = step, loss, gradient_norm


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    batch_size: int,
    optimiser: torch.optim.Optimizer,
    schedule: Schedule | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    batch_loss: BatchLoss | None = None,
    augment: Augment | None = None,
    drop_last: bool = False,
    clip_norm: float | None = None,
    retake: bool = True,
    seed: int = 0,
    compute: Compute | None = None,
    hooks: Sequence[Hook] = (),
    stop: Callable[[Run], Any] | None = None,
    progress: Hook | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
    fingerprint: str = "",
    stateful: Mapping[str, Stateful] | None = None,
) -> History:
    """Train `model` in place, leave it in eval mode, and return the history.

    The result follows from initial weights, data and arguments; torch's global generators are as before afterwards.
    With a checkpoint an interrupted run goes on where it was, bit for bit on a CPU.

    Args:
        model: moved to the device of `compute`.
        images: (N, C, H, W) uint8 or float in [0, 1], or (N, D) vectors; kept on the device as a whole.
        labels: class indices (N,) int64 or soft targets (N, K).
        steps: number of mini-batches, at most.
        batch_size: images per step; the last batch of an epoch may be smaller, unless `drop_last`.
        optimiser: made for the parameters of `model`.
        schedule: step (from 0) -> factor on each group's learning rate; None is constant.
        loss: (logits (B, K), labels of the batch) -> scalar.
        batch_loss: (model, batch) -> scalar, in place of loss(model(batch.images), batch.labels): adversarial
            training, energy models, weights by batch.indices, labelled with unlabelled images.
        augment: (images, generator) -> images, on each mini-batch.
        drop_last: leave out the smaller batch at the end of an epoch.
        clip_norm: largest norm of the whole gradient.
        retake: whether steps can be taken a second time, which a GPU does after a divergence; False where `batch_loss`
            has a state of its own that a second call would change.
        seed: of order, augmentation and dropout.
        compute: device and precision; None is `prepare()`.
        hooks: called with the run after each step.
        stop: called likewise, after the hooks; training ends when it returns something true.
        progress: called likewise; None is `progress_line()`.
        checkpoint: file to go on from, written at intervals, on KeyboardInterrupt and at the end.
        checkpoint_seconds: the interval.
        fingerprint: what the initial weights and the settings within the callables are, so that the checkpoint of
            another run is refused; data, optimiser and its settings, schedule, names of the callables, steps, batch
            size and seed are compared anyway.
        stateful: further state by name, saved and restored with the checkpoint.

    Raises:
        Diverged: when loss or gradient are not finite.
        CheckpointMismatch: when the checkpoint is of another run.
        ValueError: when the arguments do not fit each other.
    """
    compute = compute or prepare()
    compute.place(model)
    batches = Batches(images, labels, batch_size, seed, compute.device, drop_last)
    if batch_loss is None and batches.last_is_single(steps):
        refuse_single_image(model, batches.rows)
    schedule = schedule or constant()
    remember_rates(optimiser)
    about: dict[str, Any] = {}
    if checkpoint is not None:
        about |= {"steps": steps, "batch_size": batch_size, "seed": seed, "drop_last": drop_last, "images": len(images)}
        about |= {"parameters": parameter_count(model), "fingerprint": fingerprint, "clip_norm": clip_norm}
        about |= {"loss": name_of(batch_loss or loss), "augment": name_of(augment)}
        about |= identity(optimiser, schedule, steps, images, labels)
    keeper = Keeper(checkpoint, checkpoint_seconds, about, stateful or {})
    step = Step(batch_loss or supervised(loss), schedule, augment, clip_norm)
    watchers = [*hooks, progress or progress_line()]
    with own_randomness(seed, compute.device) as generator, between_steps(checkpoint is not None) as interrupted:
        run = Run(model, optimiser, History.of(steps, compute.device), generator, compute, steps)
        keeper.restore(run)
        model.train()
        guard = Before(run) if compute.look_every == 1 else LastGood(run, step, batches, retake)
        while run.step < steps and not run.history.stopped:
            with timed(run.history), stepping_back(guard, keeper, run):
                guard.take()
                step.take(run, batches.at(run.step, generator), guard)
            look(run, watchers, stop)
            leave = interrupted()
            if leave or run.history.stopped or run.step == steps or keeper.is_due():
                with stepping_back(guard, keeper, run):
                    guard.look()  # nothing is saved or returned that may be of a run that has diverged
                refuse_broken_weights(run)
            keeper.save_if_due(run, at_once=leave)
            if leave:
                raise KeyboardInterrupt(f"after step {run.step}; {checkpoint} holds the state to go on from")
        keeper.save(run)
    model.eval()
    return run.history.closed(run.step)


def supervised(loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy) -> BatchLoss:
    """The loss of a mini-batch that needs no more than its images and labels."""
    return lambda model, batch: loss(model(batch.images), batch.labels)


def refuse_single_image(model: nn.Module, rows: Tensor) -> None:
    """Raise, before any step, where the last batch of an epoch is one image that batch norm cannot normalise."""
    image = rows[:1].permute(0, 3, 1, 2) if rows.ndim == 4 else rows[:1]
    with single_image_in_words(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        deepcopy(model).train()(image)


@contextmanager
def single_image_in_words() -> Iterator[None]:
    """What torch says of batch norm on a single image, with what to do about it."""
    try:
        yield
    except ValueError as fault:
        if "more than 1 value per channel" not in str(fault):
            raise
        raise ValueError(
            "the last batch of an epoch is a single image, which batch norm cannot normalise: take another batch size, "
            "or drop_last=True"
        ) from fault


class Step(NamedTuple):
    """How one step is taken."""

    batch_loss: BatchLoss
    schedule: Schedule
    augment: Augment | None
    clip_norm: float | None

    def take(self, run: Run, batch: Batch, guard: "Before | LastGood") -> None:
        """Augment, forward, backward, check, update; the guard may raise Diverged in place of the update."""
        if self.augment is not None:
            batch = batch._replace(images=self.augment(batch.images, batch.generator))
        started = time.perf_counter()
        set_rates(run.optimiser, self.schedule(run.step))
        run.optimiser.zero_grad()
        with run.compute.tensor_float():
            with run.compute.autocast(), single_image_in_words():
                value = self.batch_loss(run.model, batch)
            value.backward()
        norm = gradient_norm(run.optimiser, self.clip_norm)
        guard.judge(value.detach(), norm)
        run.optimiser.step()
        run.history.note_step(run.step, value.detach(), len(batch.indices), time.perf_counter() - started)
        run.step += 1


def gradient_norm(optimiser: torch.optim.Optimizer, clip_norm: float | None) -> Tensor:
    """Norm of the whole gradient, which is scaled down to `clip_norm` if that is smaller."""
    parameters = [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    return norm


def look(run: Run, hooks: Sequence[Hook], stop: Callable[[Run], Any] | None) -> None:
    """Call the hooks, then the stopping rule; their time is not training time."""
    started = time.perf_counter()
    for hook in hooks:
        hook(run)
    run.history.stopped = bool(stop and stop(run))
    run.history.hook_seconds += time.perf_counter() - started


def remember_rates(optimiser: torch.optim.Optimizer) -> None:
    """Note each group's learning rate as that of factor 1, once in the life of the optimiser."""
    for group in optimiser.param_groups:
        group.setdefault("initial_lr", group["lr"])


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to `factor` times its initial one."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor


class Before:
    """Looks at every step, and steps back when it fails: buffers (batch-norm statistics) and generators before it.

    Parameters and optimiser need no copy: they change only once loss and gradient are known to be finite.
    """

    def __init__(self, run: Run) -> None:
        """Allocate the copies."""
        self.run = run
        self.buffers = [buffer for buffer in run.model.buffers() if buffer.numel()]
        self.copies = [buffer.clone() for buffer in self.buffers]

    def take(self) -> None:
        """Copy the present state."""
        if self.buffers:
            torch._foreach_copy_(self.copies, self.buffers)
        self.rng = rng_state(self.run.generator, self.run.compute.device)

    def judge(self, loss: Tensor, norm: Tensor) -> None:
        """Raise Diverged unless loss and norm of the gradient, scalars, are finite."""
        if not torch.isfinite(loss + norm):
            raise Diverged(self.run.step, loss.item(), norm.item())

    def look(self) -> None:
        """Nothing is left to look at."""

    def put_back(self, step: int) -> None:
        """Return to the state of the last `take`, without gradients."""
        if self.buffers:
            torch._foreach_copy_(self.buffers, self.copies)
        set_rng_state(self.rng, self.run.generator, self.run.compute.device)
        self.run.optimiser.zero_grad()


class LastGood:
    """Looks every `compute.look_every` steps, for a GPU, which a look makes wait; between two it keeps the whole state.

    Losses and norms are noted on the device. When a look finds one that is not finite, the run returns to the state of
    the look before and takes the steps up to the bad one again, whose batches and draws are the same.
    """

    def __init__(self, run: Run, step: Step, batches: Batches, retake: bool) -> None:
        """`retake` as in `train`; without it the run stays where the last look was."""
        self.run, self.step, self.batches, self.retake = run, step, batches, retake
        self.tensors = [*run.model.parameters(), *(buffer for buffer in run.model.buffers() if buffer.numel())]
        self.seen = torch.zeros(run.compute.look_every, 2, device=run.compute.device)  # loss and norm of each step
        self.keep()

    def keep(self) -> None:
        """Copy the present state, which is known to be good."""
        run = self.run
        self.start, self.noted, self.images = run.step, 0, run.history.images
        self.copies = [tensor.detach().clone() for tensor in self.tensors]
        self.moments = deepcopy(run.optimiser.state_dict())
        self.rng = rng_state(run.generator, run.compute.device)

    def take(self) -> None:
        """Look and keep, when it is time."""
        if self.noted == len(self.seen):
            self.look()
            self.keep()

    def judge(self, loss: Tensor, norm: Tensor) -> None:
        """Note loss and norm of the gradient, scalars on the device, without waiting for it."""
        self.seen[self.noted] = torch.stack([loss.float(), norm.float()])
        self.noted += 1

    def look(self) -> None:
        """Wait for the device and raise Diverged for the first step since the last look that was not finite."""
        for place, (loss, norm) in enumerate(self.seen[: self.noted].tolist()):
            if not (isfinite(loss) and isfinite(norm)):
                raise Diverged(self.start + place, loss, norm)

    def put_back(self, step: int) -> None:
        """Return to the state before step number `step`, or to that of the last look."""
        self._restore()
        if self.retake:
            while self.run.step < step:
                self.step.take(self.run, self.batches.at(self.run.step, self.run.generator), self)
            try:
                self.look()
            except Diverged:  # this time a step before it failed
                self._restore()
        history = self.run.history
        history.stopped, history.losses[self.run.step :] = False, torch.nan
        history.values = {
            name: [line for line in lines if line[0] <= self.run.step] for name, lines in history.values.items()
        }
        self.run.optimiser.zero_grad()

    def _restore(self) -> None:
        run = self.run
        with torch.no_grad():
            torch._foreach_copy_(self.tensors, self.copies)
        run.optimiser.load_state_dict(deepcopy(self.moments))
        set_rng_state(self.rng, run.generator, run.compute.device)
        run.step, run.history.images, self.noted = self.start, self.images, 0


@contextmanager
def stepping_back(guard: Before | LastGood, keeper: Keeper, run: Run) -> Iterator[None]:
    """When what is done within diverges, bring model and checkpoint to the state before the bad step."""
    try:
        yield
    except Diverged as found:
        guard.put_back(found.step)
        if all_finite(run.model):
            keeper.save(run)
        raise


def refuse_broken_weights(run: Run) -> None:
    """Raise Diverged where the update of the last step overflowed: there may be no next loss to show it."""
    if not all_finite(run.model):
        raise Diverged(run.step - 1, run.history.losses[run.step - 1].item(), float("nan"))


def all_finite(model: nn.Module) -> bool:
    """Whether every weight is, and every buffer (running statistics)."""
    tensors = [*model.parameters(), *(buffer for buffer in model.buffers() if buffer.is_floating_point())]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


@contextmanager
def timed(history: History) -> Iterator[None]:
    """Add the time within to that of training."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        history.seconds += time.perf_counter() - wall
        history.cpu_seconds += time.process_time() - cpu
