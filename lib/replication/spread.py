"""Seeds side by side: a process for each seed of each notebook builds its artefacts; the run after it finds them all.

    python -m lib.replication run PAPER/N --tier gpu --spread [--jobs 12]

Small nets leave most of a GPU and all but one core idle. An artefact that several seeds share is built once, under its
lock. Nothing here decides a number: each process is the notebook itself with one seed, whose own result is thrown away.
"""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lib.replication.gpus import VISIBLE, least_used
from lib.replication.runner import Job, environment, failure, interrupt, papermill


class Seed(NamedTuple):
    """One seed of a job at work."""

    job: Job
    number: int
    gpu: str | None
    process: subprocess.Popen[bytes]
    started: float
    executed: Path

    def report(self, said: str) -> None:
        """Say what became of it."""
        seconds = time.monotonic() - self.started
        print(
            f"{self.job.notebook.name} ({self.job.tier}), seed {self.number}: {said} after {seconds:.0f} s", flush=True
        )

    def outcome(self) -> str:
        """What became of it, once its process has ended."""
        if self.process.returncode == 0:
            return "ready"
        log = self.executed.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        return f"stopped, {failure(self.executed, log) or log[-300:]},"


def build_ahead(jobs: list[Job], workers: int, *, seconds: float, gpus: Sequence[str] = ()) -> None:
    """Build the artefacts of every seed of the jobs that are not fresh, `workers` seeds at a time, for `seconds`.

    What fails or is not finished in time is said, and left to the run that follows.
    """
    waiting = [(job, number) for job in jobs if not job.fresh for number in seeds_of(job)]
    running: list[Seed] = []
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        try:
            while (waiting or running) and time.monotonic() < ends:
                for seed in [seed for seed in running if seed.process.poll() is not None]:
                    running.remove(seed)
                    seed.report(seed.outcome())
                while waiting and len(running) < workers:
                    gpu = least_used(gpus, [seed.gpu for seed in running])
                    running.append(_start(*waiting.pop(0), gpu, Path(folder)))
                time.sleep(0.1)
        finally:
            interrupt([seed.process for seed in running])
            for seed in running:
                seed.report("not finished")


def seeds_of(job: Job) -> range:
    """The seeds of a job that has several; one alone gains nothing."""
    first, count = job.first_seed, int(job.parameters["seeds"])
    return range(first, first + count) if count > 1 else range(0)


def _start(job: Job, number: int, gpu: str | None, folder: Path) -> Seed:
    executed = folder / f"{job.notebook.paper}-{job.notebook.number}-seed-{number}.ipynb"
    command = papermill(job, job.parameters | {"seeds": 1}, executed)
    variables = environment(job, executed.with_suffix(".json"), number) | ({VISIBLE: gpu} if gpu is not None else {})
    with executed.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command, env=variables, stdout=log, stderr=log, start_new_session=True, cwd=job.tree.folder
        )
    return Seed(job, number, gpu, process, time.monotonic(), executed)
