"""A pretended GPU: computes on the CPU, marks the memory of its tensors, and raises where a GPU would.

    with pretended_gpu():
        torch.zeros(3, device="cuda") + torch.ones(3)      # DeviceFault

FakeTensorMode does not serve: it computes nothing, and cannot draw random numbers for `cuda` where torch was built
without it. Here every value is real, so that whatever a notebook does with its numbers is done.

The mark lies on the storage, which views share and which the storage keeps when a parameter's `.data` is set. Two modes
see everything: the one for Python functions turns devices in arguments into the CPU and answers `tensor.device`; the
one for operators, below autograd, which sees backward passes too, carries the mark from inputs to outputs and compares.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
SWEEP_EVERY = 50_000  # marks, before those of freed memory are dropped
# Operators that a GPU lets mix devices: copies between them, and sizes alone.
COPIES = {"aten::copy_", "aten::_to_copy", "aten::_foreach_copy_"}
# Operators that take no number on the CPU beside tensors on a GPU, where most do.
STRICT = {"aten::cat", "aten::stack", "aten::index_select", "aten::mm", "aten::addmm", "aten::bmm", "aten::dot"}
# Operators that a CPU without bfloat16 takes 25 times as long for in it; computed in float32, rounded afterwards.
SLOW_IN_BFLOAT16 = {"aten::convolution", "aten::convolution_backward", "aten::mm", "aten::addmm", "aten::bmm"}
DEVICE, IS_CUDA = (vars(torch._C.TensorBase)[name].__get__ for name in ("device", "is_cuda"))


class DeviceFault(RuntimeError):
    """What would have failed on a GPU."""


class Marks:
    """Which memory is said to be a GPU's. Weak references keep an address from being given out anew meanwhile."""

    def __init__(self) -> None:
        self.held: dict[int, StorageWeakRef] = {}
        self.made = 0  # results on the GPU

    def on_gpu(self, tensor: Tensor) -> bool:
        return storages([tensor])[0] in self.held

    def set(self, tensor: Tensor, on_gpu: bool, but: Sequence[int] = ()) -> None:
        """Say where a tensor's memory is, unless that is one of `but`: a view of an input, or an input itself."""
        storage = tensor.untyped_storage()
        if storage._cdata in but:
            return
        self.made += on_gpu
        if not on_gpu:
            self.held.pop(storage._cdata, None)
        elif storage._cdata not in self.held:
            self.held[storage._cdata] = StorageWeakRef(storage)
            if len(self.held) % SWEEP_EVERY == 0:
                self.held = {key: held for key, held in self.held.items() if not held.expired()}

    def device(self, tensor: Tensor) -> torch.device:
        return GPU if self.on_gpu(tensor) else CPU


def storages(tensors: Iterable[Tensor]) -> list[int]:
    """What tells the memory of each tensor apart; views share it."""
    return [tensor.untyped_storage()._cdata for tensor in tensors]


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments, in lists and tuples too."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += tensors_in(value)
    return found


def cast(values: Any, before: torch.dtype, after: torch.dtype) -> Any:
    """`values`, which may be nested, with the tensors of one type turned into another."""
    if isinstance(values, (list, tuple)):
        return type(values)(cast(value, before, after) for value in values)
    return values.to(after) if isinstance(values, Tensor) and values.dtype == before else values


def in_float32(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operator on bfloat16 returns, computed in float32 as the units of a GPU add up; the types are its own."""
    return cast(func(*cast(args, torch.bfloat16, torch.float32), **kwargs), torch.float32, torch.bfloat16)


class Kind(NamedTuple):
    """What is asked of an operator at each of its hundred thousand calls, looked up in its name once."""

    name: str
    copies: bool
    takes_numbers: bool  # of the CPU, beside tensors on a GPU
    makes: bool  # something new, where the function above says
    returns_inputs: bool  # or views of them, whose memory keeps its mark
    slow_in_bfloat16: bool


@functools.cache
def kind(func: Any) -> Kind:
    name = func._schema.name
    return Kind(
        name,
        copies=name in COPIES,
        takes_numbers=name not in STRICT and name not in COPIES,
        makes=name == "aten::_to_copy" or "_like" in name or "new_" in name,
        returns_inputs=any(returned.alias_info for returned in func._schema.returns),
        slow_in_bfloat16=name in SLOW_IN_BFLOAT16,
    )


class Making(NamedTuple):
    """The function that runs: what it makes, it makes on its `device`, or where its arguments are."""

    device: torch.device | None = None
    arguments: tuple[Any, ...] = ()

    def place(self, marks: Marks) -> torch.device | None:
        if self.device is None and any(marks.on_gpu(tensor) for tensor in tensors_in(self.arguments)):
            return GPU
        return self.device


class Operators(TorchDispatchMode):
    """Below autograd: compare the devices of inputs, mark the outputs."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and the skipping costs more than an operator

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.making = Making()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            return self._marked(func, args, kwargs or {})

    def _marked(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        inputs = tensors_in((*args, *kwargs.values()) if kwargs else args)
        of, held = kind(func), self.marks.held
        on_gpu = [storage in held for storage in storages(inputs)]
        device = GPU if any(on_gpu) else CPU
        if of.copies:
            device = GPU if on_gpu[0] else CPU
        elif device is GPU and not all(on_gpu):
            check_together(of, inputs, on_gpu)
        if not inputs or of.makes:
            device = self.making.place(self.marks) or device
        slow = of.slow_in_bfloat16 and any(tensor.dtype == torch.bfloat16 for tensor in inputs)
        outputs = in_float32(func, args, kwargs) if slow else func(*args, **kwargs)
        given = storages(inputs) if of.returns_inputs else ()  # anew: an input may have been given other memory
        for output in [outputs] if isinstance(outputs, Tensor) else tensors_in([outputs]):
            self.marks.set(output, device.type == "cuda", but=given)
        return outputs


def check_together(of: Kind, inputs: list[Tensor], on_gpu: list[bool]) -> None:
    """Numbers on the CPU may join tensors on a GPU; anything else of two devices is a fault."""
    if any(not on and not (of.takes_numbers and t.ndim == 0) for t, on in zip(inputs, on_gpu, strict=True)):
        places = ["cuda" if on else "cpu" for on in on_gpu]
        shapes = ", ".join(f"{tuple(t.shape)} on {place}" for t, place in zip(inputs, places, strict=True))
        raise DeviceFault(f"{of.name} meets tensors of two devices: {shapes}")


class Functions(TorchFunctionMode):
    """What Python calls: devices in arguments, moves, `tensor.device`, NumPy, generators."""

    def __init__(self, marks: Marks, operators: Operators) -> None:
        super().__init__()
        self.marks, self.operators = marks, operators
        self.watched: dict[Any, Any] = {
            DEVICE: lambda func, args, kwargs: marks.device(args[0]),
            IS_CUDA: lambda func, args, kwargs: marks.on_gpu(args[0]),
            **dict.fromkeys((Tensor.numpy, Tensor.__array__), self._read),
            **dict.fromkeys((Tensor.to, Tensor.cpu, Tensor.cuda), self._move),
            **dict.fromkeys((Tensor.__getitem__, Tensor.__setitem__), self._index),
            Tensor.__deepcopy__: self._deepcopy,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        watched = self.watched.get(func)
        return watched(func, args, kwargs or {}) if watched else self._call(func, args, kwargs or {})

    def _call(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        kwargs, device = _without_device(kwargs)
        outcome = self._making(device, func, args, kwargs)
        if func is torch.tensor and device is not None:  # made out of the operators' sight
            self.marks.set(outcome, device.type == "cuda")
        if kwargs.get("generator") is not None:
            self._check_generator(kwargs["generator"], outcome)
        return outcome

    def _making(self, device: torch.device | None, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        before = self.operators.making
        self.operators.making = Making(device, (*args, *kwargs.values()))
        try:
            return func(*args, **kwargs)
        finally:
            self.operators.making = before

    def _read(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if self.marks.on_gpu(args[0]):
            raise DeviceFault("a CUDA tensor reaches NumPy: call .cpu() first")
        return func(*args, **kwargs)

    def _deepcopy(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        copied = func(*args, **kwargs)
        self.marks.set(copied, self.marks.on_gpu(args[0]))
        return copied

    def _move(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
        tensor, rest, now = args[0], list(args[1:]), self.marks.device(args[0])
        if func is not Tensor.to:
            asked: dict[str, Any] = {"device": CPU if func is Tensor.cpu else GPU}
        elif rest and isinstance(rest[0], Tensor):
            asked = {"device": self.marks.device(rest[0]), "dtype": rest[0].dtype}
        else:
            names = ["dtype"] if rest and isinstance(rest[0], torch.dtype) else ["device", "dtype"]
            asked = dict(zip([*names, "non_blocking", "copy"], rest, strict=False)) | kwargs
        target = torch.device(asked.get("device") or now)
        kept = {name: value for name, value in asked.items() if value is not None and name != "device"}
        if target.type == now.type and "dtype" not in kept and "memory_format" not in kept and not kept.get("copy"):
            return tensor
        return self._making(
            target, Tensor.to, (tensor,), {"dtype": tensor.dtype} | kept | _copied(target.type != now.type)
        )

    def _index(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """A CUDA tensor takes an index on the CPU, by a copy that waits; here that counts as a fault."""
        for index in tensors_in([args[1]]):
            if index.ndim and self.marks.on_gpu(index) != self.marks.on_gpu(args[0]):
                raise DeviceFault("an index lies elsewhere than what it indexes")
        return self._call(func, args, kwargs)

    def _check_generator(self, generator: torch.Generator, outcome: Any) -> None:
        for drawn in tensors_in([outcome]):
            if generator.device.type != self.marks.device(drawn).type:
                where = self.marks.device(drawn).type
                raise DeviceFault(f"a generator on {generator.device.type} draws for a tensor on {where}")


def _copied(always: bool) -> dict[str, Any]:
    """A move between devices copies, which the CPU alone would not do."""
    return {"copy": True} if always else {}


def _without_device(kwargs: dict[str, Any]) -> tuple[dict[str, Any], torch.device | None]:
    if kwargs.get("device") is None:
        return kwargs, None
    device = torch.device(kwargs["device"])
    return kwargs | {"device": CPU if device.type == "cuda" else device}, device


class Generator(torch.Generator):
    """A generator that draws on the CPU and says where it is said to be."""

    said: torch.device

    def __new__(cls, device: Any = "cpu") -> "Generator":
        made: Generator = torch._C.Generator.__new__(cls, "cpu")  # type: ignore[call-arg]
        made.said = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.said


class Autocast(torch.autocast):
    """Autocast of a GPU, on the CPU, which casts nearly the same operators."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu", *args, **kwargs)


@contextmanager
def pretended_gpu() -> Iterator[Marks]:
    """Within, `cuda` is there: it has bfloat16, draws, and raises `DeviceFault` where a GPU would raise or wait."""
    marks = Marks()
    operators = Operators(marks)
    said = {
        "is_available": lambda: True, "device_count": lambda: 1, "is_bf16_supported": lambda **_: True,
        "get_device_name": lambda *_: "pretended", "synchronize": lambda *_: None, "manual_seed_all": lambda seed: None,
        "get_rng_state": lambda *_: torch.get_rng_state(), "set_rng_state": lambda state, *_: None,
        "reset_peak_memory_stats": lambda *_: None, "max_memory_allocated": lambda *_: 0,
        "is_current_stream_capturing": lambda: False,
    }  # fmt: skip
    fork = torch.random.fork_rng
    with ExitStack() as stack:
        for name, answer in said.items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
        stack.enter_context(patch.object(torch, "Generator", Generator))
        stack.enter_context(patch.object(torch, "autocast", Autocast))
        stack.enter_context(patch.object(torch.random, "fork_rng", lambda devices=(), **_: fork([])))
        stack.enter_context(operators)
        stack.enter_context(Functions(marks, operators))
        yield marks
