"""Two papers at `reduced` through a real Slurm, with a job and a node killed, against a local run: `make test-cluster`.

The name is not one that pytest collects by itself: this installs packages on the machine, where it is allowed to.

    ALLOW_SYSTEM_INSTALL=1 make test-cluster [NOTEBOOKS='JEM/1 rethinking-generalization'] [LOCAL=folder of outputs]

NOTEBOOKS are those of two papers. LOCAL is the REPLICATION_OUTPUT of a finished local run of the same inputs, which is
made where none is given.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lib.replication import runner
from lib.replication.notebooks import select
from lib.replication.record import numbers, timed
from lib.replication.results import Result, read_result, result_path
from lib.replication.snapshot import Tree
from lib.roots import repository
from tests.cluster.one_node import Slurm, install, one_node, refusal, wait_for

WHICH = os.environ.get("NOTEBOOKS", "rethinking-generalization JEM").split()
SNAKEMAKE = os.environ.get("SNAKEMAKE") or str(Path(sys.executable).with_name("snakemake"))
BATCH = [SNAKEMAKE, "--profile", "profiles/slurm", "--jobs", "2", "--slurm-init-seconds-before-status-checks", "5"]


@dataclass
class Story:
    """What was seen while the batches ran: their exit codes and words, and how many jobs were at work at once."""

    codes: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    most_at_once: int = 0
    output: Path = Path()


@pytest.fixture(scope="module")
def allowed() -> None:
    """Nothing begins where Slurm may not be installed and started."""
    if reason := refusal():
        pytest.fail(reason)


@pytest.fixture(scope="module")
def local(allowed, tmp_path_factory) -> dict[str, Result]:
    """The results of the local run."""
    if "LOCAL" in os.environ:
        return results(Path(os.environ["LOCAL"]))
    folder = tmp_path_factory.mktemp("local")
    command = [sys.executable, "-m", "lib.replication", "run", *WHICH]
    subprocess.run(command, cwd=repository(), env=os.environ | {"REPLICATION_OUTPUT": str(folder)}, check=True)
    return results(folder)


@pytest.fixture(scope="module")
def story(local, tmp_path_factory) -> Story:
    """A batch in which a job and the node are killed, the same command again, and once more."""
    install()
    output = tmp_path_factory.mktemp("cluster")
    seen = Story(output=output)
    with one_node(tmp_path_factory.mktemp("slurm")) as slurm:
        finish(begin(output), seen, slurm, killing=output)
        finish(begin(output), seen, slurm)
        finish(begin(output), seen, slurm)
    return seen


def results(output: Path) -> dict[str, Result]:
    """Name -> result of every notebook in question below `output`, each of exactly today's inputs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPLICATION_OUTPUT", str(output))
        jobs = runner.plan(select(repository(), WHICH), "reduced", {}, Tree(repository()))
        assert [job.notebook.name for job in jobs if not job.fresh] == [], f"not all of {output} is of today's inputs"
        found = {job.notebook.name: read_result(result_path(job.notebook, "reduced")) for job in jobs}
    return {name: result for name, result in found.items() if result is not None}


def begin(output: Path) -> subprocess.Popen[str]:
    """The user's command, with two jobs at a time."""
    chosen = ["--config", f"python={sys.executable}", f"which={' '.join(WHICH)}"]
    environment = os.environ | {"REPLICATION_OUTPUT": str(output)}
    return subprocess.Popen([*BATCH, *chosen], cwd=repository(), env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def finish(batch: subprocess.Popen[str], seen: Story, slurm: Slurm, killing: Path | None = None) -> None:
    """Wait for a batch; where `killing` its output folder is named, a job and the node's daemon on the way."""
    if killing:
        wait_for("two jobs with a notebook each", lambda: at_work(killing) == 2 and len(slurm.running()) == 2, 300)
        seen.most_at_once = len(slurm.running())
        slurm.kill_job(slurm.running()[0])
        time.sleep(2)
        slurm.kill_node()
        slurm.start_node()
    words, _ = batch.communicate(timeout=7200)
    print(words)
    seen.codes.append(batch.returncode)
    seen.words.append(words)


def at_work(output: Path) -> int:
    """How many notebooks have got as far as their first measurement."""
    return len(list(output.glob("runs/reduced/*/.*.progress")))


def test_two_jobs_ran_at_a_time(story):
    assert story.most_at_once == 2


def test_the_batch_that_lost_a_job_says_so_and_the_next_one_ends_well(story):
    assert story.codes == [1, 0, 0], story.words
    assert re.search(r"SLURM-job '\d+' failed", story.words[0])


def test_what_is_done_is_not_submitted_again(story):
    submitted = [len(re.findall("submitted with SLURM jobid", words)) for words in story.words]
    assert submitted[1] < submitted[0] == len(results(story.output)) and submitted[2] == 0


def test_every_number_equals_that_of_the_local_run(story, local):
    there = results(story.output)
    assert there.keys() == local.keys() and len({name.partition("/")[0] for name in there}) == 2
    compared = 0
    for name, result in there.items():
        here, mine = ({n: v for n, v in numbers(r).items() if not timed(n)} for r in (local[name], result))
        assert here == mine, name
        compared += len(here)
    print(f"{compared} numbers of {len(there)} notebooks are equal")
    assert compared > 100
