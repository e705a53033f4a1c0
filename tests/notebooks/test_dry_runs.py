"""Every notebook at the settings of `laptop`, with tiny budgets and random tensors, in this one process.

The settings of `gpu` run in `test_pretended_device.py`, where also the devices are watched.
"""

import pytest

from lib.replication.dry import dry_run
from lib.replication.notebooks import all_notebooks
from lib.roots import repository

NOTEBOOKS = all_notebooks(repository())


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_runs_dry(notebook):
    dry_run(notebook, "laptop")
