"""A function of tensors of fixed shapes, recorded once as a CUDA graph and replayed: one launch in place of hundreds.

For what small nets do many times over with the same shapes: the gradient by the images, of PGD and of SGLD chains. The
random numbers, the update and the projection stay outside, so that no generator is part of a graph. A graph reads the
weights where they lie, so that an optimiser that updates them in place is seen. It does not see what Python decides
anew at each call: train or eval mode, which parameters ask for a gradient, autocast; these are part of its key here or
fixed by the caller.

Rules followed (PyTorch, "CUDA semantics", section CUDA graphs): static inputs, warm-up on a side stream, no
synchronisation and no CPU random numbers inside, autocast without its cache. Nothing is taken on trust: the replay is
compared with the plain call at the first use and again later, when the weights are other ones, and if anything raises
or differs the plain function is used from there on, which is said on stderr.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

WARM_UP = 3  # calls on the side stream before recording
COMPARED_AT = (0, 100, 1000)  # uses of a graph, from 0, at which its replay is compared with the plain call
TOLERANCE = {"float32": 1e-3, "autocast": 3e-2}  # relative, in the Euclidean norm: sums in another order, bfloat16
SHAPES = 4  # graphs kept by one function; further shapes (a last, smaller batch) are computed plainly

Function = Callable[..., Tensor]  # tensors -> a tensor


class Graph(NamedTuple):
    """One recording: fill `inputs`, replay, read `output`."""

    replay: Callable[[], Any]
    inputs: tuple[Tensor, ...]
    output: Tensor


class Graphed:
    """Calls a function by replaying graphs of it, one for each set of shapes; plainly, where there is no CUDA.

    The result belongs to the caller: it is a copy.
    """

    def __init__(self, function: Function, record: Callable[[Function, tuple[Tensor, ...]], Graph] | None = None):
        """`function` must do the same at every call but for its arguments; `record` is `record_graph`, but in tests."""
        self.function, self.record = function, record or record_graph
        self.graphs: dict[Any, Graph] = {}
        self.uses: dict[Any, int] = {}
        self.plain = record is None and not torch.cuda.is_available()

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function of these tensors."""
        key = (autocast_state(), tuple((tensor.shape, tensor.stride(), tensor.dtype) for tensor in inputs))
        if self.plain or (key not in self.graphs and len(self.graphs) == SHAPES):
            return self.function(*inputs)
        try:
            return self._replayed(key, inputs)
        except RuntimeError as fault:  # what CUDA, cuDNN and the comparison raise
            self.plain = True
            self.graphs.clear()
            sys.stderr.write(f"CUDA graphs are left out: {str(fault).splitlines()[0]}\n")
            return self.function(*inputs)

    def _replayed(self, key: Any, inputs: tuple[Tensor, ...]) -> Tensor:
        if key not in self.graphs:
            # Recorded on other values than it is compared at, so that a value that was recorded as a constant shows.
            self.graphs[key] = self.record(self.function, tuple(tensor.flip(0) for tensor in inputs))
        graph, uses = self.graphs[key], self.uses.setdefault(key, 0)
        self.uses[key] += 1
        for own, given in zip(graph.inputs, inputs, strict=True):
            own.copy_(given)
        graph.replay()
        found = graph.output.clone()
        if uses in COMPARED_AT:
            self._compare(found, self.function(*inputs))
        return found

    @staticmethod
    def _compare(found: Tensor, plain: Tensor) -> None:
        largest = TOLERANCE["autocast" if torch.is_autocast_enabled("cuda") else "float32"]
        apart, size = (found - plain).double().norm().item(), plain.double().norm().item()
        if not apart <= largest * size:
            raise RuntimeError(f"a replay is {apart:.2e} from the plain result, which has norm {size:.2e}")


def autocast_state() -> tuple[bool, torch.dtype]:
    """Whether autocast is on for CUDA, and to what."""
    return torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")


@contextmanager
def uncached_autocast() -> Iterator[None]:
    """Autocast as it is, without its cache: a cached cast of a weight would be made outside of the graph, and kept."""
    enabled, dtype = autocast_state()
    with torch.autocast("cuda", dtype, enabled=enabled, cache_enabled=False):
        yield


def record_graph(function: Function, inputs: tuple[Tensor, ...]) -> Graph:
    """Record `function` on copies of `inputs`, which become the graph's own."""
    device = inputs[0].device
    own = tuple(tensor.detach().clone() for tensor in inputs)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device), uncached_autocast():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                function(*own)
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            output = function(*own)
    return Graph(graph.replay, own, output)
