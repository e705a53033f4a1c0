"""Writing a file so that a reader never sees half of it, setting a damaged one aside, and locks between processes."""

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


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


def try_lock(path: Path, *, wait: bool = False, shared: bool = False) -> IO[str] | None:
    """Lock the file `path`; the lock is held until the returned stream is closed, if need be by the kernel.

    Returns None when another process holds it and we do not `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+")  # also for reading: a network file system gives a shared lock on no other file
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        stream.close()
        return None
    return stream


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path`, waiting for it as long as it takes."""
    stream = try_lock(path, wait=True, shared=shared)
    assert stream is not None
    with stream:
        yield
