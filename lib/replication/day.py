"""The order of the day: what a machine that is at hand for a few minutes does, and in which order."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lib.replication.yaml_files import read_yaml
from lib.roots import output_root, repository

ORDER = repository() / "profiles" / "order-of-the-day.yaml"


def read_order(path: Path = ORDER) -> dict[str, Any]:
    """The order in the file at `path`.

    Raises:
        ValueError: an entry is missing or unknown; says which are needed.
    """
    order = read_yaml(path.read_text(encoding="utf-8"), str(path))
    needed = {"minutes", "first", "tier", "notebooks"}
    if not isinstance(order, dict) or set(order) != needed:
        raise ValueError(f"{path} must hold exactly {', '.join(sorted(needed))}")
    return order


def do_first(steps: dict[str, dict[str, Any]], ends: float) -> None:
    """Run the commands before the notebooks, each within its seconds; what they print is kept among the runs.

    A failure is reported and stops nothing: a reading that cannot be taken must not cost the notebooks.
    """
    for name, step in steps.items():
        log = output_root() / "runs" / f"first-{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        seconds, started = min(float(step["seconds"]), ends - time.monotonic()), time.monotonic()
        words = step["command"].split()
        command = [sys.executable, *words[1:]] if words[0] == "python" else words
        with log.open("wb") as stream:
            try:
                done = subprocess.run(
                    command, cwd=repository(), stdout=stream, stderr=stream, timeout=max(seconds, 0.1), check=False
                )
                said = "done" if done.returncode == 0 else f"FAILED with exit code {done.returncode}"
            except subprocess.TimeoutExpired:
                said = f"not finished within {seconds:.0f} s"
        last = "\n".join(f"  {line}" for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
        print(f"{name}: {said} after {time.monotonic() - started:.0f} s\n{last}", flush=True)
