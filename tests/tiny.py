"""A miniature of the repository: all of `lib`, one paper with small notebooks, under git, for tests of the runner."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lib.replication.report import MARK, generated
from lib.roots import repository

ARM = '''"""Arms of the tiny notebooks."""

import time

import torch


def measure(seed: int, steps: int, rest: float = 0.0) -> dict[str, float]:
    """A number for each seed, after `rest` seconds."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        time.sleep(rest / steps)
    return {"a": 1.0 + torch.rand(steps, generator=generator).mean().item(), "b": 0.5}
'''

PAPER = """
title: A tiny paper
authors: [A. Author]
year: 2020
venue: Nowhere
arxiv: "0000.00000"
notebooks: {1: first, 2: second, 3: third}
claims:
  C1:
    name: A beats B
    statement: A beats B
    kind: direction
    notebook: 1
    paper: {effect: 0.4, unit: fraction, source: table 1}
    comparison: [a, b]
exhibits:
  table-1: {title: A and B, notebook: 1, values: {a: {value: 0.9}, b: {value: 0.5}}}
"""

PARAMETERS = 'tier = "reduced"\nseeds = 3\ndevice = "cpu"\nsteps = 4\nrest = 0.0'


def cells(number: int, extra: str = "") -> list[dict]:
    """The cells of notebook `number`; `extra` is run in a cell of its own."""
    code = [
        PARAMETERS,
        "from lib import replication\nfrom lib.experiments import tiny\n"
        f"experiment = replication.start('JEM', {number})",
        extra,
        "runs = experiment.run(tiny.measure, steps=steps, rest=rest)\n"
        "values = {'a': [r['a'] for r in runs], 'b': [r['b'] for r in runs]}",
        "experiment.table('table-1', {name: {'value': values[name]} for name in values})" if number == 1 else "",
        "experiment.judge(values)",
        "experiment.finish()",
    ]
    made: list[dict] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{i}",
            "metadata": {"tags": ["parameters"]} if i == 0 else {},
            "source": source,
            "outputs": [],
        }
        for i, source in enumerate(code)
        if source
    ]
    return [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Tiny"}, *made]


def write_notebook(folder: Path, number: int, extra: str = "") -> Path:
    """Write notebook `number` with no outputs and return its path."""
    path = folder / "papers" / "JEM" / f"{number}-tiny.ipynb"
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    book = {"cells": cells(number, extra), "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book))
    return path


def make_tree(folder: Path) -> Path:
    """Make the miniature in `folder`, committed."""
    shutil.copytree(repository() / "lib", folder / "lib")  # with what is compiled already
    (folder / "pyproject.toml").write_text("")
    (folder / "constraints.txt").write_text("")
    (folder / ".gitignore").write_text("/data/*\n__pycache__/\n")
    (folder / "lib" / "experiments" / "tiny.py").write_text(ARM)
    (folder / "papers" / "JEM" / "tiers").mkdir(parents=True)
    (folder / "papers" / "JEM" / "paper.yaml").write_text(PAPER)
    (folder / "papers" / "JEM" / "tiers" / "laptop.yaml").write_text("1: {steps: 8}\n2: {steps: 8}\n3: {steps: 8}\n")
    write_notebook(folder, 1)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "tiny"]):
        git(folder, *command)
    return folder


def write_pages(folder: Path) -> None:
    """READMEs with the marks of every generated part that there is, as many as the report asks for."""
    (folder / "papers" / "JEM" / "README.md").touch()
    for page, parts in generated(folder).items():
        page.write_text("\n".join(MARK.format(name=part, text="") for part in parts))


def git(folder: Path, *arguments: str) -> None:
    """Run git in the miniature under a name of its own."""
    named = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment in which the miniature's own `lib` is imported and its own folder holds the output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLICATION_")}
    return kept | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"} | more


def replication(folder: Path, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """`python -m lib.replication ...` in the miniature."""
    command = [sys.executable, "-m", "lib.replication", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=timeout)


def result(folder: Path, number: int = 1, tier: str = "reduced") -> dict:
    """The result that a run of the miniature left."""
    return json.loads((folder / "data" / "runs" / tier / "JEM" / f"{number}.json").read_text())
