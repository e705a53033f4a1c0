"""The runner on a miniature of the repository: from nothing to a scoreboard, and every way that can be disturbed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests import tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A miniature with three notebooks, the second of which is broken, after one run."""
    tree = tiny.make_tree(tmp_path_factory.mktemp("tree"))
    tiny.write_notebook(tree, 2, extra="1 / 0")
    tiny.write_notebook(tree, 3)
    return tree, tiny.replication(tree, "run")


def test_a_broken_notebook_in_the_middle_is_named_with_cell_and_error_and_the_rest_runs(finished):
    tree, done = finished
    assert done.returncode == 1
    assert "FAILED JEM/2-tiny (reduced): code cell 3 (under 'Tiny'): ZeroDivisionError: division by zero" in done.stderr
    assert (tree / "data/runs/reduced/JEM/2.failed.ipynb").exists()
    assert tiny.result(tree, 1)["values"]["b"] == [0.5] * 3 and (tree / "data/runs/reduced/JEM/3.ipynb").exists()
    assert "C1   reproduced" in done.stdout


def test_a_result_tells_where_it_came_from(finished):
    tree, _ = finished
    result = tiny.result(tree, 1)
    assert result["parameters"] == {"tier": "reduced", "seeds": 3, "device": "cpu", "steps": 4, "rest": 0.0}
    assert len(result["artefacts"]) == 3 and result["versions"]["torch"] and result["hardware"]["threads"] == 1
    assert result["exhibits"]["table-1"]["column"] == ["value"] * 6
    assert result["cost"]["run_seconds"] > 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tree, capture_output=True, text=True, check=True).stdout
    assert result["commit"] == head.strip()


def test_a_second_run_does_only_what_failed_and_touches_nothing_git_tracks(finished):
    tree, _ = finished
    before = subprocess.run(["git", "status", "--porcelain"], cwd=tree, capture_output=True, text=True).stdout
    again = tiny.replication(tree, "run")
    assert "2 of 3 notebooks unchanged, 1 to run" in again.stdout
    assert subprocess.run(["git", "status", "--porcelain"], cwd=tree, capture_output=True, text=True).stdout == before


def test_wrong_parameters_stop_before_anything_runs(finished):
    tree, _ = finished
    for arguments, message in (
        (["-p", "seedz", "4"], "did you mean 'seeds'"),
        (["-p", "seeds", "many"], "'seeds'"),
        (["-p", "seeds", "0"], "allowed are whole numbers from 1 on"),
        (["-p", "steps", "-1"], "allowed are whole numbers from 1 on"),
        (["-p", "device", "gpu"], "'cuda'"),
        (["-p", "rest", "1:30"], "'rest'"),
        (["-p", "seeds", "[1"], "not valid YAML"),
        (["--dry", "-p", "seedz", "4"], "did you mean 'seeds'"),
        (["--dry", "-p", "seeds", "0"], "allowed are whole numbers from 1 on"),
        (["--dry", "JEM/9"], "no notebook matches 'JEM/9'"),
        (["JEM/9"], "no notebook matches 'JEM/9'"),
        (["--tier", "gpu"], "no settings for tier 'gpu'"),
    ):
        done = tiny.replication(tree, "run", *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_dry_run_names_what_fails_and_takes_what_is_passed(finished):
    tree, _ = finished
    done = tiny.replication(tree, "run", "--dry", "-p", "seeds", "2")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "FAILED JEM/2-tiny at reduced, dry: code cell 4: ZeroDivisionError" in done.stderr
    assert "JEM/1-tiny (reduced, dry): runs" in done.stdout and "JEM/3-tiny (reduced, dry): runs" in done.stdout


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


def test_a_custom_run_says_so_and_cannot_be_recorded(tmp_path):
    tree = tiny.make_tree(tmp_path)
    assert tiny.replication(tree, "run", "JEM/1", "--tier", "laptop", "-p", "seeds", "4").returncode == 0
    assert tiny.result(tree, 1, "laptop")["tier"] == "custom"
    done = tiny.replication(tree, "record", "--tier", "laptop")
    assert done.returncode == 2 and "custom parameters" in done.stderr


def test_a_pilot_takes_other_seeds_says_so_and_cannot_be_recorded(tmp_path):
    tree = tiny.make_tree(tmp_path)
    done = tiny.replication(tree, "run", "--tier", "laptop", "--first-seed", "100")
    assert done.returncode == 0, done.stderr
    assert "JEM/1-tiny (laptop, a pilot on seeds 100 to 102)" in done.stdout
    pilot = tiny.result(tree, 1, "laptop")
    means = [torch.rand(8, generator=torch.Generator().manual_seed(seed)).mean().item() for seed in (100, 101, 102)]
    assert pilot["values"]["a"] == pytest.approx([1 + mean for mean in means])
    assert pilot["unrecordable"] == "a pilot on seeds 100 to 102"
    refused = tiny.replication(tree, "record", "--tier", "laptop")
    assert refused.returncode == 2 and "cannot be recorded: a pilot on seeds 100 to 102" in refused.stderr
    again = tiny.replication(tree, "run", "--tier", "laptop", "--first-seed", "100")
    assert "1 of 1 notebooks unchanged" in again.stdout and "a pilot on seeds" in again.stdout
    whole = tiny.replication(tree, "run", "--tier", "laptop")
    assert "0 of 1 notebooks unchanged" in whole.stdout and "pilot" not in whole.stdout
    counted = tiny.result(tree, 1, "laptop")
    assert counted["unrecordable"] == "" and not set(counted["artefacts"]) & set(pilot["artefacts"])


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


def test_a_run_with_uncommitted_inputs_is_made_in_place_and_cannot_be_recorded(tmp_path):
    tree = tiny.make_tree(tmp_path)
    (tree / "lib" / "experiments" / "tiny.py").write_text(tiny.ARM.replace("0.5", "0.4"))
    done = tiny.replication(tree, "run", "--tier", "laptop")
    assert "not recordable: uncommitted changes in lib/experiments/tiny.py" in done.stderr
    assert tiny.result(tree, 1, "laptop")["values"]["b"] == [0.4] * 3
    assert "cannot be recorded" in tiny.replication(tree, "record", "--tier", "laptop").stderr


def test_killed_in_a_notebook_and_run_again_gives_the_same_numbers(finished, tmp_path):
    tree = tiny.make_tree(tmp_path)
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
    assert tiny.result(tree)["values"] == tiny.result(finished[0])["values"]


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


def test_recording_keeps_result_verdict_and_stored_outputs(finished, tmp_path):
    tree = tiny.make_tree(tmp_path)
    (tree / "README.md").write_text(
        "<!-- generated: scoreboard -->\n\n<!-- end of generated: scoreboard -->\n"
        "<!-- generated: false reproduced -->\n\n<!-- end of generated: false reproduced -->\n"
    )
    parts = ("claims", "deviations", "cost", "figures")
    marks = "\n".join(f"<!-- generated: {part} -->\n\n<!-- end of generated: {part} -->" for part in parts)
    (tree / "papers" / "JEM" / "README.md").write_text(marks)
    tiny.git(tree, "add", "-A")
    tiny.git(tree, "commit", "-qm", "pages")
    assert tiny.replication(tree, "run", "--tier", "laptop").returncode == 0
    done = tiny.replication(tree, "record", "--tier", "laptop")
    assert done.returncode == 0, done.stderr
    recorded = json.loads((tree / "papers/JEM/recorded/laptop/1.json").read_text())
    assert recorded["claims"]["C1"]["verdict"]["status"] == "reproduced"
    assert json.loads((tree / "papers/JEM/recorded/reduced/1.json").read_text())["tier"] == "reduced"
    assert "reproduced (laptop)" in (tree / "papers/JEM/README.md").read_text()
    stored = (tree / "papers/JEM/1-tiny.ipynb").read_text()
    assert "; recorded at laptop" in stored and "papermill" not in stored and "injected" not in stored
    again = tiny.replication(tree, "notebooks")
    assert "0 reference numbers changed" in again.stdout
    assert "1 of 1 notebooks unchanged" in tiny.replication(tree, "notebooks").stdout


def _papermill(tree):
    """The processes that execute a notebook of this tree."""
    listed = subprocess.run(["pgrep", "-f", f"execute.py {tree}"], capture_output=True, text=True, check=False)
    return [int(number) for number in listed.stdout.split()]


def _wait_for(condition, seconds=120.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.05)


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
