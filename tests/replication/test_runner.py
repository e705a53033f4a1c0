"""What the runner decides before and after a notebook runs: its GPU, its environment, the remedy for its error."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.replication import gpus, runner, spread
from lib.replication.__main__ import main
from lib.replication.notebooks import Notebook
from lib.replication.parameters import ParameterError
from lib.replication.report import scoreboard
from lib.replication.results import write_result
from lib.replication.runner import Job, failure
from lib.replication.snapshot import Tree
from lib.replication.verdicts import Verdict
from tests import tiny


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path))
    notebook = Notebook(tmp_path / "papers" / "JEM" / "1-tiny.ipynb")
    return Job(notebook, "gpu", {"seeds": 3, "batch_images": 256}, Tree(tmp_path), "key")


def test_pretended_gpus_are_those_that_are_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5a")
    assert gpus.gpus() == ["2", "GPU-5a"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus.gpus() == []


def test_gpus_are_counted_where_none_is_named(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    listed = "GPU 0: NVIDIA H100 (UUID: GPU-1)\nGPU 1: NVIDIA H100 (UUID: GPU-2)\n"
    monkeypatch.setattr(gpus.subprocess, "run", lambda *a, **k: SimpleNamespace(stdout=listed))
    assert gpus.gpus() == ["0", "1"]


def test_a_notebook_gets_the_gpu_with_the_fewest():
    assert gpus.least_used(["0", "1"], []) == "0"
    assert gpus.least_used(["0", "1"], ["0"]) == "1"
    assert gpus.least_used(["0", "1"], ["0", "1", "0"]) == "1"
    assert gpus.least_used(["0"], ["0"] * 3) == "0", "four side by side on one"
    assert gpus.least_used([], [None]) is None


def test_a_pilot_is_named_everywhere_and_has_a_key_of_its_own(job, tmp_path, monkeypatch):
    assert job.pilot == "" and runner.environment(job, tmp_path, job.first_seed)["REPLICATION_FIRST_SEED"] == "0"
    tiny.make_tree(tmp_path / "tree")
    notebook = Notebook(tmp_path / "tree" / "papers" / "JEM" / "1-tiny.ipynb")

    def planned(first_seed):
        (planned,) = runner.plan([notebook], "laptop", {}, Tree(tmp_path / "tree"), first_seed=first_seed)
        return planned

    run, pilot, other = planned(0), planned(100), planned(200)
    assert pilot.pilot == "a pilot on seeds 100 to 102" and run.pilot == ""
    assert len({run.key, pilot.key, other.key}) == 3
    assert runner.environment(pilot, tmp_path, pilot.first_seed)["REPLICATION_FIRST_SEED"] == "100"
    assert run.parameters == pilot.parameters
    with pytest.raises(ParameterError, match="--first-seed 2: seeds 0 to 2 are those of the run that counts"):
        planned(2)
    assert planned(3).pilot == "a pilot on seeds 3 to 5"


def test_a_pilot_that_would_do_nothing_is_refused(capsys):
    assert main(["run", "--dry", "--first-seed", "100"]) == 2
    assert "--first-seed means nothing with --dry" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run", "--first-seed", "-1"])
    assert "must be 0 or more" in capsys.readouterr().err


def test_a_notebook_sees_its_gpu_alone_and_the_folder_of_wheels_behind_its_tree(job, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/a/folder/of/wheels")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    job.gpu = "1"
    there = runner.environment(job, Path(), 0)
    assert there["CUDA_VISIBLE_DEVICES"] == "1"
    assert there["PYTHONPATH"].split(os.pathsep) == [str(job.tree.folder), "/a/folder/of/wheels"]
    job.gpu = None
    assert runner.environment(job, Path(), 0)["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_when_memory_runs_out_the_error_says_what_to_do(job, tmp_path):
    error = {"output_type": "error", "ename": "OutOfMemoryError", "evalue": "CUDA out of memory. Tried to allocate"}
    executed = tmp_path / "executed.ipynb"
    cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [error]}
    executed.write_text(json.dumps({"cells": [cell]}))
    job.error = failure(executed)
    assert "--jobs 1" in runner._remedy(job) and "batch_images = 256" in runner._remedy(job)
    job.error = "code cell 3: ValueError: no"
    assert runner._remedy(job) == ""


def test_a_killed_kernel_is_placed_at_the_last_cell_that_was_started(tmp_path):
    """As papermill leaves it: no error in any cell, and those behind the death have no start."""
    started, not_started = {"papermill": {"start_time": "2026"}}, {"papermill": {"start_time": None}}
    cells = [
        {"cell_type": "markdown", "metadata": started, "source": "## Training"},
        {"cell_type": "code", "metadata": started, "source": "", "outputs": []},
        {"cell_type": "code", "metadata": started | {"tags": ["injected-parameters"]}, "source": "", "outputs": []},
        {"cell_type": "code", "metadata": started, "source": "", "outputs": []},
        {"cell_type": "code", "metadata": not_started, "source": "", "outputs": []},
    ]
    executed = tmp_path / "executed.ipynb"
    executed.write_text(json.dumps({"cells": cells}))
    log = "nbclient.exceptions.DeadKernelError: Kernel died\n"
    assert failure(executed, log) == "kernel died in or after code cell 2 (under 'Training'); out of memory?"
    assert failure(executed, "killed by another cause") == ""


def test_a_kernel_that_never_answered_is_told_with_what_to_look_at(tmp_path):
    log = "File client.py\nRuntimeError: Kernel didn't respond in 60 seconds\n"
    assert "loopback interface is down" in failure(tmp_path / "never written.ipynb", log)


def test_braces_in_a_path_are_not_filled_in_by_papermill():
    from papermill.parameterize import parameterize_path

    path = Path("/a/{}/b {seeds}/{{x}}/n.ipynb")
    assert parameterize_path(runner._literal(path), {"seeds": 3}) == str(path)


def test_the_scoreboard_shows_no_verdict_of_an_earlier_run(job, tmp_path):
    paper = job.notebook.path.parent
    (paper / "tiers").mkdir(parents=True)
    (paper / "paper.yaml").write_text(tiny.PAPER)
    verdict = asdict(Verdict("C1", "reproduced"))
    write_result(job.result, {"tier": "gpu", "job_key": "key", "claims": {"C1": {"verdict": verdict}}})
    job.executed.write_text("")
    assert "(gpu)" in scoreboard([job]) and "reproduced" in scoreboard([job])
    job.key = "changed since"
    assert "(not run)" in scoreboard([job]) and "reproduced" not in scoreboard([job])
    job.error = "code cell 2: ValueError: no"
    assert "(FAILED)" in scoreboard([job]) and "reproduced" not in scoreboard([job])


def test_what_a_stopped_run_spent_is_no_longer_expected(job):
    assert job.expected_seconds == 540
    job.started = runner.time.monotonic() - 100
    job.executed.parent.mkdir(parents=True)
    runner._leave(job)
    assert job.spent_seconds == pytest.approx(100, abs=1) and job.expected_seconds == pytest.approx(440, abs=1)
    job.key = "another"
    assert job.expected_seconds == 540


def test_seeds_side_by_side_are_those_of_the_run_and_one_alone_is_left_to_it(job):
    assert list(spread.seeds_of(job)) == [0, 1, 2]
    job.first_seed = 100
    assert list(spread.seeds_of(job)) == [100, 101, 102]
    job.parameters["seeds"] = 1
    assert list(spread.seeds_of(job)) == []
