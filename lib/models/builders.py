"""Which call made a net, and the same call again: what is kept beside weights, so that they can be loaded anywhere.

    with noted_calls() as made:
        net = small_cnn(10, (24, 48, 96), mean=0.5)
    call_of(net, made)   # {"builder": "small_cnn", "arguments": {"num_classes": 10, "widths": [24, 48, 96], ...}}

The call is noted while the net is built, not written down a second time, so that it cannot say something else.
"""

import cProfile
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TypedDict, cast

import torch
from torch import nn

from lib.models.fast_resnet import fast_resnet
from lib.models.inputs import CentreCrop, Standardise
from lib.models.lenet import lenet, small_lenet
from lib.models.mlp import mlp
from lib.models.small_alexnet import small_alexnet
from lib.models.small_cnn import norm_free_cnn, small_cnn
from lib.models.small_inception import small_inception
from lib.models.small_resnet import small_resnet
from lib.models.vgg13 import vgg13
from lib.models.wide_resnet import wide_resnet

NETS: tuple[Callable[..., nn.Module], ...] = (
    fast_resnet, lenet, mlp, norm_free_cnn, small_alexnet, small_cnn, small_inception, small_lenet, small_resnet, vgg13,
    wide_resnet,
)  # fmt: skip
PARTS: tuple[type[nn.Module], ...] = (CentreCrop, Standardise)  # that a net may be given as an argument
BUILDERS: dict[str, Callable[..., nn.Module]] = {net.__name__: net for net in NETS}
BUILDERS |= {part.__name__: part for part in PARTS}


class Call(TypedDict):
    """A builder of `BUILDERS` and its arguments, all of them: plain values, lists of these, or calls of parts."""

    builder: str
    arguments: dict[str, Any]


class Made(list[tuple[nn.Module, str, dict[str, Any]]]):
    """Modules with the builder that made them and the arguments it was given, in the order in which they were done."""


@contextmanager
def noted_calls() -> Iterator[Made]:
    """Note every call of a builder in the block, by whatever function it comes."""
    codes: dict[CodeType, str] = {builder.__code__: builder.__name__ for builder in NETS}
    codes |= {part.__init__.__code__: part.__name__ for part in PARTS}
    made, open_calls = Made(), dict[FrameType, dict[str, Any]]()

    def note(frame: FrameType, event: str, returned: Any) -> None:
        if frame.f_code not in codes:
            return
        if event == "call":
            code = frame.f_code
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            open_calls[frame] = {name: frame.f_locals[name] for name in names}
        elif event == "return":
            given = open_calls.pop(frame, {})
            module = given.pop("self", returned)
            if isinstance(module, nn.Module):
                made.append((module, codes[frame.f_code], given))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield made
    finally:
        if isinstance(before, cProfile.Profile):  # under %prun: not a function that setprofile could call
            before.enable()
        else:
            sys.setprofile(before)


def call_of(net: nn.Module, made: Made) -> Call:
    """The call that made `net`.

    Raises:
        ValueError: no builder returned it, or one of its arguments has no plain value.
    """
    for module, builder, arguments in made:
        if module is net:
            return {"builder": builder, "arguments": {name: _plain(value, made) for name, value in arguments.items()}}
    raise ValueError(f"a {type(net).__name__} that no call of a builder in lib/models/builders.py returned")


def _plain(value: Any, made: Made) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, made) for item in value]
    if isinstance(value, nn.Module):
        return call_of(value, made)
    raise ValueError(f"an argument of a builder must be a plain value to be kept, found {value!r}")


def made_by(call: Call) -> nn.Module:
    """The net that a call makes; the state of torch's random numbers is as before, although weights were drawn.

    Raises:
        ValueError: this version of the code has no such builder.
    """
    if call["builder"] not in BUILDERS:
        raise ValueError(f"no builder {call['builder']!r} here; there are {', '.join(BUILDERS)}")
    arguments = {
        name: made_by(cast(Call, value)) if isinstance(value, dict) else value
        for name, value in call["arguments"].items()
    }
    with torch.random.fork_rng(devices=[]):
        return BUILDERS[call["builder"]](**arguments)
