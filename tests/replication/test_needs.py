"""What a cluster is asked for: the table, and where each of its numbers comes from."""

import pytest

from lib.replication import provenance
from lib.replication.__main__ import main
from lib.replication.needs import MEGABYTES, START_MINUTES, Needs, needs, table
from lib.replication.notebooks import Notebook, all_notebooks
from lib.replication.parameters import TIERS
from lib.replication.results import recorded_path, write_result
from lib.replication.runner import BUDGET_SECONDS, LIMIT_SECONDS, Job
from lib.replication.snapshot import Tree
from lib.roots import repository


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "out"))
    notebook = Notebook(tmp_path / "papers" / "JEM" / "1-tiny.ipynb")
    return Job(notebook, "laptop", {"seeds": 3, "device": "auto"}, Tree(tmp_path), "key")


def took(seconds: float, *, run_seconds: float, **more: object) -> dict:
    told = {"seconds": seconds, "this_run_seconds": run_seconds, "run_seconds": run_seconds}
    return {"cost": told | more, "job_key": "key"}


def test_without_any_run_the_budget_of_the_tier_decides(job):
    assert needs(job) == Needs(3 * BUDGET_SECONDS["laptop"] // 60 + START_MINUTES, MEGABYTES["laptop"], 0)


def test_a_run_that_found_its_nets_built_asks_for_the_time_to_build_them(job):
    write_result(recorded_path(job.notebook, "laptop"), took(1200.0, run_seconds=60.0))
    assert needs(job).minutes == 3 * 20 + START_MINUTES
    write_result(recorded_path(job.notebook, "laptop"), took(1200.0, run_seconds=1800.0))
    assert needs(job).minutes == 3 * 30 + START_MINUTES


def test_what_is_done_is_not_asked_for_again(job):
    write_result(recorded_path(job.notebook, "laptop"), took(1200.0, run_seconds=1200.0))
    write_result(job.result.with_name(".1.part.spent.json"), {"job_key": "key", "seconds": 600.0})
    assert needs(job).minutes == 3 * 10 + START_MINUTES


def test_no_job_is_given_more_than_the_runner_lets_a_notebook_take(job):
    write_result(recorded_path(job.notebook, "laptop"), took(1e6, run_seconds=1e6))
    assert needs(job).minutes == LIMIT_SECONDS["laptop"] // 60 + START_MINUTES


def test_memory_is_half_as_much_again_as_the_largest_peak_in_steps(job):
    write_result(recorded_path(job.notebook, "laptop"), took(1.0, run_seconds=1.0, peak_memory=2_000_000_000))
    assert needs(job).megabytes == 4500  # 3000 and what runs beside
    write_result(job.result, took(1.0, run_seconds=1.0, peak_memory=2_000_000_001))
    assert needs(job).megabytes == 5000


def test_a_gpu_is_asked_for_where_the_tier_has_one_and_the_notebook_wants_it(job):
    for tier, device, gpus in (("laptop", "auto", 0), ("gpu", "auto", 1), ("paper", "cuda", 1), ("gpu", "cpu", 0)):
        job.tier, job.parameters = tier, {"seeds": 3, "device": device}
        assert needs(job).gpus == gpus


def test_the_table_says_which_are_fresh_and_splits_at_spaces(job):
    assert table([job]).splitlines()[1].split() == ["JEM/1", "to-run", "280", "8000", "0"]
    write_result(job.result, took(60.0, run_seconds=60.0))
    job.executed.touch()
    header, line = (line.split() for line in table([job]).splitlines())
    assert header == ["notebook", "state", "minutes", "megabytes", "gpus"]
    assert line == ["JEM/1", "fresh", str(3 + START_MINUTES), "8000", "0"]


@pytest.mark.parametrize("tier", TIERS)
def test_every_notebook_has_a_line_that_the_snakefile_can_read(tier, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path))
    assert main(["needs", "--tier", tier]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    read = {name: (state, [int(number) for number in numbers]) for name, state, *numbers in map(str.split, lines)}
    assert list(read) == [f"{n.paper}/{n.number}" for n in all_notebooks(repository())]
    for state, (minutes, megabytes, gpus) in read.values():
        assert state == "to-run" and gpus == (tier in {"gpu", "paper"})
        assert START_MINUTES < minutes <= LIMIT_SECONDS[tier] / 60 + START_MINUTES and megabytes >= 1500


def test_the_peak_of_memory_grows_with_what_is_held():
    before = provenance.peak_memory()
    held = bytearray(before)  # as much again; written, so that it is resident
    held[::4096] = b"x" * len(held[::4096])
    assert 50_000_000 < before < before + 100_000_000 < provenance.peak_memory()
