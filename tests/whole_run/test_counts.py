"""How much of `make test` really ran: a selection that selects nothing must not pass."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lib.replication.notebooks import all_notebooks
from lib.roots import repository

AT_LEAST = {"unit": 3000, "dry": 40}  # tests; raised as the suites grow


def _suite(name: str) -> dict[str, int]:
    folder = os.environ.get("COUNTED")
    if folder is None:
        pytest.fail("run through `make test`, which leaves the counts of its stages in $COUNTED")
    root = ET.parse(Path(folder) / f"{name}.xml").getroot()
    suites = list(root.iter("testsuite"))
    return {key: sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "skipped", "failures", "errors")}


@pytest.mark.parametrize("stage", AT_LEAST)
def test_as_many_tests_ran_as_there_are_at_least(stage):
    counted = _suite(stage)
    print(stage, counted)
    assert counted["tests"] >= AT_LEAST[stage]
    assert counted["skipped"] == 0


def test_every_cell_of_every_notebook_ran():
    cells = sum(len(notebook.code) for notebook in all_notebooks(repository()))
    counted = _suite("nbval")
    print("nbval", counted, "code cells", cells)
    assert counted["tests"] == cells > 0
    assert counted["skipped"] == 0
