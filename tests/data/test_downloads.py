import errno
import gzip
import hashlib
import http.client
import http.server
import io
import os
import tarfile
import threading
import zipfile
from typing import ClassVar

import numpy as np
import pytest

from lib.data import downloads
from lib.data.downloads import Download, DownloadFailed, fetch, get, unpack

CONTENT = b"what was published" * 1000


@pytest.fixture
def server():
    """A web server on this machine; `server.pages` maps a path to (status, content, announced length)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, content, length = pages[self.path]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            return

    pages: dict[str, tuple[int, bytes, int]] = {}
    service = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def publish(path, content, status=200, length=None):
        pages[path] = (status, content, len(content) if length is None else length)
        return f"http://127.0.0.1:{service.server_port}{path}"

    yield publish
    service.shutdown()
    thread.join()
    service.server_close()


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_is_fetched_and_verified(server, root):
    fetch(server("/file", CONTENT), root / "below" / "file", sha256(CONTENT))
    assert (root / "below" / "file").read_bytes() == CONTENT
    assert [path.name for path in (root / "below").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (CONTENT[:-1], {}, "checksum is"),
        (CONTENT, {"length": len(CONTENT) + 5}, "broke after"),
        (b"\n <!DOCTYPE html><html><body>Quota exceeded", {}, "web page"),
        (b"\xef\xbb\xbf<HTML>", {}, "web page"),
        (b"gone", {"status": 404}, "cannot be reached"),
    ],
)
def test_what_is_not_the_published_file_leaves_nothing_behind(server, root, content, options, message):
    with pytest.raises(DownloadFailed, match=message):
        fetch(server("/file", content, **options), root / "file", sha256(CONTENT))
    assert list(root.iterdir()) == []


def test_a_web_page_is_recognised_without_a_checksum_too(server, root):
    with pytest.raises(DownloadFailed, match="web page"):
        fetch(server("/file", b"<html>"), root / "file", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'<?xml version="1.0"?>\n<!DOCTYPE html><html>', "web page"),
        (b'{"message": "API rate limit exceeded"}', r"38 bytes that are no \.npy file"),
        (b"", r"0 bytes that are no \.npy file"),
    ],
)
def test_without_a_checksum_the_first_bytes_are_looked_at(server, root, content, message):
    with pytest.raises(DownloadFailed, match=message):
        fetch(server("/counts.npy", content), root / "counts.npy", "")
    assert list(root.iterdir()) == []


def npy(values):
    stream = io.BytesIO()
    np.save(stream, np.array(values))
    return stream.getvalue()


@pytest.mark.parametrize("there", [b'{"message": "gone"}', b"", b"<html>"])
def test_what_is_no_such_file_is_fetched_anew(server, root, monkeypatch, there):
    """It used to count as fetched for ever."""
    url = server("/counts.npy", npy([1, 2]))
    monkeypatch.setitem(downloads.DOWNLOADS, "counts", (Download(url, "counts.npy"),))
    (root / "counts.npy").write_bytes(there)
    get("counts", root)
    assert np.load(root / "counts.npy").tolist() == [1, 2]


def test_a_connection_that_breaks_is_told_from_a_file(root, monkeypatch):
    class Broken(io.BytesIO):
        headers: ClassVar = {"Content-Length": "100"}

        def read(self, size=-1):
            raise http.client.IncompleteRead(b"abc", 97)

    monkeypatch.setattr(downloads.urllib.request, "urlopen", lambda url, timeout: Broken())
    with pytest.raises(DownloadFailed, match=r"connection broke.*try again"):
        fetch("https://somewhere/file", root / "file", "")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_leaves_nothing(server, root, monkeypatch, number):
    def full(*arguments):
        raise OSError(number, os.strerror(number))

    url = server("/file", CONTENT)
    with monkeypatch.context() as patched:
        patched.setattr(downloads, "copy", full)
        with pytest.raises(DownloadFailed, match=r"cannot be written: .*Free some space, or set REPLICATION_DATA"):
            fetch(url, root / "file", "")
    (root / "archive.gz").write_bytes(gzip.compress(CONTENT))
    monkeypatch.setattr(downloads.shutil, "copyfileobj", full)
    with pytest.raises(DownloadFailed, match=r"cannot be unpacked to .*Free some space"):
        unpack(root / "archive.gz", root)
    assert [path.name for path in root.iterdir()] == ["archive.gz"]


def test_two_that_fetch_one_file_do_not_share_its_part(server, root, monkeypatch):
    """The first is held while the second comes and goes; both end with the whole file."""
    url, plain = server("/file", CONTENT), downloads.copy
    others: list[threading.Thread] = []

    def slow(source, target, expected, name):
        if not others:
            others.append(threading.Thread(target=fetch, args=(url, root / "file", sha256(CONTENT))))
            target.write(source.read(100))
            target.flush()
            others[0].start()
            others[0].join()
            assert (root / "file").read_bytes() == CONTENT
        plain(source, target, expected, name)

    monkeypatch.setattr(downloads, "copy", slow)
    fetch(url, root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and [path.name for path in root.iterdir()] == ["file"]


def test_without_a_network_the_message_says_what_to_do(root):
    with pytest.raises(DownloadFailed, match=r"fetch it elsewhere, place it as .*file"):
        fetch("http://127.0.0.1:9/file", root / "file", "")


def archive(kind, members):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as stream:
            for name, content in members.items():
                stream.writestr(name, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz" if kind == "tar.gz" else "w") as stream:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                stream.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_archives_are_unpacked_and_merged(root, kind):
    path = root / f"set.{kind}"
    path.write_bytes(archive(kind, {"folder/one": b"1", "folder/deep/two": b"2"}))
    (root / "folder").mkdir()
    (root / "folder" / "one").write_bytes(b"old")
    (root / "folder" / "other").write_bytes(b"kept")
    unpack(path, root)
    contents = {name: (root / "folder" / name).read_bytes() for name in ("one", "deep/two", "other")}
    assert contents == {"one": b"1", "deep/two": b"2", "other": b"kept"}
    assert not list(root.glob(".unpacking-*"))


def test_a_gz_file_is_unpacked_to_its_name(root):
    (root / "file.gz").write_bytes(gzip.compress(CONTENT))
    unpack(root / "file.gz", root / "into")
    assert (root / "into" / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", ["../escaped", "folder/../../escaped", "{outside}/escaped"])
def test_members_that_point_outside_are_refused(root, tmp_path, kind, name):
    name = name.format(outside=tmp_path.as_posix())
    path = root / f"set.{kind}"
    path.write_bytes(archive(kind, {"good": b"1", name: b"evil"}))
    target = root / "target"
    with pytest.raises(DownloadFailed, match="cannot be unpacked safely"):
        unpack(path, target)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "escaped").exists() and not (root / "escaped").exists()


def test_a_link_that_points_outside_is_refused(root):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as stream:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "../../outside"
        stream.addfile(entry)
    (root / "set.tar").write_bytes(buffer.getvalue())
    with pytest.raises(DownloadFailed, match="cannot be unpacked safely"):
        unpack(root / "set.tar", root / "target")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_broken_archive_leaves_nothing_behind(root, kind):
    whole = archive(kind, {f"file{index}": CONTENT for index in range(20)})
    (root / f"set.{kind}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DownloadFailed, match="cannot be unpacked"):
        unpack(root / f"set.{kind}", root / "target")
    assert list((root / "target").iterdir()) == []


def test_get_fetches_unpacks_and_removes_the_archive(server, root, monkeypatch):
    raw = archive("tar.gz", {"made/file": CONTENT})
    download = Download(server("/made.tar.gz", raw), "made.tar.gz", sha256(raw), into=".")
    monkeypatch.setitem(downloads.DOWNLOADS, "made", (download,))
    get("made", root)
    assert [path.name for path in root.iterdir()] == ["made"]
    assert (root / "made" / "file").read_bytes() == CONTENT


def test_an_archive_placed_by_hand_is_used(root, monkeypatch):
    raw = archive("zip", {"made/file": CONTENT})
    (root / "made.zip").write_bytes(raw)
    download = Download("http://127.0.0.1:9/made.zip", "made.zip", sha256(raw), into=".")
    monkeypatch.setitem(downloads.DOWNLOADS, "made", (download,))
    get("made", root)
    assert (root / "made" / "file").read_bytes() == CONTENT


def test_every_download_that_is_unpacked_or_used_as_it_is_has_a_checksum():
    unchecked = {name for name, files in downloads.DOWNLOADS.items() for file in files if not file.digest}
    assert unchecked == {"cifar10h"}  # its reader checks the contents
