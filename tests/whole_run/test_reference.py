"""One notebook of each paper through the runner: the numbers of its reference, to the digit on the same machine."""

import os
import subprocess
import sys
import time

import pytest

from lib.replication.notebooks import PAPERS, all_notebooks
from lib.replication.results import read_result, recorded_path, result_path
from lib.roots import repository
from tests.reference import disagreements, same_machine

FIRST = {notebook.paper: notebook for notebook in reversed(all_notebooks(repository()))}
NOTEBOOKS = [FIRST[paper] for paper in PAPERS if paper in FIRST]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.paper)
def test_the_runner_gives_the_numbers_of_the_reference(notebook, tmp_path, monkeypatch):
    """Artefacts that the nbval run left are used, as a user's second run would."""
    output = os.environ.get("REPLICATION_OUTPUT", str(tmp_path))
    monkeypatch.setenv("REPLICATION_OUTPUT", output)
    command = [sys.executable, "-m", "lib.replication", "run", f"{notebook.paper}/{notebook.number}"]
    done = subprocess.run(command, cwd=repository(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reference = read_result(recorded_path(notebook, "reduced"))
    result = read_result(result_path(notebook, "reduced"))
    assert reference and result, "run `make notebooks`"
    exact = same_machine(reference)
    assert not disagreements(reference, result, exact=exact)
    verdicts = {name: claim["verdict"]["status"] for name, claim in reference["claims"].items()}
    here = {name: claim["verdict"]["status"] for name, claim in result["claims"].items()}
    if exact:
        assert here == verdicts
    else:
        print("verdicts that differ:", {name: here[name] for name in here if here[name] != verdicts[name]})

    started = time.perf_counter()
    again = subprocess.run(command, cwd=repository(), capture_output=True, text=True, check=True)
    assert "1 of 1 notebooks unchanged" in again.stdout
    assert time.perf_counter() - started < 10
