"""The house itself: rooms, arrows, notebooks as pages, environment files that agree, recorded results that hold."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lib import models
from lib.replication.experiment import Experiment
from lib.replication.kept import MOST_BYTES
from lib.replication.notebooks import all_notebooks, papers
from lib.replication.page_tables import stand
from lib.replication.paper_file import read_paper
from lib.replication.parameters import TIERS, tier_parameters
from lib.replication.report import stale
from lib.replication.results import nets_path, read_nets, recorded_path, recorded_results
from lib.replication.verdicts import judge
from lib.roots import repository

ROOT = repository()
NOTEBOOKS = all_notebooks(ROOT)
ROOMS = sorted(path.parent.name for path in (ROOT / "lib").glob("*/__init__.py"))
# room -> the rooms it may import (design: imports run one way)
ARROWS = {
    "data": {"data"},
    "models": {"models", "data"},
    "attacks": {"attacks", "models", "data"},
    "metrics": {"metrics", "models", "data"},
    "training": {"training", "attacks", "metrics", "models", "data"},
    "methods": {"methods", "training", "attacks", "metrics", "models", "data"},
    "plots": {"plots"},
    "replication": {"replication", "training", "metrics", "models", "data"},
    "report": {"report", "replication"},
    "experiments": {"experiments", "replication", "methods", "training", "attacks", "metrics", "models", "data"},
}


def test_every_room_imports_from_a_fresh_interpreter():
    assert set(ARROWS) == set(ROOMS)
    rooms = ", ".join(f"lib.{room}" for room in ROOMS)
    subprocess.run([sys.executable, "-c", f"import {rooms}"], check=True, cwd="/")


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    for path in (ROOT / "lib" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if not isinstance(node, ast.ImportFrom) or not module.startswith("lib."):
                continue
            target = module.split(".")[1]
            assert target in ARROWS[room] | {"files", "roots", "plots", "instruction_set"}, (
                f"{path} imports lib.{target}"
            )
            if module == f"lib.{target}" and target in ROOMS and path.name != "__init__.py":
                files = [(ROOT / "lib" / target / f"{alias.name}.py").exists() for alias in node.names]
                assert all(files), f"{path} imports the room {module}, not a file"


def test_the_runner_decides_without_torch():
    code = "import sys, lib.replication.__main__; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def _constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {line.split(";")[0].strip() for line in lines if line.strip()}


def _pins() -> dict[str, str]:
    """Name -> pinned version, of the lines that hold for this interpreter and system."""
    requirements = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
    here = [r for r in requirements if r.marker is None or r.marker.evaluate()]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in here}


def _unmet(requirements: list[str], pins: dict[str, str], extra: str = "") -> list[str]:
    """Requirements that the pins do not meet, each as text."""
    wanted = [r for r in map(Requirement, requirements) if r.marker is None or r.marker.evaluate({"extra": extra})]
    return [str(r) for r in wanted if not r.specifier.contains(pins.get(canonicalize_name(r.name), "none"), True)]


@pytest.mark.parametrize("extra", ["", "test", "cluster", "report"])
def test_every_extra_is_pinned_to_what_it_asks_for(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == {"test", "cluster", "report"}
    assert _unmet(project["optional-dependencies"][extra] if extra else project["dependencies"], _pins()) == []


def test_pins_agree_with_what_installed_packages_ask_of_each_other():
    pins = _pins()
    installed = {canonicalize_name(d.name): d for d in importlib.metadata.distributions()}
    # what another version than the pinned one asks for says nothing about the pins
    common = sorted(name for name, found in installed.items() if found.version.partition("+")[0] == pins.get(name))
    assert {"papermill", "pytest", "nbval"} <= set(common)
    of_each_other = {name: _unmet(installed[name].requires or [], pins) for name in common}
    assert {name: unmet for name, unmet in of_each_other.items() if unmet} == {}


def test_environment_files_agree():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(part["pip"] for part in conda["dependencies"] if isinstance(part, dict))
    assert pip == ["-c constraints.txt", "-e .[test]"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"python{project['requires-python']}" in conda["dependencies"]
    pinned = {re.split("[=<>]", line)[0].lower().replace("_", "-") for line in _constraints()}
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.split("[=<>~ ;]", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= pinned
    assert {"torch==2.13.0", "torchvision==0.28.0"} <= _constraints()
    assert "torch>=2.11" in project["dependencies"]


def test_no_constraint_names_a_place():
    assert not re.search(r"https?:|file:|@|--", (ROOT / "constraints.txt").read_text())


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_a_notebook_is_an_article(notebook):
    text = notebook.path.read_text()
    assert len(text) < 600_000
    code = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    prose = [cell for cell in notebook.cells if cell["cell_type"] == "markdown"]
    assert len(prose) >= 0.8 * len(code)
    for cell in code:
        source, outputs = "".join(cell["source"]), json.dumps(cell["outputs"])
        assert len(source.splitlines()) <= (20 if "parameters" in cell["metadata"].get("tags", []) else 14), source
        assert not re.search(r"^\s*(def|class) ", source, re.MULTILINE), source
        assert '"output_type": "error"' not in outputs
        assert "application/javascript" not in outputs and "<script" not in outputs
        assert not re.search(r"(?<![\w:/.<])/(home|root|Users|tmp|work|opt|usr)/", outputs)
    assert any(cell["outputs"] for cell in code), "run `make notebooks`"
    checked = [cell for cell in code if "nbval-check-output" in cell["metadata"].get("tags", [])]
    assert any("judge" in "".join(cell["source"]) for cell in checked), "the verdict cell is checked"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_every_exhibit_and_claim_of_a_notebook_is_on_its_page(notebook):
    paper = read_paper(notebook.path.parent)
    assert notebook.path.stem == f"{notebook.number}-{paper.notebooks[notebook.number]}"
    source, words = "\n".join(notebook.code), json.dumps(notebook.cells)
    for name, exhibit in paper.exhibits.items():
        if exhibit.notebook == notebook.number:
            assert f'"{name}"' in source, f"no cell makes exhibit {name}"
    shown = re.findall(r"experiment\.(?:table|figure)\(\s*\"([^\"]+)\"", source)
    assert len(shown) == len(set(shown)), "the record keeps one table or figure of a name"
    for claim in paper.claims.values():
        if claim.notebook == notebook.number:
            assert claim.id in words, f"{claim.id} is not named on the page"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_the_answer_comes_before_any_setting(notebook):
    """Title, question, a few sentences on what came out, a line for each claim, and where to read on."""
    title, call, claims, parameters = notebook.cells[:4]
    text = "".join(title["source"])
    assert text.startswith("# ") and "**The question.**" in text
    answer = text.partition("**In short.** ")[2]
    assert 3 <= len(re.findall(r"[.!?](?= [A-Z0-9*]|$)", answer)) <= 7, "three to a few sentences"
    assert f'replication.in_short("{notebook.paper}", {notebook.number})' in "".join(call["source"])
    assert call["outputs"], "run `make notebooks`"
    for link in ("(../README.md)", "(README.md)", "(paper.yaml)", "(https://"):
        assert link in "".join(claims["source"])
    assert parameters["metadata"]["tags"] == ["parameters"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_every_claim_asks_for_a_plateau_or_says_why_not(notebook):
    for claim in read_paper(notebook.path.parent).claims.values():
        if claim.notebook == notebook.number and claim.parts:
            asked = all(any(gate.plateau for gate in part.gates) for part in claim.parts)
            assert claim.no_plateau or asked, f"{claim.id}: state `plateau`"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_every_page_shows_its_deviations(notebook, monkeypatch):
    cells = ["".join(cell["source"]) for cell in notebook.cells]
    shown = [cell for cell in notebook.cells if "".join(cell["source"]) == "experiment.deviations()"]
    assert len(shown) == 1 and shown[0]["metadata"]["tags"] == ["nbval-ignore-output"]
    heads = [cell.splitlines()[0] for cell in cells[: notebook.cells.index(shown[0])] if cell.startswith("## ")]
    assert heads[-1] == "## Controls and deviations"

    tables: list[str] = []
    monkeypatch.setattr("lib.replication.experiment._display_markdown", tables.append)
    parameters = tier_parameters(notebook, "reduced") | {"device": "cpu"}
    Experiment(notebook, parameters, parameters).deviations()
    own = [d for d in read_paper(notebook.path.parent).deviations.values() if notebook.number in d.notebooks]
    assert len(tables[0].splitlines()) == 2 + len(own)
    assert all(f"**{d.piece}**: {d.id.replace('-', ' ')} |" in tables[0] for d in own)
    # What every notebook below the paper's own tier does otherwise; a page that is silent about it has forgotten it.
    assert {"data", "net", "optimiser", "evaluation"} <= {d.piece for d in own}
    assert {"network", "seeds"} <= {d.id for d in own}


@pytest.mark.parametrize("name", papers(ROOT))
def test_a_readme_lists_every_deviation_of_its_paper(name):
    listed = (ROOT / "papers" / name / "README.md").read_text().partition("<!-- generated: deviations -->")[2]
    for deviation in read_paper(ROOT / "papers" / name).deviations.values():
        label = f"| **{deviation.piece}**: {deviation.id.replace('-', ' ')} | "
        assert label in listed, f"{deviation.id} is missing; run `make notebooks` or `make record`"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_tiers_are_complete_and_known(notebook):
    for tier in TIERS:
        parameters = tier_parameters(notebook, tier)
        assert parameters["tier"] == tier and 3 <= parameters["seeds"] <= 10 and parameters["device"] == "auto"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_recorded_verdicts_follow_from_recorded_values(notebook):
    paper = read_paper(notebook.path.parent)
    recorded = recorded_results(notebook)
    assert "reduced" in recorded, "run `make notebooks`"
    for tier, result in recorded.items():
        assert result["tier"] == tier
        expected = tier_parameters(notebook, tier)
        used = {name: value for name, value in result["parameters"].items() if name != "device"}
        assert used == {name: expected[name] for name in used}  # a parameter added since has the value it had before
        assert tier != "reduced" or used.keys() == expected.keys() - {"device"}
        assert all(len(values) == expected["seeds"] for values in result["values"].values())
        for name, kept in result["claims"].items():
            # A rule may change after a larger tier was recorded, which is shown; the reference is made anew with it.
            assert tier != "reduced" or paper.claims[name].judged_by(kept["rule"]), f"{name}: run `make notebooks`"
            if paper.claims[name].judged_by(kept["rule"]):
                again = judge(paper.claims[name], result["values"], set(result["data"]))
                assert again.status == kept["verdict"]["status"], f"{name} at {tier}"


def test_every_kept_net_loads_and_no_file_of_weights_is_without_its_result():
    """At every tier the file is the one that its result names, small enough for a repository, and never `reduced`."""
    named = set()
    for notebook, tier, result in ((n, tier, r) for n in NOTEBOOKS for tier, r in recorded_results(n).items()):
        content = read_nets(recorded_path(notebook, tier), result)
        if content is not None:
            named.add(nets_path(recorded_path(notebook, tier)))
            assert tier != "reduced" and len(content) <= MOST_BYTES
            place, seeds = f"{notebook.paper}/{notebook.number}", result["nets"]["seeds"]
            for name, about in models.recorded_nets(place, tier=tier).items():
                net = models.recorded(place, name, seeds[-1], tier=tier)
                assert net(torch.rand(2, *about["images"])).shape == (2, len(about["classes"]))
    assert named == set((ROOT / "papers").glob("*/recorded/*/*-nets.safetensors"))


def test_no_stored_page_shows_old_tables():
    assert [book.name for book in NOTEBOOKS if not stand(book)] == [], "run `make notebooks` or `make record`"


def test_no_generated_page_is_stale():
    assert stale(ROOT) == [], "run `make notebooks` or `make record`"


def test_no_file_names_a_place_of_some_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".ipynb", ""} and path.is_file():
            found = re.search(r"(?<![\w.])/(work|root|home/\w+|Users)/", path.read_text(errors="ignore"))
            assert not found or name == "tests/test_layout.py", f"{name}: {found}"


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_make_uses_the_active_environment(variable, tmp_path, monkeypatch):
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    monkeypatch.setenv(variable, str(tmp_path))
    command = ["make", "--dry-run", "reproduce", "TIER=laptop", "PAPER=JEM", "NOTEBOOK=2"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"{tmp_path}/bin/python -m lib.replication run JEM/2 --tier laptop" in planned
    assert f"pip install --quiet --python {tmp_path}/bin/python -e '.[test]' -c constraints.txt" in planned
    assert ".venv" not in planned


def test_every_file_of_ours_is_checked_by_ruff():
    """The folder of data sets is left out, which once took `lib/data` with it."""
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    ours = {path for room in ("lib", "tests") for path in (ROOT / room).rglob("*.py")}
    assert {str(path) for path in ours} <= set(listed)
