"""Fetching one file: from the first source that gives it, on from where a connection broke, checksum at the end."""

import errno
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from lib.data.files import digest_of

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60
ATTEMPTS = 4
PAUSE_SECONDS = 3.0  # before the second attempt; twice as long before each further one
PASSING = {408, 425, 429, 500, 502, 503, 504}  # what a server answers that may answer otherwise in a moment


class DownloadFailed(OSError):
    """A file could not be fetched, or what came was not the published file."""


class Broken(DownloadFailed):
    """A connection that broke, or a server that asks to come again: worth another attempt."""


def fetch(urls: Sequence[str], path: Path, digest: str) -> None:
    """Fetch one file from the first of its sources that gives it: to a `.part` file, verified, then renamed.

    What came before a connection broke stays in the `.part` file, and the next attempt, of this run or of a later one,
    from this source or another, goes on from there: a checksum says at the end whether the pieces fit.

    Args:
        urls: sources of one and the same file, in the order in which they are asked.
        path: where it goes; no two processes may fetch it at once.
        digest: "md5:..." or "sha256:...", or "" where there is none; then every attempt begins anew.

    Raises:
        DownloadFailed: no source gave the published file; says of each why, and what to do.
    """
    part = path.with_name(f"{path.name}.part")
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                with_patience(url, part, digest)
                part.replace(path)
                return
            except DownloadFailed as failure:
                failures.append(str(failure))
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise DownloadFailed(f"{path} cannot be written: {in_words(fault)}") from fault
    by_hand = f"Without a network: fetch it elsewhere, place it as {path}, and run the same command again."
    raise DownloadFailed("\n".join([*failures, by_hand]))


def with_patience(url: str, part: Path, digest: str) -> None:
    """Fetch from one source, again after a pause where the connection broke.

    Raises:
        DownloadFailed: what kept it from giving the file; `Broken` after the last attempt.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            begun = go_on(url, part, resume=bool(digest))
            refuse_wrong_file(url, part, digest, begun)
            return
        except Broken:
            if attempt == ATTEMPTS - 1:
                raise


def go_on(url: str, part: Path, resume: bool) -> int:
    """Fetch what `part` does not have yet; returns how many bytes it had already.

    Raises:
        Broken: the connection broke or timed out, or the server said that it is busy; what came stays in `part`.
        DownloadFailed: the source cannot be reached, or has no such file.
    """
    begun = part.stat().st_size if resume and part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            begun = begun if response.status == http.client.PARTIAL_CONTENT else 0  # other servers send all of it
            coming = int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if begun else "wb") as stream:
                copy(response, stream, coming, part.stem)
        if coming and part.stat().st_size != begun + coming:
            came = f"{part.stat().st_size:,} of {begun + coming:,} bytes"
            raise Broken(f"{url}: the connection broke after {came}; run the same command again, it goes on from there")
        return begun
    except urllib.error.HTTPError as fault:
        if fault.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return begun  # all of it is there; whether it is right, the checksum says
        kind = Broken if fault.code in PASSING else DownloadFailed
        raise kind(f"{url} cannot be reached ({fault.code} {fault.reason})") from fault
    except (http.client.HTTPException, TimeoutError, ConnectionError) as fault:
        raise Broken(f"{url}: the connection broke ({fault!r}); run the same command again, it goes on") from fault
    except urllib.error.URLError as fault:
        raise DownloadFailed(f"{url} cannot be reached ({fault.reason})") from fault


def copy(source: BinaryIO, target: BinaryIO, coming: int, name: str) -> None:
    """Copy a stream in pieces, with a progress bar on a terminal."""
    with tqdm(total=coming or None, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        while piece := source.read(CHUNK):
            target.write(piece)
            bar.update(len(piece))


def refuse_wrong_file(url: str, part: Path, digest: str, begun: int) -> None:
    """Remove what was fetched and raise, unless it is no web page and has the published checksum.

    Raises:
        Broken: the checksum is wrong, but the first `begun` bytes were of an earlier attempt; all anew may mend it.
        DownloadFailed: this is not the published file.
    """
    wrong = _fault_of(url, part, digest)
    if wrong:
        part.unlink()
        raise Broken(wrong) if begun else DownloadFailed(wrong)


def _fault_of(url: str, part: Path, digest: str) -> str:
    """What is wrong with a fetched file, or nothing."""
    if is_html(part):
        return f"{url} gave a web page instead of the file; open it in a browser to see what it says"
    if not digest and not begins_right(part, Path(url).suffix):
        return (
            f"{url} gave {part.stat().st_size:,} bytes that are no {Path(url).suffix} file; open it in a browser to "
            "see what it says"
        )
    if digest and not digest_matches(part, digest):
        return f"{url}: checksum is {digest_of(part, digest.partition(':')[0])}, the published one is {digest}"
    return ""


def digest_matches(path: Path, digest: str) -> bool:
    """Whether a file has the given checksum."""
    return digest_of(path, digest.partition(":")[0]) == digest


def is_html(path: Path) -> bool:
    """Whether a file begins like a web page, or like any other page of marks."""
    with path.open("rb") as stream:
        head = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<?xml"))


FIRST_BYTES = {".npy": b"\x93NUMPY", ".npz": b"PK\x03\x04", ".zip": b"PK\x03\x04", ".gz": b"\x1f\x8b"}


def begins_right(path: Path, suffix: str | None = None) -> bool:
    """Whether a file is not empty and has the first bytes of its kind, by its own suffix unless one is given."""
    wanted = FIRST_BYTES.get(path.suffix if suffix is None else suffix, b"")
    with path.open("rb") as stream:
        head = stream.read(max(len(wanted), 1))
    return head != b"" and head.startswith(wanted)


def in_words(fault: OSError) -> str:
    """What to do about a file that the system would not write."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{fault.strerror}. Free some space, or set REPLICATION_DATA to another disk; nothing there has changed"
    return f"{fault.strerror or fault}"
