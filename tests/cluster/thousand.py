"""What breaks at a thousand jobs: `make bench-cluster` (`python -m tests.cluster.thousand [JOBS]`), some minutes.

No cluster and no notebook: Snakemake's local executor runs the project's Snakefile, and in the runner's place stands a
script whose jobs are one second of sleep. Locks, files and the table of needs are the runner's own, on this disk.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lib.files import locked, try_lock, write_atomically
from lib.replication.needs import table
from lib.replication.notebooks import all_notebooks
from lib.replication.runner import plan
from lib.replication.snapshot import Tree
from lib.roots import repository
from tests.cluster.batch import SNAKEMAKE

PAPERS = 25  # so many jobs at a time, for none runs beside another of its paper
POLL_SECONDS = 0.1  # how often the runner looks while another run holds the paper
STUB = """#!/bin/sh
case $3 in
  needs) echo notebook state minutes megabytes gpus; cat {table};;
  run) sleep 1;;
esac
"""


def batch(folder: Path, count: int) -> str:
    """`count` jobs of one second through the Snakefile."""
    stub, lines = folder / "runner", folder / "table"
    lines.write_text("".join(f"paper-{job % PAPERS}/{job} to-run 1 100 0\n" for job in range(count)))
    stub.write_text(STUB.format(table=lines))
    stub.chmod(0o755)
    command = [SNAKEMAKE, "--snakefile", str(repository() / "profiles" / "Snakefile"), "--nolock", "--quiet", "all"]
    command += ["--jobs", str(PAPERS), "--config", f"python={stub}"]
    at = os.environ | {"REPLICATION_OUTPUT": str(folder)}
    seconds, cpu = measured(lambda: subprocess.run(command, cwd=folder, check=True, env=at))
    files = [path for path in (folder / "cluster").rglob("*") if path.is_file()]
    assert sum(path.suffix == ".done" for path in files) == count
    more = seconds - count / PAPERS
    return (
        f"{count} jobs of 1 s, {PAPERS} at a time: {seconds:.0f} s instead of {count / PAPERS:.0f}, "
        f"{1000 * more / count:.0f} ms and {1000 * cpu / count:.0f} CPU-ms a job; "
        f"{len(files)} files of marks and state"
    )


def polling(folder: Path, count: int) -> str:
    """`count` runners that look for ten seconds whether the paper that another holds is free."""

    def look() -> None:
        ends, looks = time.monotonic() + 10, 0
        while time.monotonic() < ends:
            assert try_lock(folder / "lock") is None
            looks += 1
            time.sleep(POLL_SECONDS)
        (folder / f"{os.getpid()}.looks").write_text(str(looks))

    with locked(folder / "lock"):
        seconds, cpu = measured(lambda: side_by_side(count, look))
    looks = sum(int(path.read_text()) for path in folder.glob("*.looks"))
    return (
        f"{count} processes polling a lock: {looks / seconds:.0f} looks a second of {count / POLL_SECONDS:.0f} meant, "
        f"{1e6 * cpu / looks:.0f} CPU-microseconds each"
    )


def waiting(folder: Path, count: int) -> str:
    """`count` jobs that want one artefact, which takes a second to build."""
    artefact = folder / "artefact"

    def build_or_read() -> None:
        with locked(folder / "lock"):
            if not artefact.exists():
                time.sleep(1)
                write_atomically(artefact, b"x" * 1_000_000)
                (folder / f"{os.getpid()}.built").touch()
            artefact.read_bytes()

    seconds, _ = measured(lambda: side_by_side(count, build_or_read))
    assert len(list(folder.glob("*.built"))) == 1
    return f"{count} processes waiting for an artefact of 1 s: built once, all have read it after {seconds:.1f} s"


def results(folder: Path, count: int) -> str:
    """`count` results put in place at the same time, each flushed to the disk."""
    put = lambda: write_atomically(folder / f"{os.getpid()}.json", "x" * 50_000)  # noqa: E731
    seconds, _ = measured(lambda: side_by_side(count, put))
    assert len(list(folder.glob("*.json"))) == count
    return f"{count} results of 50 kB written at once: {seconds:.1f} s"


def asked(folder: Path, count: int) -> str:
    """The table of needs of `count` notebooks: the papers of the project, over and over."""
    papers = {notebook.path.parent for notebook in all_notebooks(repository())}
    (folder / "papers").mkdir()
    (folder / "lib").symlink_to(repository() / "lib")
    for copy in range(-(-count // len(all_notebooks(repository())))):
        for paper in papers:
            (folder / "papers" / f"{paper.name}-{copy}").symlink_to(paper)
    notebooks = all_notebooks(folder)[:count]
    started = time.perf_counter()
    lines = table(plan(notebooks, "reduced", {}, Tree(folder))).splitlines()
    assert len(lines) == count + 1
    return f"the needs of {count} notebooks: {time.perf_counter() - started:.1f} s"


def side_by_side(count: int, work: Callable[[], None]) -> None:
    """`work` in `count` processes at once; waits for all of them."""
    children = []
    for _ in range(count):
        if not (child := os.fork()):
            try:
                work()
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    ended = [os.waitpid(child, 0)[1] for child in children]
    assert not any(ended), f"{sum(map(bool, ended))} of {count} processes failed"


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor in all the processes that `work` started."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(count: int) -> None:
    """Each measurement in a folder of its own, a line each."""
    for measure in (batch, polling, waiting, results, asked):
        with tempfile.TemporaryDirectory() as folder:
            print(measure(Path(folder).resolve(), count), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
