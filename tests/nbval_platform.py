"""A pytest plugin for the nbval runs: every notebook leaves its result; verdicts are compared where they must agree.

The results go to `$REPLICATION_OUTPUT/nbval/<paper>/<n>.json`; tests/whole_run/test_reference.py compares all of them
with their references. Where a reference belongs to another setting, a trained number may differ in its last bits and a
verdict near its margin with it: then the verdict cells are not compared.
"""

import os
from pathlib import Path

import pytest

from lib.replication.experiment import RESULT_VARIABLE
from lib.replication.notebooks import Notebook
from lib.replication.results import read_result, recorded_path
from lib.roots import output_root
from tests.reference import same_machine


def nbval_result(notebook: Notebook) -> Path:
    """Where a notebook leaves its result when it runs under nbval."""
    return output_root() / "nbval" / notebook.paper / f"{notebook.number}.json"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Name the result file before the notebook's kernel starts, which takes over the environment."""
    if Path(item.path).suffix == ".ipynb":
        place = nbval_result(Notebook(Path(item.path)))
        place.parent.mkdir(parents=True, exist_ok=True)
        os.environ[RESULT_VARIABLE] = str(place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the output checks of notebooks whose reference belongs to another setting, and say so."""
    for path in {Path(item.path) for item in items}:
        reference = read_result(recorded_path(Notebook(path), "reduced"))
        if reference is not None and not same_machine(reference):
            print(f"{path.name}: the reference is of another setting; verdicts are not compared cell by cell")
            for item in items:
                if Path(item.path) == path and hasattr(item, "options"):
                    item.options["check"] = False
