"""Artefacts: trained nets and long measurements, built once, named by their key, verified when loaded.

    net = Artefact(train_source, {"dataset": "cifar100", "seed": 0})     # not built yet
    result = Artefact(fine_tune, {"source": net, "seed": 0}).value()     # builds `net` first, then itself

A value is a tree of dicts and lists whose leaves are tensors or plain JSON values. It is stored as one safetensors
file: the tensors, and in the header the rest of the tree, the provenance and a digest. What is returned is always what
was read back, so that a first run and a later one see the same bits.
"""

import hashlib
import inspect
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from lib.files import locked, set_aside, write_atomically
from lib.instruction_set import computing
from lib.replication.keys import artefact_key, canonical
from lib.replication.parameters import datasets
from lib.replication.provenance import peak_memory, split_checksums
from lib.roots import output_root

KEPT_EVERY = 20.0  # seconds of the wall


class DamagedArtefact(ValueError):
    """A stored artefact whose content does not match its digest, or that cannot be read at all."""


@dataclass(frozen=True)
class Cost:
    """What a build took, whenever that was.

    Attributes:
        seconds: Of the processor, or of the wall on a GPU.
        peak_memory: The most bytes that its process had held by its end; 0 where that was not noted.
    """

    seconds: float
    peak_memory: int = 0


@dataclass(frozen=True)
class Artefact:
    """What `build(**arguments)` returns, kept on disk.

    Args:
        build: a named function of `lib` that returns a tree of tensors and plain values. If it takes `checkpoint`, it
            is given the path where it may keep partial progress; the file is removed when the build is complete.
        arguments: plain values, or other artefacts, which are built first and whose values are passed on.
    """

    build: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """The artefact key; see `lib.replication.keys`."""
        plain = {name: value.key if isinstance(value, Artefact) else value for name, value in self.arguments.items()}
        return artefact_key(self.build, plain, surroundings(self.arguments))

    @property
    def path(self) -> Path:
        """Where the artefact lies or will lie."""
        return output_root() / "artefacts" / f"{self.build.__name__}-{self.key[:20]}.safetensors"

    def value(self) -> Any:
        """The built value: read if it is there and intact, else built under a lock and read back."""
        return self.value_and_cost()[0]

    def value_and_cost(self) -> tuple[Any, Cost]:
        """The value, and what its build took."""
        if (stored := self._read()) is None:
            inputs = {name: v.value() if isinstance(v, Artefact) else v for name, v in self.arguments.items()}
            with locked(self.path.with_suffix(".lock")):  # released by the kernel, also after kill -9
                if (stored := self._read()) is None:  # another process may have built it meanwhile
                    self._build(inputs)
                    stored = self._read()
        assert stored is not None
        return stored

    def _build(self, inputs: dict[str, Any]) -> None:
        checkpoint = self.path.with_suffix(".partial")
        goes_on = "checkpoint" in inspect.signature(self.build).parameters
        # On the CPU its own time counts, which a busy machine does not stretch; a GPU works outside of it.
        on_cpu = torch.device(inputs.get("device", "cpu")).type == "cpu"
        clock = time.process_time if on_cpu else time.perf_counter
        with spent(clock, checkpoint.with_suffix(".partial-seconds") if goes_on else None) as seconds:
            value = self.build(**inputs | ({"checkpoint": checkpoint} if goes_on else {}))
            cost = {"seconds": seconds(), "peak_memory": peak_memory()}
        provenance = cost | {"key": self.key, "build": self.build.__qualname__}
        try:
            write_atomically(self.path, pack(value, provenance))
        finally:  # under the lock: what a killed builder left half written, or this one where the disk is full
            for part in self.path.parent.glob(f".{self.path.name}.*"):
                part.unlink()
        for leftover in checkpoint.parent.glob(f"*{checkpoint.name}*"):
            leftover.unlink()

    def _read(self) -> tuple[Any, Cost] | None:
        if not self.path.exists():
            return None
        try:
            value, provenance = unpack(self.path.read_bytes())
        except DamagedArtefact as fault:
            set_aside(self.path, str(fault))
            return None
        return value, Cost(provenance["seconds"], provenance.get("peak_memory", 0))


@contextmanager
def spent(clock: Callable[[], float], kept: Path | None) -> Iterator[Callable[[], float]]:
    """The seconds that a build takes, those before an interruption included.

    They are written to `kept` every `KEPT_EVERY` seconds, since a build may be killed at any moment and go on later.
    A build that begins anew after a kill (None) has its last beginning counted alone.
    """
    before = float(kept.read_text()) if kept and kept.exists() else 0.0
    started, ended = clock(), threading.Event()

    def keep(path: Path) -> None:
        while not ended.wait(KEPT_EVERY):
            write_atomically(path, str(before + clock() - started).encode())

    keeper = threading.Thread(target=keep, args=(kept,), daemon=True) if kept else None
    if keeper:
        keeper.start()
    try:
        yield lambda: before + clock() - started
    finally:
        ended.set()
        if keeper:
            keeper.join()


def surroundings(arguments: dict[str, Any]) -> dict[str, Any]:
    """What decides the bits of a build beside its arguments and its code."""
    plain = {name: value for name, value in arguments.items() if not isinstance(value, Artefact)}
    device = torch.device(plain.get("device", "cpu")).type
    return {
        "data": {name: split_checksums(name) for name in datasets(plain)},
        "device": device,
        "precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads() if device == "cpu" else None,
        "instruction set": computing() if device == "cpu" else None,
        "torch": torch.__version__.split("+")[0],
    }


def pack(value: Any, provenance: dict[str, Any]) -> bytes:
    """`value` as the bytes of a safetensors file, its plain part, provenance and digest in the header."""
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_strip(value, tensors, "value"), allow_nan=False)  # in the order of the value
    header = {"tree": tree, "provenance": canonical(provenance)}
    # Two names may share memory (tied weights); safetensors refuses that, so every leaf gets its own.
    own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    return save(own, header | {"digest": _digest(own, header)})


def unpack(content: bytes) -> tuple[Any, dict[str, Any]]:
    """The value and the provenance in the bytes of an artefact.

    Raises:
        DamagedArtefact: truncated, altered in any byte, or not an artefact.
    """
    try:
        tensors = load(content)
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        digest = header.pop("digest")
    except (SafetensorError, struct.error, KeyError, ValueError) as fault:
        raise DamagedArtefact(f"not readable: {fault}") from fault
    if digest != _digest(tensors, header):
        raise DamagedArtefact("its content does not match its digest")
    return _restore(json.loads(header["tree"]), tensors), json.loads(header["provenance"])


def _digest(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> str:
    digest = hashlib.sha256(canonical(header).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _strip(value: Any, tensors: dict[str, torch.Tensor], place: str) -> Any:
    """Move the tensors of a tree into `tensors`, leaving {"tensor": place}; checks that the rest is plain."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, torch.Tensor):
        tensors[place] = value
        return {"tensor": place}
    if isinstance(value, dict):
        return {str(name): _strip(item, tensors, f"{place}/{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strip(item, tensors, f"{place}/{i}") for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and np.isfinite(value)):
        return value
    raise TypeError(f"an artefact may hold tensors and plain finite values; {place} is {value!r}")


def _restore(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    match tree:
        case {"tensor": str(place)} if place in tensors:
            return tensors[place]
        case dict():
            return {name: _restore(item, tensors) for name, item in tree.items()}
        case list():
            return [_restore(item, tensors) for item in tree]
        case _:
            return tree
