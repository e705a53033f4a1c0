"""A bundle of the miniature: made, unpacked without git, run, packed, and its results recorded at home."""

import json
import os
import subprocess
import sys

import pytest

from lib.replication import bundle, day, snapshot
from tests import tiny


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The miniature, committed, with the order of the day and the marks of generated pages."""
    tree = tiny.make_tree(tmp_path_factory.mktemp("home"))
    (tree / "profiles").mkdir()
    order = (
        "minutes: 5\nfirst: {reading: {command: python -c print(40+2), seconds: 30}, broken: {command: python -c 1/0,"
    )
    (tree / day.ORDER.relative_to(day.repository())).write_text(
        f"{order} seconds: 30}}}}\ntier: laptop\nnotebooks: [JEM/1]\n"
    )
    tiny.write_pages(tree)
    tiny.git(tree, "add", "-A")
    tiny.git(tree, "commit", "-qm", "order")
    return tree


@pytest.fixture(scope="module")
def there(home, tmp_path_factory):
    """A folder with the parts of a bundle of the miniature, after the one command in it has run."""
    away = tmp_path_factory.mktemp("away")
    (home / "no-wheels").mkdir()
    made = tiny.replication(home, "bundle", "--wheels", "no-wheels", "--to", str(away))
    assert made.returncode == 0, made.stderr
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and "REPLICATION" not in name}
    command = [sys.executable, str(away / "part-1" / "start.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return away, done.stdout


def test_the_one_command_reads_the_order_and_a_failing_reading_stops_nothing(there):
    away, said = there
    assert "reading: done" in said and "42" in said and "broken: FAILED" in said
    assert (away / "work/results/results.tar.gz.00").exists()
    result = json.loads((away / "work/output/runs/laptop/JEM/1.json").read_text())
    assert result["values"]["b"] == [0.5] * 3 and result["unrecordable"] == ""


def test_results_come_back_with_commit_and_hardware_and_are_recorded(home, there):
    away, _ = there
    done = tiny.replication(home, "record", "--tier", "laptop", "--from", str(away / "work" / "results"))
    assert done.returncode == 0, done.stderr
    recorded = json.loads((home / "papers/JEM/recorded/laptop/1.json").read_text())
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=home, capture_output=True, text=True, check=True).stdout
    assert recorded["commit"] == head.strip() and recorded["hardware"]["cpu"]


def test_parts_that_are_not_whole_and_commits_unknown_here_are_refused(home, there, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "output"))
    parts = sorted((there[0] / "work" / "results").glob("results.tar.gz.*"))
    half = tmp_path / "results.tar.gz.00"
    half.write_bytes(parts[0].read_bytes()[:-200])
    with pytest.raises(ValueError, match="not whole"):
        bundle.bring_back([half], home, "laptop")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty holds no results\.tar\.gz\.00"):
        bundle.bring_back([tmp_path / "empty"], home, "laptop")
    with pytest.raises(ValueError, match="no finished notebook of tier gpu"):
        bundle.bring_back(parts, home, "gpu")
    stranger = tiny.make_tree(tmp_path / "stranger")
    (stranger / "README.md").write_text("another history")
    tiny.git(stranger, "add", "-A")
    tiny.git(stranger, "commit", "-qm", "another")
    with pytest.raises(ValueError, match="unknown here"):
        bundle.bring_back(parts, stranger, "laptop")


def test_an_edit_in_the_unpacked_bundle_is_seen(there):
    code = there[0] / "work" / "code"
    assert snapshot.uncommitted(code) == ""
    arm = code / "lib" / "experiments" / "tiny.py"
    kept = arm.read_text()
    arm.write_text(kept + "\n")
    assert "changes since the bundle was made, in lib/experiments/tiny.py" in snapshot.uncommitted(code)
    arm.write_text(kept)


def test_parts_are_cut_at_their_size_and_a_damaged_or_missing_one_is_named(home, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "PART_BYTES", 100_000)
    bundle.make(home, tmp_path, [], wheels=home / "no-wheels")
    parts = sorted(tmp_path.glob("part-*"))
    assert len(parts) >= 3
    sizes = [sum(f.stat().st_size for f in part.glob("code.*")) for part in parts]
    assert max(sizes) <= 100_000
    command = [sys.executable, str(tmp_path / "part-1" / "start.py"), "--unpack-only"]
    damaged = tmp_path / "part-2" / "code.01"
    kept = damaged.read_bytes()
    damaged.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert "is damaged" in subprocess.run(command, capture_output=True, text=True).stderr
    damaged.unlink()
    assert "1 of" in (said := subprocess.run(command, capture_output=True, text=True).stderr) and "code.01" in said
    damaged.write_bytes(kept)
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    assert (tmp_path / "work" / "code" / "bundle.json").exists()


def test_an_order_with_an_unknown_entry_is_refused(tmp_path):
    path = tmp_path / "order.yaml"
    path.write_text("minutes: 9\nfirst: {}\ntier: gpu\nnotebook: [JEM/1]\n")
    with pytest.raises(ValueError, match="exactly first, minutes, notebooks, tier"):
        day.read_order(path)
    order = day.read_order()
    assert order["tier"] == "gpu" and sum(step["seconds"] for step in order["first"].values()) <= 90
