"""The runner on a miniature of the repository: from nothing to a scoreboard, and what a result says of itself."""

import json
import subprocess

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


def test_a_run_with_uncommitted_inputs_is_made_in_place_and_cannot_be_recorded(tmp_path):
    tree = tiny.make_tree(tmp_path)
    (tree / "lib" / "experiments" / "tiny.py").write_text(tiny.ARM.replace("0.5", "0.4"))
    done = tiny.replication(tree, "run", "--tier", "laptop")
    assert "not recordable: uncommitted changes in lib/experiments/tiny.py" in done.stderr
    assert tiny.result(tree, 1, "laptop")["values"]["b"] == [0.4] * 3
    assert "cannot be recorded" in tiny.replication(tree, "record", "--tier", "laptop").stderr


def test_recording_keeps_result_verdict_and_stored_outputs(finished, tmp_path):
    tree = tiny.make_tree(tmp_path)
    tiny.write_pages(tree)
    tiny.write_notebook(tree, 2)
    tiny.git(tree, "add", "-A")
    tiny.git(tree, "commit", "-qm", "pages")
    assert tiny.replication(tree, "run", "JEM/1", "--tier", "laptop").returncode == 0
    done = tiny.replication(tree, "record", "--tier", "laptop")
    assert done.returncode == 0, done.stderr
    recorded = json.loads((tree / "papers/JEM/recorded/laptop/1.json").read_text())
    assert recorded["claims"]["C1"]["verdict"]["status"] == "reproduced"
    assert json.loads((tree / "papers/JEM/recorded/reduced/1.json").read_text())["tier"] == "reduced"
    assert "reproduced (laptop)" in (tree / "papers/JEM/README.md").read_text()
    # The page of the other notebook, which was not recorded, is not made anew: its reference may be of another machine.
    assert not (tree / "papers/JEM/recorded/reduced/2.json").exists()
    stored = (tree / "papers/JEM/1-tiny.ipynb").read_text()
    assert "; recorded at laptop" in stored and "papermill" not in stored and "injected" not in stored
    again = tiny.replication(tree, "notebooks")
    assert "0 reference numbers changed" in again.stdout
    assert "1 of 1 notebooks unchanged" in tiny.replication(tree, "notebooks", "JEM/1").stdout
