"""`python -m lib.replication new PAPER/N [topic]`: what is the same for every notebook, so that only its own is left.

The texts lie in `templates/`; `FILL IN` stands where only the author knows what to say, and `check` finds what is left.
"""

import json
import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from lib.files import write_atomically
from lib.replication.claims import Paper
from lib.replication.notebooks import package_of, papers
from lib.replication.paper_file import read_paper
from lib.replication.parameters import TIERS
from lib.replication.yaml_files import read_yaml

TEMPLATES = Path(__file__).parent / "templates"
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
CODE = re.compile(r"^```python ?(.*?)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)  # -> tags, source
HEADING = re.compile(r"^(?=## )", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A notebook that is to be: its paper, number and topic."""

    paper: str
    number: int
    topic: str

    @property
    def package(self) -> str:
        """The folder of its arms below `lib/experiments`."""
        return package_of(self.paper)

    @property
    def module(self) -> str:
        """The file of its arms."""
        return self.topic.replace("-", "_")

    def filled(self, template: str, **more: str) -> str:
        """A template with the names of this place in it."""
        names = {"paper": self.paper, "number": str(self.number), "topic": self.topic}
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        return Template(text).substitute(names, package=self.package, module=self.module, **more)


def new(tree: Path, which: str, topic: str | None) -> tuple[list[Path], list[Path]]:
    """Write the files of a notebook, and of its paper where that is new; returns what was created and what extended.

    Args:
        tree: the checkout.
        which: PAPER/N.
        topic: words joined by `-`, for the file's name; it may be left out where `paper.yaml` lists the notebook.

    Raises:
        ValueError: a name that cannot be, or a file that is there already; nothing is written then.
    """
    place = _place(tree, which, topic)
    paper = read_paper(tree / "papers" / place.paper) if place.paper in papers(tree) else None
    created = _files_of_notebook(tree, place, paper) | ({} if paper else _files_of_paper(tree, place))
    candidates = [*created, *(tree / "papers" / place.paper).glob(f"{place.number}-*.ipynb")]
    if there := sorted({path.relative_to(tree).as_posix() for path in candidates if path.exists()}):
        raise ValueError(f"nothing was written, for these are there already: {', '.join(there)}")
    extended = _extended(tree, place) if paper else {}
    created |= {path: text for path, text in _packages(tree, place).items() if not path.exists()}
    for path, text in (created | extended).items():
        write_atomically(path, text)
    return [*created], [*extended]


def _place(tree: Path, which: str, topic: str | None) -> Place:
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]*)/([1-9][0-9]*)/?", which)
    if not match:
        raise ValueError(f"{which!r} is not PAPER/N: a folder's name of letters, digits and -, then a number from 1 on")
    paper, number = match[1], int(match[2])
    for other in papers(tree):
        if other != paper and package_of(other) == package_of(paper):
            raise ValueError(f"papers/{other} is there; write {other}/{number} for a notebook of it")
    listed = read_paper(tree / "papers" / paper).notebooks.get(number) if paper in papers(tree) else None
    if listed and topic not in (None, listed):
        raise ValueError(
            f"papers/{paper}/paper.yaml calls notebook {number} {listed!r}; leave the topic out or change it"
        )
    topic = topic or listed
    if topic is None:
        raise ValueError(f"give the topic of {which} in words joined by -, as in `new {which} random-labels`")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", topic) or keyword.iskeyword(topic):
        raise ValueError(
            f"topic {topic!r}: give small letters, digits and -, beginning with a letter: it names a module"
        )
    return Place(paper, number, topic)


def _files_of_notebook(tree: Path, place: Place, paper: Paper | None) -> dict[Path, str]:
    """The notebook, its arms, what it derives from them, and their tests."""
    claims = [claim for claim in paper.claims.values() if claim.notebook == place.number] if paper else []
    text = place.filled(
        "notebook.md",
        words=place.topic.replace("-", " ").capitalize(),
        citation=f"{', '.join(paper.authors)}: {paper.title}, {paper.venue}." if paper else "FILL IN: authors, title.",
        claims="\n".join(f"- **{claim.id}** {claim.statement}." for claim in claims) or "- FILL IN: **C1** and so on.",
    )
    return {
        tree / "papers" / place.paper / f"{place.number}-{place.topic}.ipynb": as_notebook(text),
        tree / "lib" / "experiments" / place.package / f"{place.module}.py": place.filled("arms.txt"),
        tree / "lib" / "experiments" / place.package / f"{place.module}_rows.py": place.filled("rows.txt"),
        tree / "tests" / "experiments" / place.package / f"test_{place.module}.py": place.filled("test_arms.txt"),
    }


def _packages(tree: Path, place: Place) -> dict[Path, str]:
    """What makes folders of arms and of tests importable; both may be there."""
    about = f'"""What the notebooks of `papers/{place.paper}` measure, one file per notebook."""\n'
    return {
        tree / "lib" / "experiments" / place.package / "__init__.py": about,
        tree / "tests" / "experiments" / place.package / "__init__.py": "",
    }


def _files_of_paper(tree: Path, place: Place) -> dict[Path, str]:
    folder = tree / "papers" / place.paper
    files = {folder / name: place.filled(name) for name in ("README.md", "paper.yaml", "choices.yaml")}
    return files | {folder / "tiers" / f"{tier}.yaml": _tier_file(place, tier) for tier in TIERS[1:]}


def _tier_file(place: Place, tier: str) -> str:
    return place.filled("tier.yaml", tier=tier) + f"{place.number}: {{}}\n"


def _extended(tree: Path, place: Place) -> dict[Path, str]:
    """The files of a paper that is there, with an entry for the notebook where they have none."""
    folder, entries = tree / "papers" / place.paper, dict[Path, str]()
    text = (folder / "paper.yaml").read_text(encoding="utf-8")
    if place.number not in read_yaml(text, "paper.yaml")["notebooks"]:
        entries[folder / "paper.yaml"] = with_notebook(text, place)
    for tier in TIERS[1:]:
        path = folder / "tiers" / f"{tier}.yaml"
        if not path.exists():
            entries[path] = _tier_file(place, tier)
        elif place.number not in (read_yaml(text := path.read_text(encoding="utf-8"), str(path)) or {}):
            entries[path] = f"{text.rstrip()}\n{place.number}: {{}}\n"
    return entries


def with_notebook(text: str, place: Place) -> str:
    """`paper.yaml` with the notebook's line under `notebooks:`, in its place by number, and all else untouched.

    Raises:
        ValueError: the entry is not written as a block of lines, so that none can be added.
    """
    line = f"  {place.number}: {place.topic}\n"
    before = read_yaml(text, "paper.yaml")
    block = re.search(r"^notebooks:[^\n\S]*(?:#.*)?\n((?:  +\d+:.*\n)*)", text, re.MULTILINE)
    if block:
        lines = sorted([*block[1].splitlines(keepends=True), line], key=lambda entry: int(entry.partition(":")[0]))
        text = text[: block.start(1)] + "".join(lines) + text[block.end(1) :]
    after = read_yaml(text, "paper.yaml") if block else None
    if after != before | {"notebooks": before["notebooks"] | {place.number: place.topic}}:
        raise ValueError(
            f"papers/{place.paper}/paper.yaml: add `{line.strip()}` under `notebooks:` by hand, then again"
        )
    return text


def as_notebook(text: str) -> str:
    """Markdown as a notebook: ```python TAGS begins a code cell and ``` ends it, a heading begins a cell of prose."""
    cells: list[dict[str, Any]] = []
    pieces = CODE.split(text)
    for position in range(0, len(pieces), 3):
        for prose in filter(None, map(str.strip, HEADING.split(pieces[position]))):
            cells.append({"cell_type": "markdown", "metadata": {}, "source": prose})
        if position + 1 < len(pieces):
            metadata = {"tags": pieces[position + 1].split()} if pieces[position + 1] else {}
            code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": []}
            cells.append(code | {"source": pieces[position + 2].strip()})
    for number, cell in enumerate(cells):
        cell |= {"id": f"cell-{number:02}", "source": cell["source"].splitlines(keepends=True)}
        cells[number] = dict(sorted(cell.items()))
    book = {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"
