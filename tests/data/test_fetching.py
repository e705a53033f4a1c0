import errno
import hashlib
import http.client
import io
import os
from typing import ClassVar

import pytest

from lib.data import fetching
from lib.data.fetching import ATTEMPTS, DownloadFailed, fetch

CONTENT = b"what was published" * 1000


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses that were made, none of them waited for."""
    made: list[float] = []
    monkeypatch.setattr(fetching.time, "sleep", made.append)
    return made


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_and_verified(server, root):
    fetch([server.publish("/file", CONTENT)], root / "below" / "file", sha256(CONTENT))
    assert (root / "below" / "file").read_bytes() == CONTENT
    assert names(root / "below") == ["file"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (CONTENT[:-1], {}, "checksum is"),
        (b"\n <!DOCTYPE html><html><body>Quota exceeded", {}, "web page"),
        (b"\xef\xbb\xbf<HTML>", {}, "web page"),
        (b"gone", {"status": 404}, "cannot be reached"),
    ],
)
def test_what_is_not_the_published_file_leaves_nothing_behind(server, root, pauses, content, options, message):
    with pytest.raises(DownloadFailed, match=message):
        fetch([server.publish("/file", content, **options)], root / "file", sha256(CONTENT))
    assert names(root) == [] and pauses == []


def test_a_web_page_is_recognised_without_a_checksum_too(server, root):
    with pytest.raises(DownloadFailed, match="web page"):
        fetch([server.publish("/file", b"<html>")], root / "file", "")


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
        fetch([server.publish("/counts.npy", content)], root / "counts.npy", "")
    assert names(root) == []


def test_a_broken_connection_is_taken_up_where_it_broke(server, root, pauses):
    url = server.publish("/file", CONTENT, breaks=[5000, 0, 1000])
    fetch([url], root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and names(root) == ["file"]
    assert server.asked("/file") == [None, "bytes=5000-", "bytes=5000-", "bytes=6000-"]
    assert pauses == [3.0, 6.0, 12.0]


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(server, root):
    fetch([server.publish("/file", CONTENT, ranges=False, breaks=[5000])], root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, root, pauses):
    fetch([server.publish("/file", CONTENT, busy=2)], root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and len(pauses) == 2


def test_what_came_before_it_broke_for_good_serves_the_next_run(server, root):
    url = server.publish("/file", CONTENT, breaks=[100] * ATTEMPTS)
    with pytest.raises(DownloadFailed, match=r"broke after 400 of 18,000 bytes; run the same command again"):
        fetch([url], root / "file", sha256(CONTENT))
    assert names(root) == ["file.part"]
    fetch([url], root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and server.asked("/file")[-1] == "bytes=400-"


@pytest.mark.parametrize("left", [b"of another file", CONTENT + b"more"], ids=["shorter", "longer"])
def test_a_part_that_does_not_fit_is_thrown_away(server, root, left):
    (root / "file.part").write_bytes(left)
    fetch([server.publish("/file", CONTENT)], root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and names(root) == ["file"]


def test_a_part_that_is_whole_is_not_fetched_again(server, root):
    (root / "file.part").write_bytes(CONTENT)
    fetch([server.publish("/file", CONTENT)], root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and server.asked("/file") == [f"bytes={len(CONTENT)}-"]


def test_without_a_checksum_nothing_is_pieced_together(server, root):
    (root / "file.part").write_bytes(b"of another file")
    fetch([server.publish("/file", CONTENT)], root / "file", "")
    assert (root / "file").read_bytes() == CONTENT and server.asked("/file") == [None]


@pytest.mark.parametrize(
    "first", [{"status": 404}, {"content": b"<html>gone"}, {"content": CONTENT[:-1]}, {"breaks": [100] * ATTEMPTS}]
)
def test_the_second_source_gives_what_the_first_does_not(server, root, first):
    urls = [server.publish("/first", **{"content": CONTENT} | first), server.publish("/second", CONTENT)]
    fetch(urls, root / "file", sha256(CONTENT))
    assert (root / "file").read_bytes() == CONTENT and names(root) == ["file"]


def test_each_source_is_named_with_its_reason(server, root):
    urls = [server.publish("/first", b"", status=404), server.publish("/second", b"<html>")]
    with pytest.raises(DownloadFailed, match=r"(?s)/first cannot be reached \(404.*/second gave a web page"):
        fetch(urls, root / "file", sha256(CONTENT))


def test_a_connection_that_breaks_is_told_from_a_file(root, monkeypatch, pauses):
    class Breaking(io.BytesIO):
        headers: ClassVar = {"Content-Length": "100"}
        status = 200

        def read(self, size=-1):
            raise http.client.IncompleteRead(b"abc", 97)

    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda request, timeout: Breaking())
    with pytest.raises(DownloadFailed, match=r"connection broke.*run the same command again"):
        fetch(["https://somewhere/file"], root / "file", "")
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_leaves_nothing(server, root, monkeypatch, pauses, number):
    def full(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fetching, "copy", full)
    with pytest.raises(DownloadFailed, match=r"cannot be written: .*Free some space, or set REPLICATION_DATA"):
        fetch([server.publish("/file", CONTENT)], root / "file", "")
    assert names(root) == [] and pauses == []


def test_without_a_network_the_message_says_what_to_do(root, pauses):
    with pytest.raises(DownloadFailed, match=r"fetch it elsewhere, place it as .*file"):
        fetch(["http://127.0.0.1:9/file"], root / "file", "")
    assert pauses == [], "nobody waits for a network that is not there"
