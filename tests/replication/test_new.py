"""What `new` writes: files that read and check at once, entries beside what was there, nothing written over."""

import ast
import json
from pathlib import Path

import pytest

from lib.replication.check import PLACEHOLDER, check_paper
from lib.replication.new import Place, as_notebook, new, with_notebook
from lib.replication.notebooks import all_notebooks, find_notebook, papers
from lib.replication.parameters import TIERS, choices, read_literals, tier_parameters
from lib.replication.report import generated, with_parts

PAPER = """# A comment that stays.
title: A tiny paper
authors: [A. Author, B. Author]
year: 2020
venue: ICLR 2020
arxiv: "0000.00000"

notebooks:
  1: first   # the first
  3: third

claims:
  C1:
    name: A beats B
    statement: A beats B
    kind: direction
    notebook: 3
    paper: {effect: 4, unit: points, source: table 1}
    comparison: [a, b]
    plateau: Nothing is trained.
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "papers" / "Tiny-paper"
    folder.mkdir(parents=True)
    (folder / "paper.yaml").write_text(PAPER)
    (folder / "README.md").write_text("mine\n")
    return tmp_path


def contents(tree: Path) -> dict[str, str]:
    return {path.relative_to(tree).as_posix(): path.read_text() for path in sorted(tree.rglob("*")) if path.is_file()}


def test_a_new_paper_is_there_as_soon_as_its_folder_is(tree: Path):
    created, extended = new(tree, "some-nets/2", "wider-nets")
    assert papers(tree) == ["some-nets", "Tiny-paper"] and extended == []
    assert [notebook.name for notebook in all_notebooks(tree)] == ["some-nets/2-wider-nets"]
    assert {path.relative_to(tree).as_posix() for path in created} == set(contents(tree)) - {
        "papers/Tiny-paper/paper.yaml",
        "papers/Tiny-paper/README.md",
    }
    notebook = find_notebook(tree, "some-nets", 2)
    assert [tier_parameters(notebook, tier)["tier"] for tier in TIERS] == list(TIERS)
    assert choices(notebook) == {}
    page = tree / "papers" / "some-nets" / "README.md"
    parts = generated_parts()
    assert with_parts(page.read_text(), dict.fromkeys(parts, "new"), page).count("\nnew\n") == len(parts) == 5
    assert "notebook [2-wider-nets](2-wider-nets.ipynb)" in page.read_text()


def generated_parts() -> set[str]:
    from lib.roots import repository

    return set(generated(repository())[repository() / "papers" / papers(repository())[0] / "README.md"])


def test_what_is_left_to_fill_in_is_all_that_check_finds(tree: Path):
    new(tree, "some-nets/2", "wider-nets")
    faults, line = check_paper(tree, "some-nets")
    assert line == "some-nets: 0 claims, 1 notebook"
    others = [fault for fault in faults if PLACEHOLDER not in fault]
    left = [fault.split(" still says ")[0] for fault in faults if PLACEHOLDER in fault]
    assert left == [
        *(f"some-nets/{name}" for name in ("paper.yaml", "README.md", "2-wider-nets.ipynb")),
        *("lib/experiments/some_nets/wider_nets.py", "lib/experiments/some_nets/wider_nets_rows.py"),
        *("tests/experiments/some_nets/test_wider_nets.py",),
    ]
    assert len(others) == 2 and "no claim has a number" in others[0] and "no claim in paper.yaml is its" in others[1]


def test_a_notebook_of_a_paper_that_is_there_is_entered_by_its_number(tree: Path):
    before = contents(tree)
    _, extended = new(tree, "Tiny-paper/2", "second-look")
    after = contents(tree)
    added = "  1: first   # the first\n  2: second-look\n  3: third\n"
    kept = "  1: first   # the first\n  3: third\n"
    name = "papers/Tiny-paper/paper.yaml"
    assert after[name] == before[name].replace(kept, added)
    assert after["papers/Tiny-paper/README.md"] == "mine\n"
    assert [path.name for path in extended] == ["paper.yaml", "laptop.yaml", "gpu.yaml", "paper.yaml"]
    new(tree, "Tiny-paper/3", None)
    assert contents(tree)["papers/Tiny-paper/tiers/gpu.yaml"].endswith("2: {}\n3: {}\n")
    assert contents(tree)[name] == after[name]  # it was listed


def test_the_page_of_a_known_paper_cites_it_and_lists_the_claims_of_the_notebook(tree: Path):
    new(tree, "Tiny-paper/3", None)
    words = json.dumps(find_notebook(tree, "Tiny-paper", 3).cells)
    assert "*A. Author, B. Author: A tiny paper, ICLR 2020.*" in words and "- **C1** A beats B." in words
    assert "# Third" in words


def test_the_cells_stand_in_the_order_of_every_page_with_their_tags(tree: Path):
    new(tree, "Tiny-paper/3", None)
    notebook = find_notebook(tree, "Tiny-paper", 3)
    tagged = [
        ("".join(cell["source"]).splitlines()[-1], cell["metadata"].get("tags", []))
        for cell in notebook.cells
        if cell["cell_type"] == "code"
    ]
    tags = dict(tagged)
    assert {"tier", "seeds", "device"} <= set(read_literals(notebook.parameters_source))
    assert next(iter(tags)) == 'replication.in_short("Tiny-paper", 3)'
    assert list(tags)[2] == 'experiment = replication.start("Tiny-paper", 3)'
    assert list(tags)[-4:] == [
        "experiment.deviations()",
        "experiment.judge(derived.derived(runs_of), runs_of)",
        "experiment.evidence()",
        "experiment.finish()",
    ]
    assert tags["experiment.judge(derived.derived(runs_of), runs_of)"] == ["nbval-check-output"]
    assert tags["experiment.deviations()"] == tags["experiment.evidence()"] == ["nbval-ignore-output"]
    assert len(notebook.cells) >= 1.8 * len(tagged)
    sources = ["".join(cell["source"]) for cell in notebook.cells]
    heads = [source.splitlines()[0] for source in sources if source.startswith("## ")]
    assert heads == [
        f"## {title}"
        for title in ("The idea", "The method", "The runs", "Controls and deviations", "Verdicts", "What it cost")
    ]
    before = [s for s in sources[: sources.index("experiment.deviations()")] if s.startswith("## ")]
    assert before[-1].startswith("## Controls and deviations")


def test_its_python_is_python_and_the_files_are_importable_packages(tree: Path):
    new(tree, "Tiny-paper/3", None)
    made = contents(tree)
    for name in ("lib/experiments/tiny_paper/third.py", "lib/experiments/tiny_paper/third_rows.py",
                 "tests/experiments/tiny_paper/test_third.py"):  # fmt: skip
        ast.parse(made[name])
    assert {"lib/experiments/tiny_paper/__init__.py", "tests/experiments/tiny_paper/__init__.py"} <= set(made)
    assert "from lib.experiments.tiny_paper import third as arms" in json.dumps(made)


@pytest.mark.parametrize(
    "there",
    [
        "papers/Tiny-paper/2-another.ipynb",
        "papers/Tiny-paper/2-second-look.ipynb",
        "lib/experiments/tiny_paper/second_look.py",
        "lib/experiments/tiny_paper/second_look_rows.py",
        "tests/experiments/tiny_paper/test_second_look.py",
    ],
)
def test_nothing_is_written_over(tree: Path, there: str):
    (tree / there).parent.mkdir(parents=True, exist_ok=True)
    (tree / there).write_text("mine")
    before = contents(tree)
    with pytest.raises(ValueError, match=f"nothing was written, .*{there}"):
        new(tree, "Tiny-paper/2", "second-look")
    assert contents(tree) == before


@pytest.mark.parametrize(
    ("which", "topic", "complaint"),
    [
        ("Tiny-paper", "x", "is not PAPER/N"),
        ("Tiny-paper/0", "x", "is not PAPER/N"),
        ("../up/1", "x", "is not PAPER/N"),
        ("3-papers/1", "x", "is not PAPER/N"),
        ("tiny-paper/2", "x", "papers/Tiny-paper is there; write Tiny-paper/2"),
        ("Tiny-paper/2", None, "give the topic of Tiny-paper/2"),
        ("another/1", None, "give the topic of another/1"),
        ("Tiny-paper/1", "other", "calls notebook 1 'first'"),
        ("Tiny-paper/2", "Second", "small letters"),
        ("Tiny-paper/2", "2nd", "beginning with a letter"),
        ("Tiny-paper/2", "class", "it names a module"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_written(tree: Path, which, topic, complaint):
    before = contents(tree)
    with pytest.raises(ValueError, match=complaint):
        new(tree, which, topic)
    assert contents(tree) == before


def test_where_no_line_can_be_added_the_author_is_asked_to():
    place = Place("p", 2, "second")
    flow = PAPER.replace("  1: first   # the first\n  3: third\n", "").replace("notebooks:", "notebooks: {1: first}")
    with pytest.raises(ValueError, match="add `2: second` under `notebooks:` by hand"):
        with_notebook(flow, place)


def test_prose_and_code_become_cells():
    book = json.loads(
        as_notebook("# A\n\nwords\n\n## B\n\n```python one two\na = 1\nb = 2\n```\n\n```python\nc\n```\n")
    )
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in book["cells"]] == [
        ("markdown", "# A\n\nwords"),
        ("markdown", "## B"),
        ("code", "a = 1\nb = 2"),
        ("code", "c"),
    ]
    assert [cell["metadata"] for cell in book["cells"]] == [{}, {}, {"tags": ["one", "two"]}, {}]
    assert len({cell["id"] for cell in book["cells"]}) == 4
