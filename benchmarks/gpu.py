"""What one GPU does in a minute: `python -m benchmarks.gpu OUT.json [--quick]`.

Speed of what the tier `gpu` spends its time on, plainly and with CUDA graphs, and 30 seconds of the fast residual net
on CIFAR-10 with its test accuracy (left out where the set is missing). Every part is a row: one that fails
holds its error, and the others go on. `--quick` tries it all in a few steps, on a CPU too.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.augment import crop_and_flip
from lib.data.files import MissingData
from lib.data.load import load
from lib.methods.adversarial_training import adversarial_loss
from lib.methods.jem import Guard, JointLoss, Recipe
from lib.methods.sgld import Langevin, ReplayBuffer
from lib.models.fast_resnet import fast_resnet
from lib.models.small_inception import small_inception
from lib.models.wide_resnet import wide_resnet
from lib.training.device import Compute, prepare
from lib.training.evaluate import error_rate
from lib.training.history import Run
from lib.training.loop import BatchLoss, train
from lib.training.optimisers import adam, muon, sgd
from lib.training.schedules import linear

Values = dict[str, Any]
SECONDS = 3.0  # of each reading, after the warm-up
TRAINING_SECONDS = 30.0
FAST_BATCH, FAST_SMOOTHING, FAST_LONGEST = 512, 0.1, 30  # images, label smoothing, epochs

Opt = Callable[[nn.Module], torch.optim.Optimizer]


def main(arguments: Sequence[str]) -> int:
    """Measure every row, print it, and write them all; 1 if one failed."""
    names = [name for name in arguments if not name.startswith("--")]
    if len(names) != 1:
        raise SystemExit("python -m benchmarks.gpu OUT.json [--quick]: name the file to write to")
    quick, compute = "--quick" in arguments, prepare()
    print(compute, flush=True)
    rows = {name: reading(name, row) for name, row in all_rows(compute, quick).items()}
    device = torch.cuda.get_device_name() if compute.device.type == "cuda" else "cpu"
    found = {"device": device, "torch": torch.__version__, "compute": str(compute), "rows": rows}
    Path(names[0]).write_text(json.dumps(found, indent=1) + "\n")
    return int(any("error" in row for row in rows.values()))


def all_rows(compute: Compute, quick: bool) -> dict[str, Callable[[], Values]]:
    """Every row by its name, still to be measured."""
    plain = Compute(compute.device, compute.precision, compute.look_every)
    replayed = Compute(compute.device, compute.precision, compute.look_every, graphs=True)
    rate = partial(steps_per_second, quick=quick)
    rows: dict[str, Callable[[], Values]] = {
        "fast residual net, batch 512": lambda: rate(plain, fast_resnet(10), 512, partial(muon, batch_size=512)),
        "small Inception, batch 128": lambda: rate(plain, small_inception(10), 128, partial(sgd, lr=0.01)),
    }
    for title, how in (("plain", plain), ("graphs", replayed)):
        rows[f"JEM, WRN-16-4, K = 10, batch 64, {title}"] = partial(jem, how, quick)
        rows[f"PGD-5 training, WRN-16-4, batch 128, {title}"] = partial(adversarial, how, quick)
    return rows | {"fast residual net for 30 s": partial(trained, plain, quick)}


def reading(name: str, row: Callable[[], Values]) -> Values:
    """The values of a row, or its error; printed at once."""
    started = time.perf_counter()
    try:
        values = row()
    except Exception as fault:
        values = {"error": f"{type(fault).__name__}: {fault}"}
    values["seconds in all"] = round(time.perf_counter() - started, 1)
    print(f"{name}: {values}", flush=True)
    return values


def steps_per_second(
    compute: Compute,
    net: nn.Module,
    batch_size: int,
    optimiser: Opt,
    loss: BatchLoss | None = None,
    *,
    quick: bool,
) -> Values:
    """Steps of `train` a second on random images, after a warm-up, and the largest memory in use."""
    batch_size = min(batch_size, 8) if quick else batch_size
    images = torch.randint(0, 256, (4 * batch_size if quick else 20_000, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(len(images)) % 10
    # The rates are small, since on labels that mean nothing a net may diverge.
    clock = Clock(compute, 1 if quick else 20, 0.0 if quick else SECONDS)
    if compute.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    train(net, images, labels, steps=100_000, batch_size=batch_size, optimiser=optimiser(net), batch_loss=loss,
          augment=crop_and_flip, drop_last=True, compute=compute, stop=clock, progress=nothing)  # fmt: skip
    memory = torch.cuda.max_memory_allocated() / 2**30 if compute.device.type == "cuda" else float("nan")
    rate = clock.steps / clock.seconds
    return {
        "steps per second": round(rate, 2),
        "images per second": round(rate * batch_size),
        "GiB": round(memory, 2),
    }


class Clock:
    """A stopping rule: after `warm_up` steps count those of so many seconds; it waits for the device now and then."""

    def __init__(self, compute: Compute, warm_up: int, seconds: float) -> None:
        """Not started yet."""
        self.device, self.warm_up, self.limit = compute.device, warm_up, seconds
        self.started, self.seconds, self.steps = 0.0, 0.0, 0

    def __call__(self, run: Run) -> bool:
        """Whether it is time to stop."""
        done = run.step - self.warm_up
        if done == 0:
            wait(self.device)
            self.started = time.perf_counter()
        if done <= 0 or time.perf_counter() - self.started < self.limit:
            return False
        wait(self.device)
        self.seconds, self.steps = time.perf_counter() - self.started, done
        return True


def jem(compute: Compute, quick: bool) -> Values:
    """A JEM step: K = 10 steps of 64 chains, then one pass over data and chains."""
    random = torch.Generator(compute.device).manual_seed(0)
    recipe = Recipe(Langevin(10, 1.0, 0.01, clamp=True), energy_penalty=0.01, buffer_size=5000)
    buffer = ReplayBuffer(recipe.buffer_size, (3, 32, 32), random)
    calm = Guard(burst=float("inf"), drift=float("inf"))
    loss = JointLoss(recipe, buffer, random, calm, min(10, compute.look_every), compute.graphs)
    net = wide_resnet(16, 4, 10, batch_norm=False, activation="silu", late_stride=True)
    values = steps_per_second(compute, net, 64, partial(adam, lr=1e-5), loss, quick=quick)
    return values | {"graphs given up": any(graph.plain for graph in loss.gradients.values())}


def adversarial(compute: Compute, quick: bool) -> Values:
    """A step of adversarial training with 5 steps of PGD at 8/255."""
    loss = adversarial_loss(eps=8 / 255, steps=5, graphs=compute.graphs)
    return steps_per_second(
        compute, wide_resnet(16, 4, 10), 128, partial(sgd, lr=0.01, nesterov=True), loss, quick=quick
    )


def trained(compute: Compute, quick: bool) -> Values:
    """Train the fast net on CIFAR-10 for 30 seconds, the number of epochs chosen from its own speed, and test it."""
    try:
        images, tests = load("cifar10"), load("cifar10", "test")
    except MissingData as missing:
        return {"left out": str(missing).splitlines()[0]}
    if quick:
        images, tests = images.take(torch.arange(64)), tests.take(torch.arange(64))
    speed = steps_per_second(compute, fast_resnet(10), FAST_BATCH, partial(muon, batch_size=FAST_BATCH), quick=quick)
    per_epoch = len(images) // min(FAST_BATCH, len(images))
    fitting = int(TRAINING_SECONDS * 0.85 * speed["steps per second"] / per_epoch)
    epochs = 1 if quick else max(1, min(FAST_LONGEST, fitting))
    torch.manual_seed(0)
    net, steps = fast_resnet(10), epochs * per_epoch
    wait(compute.device)
    started = time.perf_counter()
    train(net, images.images, images.labels, steps=steps, batch_size=FAST_BATCH, drop_last=True,
          optimiser=muon(net, batch_size=FAST_BATCH), schedule=linear(steps), loss=smoothed, augment=crop_and_flip,
          compute=compute, progress=nothing)  # fmt: skip
    wait(compute.device)
    seconds = time.perf_counter() - started
    accuracy = 1 - error_rate(net, tests.images, tests.labels, 1000)
    return {"epochs": epochs, "seconds": round(seconds, 2), "test accuracy": round(accuracy, 4)}


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with label smoothing."""
    return F.cross_entropy(logits, labels, label_smoothing=FAST_SMOOTHING)


def wait(device: torch.device) -> None:
    """Until everything launched is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def nothing(run: Run) -> None:
    """No progress line."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
