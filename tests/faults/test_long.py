"""A bad day, the long part: `make test-faults`. Minutes, and the last test installs an environment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from lib.roots import repository
from tests import tiny

KILLS = 20


@pytest.fixture(scope="module")
def good_day(tmp_path_factory):
    """The numbers of a run that nothing disturbed."""
    tree = tiny.make_tree(tmp_path_factory.mktemp("good") / "day")
    assert tiny.replication(tree, "run").returncode == 0
    return tiny.result(tree)["values"]


def processes_of(tree):
    """Runner, papermill and kernel of a miniature: whatever names its folder or stands in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd().startswith(str(tree)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_killed_at_twenty_random_moments_the_numbers_are_those_of_a_good_day(good_day, tmp_path):
    tree, moments = tiny.make_tree(tmp_path), random.Random(1)
    command = [sys.executable, "-m", "lib.replication", "run", "-p", "rest", "2.0"]
    for _ in range(KILLS):
        started = subprocess.Popen(
            command, cwd=tree, env=tiny.environment(tree), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.5, 15))
        for process in processes_of(tree):
            with_children = [process, *process.children(recursive=True)] if process.is_running() else []
            for each in with_children:
                try:
                    each.send_signal(signal.SIGKILL)
                except psutil.NoSuchProcess:
                    continue
        started.wait()
    done = tiny.replication(tree, "run", "-p", "rest", "2.0")
    assert done.returncode == 0, done.stderr
    assert tiny.result(tree)["values"] == good_day
    assert not [path for path in (tree / "data").rglob("*") if ".part" in path.name or ".damaged" in path.name]


def test_a_notebook_that_prints_a_hundred_megabytes_ends_and_its_numbers_are_the_same(good_day, tmp_path):
    tree = tiny.make_tree(tmp_path)
    tiny.write_notebook(tree, 1, extra="for _ in range(100): print('x' * 1_000_000)")
    done = tiny.replication(tree, "run")
    assert done.returncode == 0, done.stderr
    assert tiny.result(tree)["values"] == good_day


def test_in_a_folder_of_another_language_under_another_locale_clock_and_mask(good_day, tmp_path):
    tree = tiny.make_tree(tmp_path / "a folder with spaces, ä, 漢 and 'quotes'")
    elsewhere = {"LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "lib.replication", "run"], cwd=tree, env=tiny.environment(tree, **elsewhere),
        capture_output=True, umask=0o077,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert tiny.result(tree)["values"] == good_day


@pytest.mark.parametrize("value", ["'; touch pwned; '", "two\nlines", '"quoted"', "$(touch pwned)", "`touch pwned`"])
def test_a_parameter_that_a_shell_or_python_would_read_is_text(value, tmp_path):
    tree = tiny.make_tree(tmp_path)
    for name in ("device", "steps"):
        done = tiny.replication(tree, "run", "-p", name, value)
        assert done.returncode == 2 and done.stderr.startswith("error: "), done.stderr
        assert "Traceback" not in done.stderr
    assert not list(tree.rglob("pwned"))


def test_an_interrupted_make_env_is_finished_by_the_next_one(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md", "lib"):
        source = repository() / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    first = subprocess.Popen(["make", "env"], cwd=tmp_path, env=environment, start_new_session=True)
    time.sleep(6)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = subprocess.run(["make", "env"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    python = next(tmp_path.glob(".venv/bin/python"))
    subprocess.run([python, "-c", "import lib, torch, papermill, seaborn"], check=True, cwd=tmp_path)
