"""A training run on disk: written in one step, checked when read, refused when made for other arguments."""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
import torch
from torch import Tensor, nn

from lib.files import set_aside, write_atomically
from lib.training.device import rng_state, set_rng_state
from lib.training.history import Run
from lib.training.schedules import Schedule


class CheckpointMismatch(ValueError):
    """The checkpoint belongs to a run with other arguments."""


class Stateful(Protocol):
    """Whatever else must survive an interruption: a second net, its optimiser, a replay buffer, the best weights."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain Python values."""

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Put back what `state_dict` returned."""


class Keeper:
    """Saves one run at intervals and brings it back; does nothing without a path."""

    def __init__(
        self, path: Path | None, seconds: float, about: dict[str, Any], stateful: Mapping[str, Stateful]
    ) -> None:
        """`about` tells runs apart: JSON values."""
        self.path, self.seconds, self.about, self.stateful = path, seconds, about, stateful
        self.saved = time.monotonic()

    def restore(self, run: Run) -> None:
        """Bring `run` to the state of its checkpoint, if there is one."""
        state = read_checkpoint(self.path, self.about, run.model) if self.path else None
        if state is None:
            return
        run.optimiser.load_state_dict(state["optimiser"])
        run.history.load_state_dict(state["history"])
        set_rng_state(state["rng"], run.generator, run.compute.device)
        for name, part in self.stateful.items():
            part.load_state_dict(state["stateful"][name])
        run.step = state["step"]

    def save(self, run: Run) -> None:
        """Write the checkpoint now."""
        if self.path is None:
            return
        state = {
            "optimiser": run.optimiser.state_dict(),
            "history": run.history.state_dict(run.step),
            "rng": rng_state(run.generator, run.compute.device),
            "stateful": {name: part.state_dict() for name, part in self.stateful.items()},
            "step": run.step,
        }
        write_checkpoint(self.path, self.about, run.model, state)
        self.saved = time.monotonic()

    def save_if_due(self, run: Run, at_once: bool = False) -> None:
        """Write the checkpoint when the last is `seconds` old, or at once."""
        if at_once or self.is_due():
            self.save(run)

    def is_due(self) -> bool:
        """Whether there is a checkpoint to write and the last is `seconds` old."""
        return self.path is not None and time.monotonic() - self.saved >= self.seconds


def write_checkpoint(path: Path, about: dict[str, Any], model: nn.Module, state: dict[str, Any]) -> None:
    """Replace `path` by a checkpoint, in one step that leaves the old or the new one after a crash at any moment.

    The file is the SHA-256 of a zip archive, a line break, and the archive: about.json, weights.safetensors, and
    state.pt for everything else, tensors and plain Python values alone.
    """
    # Copies, since safetensors takes neither shared memory nor channels-last order.
    weights = {name: separate(value) for name, value in model.state_dict().items()}
    rest = io.BytesIO()
    torch.save(state, rest)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("about.json", json.dumps(about))
        members.writestr("weights.safetensors", safetensors.torch.save(weights))
        members.writestr("state.pt", rest.getvalue())
    content = archive.getvalue()
    write_atomically(path, digest(content) + b"\n" + content)


def read_checkpoint(path: Path, about: dict[str, Any], model: nn.Module) -> dict[str, Any] | None:
    """Load the weights into the model and return the state; None where there is no (usable) checkpoint.

    A damaged file is moved aside, which is said on stderr, and counts as none.

    Raises:
        CheckpointMismatch: when the checkpoint was made for a run with another `about`.
    """
    if not path.exists():
        return None
    found, _, content = path.read_bytes().partition(b"\n")
    if found != digest(content):
        set_aside(path, "its checksum does not match its content; training starts again")
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        check_about(path, json.loads(members.read("about.json")), about)
        model.load_state_dict(safetensors.torch.load(members.read("weights.safetensors")))
        return torch.load(io.BytesIO(members.read("state.pt")), map_location="cpu", weights_only=True)


def check_about(path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise CheckpointMismatch with every argument that differs."""
    expected = json.loads(json.dumps(expected))
    names = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
    if names:
        differences = "; ".join(f"{name}: {found.get(name)!r} there, {expected.get(name)!r} here" for name in names)
        raise CheckpointMismatch(
            f"the checkpoint {path} belongs to another run ({differences}): delete it or name another file"
        )


def identity(optimiser: torch.optim.Optimizer, schedule: Schedule, steps: int, *data: Tensor) -> dict[str, Any]:
    """What a run is made with that shows in no name: settings of the optimiser, factors of the schedule, the data.

    Learning rates are those of factor 1, whatever became of them in a run before.
    """
    settings = [
        {name: value for name, value in group.items() if name not in {"params", "lr"}}
        | {"parameters": [list(parameter.shape) for parameter in group["params"]]}
        for group in optimiser.param_groups
    ]
    contents = hashlib.sha256()
    for tensor in data:
        contents.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        contents.update(separate(tensor).view(torch.uint8).numpy().data)
    return {
        "optimiser": f"{type(optimiser).__name__} {hashlib.sha256(repr(settings).encode()).hexdigest()[:12]}",
        "learning rates": [float(group["initial_lr"]) for group in optimiser.param_groups],
        "schedule": hashlib.sha256(repr([schedule(step) for step in range(steps)]).encode()).hexdigest()[:12],
        "data": contents.hexdigest()[:12],
    }


def name_of(function: Any) -> str:
    """Where a callable is defined; what it was made with, `fingerprint` has to say."""
    while isinstance(function, partial):
        function = function.func
    return (
        ""
        if function is None
        else f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
    )


def separate(tensor: Tensor) -> Tensor:
    """A copy on the CPU in torch's default order."""
    return tensor.cpu().clone(memory_format=torch.contiguous_format)


def digest(content: bytes) -> bytes:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest().encode()
