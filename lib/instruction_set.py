"""The processor's instructions that numbers are computed with: the same on every x86-64 machine, unless lifted.

A sum in wider vectors adds in another order, so a machine with AVX-512 trains a net that differs from an AVX2
machine's in the last digits first and soon in the first. With both libraries held to AVX2 the nets are the same.

MKL, which multiplies matrices, cannot be held to one order for all makers: it knows AMD's processors and gives them
kernels of their own. So there are two families of numbers, each the same to the last digit within itself, and which
one computed is part of what `computing` says. Tried on an Intel processor with AVX-512, and with an AMD processor
emulated beside it: convolutions agree between the two; products of matrices agree under `MKL_CBWR=COMPATIBLE` alone,
which takes 5 to 8 times as long; under `MKL_CBWR=AVX2,STRICT` some do and some do not. `MKL_ENABLE_INSTRUCTIONS=AVX2`
holds Intel's processors with AVX-512 to what those without it give, and changes no digit on AMD's. `OPENBLAS_CORETYPE`
changes no digit of trained nets on either.
"""

import functools
import os
import platform
import sys
from pathlib import Path

LIFT = "REPLICATION_NATIVE"  # set it to 1 to compute with the widest vectors there are
# What torch, oneDNN and MKL read when they are loaded or first used.
ATEN, ONEDNN, MKL = "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"
HELD = "AVX2, oneDNN AVX2"
OF_INTEL = f"{HELD}, MKL AVX2 for Intel"  # the other family


def hold() -> None:
    """Hold torch, oneDNN and MKL to AVX2 in this process and those it starts; what is set already stays as it is.

    Raises:
        RuntimeError: torch was imported before and took wider instructions.
    """
    if lifted() or platform.machine().lower() not in ("x86_64", "amd64"):
        return
    if "torch" in sys.modules and ATEN not in os.environ:
        found = sys.modules["torch"].backends.cpu.get_cpu_capability()
        if found not in ("AVX2", "DEFAULT"):
            raise RuntimeError(
                f"torch was imported before lib and computes with {found}, whose numbers are not other machines': "
                f"import lib first, or start Python with {ATEN}=avx2 {ONEDNN}=AVX2, or with {LIFT}=1 if that is meant"
            )
    os.environ.setdefault(ATEN, "avx2")
    os.environ.setdefault(ONEDNN, "AVX2")
    os.environ.setdefault(MKL, "AVX2")


def lifted() -> bool:
    """Whether the widest vectors were asked for; such results have keys of their own and are not recorded."""
    return os.environ.get(LIFT, "") not in ("", "0")


def unlike_others() -> str:
    """Why numbers computed in this process are not those of other machines; empty where they are."""
    if platform.machine().lower() in ("x86_64", "amd64") and (found := computing()) not in (HELD, OF_INTEL):
        return f"computed with {found} in place of AVX2, so other machines do not give these numbers"
    return ""


def computing() -> str:
    """What torch, oneDNN and, on Intel's processors, MKL compute with in this process, as `AVX2, oneDNN AVX2`."""
    import torch

    told = f"{torch.backends.cpu.get_cpu_capability()}, oneDNN {os.environ.get(ONEDNN, 'unbounded')}"
    return told + (f", MKL {os.environ.get(MKL, 'unbounded')} for Intel" if maker() == "GenuineIntel" else "")


@functools.cache
def maker() -> str:
    """The processor's vendor as it names itself, by which MKL chooses its kernels; empty where it is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return "GenuineIntel" if "GenuineIntel" in platform.processor() else ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")
