"""Every notebook at the larger tiers' own settings, with tiny budgets and random tensors, in this one process."""

import pytest

from lib.replication.dry import dry_run
from lib.replication.notebooks import all_notebooks
from lib.roots import repository

NOTEBOOKS = all_notebooks(repository())


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("tier", ["laptop", "gpu"])
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_runs_dry(notebook, tier):
    dry_run(notebook, tier)
