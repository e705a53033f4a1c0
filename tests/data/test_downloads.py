import errno
import gzip
import hashlib
import io
import os
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from lib.data import downloads, fetching
from lib.data.downloads import Download, get, unpack
from lib.data.fetching import DownloadFailed

CONTENT = b"what was published" * 1000


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def npy(values):
    stream = io.BytesIO()
    np.save(stream, np.array(values))
    return stream.getvalue()


@pytest.mark.parametrize("there", [b'{"message": "gone"}', b"", b"<html>"])
def test_what_is_no_such_file_is_fetched_anew(server, root, monkeypatch, there):
    """It used to count as fetched for ever."""
    url = server.publish("/counts.npy", npy([1, 2]))
    monkeypatch.setitem(downloads.DOWNLOADS, "counts", (Download(url, "counts.npy"),))
    (root / "counts.npy").write_bytes(there)
    get("counts", root)
    assert np.load(root / "counts.npy").tolist() == [1, 2]


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
    download = Download(server.publish("/made.tar.gz", raw), "made.tar.gz", sha256(raw), into=".")
    monkeypatch.setitem(downloads.DOWNLOADS, "made", (download,))
    get("made", root)
    assert sorted(path.name for path in root.iterdir()) == [".fetching", "made"]
    assert (root / "made" / "file").read_bytes() == CONTENT


def test_the_mirror_is_asked_where_the_first_source_fails(server, root, monkeypatch):
    gone, there = server.publish("/gone", b"", status=404), server.publish("/counts.npy", npy([1, 2]))
    monkeypatch.setitem(
        downloads.DOWNLOADS, "made", (Download(gone, "counts.npy", sha256(npy([1, 2])), mirrors=(there,)),)
    )
    get("made", root)
    assert np.load(root / "counts.npy").tolist() == [1, 2]


def test_two_that_fetch_one_set_take_turns(server, root, monkeypatch):
    """The second waits while the first is at it, and then finds the file."""
    url = server.publish("/counts.npy", npy([1, 2]))
    monkeypatch.setitem(downloads.DOWNLOADS, "made", (Download(url, "counts.npy", sha256(npy([1, 2]))),))
    second, plain = threading.Thread(target=get, args=("made", root)), fetching.copy

    def slow(source, target, coming, name):
        second.start()
        second.join(timeout=0.2)
        assert second.is_alive()
        plain(source, target, coming, name)

    monkeypatch.setattr(fetching, "copy", slow)
    get("made", root)
    second.join()
    assert np.load(root / "counts.npy").tolist() == [1, 2] and len(server.asked("/counts.npy")) == 1


def test_an_archive_that_does_not_fit_on_the_disk_leaves_nothing(root, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (root / "archive.gz").write_bytes(gzip.compress(CONTENT))
    monkeypatch.setattr(downloads.shutil, "copyfileobj", full)
    with pytest.raises(DownloadFailed, match=r"cannot be unpacked to .*Free some space"):
        unpack(root / "archive.gz", root)
    assert [path.name for path in root.iterdir()] == ["archive.gz"]


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
