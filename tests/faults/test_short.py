"""A bad day, the part that every `make test` has: each fault has a clear error, the rest goes on, nothing is lost.

The longer part is test_long.py (`make test-faults`). Damaged artefacts, checkpoints, nets and downloads, pickles, two
batches at once, killed kernels and interrupts have tests beside the code that meets them.
"""

import json
import re
import resource
import subprocess
import sys

import pytest

from tests import tiny

FILES_MAY_HAVE = 400_000  # bytes: a limit on files stands for a full disk, and needs no rights that a test lacks
LARGE_ARM = tiny.ARM.replace('"b": 0.5}', '"b": 0.5, "net": torch.zeros(steps * 50_000)}')


def on_a_full_disk(tree, *arguments):
    """`python -m lib.replication ...` where no file may grow beyond FILES_MAY_HAVE."""
    return subprocess.run(
        [sys.executable, "-m", "lib.replication", *arguments], cwd=tree, env=tiny.environment(tree),
        capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FILES_MAY_HAVE, FILES_MAY_HAVE)),
    )  # fmt: skip


def files_left_half_written(tree):
    return [path.name for path in (tree / "data").rglob("*.part*")]


@pytest.fixture(scope="module")
def bad_day(tmp_path_factory):
    """Three notebooks on a full disk: one prints too much, one never ends, one is well; then all of them mended."""
    tree = tiny.make_tree(tmp_path_factory.mktemp("bad") / "day")
    tiny.write_notebook(tree, 1, extra=f"print('x' * {2 * FILES_MAY_HAVE})")
    tiny.write_notebook(tree, 2, extra="import time\nwhile True: time.sleep(0.1)")
    tiny.write_notebook(tree, 3)
    done = on_a_full_disk(tree, "run", "--limit", "1")
    half_written = files_left_half_written(tree)
    for number in (1, 2):
        tiny.write_notebook(tree, number)
    return tree, done, half_written, tiny.replication(tree, "run")


def test_a_notebook_that_cannot_be_written_whole_is_named_with_the_reason(bad_day):
    _, done, half_written, _ = bad_day
    assert done.returncode == 1
    assert "FAILED JEM/1-tiny (reduced): the executed notebook could not be written whole: OSError" in done.stderr
    assert "File too large" in done.stderr and half_written == []


def test_a_notebook_without_an_end_is_stopped_kept_up_to_there_and_the_rest_runs(bad_day):
    tree, done, _, _ = bad_day
    assert re.search(r"JEM/2-tiny \(reduced\): not done after \d\.\d minutes, more than one notebook may", done.stderr)
    assert "code cell 3 (under 'Tiny'): KeyboardInterrupt" in done.stderr
    assert "--limit MINUTES allows more" in done.stderr and "JEM/3-tiny (reduced):" in done.stdout
    assert tiny.result(tree, 3)["values"]


def test_the_next_run_does_what_failed_and_its_numbers_are_those_of_a_good_day(bad_day, tmp_path):
    tree, _, _, again = bad_day
    assert again.returncode == 0 and "1 of 3 notebooks unchanged, 2 to run" in again.stdout, again.stderr
    undisturbed = tiny.make_tree(tmp_path / "good day")
    assert tiny.replication(undisturbed, "run").returncode == 0
    assert tiny.result(tree)["values"] == tiny.result(undisturbed)["values"]
    assert not list((tree / "data").rglob("*.failed.ipynb"))


def test_a_full_disk_under_an_artefact_leaves_none_and_the_next_run_builds_it(tmp_path):
    tree = tiny.make_tree(tmp_path)
    (tree / "lib/experiments/tiny.py").write_text(LARGE_ARM)
    done = on_a_full_disk(tree, "run")
    assert done.returncode == 1 and "code cell 3 (under 'Tiny'): OSError: [Errno 27] File too large" in done.stderr
    assert files_left_half_written(tree) == [] and not list((tree / "data/artefacts").glob("*.safetensors"))
    assert tiny.replication(tree, "run").returncode == 0


@pytest.mark.parametrize("folder", ["/proc/nowhere", "pyproject.toml"])
def test_where_nothing_can_be_written_the_error_says_what_to_set(folder, tmp_path):
    tree = tiny.make_tree(tmp_path)
    place = str(tree / folder)
    done = subprocess.run(
        [sys.executable, "-m", "lib.replication", "run"], cwd=tree, capture_output=True, text=True,
        env=tiny.environment(tree, REPLICATION_OUTPUT=place),
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"the outputs go to {place}" in done.stderr and "set REPLICATION_OUTPUT to another folder" in done.stderr


def test_a_damaged_result_of_a_run_is_moved_aside_and_made_again(tmp_path):
    tree = tiny.make_tree(tmp_path)
    assert tiny.replication(tree, "run").returncode == 0
    place = tree / "data/runs/reduced/JEM/1.json"
    good = place.read_bytes()
    for bad in (good[:200], b"", b"<html>502 Bad Gateway</html>", b"\xff\xfe" * 50):
        place.write_bytes(bad)
        shown = tiny.replication(tree, "status")
        assert shown.returncode == 0 and "1.json is damaged" in shown.stderr, shown.stderr
    assert len(list(place.parent.glob("1.json.damaged-*"))) >= 1
    assert tiny.replication(tree, "run").returncode == 0
    assert json.loads(place.read_text())["values"] == json.loads(good)["values"]
