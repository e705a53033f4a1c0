"""What changes a key and what does not: the difference between hours and seconds of a rerun."""

import ast
import json

import pytest

from lib.experiments.rethinking_generalization import expressivity
from lib.replication.keys import build_source_key, canonical, job_key, meaning, reached_files, source_key
from lib.replication.notebooks import Notebook, all_notebooks
from lib.roots import repository

ARMS = "lib/experiments/rethinking_generalization/expressivity.py"


@pytest.fixture
def sources():
    root = repository()
    return {path.relative_to(root).as_posix(): path.read_text() for path in (root / "lib").rglob("*.py")}


def test_comments_docstrings_and_layout_are_not_part_of_a_modules_meaning():
    plain = "def f(x):\n    return x + 1\n"
    dressed = '"""About."""\n\n\ndef f(\n    x,\n):\n    """Add one."""\n    # why\n    return x + 1\n'
    assert meaning(plain) == meaning(dressed)
    assert meaning(plain) != meaning(plain.replace("1", "2"))


def test_editing_the_training_loop_changes_the_artefacts_of_what_trains(sources):
    before = source_key(ARMS, sources)
    sources["lib/training/loop.py"] += "\nEDITED = 1\n"
    assert source_key(ARMS, sources) != before


def test_editing_a_docstring_or_a_comment_leaves_the_artefacts(sources):
    before = source_key(ARMS, sources)
    sources["lib/training/loop.py"] += "\n# a remark\n"
    docstring = ast.get_docstring(ast.parse(sources["lib/training/loop.py"]), clean=False)
    sources["lib/training/loop.py"] = sources["lib/training/loop.py"].replace(docstring, "Said otherwise.", 1)
    assert source_key(ARMS, sources) == before


def test_editing_plots_leaves_the_artefacts(sources):
    before = source_key(ARMS, sources)
    sources["lib/plots/panels.py"] += "\nEDITED = 1\n"
    assert source_key(ARMS, sources) == before


def imported(tree: ast.Module) -> dict[str, str]:
    """Name -> the file of `lib` that it stands for or comes from."""
    found = {}
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]:
        for alias in node.names:
            module = str(node.module).replace(".", "/")
            itself = f"{module}/{alias.name}.py"
            found[alias.asname or alias.name] = itself if (repository() / itself).is_file() else f"{module}.py"
    return found


def files_of_arms(code: str) -> set[str]:
    """The files whose functions are handed to `experiment.run`, `artefacts` and `once`, here or in a helper."""
    tree = ast.parse(code)
    names = imported(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    built = {f"experiment.{method}" for method in ("run", "artefacts", "once")}
    arms = [c.args[0] for c in calls if ast.unparse(c.func) in built]
    files = {names[ast.unparse(arm).split(".")[0]] for arm in arms}
    helpers = {name for name in names.values() if name.startswith("lib/experiments/")} - files
    return files.union(*(files_of_arms((repository() / name).read_text()) for name in helpers))


NOTEBOOKS = all_notebooks(repository())
ARMS_OF_PAPERS = sorted(set().union(*(files_of_arms("\n".join(notebook.code)) for notebook in NOTEBOOKS)))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_the_arms_of_every_notebook_are_found(notebook):
    found = files_of_arms("\n".join(notebook.code))
    assert found and all((repository() / file).is_file() for file in found)


@pytest.mark.parametrize("arms", ARMS_OF_PAPERS)
@pytest.mark.parametrize(
    ("change", "file", "text"),
    [
        ("a loader", "lib/data/omniglot.py", "EDITED = 1"),
        ("a new data set", "lib/data/load.py", "from lib.data.new_set import new_set"),
        ("its facts", "lib/data/catalogue.py", "EDITED = 1"),
        ("a new hook", "lib/training/new_hook.py", "EDITED = 1"),
        ("a font size", "lib/plots/panels.py", "EDITED = 1"),
        ("a header of a table", "lib/replication/tables.py", "EDITED = 1"),
    ],
)
def test_what_changes_no_trained_number_retrains_no_net(arms, change, file, text, sources):
    before = source_key(arms, sources)
    sources[file] = sources.get(file, "") + f"\n{text}\n"
    sources["lib/data/new_set.py"] = ""
    assert source_key(arms, sources) == before, change


def test_files_that_build_artefacts_import_neither_replication_nor_plots(sources):
    """Every file of `experiments` but those that arrange runs, rows and frames, which no artefact is built by."""
    for arms in ARMS_OF_PAPERS:
        reached = reached_files(arms, sources)
        assert not [name for name in reached if name.startswith(("lib/replication", "lib/plots"))], arms


def test_imports_are_followed_through_files_also_lazy_ones():
    sources = {
        "lib/__init__.py": "",
        "lib/a.py": "from lib.b import f",
        "lib/b.py": "def f():\n    import lib.c",
        "lib/c.py": "from lib import d",
        "lib/d.py": "",
        "lib/e.py": "",
    }
    assert reached_files("lib/a.py", sources) == ["lib/__init__.py", "lib/a.py", "lib/b.py", "lib/c.py", "lib/d.py"]


def test_only_named_functions_of_lib_can_be_kept():
    assert build_source_key(expressivity.theorem_1)
    with pytest.raises(ValueError, match="must be a named function"):
        build_source_key(lambda: 1)
    with pytest.raises(ValueError, match="must be a named function"):
        build_source_key(test_only_named_functions_of_lib_can_be_kept)


def test_arguments_have_one_spelling():
    assert canonical({"b": (1, 2), "a": 0.1}) == '{"a":0.1,"b":[1,2]}'
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})


@pytest.fixture
def tree(tmp_path):
    paper = tmp_path / "papers" / "JEM"
    (paper / "tiers").mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "plots.py").write_text("A = 1\n")
    (paper / "paper.yaml").write_text("claims: {}\n")
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "tier = 'reduced'", "outputs": []},
        {"cell_type": "markdown", "metadata": {}, "source": "words"},
        {"cell_type": "code", "metadata": {}, "source": "print(1)", "outputs": []},
    ]
    (paper / "1-x.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}))
    return tmp_path


def _key(tree, parameters=None):
    return job_key(Notebook(tree / "papers" / "JEM" / "1-x.ipynb"), parameters or {"seeds": 5}, tree)


def _edit(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def test_plots_margins_cells_tiers_and_recorded_results_change_the_job(tree):
    paper = tree / "papers" / "JEM"
    seen = {_key(tree)}
    for change in (
        lambda: (tree / "lib" / "plots.py").write_text("A = 2\n"),
        lambda: (paper / "paper.yaml").write_text("claims: {C1: {margin: 0.1}}\n"),
        lambda: _edit(paper / "1-x.ipynb", "print(1)", "print(2)"),
        lambda: (paper / "tiers" / "laptop.yaml").write_text("1: {}\n"),
        lambda: ((paper / "recorded" / "gpu").mkdir(parents=True), (paper / "recorded/gpu/1.json").write_text("{}")),
    ):
        change()
        assert _key(tree) not in seen
        seen.add(_key(tree))
    assert _key(tree, {"seeds": 3}) not in seen


def test_words_of_a_notebook_and_the_record_of_another_leave_the_job(tree):
    before = _key(tree)
    other = tree / "papers" / "JEM" / "recorded" / "laptop" / "2.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    _edit(tree / "papers" / "JEM" / "1-x.ipynb", "words", "other words")
    assert _key(tree) == before
