"""Where a result came from: versions, hardware, commit."""

import functools
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from lib.files import sha256
from lib.instruction_set import computing

BUNDLE_FILE = "bundle.json"  # at the root of an unpacked bundle, where there is no git
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide numbers."""
    return {"python": platform.python_version(), **{n: v for n in PACKAGES if (v := _installed(n)) is not None}}


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def hardware(device: str) -> dict[str, Any]:
    """What the bits of a result depend on: processor, instruction set, threads, and the GPU if one was used."""
    import torch

    found: dict[str, Any] = {
        "cpu": _cpu_model(),
        "capability": computing(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    if torch.device(device).type == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    return found


def peak_memory() -> int:
    """The most bytes that this process held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@functools.cache
def split_checksums(name: str) -> dict[str, str]:
    """Split -> checksum of its images and labels, for every split that `load` can give of a data set."""
    from lib.data.load import load, splits_of

    return {split: load(name, split).checksum for split in splits_of(name)}


def data_checksum(name: str) -> str:
    """One checksum for all the images and labels of a data set, training and test part; some sets are test only."""
    parts = split_checksums(name)
    return sha256(*(parts[split].encode() for split in ("train", "test") if split in parts))


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def git(tree: Path, *arguments: str) -> str | None:
    """Output of a git command in `tree`, or None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=tree, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def commit(tree: Path) -> str | None:
    """The commit that `tree` is at, or None outside git. An unpacked bundle names the commit it was made of."""
    if (made_of := bundled(tree)) is not None:
        return made_of["commit"]
    found = git(tree, "rev-parse", "HEAD")
    return found.strip() if found else None


def bundled(tree: Path) -> dict[str, Any] | None:
    """What an unpacked bundle says of itself: its `commit`, and the sha256 of each of its `files`; None elsewhere."""
    path = tree / BUNDLE_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
