"""Plant the faults of mutations.yaml one by one in a copy of the tree; each must turn its own tests red.

python -m tests.mutate            all of them
python -m tests.mutate --short    those that `make test` plants
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import yaml

from lib.roots import repository

FAULTS: list[dict[str, Any]] = yaml.safe_load((repository() / "tests" / "mutations.yaml").read_text())
COPIES = 2  # one for each core


def copy_tree(into: Path) -> Path:
    """The files that git knows or would take, as they lie here."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=repository(), capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source, target = repository() / name, into / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return into


def planted(source: str, fault: dict[str, Any]) -> str:
    """The source with the fault.

    Raises:
        ValueError: the line is not there exactly once, so that nobody knows what would be planted.
    """
    if source.count(fault["line"]) != 1:
        raise ValueError(
            f"{fault['fault']}: {fault['line']!r} stands {source.count(fault['line'])} times in {fault['file']}"
        )
    return source.replace(fault["line"], fault["becomes"])


def outcome(fault: dict[str, Any], tree: Path) -> str:
    """`caught`, or what happened instead, when the fault's tests run on a tree with it."""
    path = tree / fault["file"]
    original = path.read_text()
    path.write_text(planted(original, fault))
    files, _, chosen = fault["tests"].partition(" -k ")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files.split()]
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command + (["-k", chosen] if chosen else []), cwd=tree, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    finally:
        path.write_text(original)
    return {0: "NOT CAUGHT", 1: "caught"}.get(done.returncode, f"no test ran: {done.stdout[-300:]}{done.stderr[-300:]}")


def main(arguments: list[str]) -> int:
    """Print a line a fault; 1 if one was not caught."""
    faults = [fault for fault in FAULTS if fault.get("short") or "--short" not in arguments]
    started, trees = time.monotonic(), SimpleQueue[Path]()

    def run(fault: dict[str, Any]) -> str:
        tree = trees.get()
        try:
            return outcome(fault, tree)
        finally:
            trees.put(tree)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(COPIES) as pool:
        for number in range(COPIES):
            trees.put(copy_tree(Path(folder) / str(number)))
        found = []
        for fault, seen in zip(faults, pool.map(run, faults), strict=True):
            found.append(seen)
            print(f"{seen:10} {fault['fault']}", flush=True)
    caught = found.count("caught")
    print(f"{caught} of {len(faults)} faults caught in {time.monotonic() - started:.0f} s")
    return int(caught < len(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
