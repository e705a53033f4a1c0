"""What a cluster is asked for, notebook by notebook: minutes, memory and GPUs, from what earlier runs took.

    notebook                    state   minutes  megabytes  gpus
    rethinking-generalization/4 to-run       15       4000     0

`profiles/Snakefile` reads this table; it is the only place where a job's needs are decided.
"""

import math
from dataclasses import dataclass

from lib.replication.gpus import GPU_TIERS
from lib.replication.runner import LIMIT_SECONDS, Job

COLUMNS = ("notebook", "state", "minutes", "megabytes", "gpus")
MEGABYTES = {"reduced": 4000, "laptop": 8000, "gpu": 32000, "paper": 64000}  # where no run has told its peak
SLOWER = 3  # a node may be this much slower than the machine that was timed
START_MINUTES = 10  # from the start of the job to the first cell, and from the last cell to its end
BESIDE_MEGABYTES = 1500  # runner, papermill and two of Snakemake, beside the notebook's kernel
STEP_MEGABYTES = 500


@dataclass(frozen=True)
class Needs:
    """What one job asks of a scheduler, which ends it beyond the minutes or the memory."""

    minutes: int
    megabytes: int
    gpus: int


def needs(job: Job) -> Needs:
    """What `job` needs, with room to spare: a job that is cut off goes on in the next batch, but waits twice."""
    on_gpu = job.tier in GPU_TIERS and job.parameters["device"] != "cpu"
    return Needs(_minutes(job), _megabytes(job), int(on_gpu))


def _minutes(job: Job) -> int:
    """Never more than the runner's own limit of one notebook and the minutes around it.

    A run that found its nets built says little about one that must build them, so that what these took counts too.
    """
    built = max((stored["cost"]["seconds"] for stored in job.measured), default=0.0)
    seconds = max(job.expected_seconds, built - job.spent_seconds)
    return math.ceil(min(SLOWER * seconds, LIMIT_SECONDS[job.tier]) / 60) + START_MINUTES


def _megabytes(job: Job) -> int:
    """Half as much again as the largest peak of a run of this tier, in steps."""
    peak = max((stored["cost"].get("peak_memory", 0) for stored in job.measured), default=0)
    if not peak:
        return MEGABYTES[job.tier]
    return STEP_MEGABYTES * math.ceil((1.5 * peak / 1e6 + BESIDE_MEGABYTES) / STEP_MEGABYTES)


def table(jobs: list[Job]) -> str:
    """A line for each job, below the names of the columns; no entry holds a space."""
    lines = [COLUMNS]
    for job in jobs:
        asked = needs(job)
        name = f"{job.notebook.paper}/{job.notebook.number}"
        state = "fresh" if job.fresh else "to-run"
        lines.append((name, state, str(asked.minutes), str(asked.megabytes), str(asked.gpus)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
