"""Device, precision, memory format, threads and seeds, decided in one place."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")
GPU_LOOK_EVERY = 20  # steps
GRAPHS = "REPLICATION_CUDA_GRAPHS"  # environment variable: "1" switches CUDA graphs on, anything else leaves them off


@dataclass(frozen=True)
class Compute:
    """Where and how a net is trained.

    `precision` holds for training steps alone, what they do to find their batch (the inner attack of adversarial
    training, the chains of an energy model) included; evaluation, attacks that are reported and energies that are
    measured run outside of it, in float32. A loss, log densities and images are float32 in training too.

    Attributes:
        device: of the net, the data and all random draws of a step.
        precision: "float32", "tf32" or "bfloat16".
        look_every: steps between two looks at whether loss and gradient are finite. On a GPU each look waits for
            everything launched so far, so it is worth 20 steps; see `lib.training.loop.LastGood` for what follows one.
        graphs: replay gradients by the images, of fixed shapes, as CUDA graphs (`lib.models.graphed`).
    """

    device: torch.device
    precision: str = "float32"
    look_every: int = 1
    graphs: bool = False

    def __str__(self) -> str:
        """What was decided, in one line."""
        if self.device.type == "cpu":
            return f"{self.device}, {self.precision}"
        seen = "every step" if self.look_every == 1 else f"every {self.look_every} steps"
        return (
            f"{self.device}; training in {self.precision}, channels-last, draws on the device, finite loss checked "
            f"{seen}, CUDA graphs {'on' if self.graphs else f'off ({GRAPHS}=1 switches them on)'}; all else in float32"
        )

    def place(self, model: nn.Module) -> nn.Module:
        """Move the model to the device, in place, with filters in channels-last order, the faster one on both."""
        return model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def autocast(self) -> torch.autocast:
        """Context of the forward pass of a training step."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    @contextmanager
    def tensor_float(self) -> Iterator[None]:
        """Context of a training step: TensorFloat-32 on where asked for, and off again after it."""
        set_tf32(self.precision == "tf32")
        try:
            yield
        finally:
            set_tf32(False)


def prepare(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Compute:
    """Choose the device and switch TensorFloat-32 off, so that attacks and metrics are float32 on every device.

    Args:
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1".
        precision: of training steps: "float32", or on a GPU "tf32" or "bfloat16" (autocast). "auto" is bfloat16 on a
            GPU that has it in hardware, else float32.
        threads: CPU threads for torch; None leaves them as they are.

    Raises:
        ValueError: for an unknown precision, one that the device does not offer, or a device that is not there.
    """
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'device "{device}" was asked for, but torch finds no GPU: use "auto" or "cpu"')
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {precision!r}")
    on_gpu = chosen.type == "cuda"
    if precision == "auto":
        precision = "bfloat16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if precision != "float32" and not on_gpu:
        raise ValueError(f'precision "{precision}" is for training on a GPU; on {chosen} use "float32"')
    if threads is not None:
        torch.set_num_threads(threads)
    set_tf32(False)
    if not on_gpu:
        return Compute(chosen, precision)
    return Compute(chosen, precision, GPU_LOOK_EVERY, os.environ.get(GRAPHS) == "1")


def set_tf32(allowed: bool) -> None:
    """Let matrix products and convolutions on a GPU round their inputs to 10 bits, or not."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python's, NumPy's and torch's global generators (all devices), and return a fresh CPU generator.

    The returned one is for explicit random choices (augmentation, noise); initial weights and dropout draw from
    torch's global one. The two do not share a stream.

    Raises:
        ValueError: when the seed is not in 0 .. 2^32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in 0 .. 2^32 - 1, found {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(derived_seed(seed, 1))


def derived_seed(seed: int, *purpose: int) -> int:
    """A seed for another purpose, independent of `seed` itself: 0 .. 2^32 - 1."""
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1)[0])


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[torch.Generator]:
    """Seed torch's global generators within and put them back after; gives a generator with a stream of its own.

    It lives on the device, so that a step draws without a copy from the CPU.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, 0))
        yield torch.Generator(device).manual_seed(derived_seed(seed, 1))


def rng_state(generator: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """States of torch's CPU generator, the device's generator and `generator`, as byte tensors on the CPU."""
    state = {"cpu": torch.get_rng_state(), "generator": generator.get_state()}
    if device.type == "cuda":
        state["device"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(state: dict[str, Tensor], generator: torch.Generator, device: torch.device) -> None:
    """Put back what `rng_state` returned."""
    torch.set_rng_state(state["cpu"])
    generator.set_state(state["generator"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["device"], device)
