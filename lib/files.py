"""Writing a file so that a reader never sees half of it, and setting a damaged one aside."""

import hashlib
import os
import sys
import time
from pathlib import Path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Put `content` at `path` in one step: a temporary file beside it, flushed to the disk, then renamed.

    After `kill -9` at any moment `path` holds either its old content or all of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def set_aside(path: Path, reason: str) -> Path:
    """Rename a damaged file to `<name>.damaged-<time>`, say so on stderr, and return its new place."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    path.replace(aside)
    print(f"{path} is damaged ({reason}); moved to {aside.name}", file=sys.stderr)
    return aside


def sha256(*contents: bytes) -> str:
    """Hex digest of the contents, each preceded by its length so that boundaries count."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()
