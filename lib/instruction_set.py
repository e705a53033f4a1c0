"""The processor's instructions that numbers are computed with: the same on every x86-64 machine, unless lifted.

A sum in wider vectors adds in another order, so a machine with AVX-512 trains a net that differs from an AVX2
machine's in the last digits first and soon in the first. With both libraries held to AVX2 the nets are the same.

MKL and OpenBLAS are left to themselves. Tried on an AMD processor with AVX-512: `OPENBLAS_CORETYPE` (Nehalem,
SkylakeX) and `MKL_ENABLE_INSTRUCTIONS` change no digit of trained nets, matrix products and Frechet distances;
`MKL_CBWR=AVX2` leaves the nets as they are and moves the distances by 1e-14, `MKL_CBWR=COMPATIBLE` gives other nets.
What MKL chooses by itself is what the references were made with.
"""

import os
import platform
import sys

LIFT = "REPLICATION_NATIVE"  # set it to 1 to compute with the widest vectors there are
ATEN, ONEDNN = "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"  # what torch and oneDNN read when they are loaded


def hold() -> None:
    """Hold torch and oneDNN to AVX2 in this process and those it starts; what is set already stays as it is.

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


def lifted() -> bool:
    """Whether the widest vectors were asked for; such results have keys of their own and are not recorded."""
    return os.environ.get(LIFT, "") not in ("", "0")


def unlike_others() -> str:
    """Why numbers computed in this process are not those of other machines; empty where they are."""
    if platform.machine().lower() in ("x86_64", "amd64") and (found := computing()) != "AVX2, oneDNN AVX2":
        return f"computed with {found} in place of AVX2, so other machines do not give these numbers"
    return ""


def computing() -> str:
    """What torch and oneDNN compute with in this process, as `AVX2, oneDNN AVX2`."""
    import torch

    return f"{torch.backends.cpu.get_cpu_capability()}, oneDNN {os.environ.get(ONEDNN, 'unbounded')}"
