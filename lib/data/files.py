"""Finding, verifying and setting aside the files of a data set."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.roots import output_root


class MissingData(FileNotFoundError):
    """A data set is not on the disk; the message says where it was looked for and how to get it."""


class DamagedData(OSError):
    """A file differs from what its publisher released; the message names it and says what became of it."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a data set.

    Attributes:
        path: relative to the data root, with forward slashes.
        digest: "md5:..." or "sha256:..." as published, or "" where nobody published one.
        size: in bytes; 0 where unknown.
    """

    path: str
    digest: str = ""
    size: int = 0


_verified: dict[str, list[int]] = {}  # what this process has verified: see `is_intact`


def require(name: str, files: Sequence[SourceFile], root: Path, advice: str) -> list[Path]:
    """The paths of all files of a set, each present and intact.

    Args:
        name: of the set, for messages.
        files: what the set consists of.
        root: folder to look in.
        advice: how to get the set, one sentence.

    Raises:
        MissingData: a file is not there.
        DamagedData: a file is not the published one; it has been moved aside.
    """
    missing = [file.path for file in files if not (root / file.path).exists()]
    if missing:
        raise MissingData(missing_message(name, missing, root, advice))
    damaged = [file for file in files if not is_intact(root / file.path, file)]
    if damaged:
        reports = [set_aside(root / file.path) for file in damaged]
        raise DamagedData(
            f"{name}: not the published file(s), judged by size and checksum. {' '.join(reports)} {advice}"
        )
    return [root / file.path for file in files]


def missing_message(name: str, missing: Sequence[str], root: Path, advice: str) -> str:
    """What is missing, where it was looked for, and how to get it."""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"{name}: {missing[0]}{more} not found in {root} (set REPLICATION_DATA to look elsewhere). {advice}"


def is_intact(path: Path, file: SourceFile) -> bool:
    """Whether `path` has the published size and checksum.

    A checksum once found right is remembered with size and time of change, in this process and in `verified.json` of
    the output root, and not computed again until one of them differs.
    """
    status = path.stat()
    if file.size and status.st_size != file.size:
        return False
    if not file.digest:
        return True
    key, stamp = f"{file.digest} {path.resolve()}", [status.st_size, status.st_mtime_ns]
    if (_verified.get(key) or _read_notes().get(key)) == stamp:
        _verified[key] = stamp
        return True
    if digest_of(path, file.digest.partition(":")[0]) != file.digest:
        return False
    _verified[key] = stamp
    _write_notes({**_read_notes(), **_verified})
    return True


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file, written as "algorithm:hex"."""
    with path.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def set_aside(path: Path) -> str:
    """Rename a damaged file to `<name>.damaged`, and say so; where that is forbidden, say that instead."""
    target = path.with_name(path.name + ".damaged")
    try:
        path.replace(target)
    except OSError as fault:
        return f"{path} is damaged and could not be moved aside ({fault.strerror}); remove it by hand."
    return f"{path} was damaged and has been moved to {target.name}."


def combined_checksum(files: Sequence[SourceFile], remark: str) -> str:
    """The sha256 (hex) of the published digests of verified files and a remark (name, split, processing)."""
    lines = [remark, *(f"{file.path} {file.digest}" for file in files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _notes_path() -> Path:
    return output_root() / "verified.json"


def _read_notes() -> dict[str, list[int]]:
    try:
        notes = json.loads(_notes_path().read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _write_notes(notes: dict[str, list[int]]) -> None:
    """Write the notes by an atomic rename; without a writable output root the files are simply verified again."""
    path = _notes_path()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(notes, indent=1))
        part.replace(path)
    except OSError:
        return
