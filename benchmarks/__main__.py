"""`python -m benchmarks [--quick] [ROW ...]`: measure, print and, unless quick, write the table in README.md."""

import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import attacks, corruptions, energy, fooling, metrics, training
from benchmarks.compare import Outcome, Row, measure
from benchmarks.nets import subject
from benchmarks.table import renewed, table, with_table

README = Path(__file__).parent / "README.md"
QUICK = 10  # what --quick divides the counts by
PACKAGES = (
    *("torch", "torchvision", "torchattacks", "foolbox", "adversarial-robustness-toolbox"),
    *("torchmetrics", "scikit-learn", "numpy"),
)


def main(arguments: Sequence[str]) -> int:
    """Run the rows that are named, or all; 1 if results disagree."""
    torch.set_num_threads(1)
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("every side gets one thread: start this with `make bench`, or set OMP_NUM_THREADS=1")
    divide, names = (QUICK if "--quick" in arguments else 1), [name for name in arguments if name != "--quick"]
    outcomes = [reported(measure(partial(row, divide))) for row in chosen(names)]
    text = table(outcomes, machine())
    print(f"\n{text}")
    if divide == 1:
        new = (lambda old: renewed(old, outcomes, machine())) if names else (lambda old: text)
        try:
            README.write_text(with_table(README.read_text(), new))
        except ValueError as error:
            raise SystemExit(f"\n{error}") from error
    return int(any(outcome.failures for outcome in outcomes))


def all_rows() -> dict[str, Callable[[int], Row]]:
    """Every row by its key, still to be made."""
    on = subject()
    return {
        **metrics.rows(),
        **energy.rows(),
        **fooling.rows(),
        **corruptions.rows(),
        **training.rows(on),
        **attacks.rows(on),
    }


def chosen(names: Sequence[str]) -> list[Callable[[int], Row]]:
    """The rows of these names, or all."""
    rows = all_rows()
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise SystemExit(f"no row {', '.join(unknown)}; there are: {', '.join(rows)}")
    return [rows[name] for name in names or rows]


def reported(outcome: Outcome) -> Outcome:
    """Says at once what came out; the table follows at the end."""
    print(f"{outcome.row.key}: {outcome.ratio[outcome.rival]:.2f} times {outcome.rival}", flush=True)
    return outcome


def machine() -> str:
    """Processor, system and versions in one paragraph."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{processor()}, {platform.system()}, Python {platform.python_version()}; {versions}."


def processor() -> str:
    """Name of the processor, where the system tells it, and the instructions that torch uses."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name} ({torch.backends.cpu.get_cpu_capability()}, one thread)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
