"""The copy of the tree that a long run reads, on a file system of several machines."""

import fcntl

from lib.replication.snapshot import tree_for
from tests import tiny


def test_a_snapshot_is_made_and_removed_where_locks_are_those_of_a_network_file_system(tmp_path, monkeypatch):
    """NFS makes a lock on ranges of bytes of each `flock`, and refuses a shared one on a file that cannot be read."""
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setattr(fcntl, "flock", fcntl.lockf)
    checkout = tiny.make_tree(tmp_path / "tree")
    with tree_for("laptop", checkout) as tree:
        assert tree.folder != checkout and tree.unrecordable == ""
        assert (tree.folder / "papers" / "JEM" / "1-tiny.ipynb").exists()
    assert not tree.folder.exists()
