"""Arrays in .npz and .npy files, checked by the content of the arrays, because the files themselves hold dates."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lib.data.files import DamagedData, set_aside


def read_npz(path: Path, digests: dict[str, str]) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file, each with the known checksum; a damaged file is moved aside.

    Args:
        path: an existing file.
        digests: sha256 (hex) of the bytes of each array, as `array_digest` makes it.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in digests}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as fault:
        raise DamagedData(f"cannot read the arrays {', '.join(digests)} ({fault}). {set_aside(path)}") from fault
    wrong = [name for name, digest in digests.items() if array_digest(arrays[name]) != digest]
    if wrong:
        raise DamagedData(f"not the known arrays: {', '.join(wrong)}. {set_aside(path)}")
    return arrays


def read_npy(path: Path, advice: str, mmap_mode: Literal["r"] | None = None) -> NDArray[Any]:
    """The array of a .npy file that nobody published a checksum of; one that is empty or cut off is moved aside.

    Args:
        path: an existing file.
        advice: how to get it again, one sentence.
        mmap_mode: "r" leaves it on the disk until its rows are looked at.
    """
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (ValueError, EOFError) as fault:
        raise DamagedData(f"{path.name} is no whole .npy file ({fault}). {set_aside(path)} {advice}") from fault


def array_digest(array: np.ndarray) -> str:
    """The sha256 (hex) of shape, type and values."""
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
