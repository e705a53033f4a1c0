"""The runner disturbed, on a miniature of the repository: killed, interrupted, two at once, edited meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import tiny


def test_a_notebook_that_fails_shows_no_verdict_of_an_earlier_run_and_a_killed_kernel_its_cell(tmp_path):
    """In a folder whose name papermill would fill in."""
    (tmp_path / "{} {seeds}").mkdir()
    tree = tiny.make_tree(tmp_path / "{} {seeds}")
    done = tiny.replication(tree, "run")
    assert done.returncode == 0, done.stderr
    assert "C1   reproduced" in done.stdout
    tiny.write_notebook(tree, 1, extra="import os\nos.kill(os.getpid(), 9)")
    done = tiny.replication(tree, "run")
    assert done.returncode == 1
    assert "kernel died in or after code cell 3 (under 'Tiny'); out of memory?" in done.stderr
    assert "--jobs 1" in done.stderr, "what to do about it"
    assert "JEM/1-tiny (FAILED)" in done.stdout and "C1   -" in done.stdout
    assert "reproduced" not in done.stdout
    assert tiny.result(tree)["claims"]["C1"]["verdict"]["status"] == "reproduced", "the file of the earlier run stays"


def test_a_long_run_reads_the_commit_it_started_at_whatever_is_edited_meanwhile(tmp_path):
    tree = tiny.make_tree(tmp_path)
    command = [sys.executable, "-m", "lib.replication", "run", "--tier", "laptop", "-p", "rest", "3.0"]
    process = subprocess.Popen(command, cwd=tree, env=tiny.environment(tree), stdout=subprocess.PIPE, text=True)
    _wait_for(lambda: list((tree / "data/runs/.snapshots").glob("*/lib/experiments/tiny.py")))
    (tree / "lib" / "experiments" / "tiny.py").write_text("raise RuntimeError('edited')\n")
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    assert tiny.result(tree, 1, "laptop")["unrecordable"] == ""
    assert not list((tree / "data/runs/.snapshots").glob("*/lib")), "the snapshot is removed when nobody uses it"


def test_killed_in_a_notebook_and_run_again_gives_the_same_numbers(tmp_path):
    tree = tiny.make_tree(tmp_path / "killed")
    command = [sys.executable, "-m", "lib.replication", "run", "-p", "rest", "4.0"]
    process = subprocess.Popen(
        command, cwd=tree, env=tiny.environment(tree), start_new_session=True, stderr=subprocess.PIPE
    )
    _wait_for(lambda: list((tree / "data/artefacts").glob("*.safetensors")))
    papermill = _papermill(tree)
    assert papermill, "the notebook was running"
    for number in [process.pid, *papermill]:
        os.kill(number, signal.SIGKILL)
    process.communicate()
    kept = len(list((tree / "data/artefacts").glob("*.safetensors")))
    assert 1 <= kept < 3
    assert tiny.replication(tree, "run", "-p", "rest", "4.0").returncode == 0
    undisturbed = tiny.make_tree(tmp_path / "undisturbed")
    assert tiny.replication(undisturbed, "run").returncode == 0
    assert tiny.result(tree)["values"] == tiny.result(undisturbed)["values"]


def test_two_runs_at_once_on_one_folder_share_the_work(tmp_path):
    tree = tiny.make_tree(tmp_path)
    command = [sys.executable, "-m", "lib.replication", "run", "-p", "rest", "1.0"]
    both = [
        subprocess.Popen(command, cwd=tree, env=tiny.environment(tree), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("JEM/1-tiny (reduced):" in out for out in said) == 1, "one of them ran the notebook, the other waited"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_interrupted_the_runner_ends_its_notebooks_also_in_the_background(how, tmp_path):
    tree = tiny.make_tree(tmp_path)
    # a shell without job control lets what it starts by `&` ignore SIGINT
    in_background = ["bash", "-c", "trap '' INT; exec \"$@\"", "bash"]
    command = [*in_background, sys.executable, "-m", "lib.replication", "run", "-p", "rest", "30.0"]
    process = subprocess.Popen(command, cwd=tree, env=tiny.environment(tree), stderr=subprocess.PIPE, text=True)
    _wait_for(lambda: list((tree / "data/runs/reduced/JEM").glob("*.progress")) or process.poll() is not None)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "run the same command again" in err
    _wait_for(lambda: not _papermill(tree))


def test_when_the_minutes_are_up_checkpoints_are_written_and_the_same_command_goes_on(tmp_path):
    tree = tiny.make_tree(tmp_path)
    (tree / "lib/experiments/tiny.py").write_text(CHECKPOINTED)
    tiny.write_notebook(tree, 2)
    stopped = tiny.replication(tree, "run", "-p", "rest", "120.0", "--minutes", "0.5")
    assert stopped.returncode == 3, stopped.stderr
    assert "2 notebooks are left" in stopped.stdout and "JEM/1-tiny (reduced): about" in stopped.stdout
    assert "FAILED" not in stopped.stderr and not list((tree / "data/runs/reduced/JEM").glob("*.failed.ipynb"))
    (checkpoint,) = (tree / "data/artefacts").glob("*.partial")
    steps = int(checkpoint.read_text())
    assert steps >= 1, "the interrupt reached the cell, which wrote its checkpoint"
    assert not _papermill(tree)
    spent = json.loads((tree / "data/runs/reduced/JEM/.1.part.spent.json").read_text())["seconds"]
    assert 10 < spent < 60
    again = tiny.replication(tree, "run", "JEM/1", "-p", "rest", "120.0", "--minutes", "0.5")
    assert again.returncode == 3
    assert int(checkpoint.read_text()) > steps, "it went on from the checkpoint"
    assert json.loads((tree / "data/runs/reduced/JEM/.1.part.spent.json").read_text())["seconds"] > spent + 5


CHECKPOINTED = """
import time
from pathlib import Path


def measure(seed: int, steps: int, rest: float, checkpoint: Path) -> dict[str, float]:
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    try:
        while done < 600:
            time.sleep(rest / 600)
            done += 1
    except KeyboardInterrupt:
        checkpoint.write_text(str(done))
        raise
    return {"a": 1.0 + seed, "b": 0.5}
"""


def test_seeds_built_ahead_are_found_by_the_run_after_them_and_one_that_fails_is_named(tmp_path):
    tree = tiny.make_tree(tmp_path / "tree")
    found = (
        "from lib.roots import output_root\nfound = len(list((output_root() / 'artefacts').glob('*.safetensors')))\n"
    )
    only_after_them = f"{found}assert seeds == 1 or found == 3, found"  # a seed's own process has one seed
    tiny.write_notebook(tree, 1, extra=only_after_them)
    done = tiny.replication(tree, "run", "--spread", "--jobs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    for seed in range(3):
        assert f"JEM/1-tiny (reduced), seed {seed}: ready after" in done.stdout
    spread = tiny.result(tree, 1)["values"]

    plain = tiny.make_tree(tmp_path / "plain")
    assert tiny.replication(plain, "run").returncode == 0
    assert spread == tiny.result(plain, 1)["values"]

    tiny.write_notebook(plain, 1, extra="1 / 0")
    done = tiny.replication(plain, "run", "--spread")
    assert "seed 0: stopped, code cell 3 (under 'Tiny'): ZeroDivisionError: division by zero, after" in done.stdout
    assert done.returncode == 1


def _papermill(tree):
    """The processes that execute a notebook of this tree."""
    listed = subprocess.run(["pgrep", "-f", f"execute.py {tree}"], capture_output=True, text=True, check=False)
    return [int(number) for number in listed.stdout.split()]


def _wait_for(condition, seconds=120.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.05)
