"""The local scheduler: a pool of papermill processes, two notebooks at a time, one thread each.

    python -m lib.replication run [PAPER[/N] ...] [--tier T] [--jobs 2] [--minutes M] [-p name value] [--first-seed 100]

Only what changed is run. Two notebooks of one paper never run together, also across two runs on one output folder. A
notebook that fails does not stop the others; the end of the run names it, its cell and the error. When the minutes are
up, or at Ctrl-C, the notebooks at work are interrupted, so that training writes its checkpoints; the same command goes
on from there.
"""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import yaml

from lib.files import try_lock
from lib.replication.experiment import RESULT_VARIABLE
from lib.replication.gpus import VISIBLE, least_used
from lib.replication.keys import job_key
from lib.replication.notebooks import Notebook
from lib.replication.parameters import ParameterError, Parameters, check, tier_file, tier_parameters
from lib.replication.pilot import FIRST_SEED_VARIABLE, in_words
from lib.replication.results import Result, nets_path, read_result, read_run, recorded_path, result_path, write_result
from lib.replication.snapshot import Tree
from lib.roots import data_root, output_root

BUDGET_SECONDS = {"reduced": 80, "laptop": 90 * 60, "gpu": 9 * 60, "paper": 48 * 3600}  # design: cost per notebook
# Longer than any notebook takes that will end; what it has built is kept, and a higher limit goes on from there.
LIMIT_SECONDS = {"reduced": 30 * 60, "laptop": 12 * 3600, "gpu": 6 * 3600, "paper": 14 * 24 * 3600}
EXECUTE = Path(__file__).with_name("execute.py")  # as a script, so that it imports papermill and nothing of ours
GRACE_SECONDS = 30  # from the interrupt to the checkpoint on the disk
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Job:
    """One notebook at one tier with its checked parameters."""

    notebook: Notebook
    tier: str
    parameters: Parameters
    tree: Tree
    key: str
    process: subprocess.Popen[bytes] | None = None
    lock: IO[str] | None = None
    started: float = 0.0
    error: str = ""
    after: list[int] = field(default_factory=list)
    gpu: str | None = None  # what CUDA_VISIBLE_DEVICES is set to; None leaves it as it is
    first_seed: int = 0  # anything else makes it a pilot
    overdue: bool = False  # stopped at the limit of one notebook

    @property
    def pilot(self) -> str:
        """What kind of pilot this is, in words; empty where it is the run that counts."""
        return in_words(self.first_seed, self.parameters["seeds"])

    @property
    def result(self) -> Path:
        """Where this job's result goes."""
        return result_path(self.notebook, self.tier)

    @property
    def executed(self) -> Path:
        """Where the executed notebook goes."""
        return self.result.with_suffix(".ipynb")

    @property
    def fresh(self) -> bool:
        """Whether a complete result of exactly this job is there."""
        stored = read_run(self.result)
        return stored is not None and stored.get("job_key") == self.key and self.executed.exists()

    @property
    def measured(self) -> list[Result]:
        """What earlier runs of this notebook at this tier left: the last one here, then the recorded one."""
        found = (read_run(self.result), read_result(recorded_path(self.notebook, self.tier)))
        return [result for result in found if result is not None]

    @property
    def expected_seconds(self) -> float:
        """What it took last time here, else what the recorded run took, else the tier's budget; less what is done."""
        expected: float = BUDGET_SECONDS[self.tier]
        for stored in self.measured[:1]:
            expected = float(stored["cost"].get("run_seconds", stored["cost"]["this_run_seconds"]))
        return max(expected - self.spent_seconds, 0.0)

    @property
    def spent_seconds(self) -> float:
        """What earlier runs of exactly this job took that were stopped before its end."""
        stored = read_run(_spent(self))
        return float(stored["seconds"]) if stored and stored["job_key"] == self.key else 0.0


def plan(notebooks: list[Notebook], tier: str, overrides: Parameters, tree: Tree, *, first_seed: int = 0) -> list[Job]:
    """The jobs, every parameter checked before any of them starts; pilots where `first_seed` is not 0.

    Raises:
        ParameterError: as `check`, or seeds of a pilot that are also seeds of the run that counts.
    """
    jobs = []
    for notebook in notebooks:
        parameters = check(overrides, tier_parameters(notebook, tier), notebook)
        if first_seed and first_seed < parameters["seeds"]:
            raise ParameterError(
                f"--first-seed {first_seed}: seeds 0 to {parameters['seeds'] - 1} are those of the run that counts "
                f"({notebook.name}); a pilot takes others, as in --first-seed 100"
            )
        after = tier_file(notebook, tier).get("after", [])
        key = job_key(notebook, parameters | ({"first seed": first_seed} if first_seed else {}), tree.folder)
        after = [after] if isinstance(after, int) else after
        jobs.append(Job(notebook, tier, parameters, tree, key, after=after, first_seed=first_seed))
    return jobs


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs of a run that were not fresh: failed, or not finished when the time was up."""

    failed: list[Job]
    left: list[Job]


def run(
    jobs: list[Job],
    workers: int,
    *,
    seconds: float = math.inf,
    limit: float | None = None,
    gpus: Sequence[str] = (),
) -> Outcome:
    """Run what is not fresh, `workers` at a time and for `seconds` at most, spread over the `gpus` where there are any.

    A notebook that has not ended after `limit` seconds, `LIMIT_SECONDS` of its tier by default, counts as failed, and
    the others go on. When the `seconds` are up, and at Ctrl-C, the notebooks at work get a KeyboardInterrupt and
    `GRACE_SECONDS` to write checkpoints.
    """
    waiting = [job for job in jobs if not job.fresh]
    print(f"{len(jobs) - len(waiting)} of {len(jobs)} notebooks unchanged, {len(waiting)} to run", flush=True)
    running: list[Job] = []
    done: list[Job] = []
    shown, ends = 0.0, time.monotonic() + seconds
    try:
        while (waiting or running) and time.monotonic() < ends:
            for job in [job for job in running if job.process and job.process.poll() is not None]:
                running.remove(job)
                done.append(job)
                _finish(job)
            for job in [job for job in waiting if _may_start(job, waiting, running)][: workers - len(running)]:
                job.gpu = least_used(gpus, [other.gpu for other in running])
                if _start(job):
                    waiting.remove(job)
                    (running if job.process else done).append(job)
            for job in [job for job in running if _overdue(job, limit)]:
                job.overdue = True
                interrupt([job.process] if job.process else [])
            if time.monotonic() - shown > (2 if sys.stderr.isatty() else 60):
                shown = time.monotonic()
                _progress(waiting, running, done, workers)
            time.sleep(0.1)
    finally:
        finished = [job for job in running if job.process and job.process.poll() is not None]
        interrupt([job.process for job in running if job.process])
        finished += [job for job in running if job not in finished and _ended_well(job)]
        for job in running:
            _finish(job) if job in finished else _leave(job)
    left = [job for job in running if job not in finished] + waiting
    return Outcome([job for job in done + finished if job.error], left)


def _overdue(job: Job, limit: float | None) -> bool:
    allowed = LIMIT_SECONDS[job.tier] if limit is None else limit
    return not job.overdue and time.monotonic() - job.started > allowed


def _may_start(job: Job, waiting: list[Job], running: list[Job]) -> bool:
    """One notebook of a paper at a time, the first in line, and not before those it comes after."""
    same_paper = [other for other in waiting + running if other.notebook.paper == job.notebook.paper]
    if any(other in running for other in same_paper):
        return False
    ready = [other for other in same_paper if not {o.notebook.number for o in same_paper} & set(other.after)]
    return bool(ready) and ready[0] is job


def _start(job: Job) -> bool:
    """Start papermill on a job; false while another run holds the paper. A job that run finished is simply done."""
    job.lock = try_lock(job.result.parent / ".lock")
    if job.lock is None:
        return False
    job.started = time.monotonic()
    if job.fresh:
        job.lock.close()
        return True
    command = papermill(job, job.parameters, _part(job))
    with _part(job).with_suffix(".log").open("wb") as log:
        job.process = subprocess.Popen(
            command, env=environment(job, _part_result(job), job.first_seed), stdout=log, stderr=log,
            start_new_session=True, cwd=job.tree.folder,
            pass_fds=[job.lock.fileno()],  # if we are killed, the paper stays locked until papermill has ended
        )  # fmt: skip
    return True


def papermill(job: Job, parameters: Parameters, output: Path) -> list[str]:
    """The command that executes a job's notebook with `parameters` into `output`."""
    places = [_literal(job.notebook.path), _literal(output)]
    return [sys.executable, "-P", str(EXECUTE), *places, yaml.safe_dump(parameters), str(job.notebook.path.parent)]


def _literal(path: Path) -> str:
    """A path as papermill must be given it: it fills in `{name}` from the parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _part(job: Job) -> Path:
    """Papermill rewrites its output in place after each cell: it works on this file, renamed when it is whole."""
    return job.executed.with_name(f".{job.executed.stem}.part.ipynb")


def _part_result(job: Job) -> Path:
    """The notebook leaves its result here; the last good one stays until this run has succeeded."""
    return _part(job).with_suffix(".json")


def environment(job: Job, result: Path, first_seed: int) -> dict[str, str]:
    """What a notebook's process finds in its environment."""
    ours = dict.fromkeys(THREADS, "1") | {
        RESULT_VARIABLE: str(result),
        FIRST_SEED_VARIABLE: str(first_seed),
        "REPLICATION_DATA": str(data_root()),
        "REPLICATION_OUTPUT": str(output_root()),
        # the snapshot's lib before any other; a folder of wheels may lie behind it
        "PYTHONPATH": os.pathsep.join(filter(None, [str(job.tree.folder), os.environ.get("PYTHONPATH")])),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",  # under any locale: the notebook and its path are written in UTF-8
        "JUPYTER_PREFER_ENV_PATH": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    if job.gpu is not None:
        ours[VISIBLE] = job.gpu
    return os.environ | ours


def _finish(job: Job) -> None:
    """Put a finished job's files in place, or note which cell failed and why."""
    assert job.process is not None and job.lock is not None
    seconds = time.monotonic() - job.started
    result = read_result(_part_result(job)) if job.process.returncode == 0 else None
    if result is None:
        log = _part(job).with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        job.error = failure(_part(job), log) or log[-500:] or "no result was written"
        job.error += _remedy(job)
        if job.overdue:
            job.error = f"not done after {seconds / 60:.1f} minutes, more than one notebook may take: {job.error}"
            job.error += "\n  what it built is kept; --limit MINUTES allows more, and goes on from there"
        if _part(job).exists():
            _part(job).replace(job.executed.with_suffix(".failed.ipynb"))
        print(f"{job.notebook.name} ({job.tier}): FAILED after {seconds:.0f} s", flush=True)
    else:
        result["cost"]["run_seconds"] = seconds + job.spent_seconds
        _spent(job).unlink(missing_ok=True)
        _part(job).replace(job.executed)
        _place_nets(job, result)
        unrecordable = job.pilot or job.tree.unrecordable or result["unlike others"]
        write_result(job.result, result | {"job_key": job.key, "unrecordable": unrecordable})
        job.executed.with_suffix(".failed.ipynb").unlink(missing_ok=True)
        print(f"{job.notebook.name} ({job.tier}): {seconds:.0f} s", flush=True)
    for leftover in _leftovers(job):
        leftover.unlink(missing_ok=True)
    job.lock.close()


def _place_nets(job: Job, result: Result) -> None:
    """The weights that a result keeps go with it; those of an earlier one do not stay."""
    if "nets" in result:
        nets_path(_part_result(job)).replace(nets_path(job.result))
    else:
        nets_path(job.result).unlink(missing_ok=True)


def interrupt(processes: list[subprocess.Popen[bytes]]) -> None:
    """KeyboardInterrupt in every kernel, which ends its papermill too; what has not ended after the grace is killed."""
    at_work = [process for process in processes if process.poll() is None]
    ends = time.monotonic() + GRACE_SECONDS
    for process in at_work:
        _signal_kernels(process, signal.SIGINT)
    # An interrupt that fell between two cells was lost, so it is sent once more; a training step takes less than this.
    again = time.monotonic() + GRACE_SECONDS / 2
    while [process for process in at_work if process.poll() is None] and time.monotonic() < ends:
        if time.monotonic() > again:
            again = ends
            for process in at_work:
                _signal_kernels(process, signal.SIGINT)
        time.sleep(0.05)
    for process in at_work:
        if process.poll() is None:
            _signal_kernels(process, signal.SIGKILL)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _signal_kernels(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the kernels of a papermill; each leads a process group of its own."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        for kernel in psutil.Process(process.pid).children():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(kernel.pid, number) if os.getpgid(kernel.pid) == kernel.pid else os.kill(kernel.pid, number)


def _ended_well(job: Job) -> bool:
    """Whether a job's last cell was done before the interrupt came."""
    return job.process is not None and job.process.returncode == 0 and _part_result(job).exists()


def _leave(job: Job) -> None:
    """Note what was spent on a job that was stopped; its artefacts and checkpoints wait for the next run."""
    seconds = job.spent_seconds + time.monotonic() - job.started
    write_result(_spent(job), {"job_key": job.key, "seconds": seconds})
    for leftover in (_part(job), *_leftovers(job)):
        leftover.unlink(missing_ok=True)
    if job.lock:
        job.lock.close()


def _spent(job: Job) -> Path:
    """Where the seconds are noted that were spent on a job before it was stopped."""
    return _part(job).with_suffix(".spent.json")


def _leftovers(job: Job) -> list[Path]:
    made = _part_result(job)
    return [made, nets_path(made), _part(job).with_suffix(".log"), _part(job).with_suffix(".progress")]


# Papermill and the kernel speak through 127.0.0.1, which a container with all networks removed may lack.
UNANSWERED = (
    "the kernel did not answer within a minute, before any cell ran. Either the machine is overloaded (fewer --jobs), "
    "or its loopback interface is down, as in a container without any network (`ip link set lo up`)"
)


def failure(executed: Path, log: str = "") -> str:
    """The cell and the error at which an executed notebook stopped; empty if it stopped in none.

    A kernel that was killed leaves no error in any cell; papermill's `log` then tells of its death, and the last cell
    that was started is named.
    """
    if "Kernel didn't respond" in log:
        return UNANSWERED
    if not executed.exists():
        return ""
    heading, number, last = "", 0, ""
    try:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    except ValueError:  # papermill writes it anew after each cell
        return f"the executed notebook could not be written whole: {(log.splitlines() or ['is the disk full?'])[-1]}"
    for cell in cells:
        if cell["cell_type"] == "markdown":
            titles = [line for line in "".join(cell["source"]).splitlines() if line.startswith("#")]
            heading = titles[-1].lstrip("# ") if titles else heading
            continue
        number += "injected-parameters" not in cell["metadata"].get("tags", [])  # papermill's own cell is no one's
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                return f"code cell {number} (under {heading!r}): {output['ename']}: {output['evalue']}"
        if cell["metadata"].get("papermill", {}).get("start_time"):
            last = f"code cell {number} (under {heading!r})"
    return f"kernel died in or after {last}; out of memory?" if last and "Kernel died" in log else ""


def _remedy(job: Job) -> str:
    """What to do where the memory did not suffice, of the GPU or of the machine; empty after any other error."""
    if not re.search("out of memory|OutOfMemory|DeadKernelError|Kernel died", job.error, re.IGNORECASE):
        return ""
    batches = ", ".join(f"{name} = {value}" for name, value in job.parameters.items() if "batch" in name)
    smaller = f", or a smaller batch with -p NAME VALUE ({batches}), which makes it a custom run" if batches else ""
    return f"\n  memory ran out, it seems: run fewer notebooks side by side (--jobs 1){smaller}"


def _progress(waiting: list[Job], running: list[Job], done: list[Job], workers: int) -> None:
    left = sum(job.expected_seconds for job in waiting) + sum(
        max(job.expected_seconds - (time.monotonic() - job.started), 0) for job in running
    )
    names = [f"{job.notebook.name}{_note(job)}" for job in running]
    line = f"running {'; '.join(names) or '-'} | {len(done)} done, {len(waiting)} waiting | "
    line += f"about {left / max(min(workers, len(waiting) + len(running)), 1) / 60:.0f} min left"
    print(f"\r\033[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)


def _note(job: Job) -> str:
    note = _part(job).with_suffix(".progress")
    return f" ({note.read_text(encoding='utf-8')})" if note.exists() else ""
