"""A run of JEM of a second, for the tests of resuming and of rolling back; as a script, killed again and again."""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.methods.jem import Recipe
from lib.methods.jem_training import JointRun, Rescue, train_jointly
from lib.methods.sgld import Langevin
from lib.models.mlp import mlp
from lib.training.device import prepare

STEPS = 60


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift all images by the same random number of pixels."""
    return images.roll(int(torch.randint(-1, 2, (1,), generator=generator)), dims=3)


def run(checkpoint: Path | None = None, **options: Any) -> tuple[nn.Module, JointRun]:
    """Train the net from its seed, or go on from the checkpoint."""
    random = torch.Generator().manual_seed(5)
    images, labels = torch.rand(50, 1, 4, 4, generator=random), torch.arange(50) % 3
    torch.manual_seed(1)
    model = mlp((16,), 3, (1, 4, 4), activation="silu", inputs=nn.Identity())
    settings: dict[str, Any] = {
        "recipe": Recipe(Langevin(3, 0.5, 0.01, clamp=True), energy_penalty=0.01, buffer_size=40),
        "steps": STEPS,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "schedule": lambda step: 1 - step / (2 * STEPS),
        "augment": jitter,
        "rescue": Rescue(segment=10),
        "seed": 3,
        "compute": prepare("cpu", threads=1),
        "checkpoint": checkpoint,
        "checkpoint_seconds": 0.0,
        **options,
    }
    return model, train_jointly(model, images, labels, **settings)


def fingerprint(model: nn.Module, done: JointRun) -> str:
    """SHA-256 of weights, buffer, trace and divergences."""
    digest = hashlib.sha256()
    for name, value in [*sorted(model.state_dict().items()), ("buffer", done.buffer.images)]:
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    digest.update(json.dumps([done.step, done.trace, done.divergences]).encode())
    return digest.hexdigest()


class PoisonOnce:
    """An augmentation that returns NaN in its call number `at`, and never again."""

    def __init__(self, at: int) -> None:
        """Count calls from 1."""
        self.at, self.calls = at, 0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """As `jitter`, but for that call."""
        self.calls += 1
        return images * float("nan") if self.calls == self.at else jitter(images, generator)


def poison_by_chance(images: Tensor, generator: torch.Generator) -> Tensor:
    """NaN in one call of thirty, as the run's own random numbers have it: the same calls in every process."""
    poisoned = torch.rand(1, generator=generator) < 1 / 30
    return images * float("nan") if poisoned else jitter(images, generator)


def child(folder: Path) -> int:
    """Fork a process that runs with a checkpoint and writes its fingerprint; returns its number."""
    number = os.fork()
    if not number:
        try:
            (folder / "result").write_text(fingerprint(*run(folder / "run.ckpt", augment=poison_by_chance)))
        finally:
            os._exit(0)
    return number


def killed(folder: Path, times: int) -> list[int]:
    """SIGKILL the run as soon as it has written another checkpoint, so many times, then let it come through."""
    path, endings = folder / "run.ckpt", []
    for _ in range(times):
        before, number = written(path), child(folder)
        while written(path) == before and os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.0005)
        os.kill(number, signal.SIGKILL)
        endings.append(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]))
    os.waitpid(child(folder), 0)
    return endings


def written(path: Path) -> int:
    """When the file was written last, in nanoseconds; 0 if never."""
    return path.stat().st_mtime_ns if path.exists() else 0


def main(folder: Path) -> None:
    """The undisturbed run beside the killed one; a script, since forking is safe only in a process without threads."""
    torch.set_num_threads(1)
    undisturbed = run(augment=poison_by_chance)
    endings = killed(folder, times=3)
    found = {"divergences": undisturbed[1].divergences, "whole": fingerprint(*undisturbed)}
    print(json.dumps({**found, "endings": endings, "killed": (folder / "result").read_text()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
