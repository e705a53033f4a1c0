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

from lib.replication.gpus import VISIBLE, least_used
from lib.replication.runner import Job, environment, failure, interrupt, papermill


def build_ahead(jobs: list[Job], workers: int, *, seconds: float, gpus: Sequence[str] = ()) -> None:
    """Build the artefacts of every seed of the jobs that are not fresh, `workers` seeds at a time, for `seconds`.

    What fails or is not finished in time is left to the run that follows, which says why.
    """
    waiting = [(job, seed) for job in jobs if not job.fresh for seed in _seeds(job)]
    running: list[tuple[Job, int, str | None, subprocess.Popen[bytes], float]] = []
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        try:
            while (waiting or running) and time.monotonic() < ends:
                for entry in [entry for entry in running if entry[3].poll() is not None]:
                    running.remove(entry)
                    _report(*entry, _place(Path(folder), entry[0], entry[1]))
                while waiting and len(running) < workers:
                    job, seed = waiting.pop(0)
                    gpu = least_used(gpus, [other for _, _, other, _, _ in running])
                    process = _start(job, seed, gpu, _place(Path(folder), job, seed))
                    running.append((job, seed, gpu, process, time.monotonic()))
                time.sleep(0.1)
        finally:
            interrupt([process for _, _, _, process, _ in running])


def _seeds(job: Job) -> range:
    """The seeds of a job that has several; one alone gains nothing."""
    first, count = job.first_seed, int(job.parameters["seeds"])
    return range(first, first + count) if count > 1 else range(0)


def _place(folder: Path, job: Job, seed: int) -> Path:
    return folder / f"{job.notebook.paper}-{job.notebook.number}-seed-{seed}.ipynb"


def _start(job: Job, seed: int, gpu: str | None, place: Path) -> subprocess.Popen[bytes]:
    command = papermill(job, job.parameters | {"seeds": 1}, place)
    variables = environment(job, place.with_suffix(".json"), seed) | ({VISIBLE: gpu} if gpu is not None else {})
    with place.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            command, env=variables, stdout=log, stderr=log, start_new_session=True, cwd=job.tree.folder
        )


def _report(job: Job, seed: int, _: str | None, process: subprocess.Popen[bytes], started: float, place: Path) -> None:
    seconds, log = time.monotonic() - started, place.with_suffix(".log").read_text(errors="replace")
    said = "ready" if process.returncode == 0 else f"stopped: {failure(place, log) or log[-300:]}"
    print(f"{job.notebook.name} ({job.tier}), seed {seed}: {said} after {seconds:.0f} s", flush=True)
