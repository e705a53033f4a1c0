"""The GPUs of this machine, without torch, and which notebook gets which."""

import os
import subprocess
from collections.abc import Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"
GPU_TIERS = ("gpu", "paper")  # where each notebook gets one


def gpus() -> list[str]:
    """Names that `CUDA_VISIBLE_DEVICES` takes: those it lists already, else the numbers of all; empty without one."""
    if VISIBLE in os.environ:
        return [name.strip() for name in os.environ[VISIBLE].split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(number) for number, line in enumerate(filter(None, listed.splitlines())) if line.startswith("GPU")]


def least_used(names: Sequence[str], in_use: Sequence[str | None]) -> str | None:
    """The GPU with the fewest notebooks on it, the first of them; None where there is no GPU."""
    return min(names, key=list(in_use).count, default=None)
