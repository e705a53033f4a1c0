"""Every notebook's numbers against its reference: to the digit where the setting is the same, else as chance allows."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.replication.notebooks import all_notebooks
from lib.replication.results import read_result, recorded_path, result_path
from lib.roots import repository
from tests.nbval_platform import nbval_result
from tests.reference import chance_explains, differing_verdicts, disagreements, same_machine

NOTEBOOKS = all_notebooks(repository())
CHEAPEST = next(notebook for notebook in NOTEBOOKS if notebook.paper == "noisy-student")


def run(notebook, *arguments):
    command = [sys.executable, "-m", "lib.replication", "run", f"{notebook.paper}/{notebook.number}", *arguments]
    return subprocess.run(command, cwd=repository(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_every_number_is_that_of_the_reference(notebook):
    """Of the run that nbval made, where there was one; else of one through the runner."""
    place = nbval_result(notebook)
    assert place.exists() or "COUNTED" not in os.environ, f"{notebook.name} left no result under nbval"
    if not place.exists():
        done = run(notebook)
        assert done.returncode == 0, done.stderr
        place = result_path(notebook, "reduced")
    reference, result = read_result(recorded_path(notebook, "reduced")), read_result(place)
    assert reference and result, "run `make notebooks`"
    exact = same_machine(reference)
    assert disagreements(reference, result, exact=exact) == []
    print("exactly" if exact else "as chance allows; verdicts that differ:", differing_verdicts(reference, result))


def test_the_runner_gives_the_same_and_a_second_run_is_fresh():
    """From the artefacts that the nbval run left, as a user's second run would."""
    done = run(CHEAPEST)
    assert done.returncode == 0, done.stderr
    reference, result = read_result(recorded_path(CHEAPEST, "reduced")), read_result(result_path(CHEAPEST, "reduced"))
    assert reference and result
    assert disagreements(reference, result, exact=same_machine(reference)) == []
    started = time.perf_counter()
    again = run(CHEAPEST)
    assert "1 of 1 notebooks unchanged" in again.stdout
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("planted", [False, True])
def test_under_another_instruction_set_the_numbers_are_as_good_and_a_wrong_sign_is_seen(planted: bool, tmp_path: Path):
    """The supervised nets of noisy-student 1 once more, with SSE 4.1; planted: the loss is climbed."""
    reference = read_result(recorded_path(CHEAPEST, "reduced"))
    assert reference
    other = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.whole_run.elsewhere", *(["planted"] if planted else [])]
    done = subprocess.run(
        command, cwd=repository(), env=os.environ | other, capture_output=True, text=True, check=True, timeout=300
    )
    computed, *accuracies = done.stdout.splitlines()
    assert computed.startswith("DEFAULT, oneDNN SSE41")  # MKL keeps its own set, which nobody can set from outside
    assert chance_explains(reference["values"]["teacher accuracy"], list(map(float, accuracies))) is not planted
