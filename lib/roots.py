"""Where data sets are read from and results go, found from the folder of pyproject.toml, not the working directory."""

import os
from pathlib import Path


def repository() -> Path:
    """The folder that holds pyproject.toml, `lib` and `papers`."""
    return Path(__file__).resolve().parent.parent


def data_root() -> Path:
    """Folder of the downloaded data sets: `REPLICATION_DATA`, or `data/`. It may be read-only."""
    return Path(os.environ.get("REPLICATION_DATA") or repository() / "data").expanduser().resolve()


def output_root() -> Path:
    """Folder of artefacts and runs: `REPLICATION_OUTPUT`, or `data/`."""
    return Path(os.environ.get("REPLICATION_OUTPUT") or repository() / "data").expanduser().resolve()
