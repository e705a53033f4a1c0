import hashlib
import json
import os

import pytest

from lib.data import files
from lib.data.files import DamagedData, MissingData, SourceFile, require
from lib.roots import output_root

CONTENT = b"the published bytes" * 100


@pytest.fixture
def published(root):
    (root / "set").mkdir()
    (root / "set" / "one").write_bytes(CONTENT)
    return SourceFile("set/one", f"md5:{hashlib.md5(CONTENT).hexdigest()}", len(CONTENT))


def test_intact_files_are_returned(root, published):
    assert require("made", [published], root, "Get it.") == [root / "set" / "one"]


def test_missing_files_are_named_with_where_and_how(root, published):
    (root / "set" / "one").unlink()
    with pytest.raises(MissingData) as fault:
        require(
            "made", [published, SourceFile("set/two")], root, "It is 3 MB; get it with: python -m lib.data get made"
        )
    message = str(fault.value)
    for part in ("made", "set/one", "1 more", str(root), "3 MB", "python -m lib.data get made", "REPLICATION_DATA"):
        assert part in message


def truncated(path):
    path.write_bytes(CONTENT[:-1])


def flipped(path):
    path.write_bytes(CONTENT[:50] + bytes([CONTENT[50] ^ 1]) + CONTENT[51:])


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncated, flipped, emptied])
@pytest.mark.parametrize("size_known", [True, False])
def test_a_damaged_file_is_moved_aside_and_named(root, published, damage, size_known):
    path = root / "set" / "one"
    require("made", [published], root, "Get it.")  # remembered as intact, which must not help
    damage(path)
    os.utime(path, ns=(1, 1))
    file = published if size_known else SourceFile(published.path, published.digest)
    with pytest.raises(DamagedData, match=r"one was damaged.*one\.damaged.*Get it"):
        require("made", [file], root, "Get it.")
    assert not path.exists()
    assert path.with_name("one.damaged").exists()
    with pytest.raises(MissingData):
        require("made", [file], root, "Get it.")


def test_where_nothing_can_be_moved_the_message_says_so(root, published, monkeypatch):
    (root / "set" / "one").write_bytes(b"damaged")

    def refuse(self, target):
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(DamagedData, match="could not be moved aside"):
        require("made", [published], root, "Get it.")
    assert (root / "set" / "one").read_bytes() == b"damaged"


def count_digests(monkeypatch):
    calls = []
    original = files.digest_of

    def counted(*arguments):
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(files, "digest_of", counted)
    return calls


def test_a_checksum_is_computed_once_in_a_process_and_across_processes(root, published, monkeypatch):
    calls = count_digests(monkeypatch)
    for _ in range(3):
        require("made", [published], root, "")
    assert len(calls) == 1
    files._verified.clear()  # as in a new process
    require("made", [published], root, "")
    assert len(calls) == 1
    (output_root() / "verified.json").write_text("{ not JSON")
    files._verified.clear()
    require("made", [published], root, "")
    assert len(calls) == 2


def test_a_file_that_changed_since_is_looked_at_again(root, published, monkeypatch):
    calls = count_digests(monkeypatch)
    require("made", [published], root, "")
    os.utime(root / "set" / "one", ns=(5, 5))
    require("made", [published], root, "")
    assert len(calls) == 2


def test_notes_of_other_files_are_kept(root, published):
    require("made", [published], root, "")
    (root / "set" / "two").write_bytes(b"two")
    files._verified.clear()
    require("made", [SourceFile("set/two", f"sha256:{hashlib.sha256(b'two').hexdigest()}")], root, "")
    assert len(json.loads((output_root() / "verified.json").read_text())) == 2


def test_an_output_root_that_cannot_be_written_only_costs_time(root, published, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "file" / "below"))
    assert require("made", [published], root, "")


def test_combined_checksum_depends_on_files_and_remark(published):
    sums = {
        files.combined_checksum([published], "train"),
        files.combined_checksum([published], "test"),
        files.combined_checksum([published, SourceFile("x", "md5:0")], "train"),
    }
    assert len(sums) == 3
