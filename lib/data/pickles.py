"""Reading the pickled batches of CIFAR and ImageNet-32 without letting them run anything."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

# All that an array needs to come back. The batches were written by Python 2, whose NumPy had these modules.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows arrays, numbers, strings, lists and dicts, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an array constructor, or refuse."""
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"refused to load {module}.{name}: a data batch holds arrays only")


def read_batch(path: Path) -> dict[str, Any]:
    """The dictionary of a batch file; verify the file's checksum first. Keys are returned as text."""
    with path.open("rb") as stream:
        batch = _ArraysOnly(stream, encoding="bytes").load()
    return {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
