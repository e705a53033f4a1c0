"""The notebooks as files: where they lie, their cells, their parameters cell. Reads JSON only, to stay fast."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


def papers(tree: Path) -> list[str]:
    """Names of the folders below `tree/papers` that hold a `paper.yaml`, in alphabetical order."""
    return sorted((path.parent.name for path in (tree / "papers").glob("*/paper.yaml")), key=str.casefold)


def package_of(paper: str) -> str:
    """The folder of a paper's arms below `lib/experiments`, and of their tests below `tests/experiments`."""
    return paper.lower().replace("-", "_")


@dataclass(frozen=True)
class Notebook:
    """One notebook `papers/<paper>/<number>-<topic>.ipynb` of a tree (the checkout, or a snapshot of it)."""

    path: Path

    @property
    def paper(self) -> str:
        """Name of the paper's folder."""
        return self.path.parent.name

    @property
    def number(self) -> int:
        """The leading number of the file name."""
        return int(self.path.name.split("-")[0])

    @property
    def name(self) -> str:
        """`paper/number-topic`, as printed in progress lines and error messages."""
        return f"{self.paper}/{self.path.stem}"

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """The cells as stored."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        except (json.JSONDecodeError, KeyError) as fault:
            raise ValueError(f"{self.path} is not a notebook ({fault}); restore it with git checkout") from fault

    @property
    def title(self) -> str:
        """The first heading of the page; the file's name where there is none."""
        prose = ("".join(cell["source"]) for cell in self.cells if cell["cell_type"] == "markdown")
        headings = (line.removeprefix("# ") for text in prose for line in text.splitlines() if line.startswith("# "))
        return next(headings, self.path.stem)

    @property
    def code(self) -> list[str]:
        """Sources of the code cells, in order."""
        return ["".join(cell["source"]) for cell in self.cells if cell["cell_type"] == "code"]

    @property
    def parameters_source(self) -> str:
        """Source of the one cell tagged `parameters`."""
        tagged = [cell for cell in self.cells if "parameters" in cell["metadata"].get("tags", [])]
        if len(tagged) != 1:
            raise ValueError(f"{self.name} has {len(tagged)} cells tagged 'parameters'; it needs exactly one")
        return "".join(tagged[0]["source"])


def all_notebooks(tree: Path) -> list[Notebook]:
    """Every numbered notebook of the papers of a tree."""
    found = [
        Notebook(path) for paper in papers(tree) for path in sorted((tree / "papers" / paper).glob("[0-9]*-*.ipynb"))
    ]
    return [notebook for notebook in found if ".ipynb_checkpoints" not in notebook.path.parts]


def find_notebook(tree: Path, paper: str, number: int) -> Notebook:
    """The notebook `number` of `paper`, or an error that lists what there is."""
    here = [notebook for notebook in all_notebooks(tree) if notebook.paper == paper]
    for notebook in here:
        if notebook.number == number:
            return notebook
    there = ", ".join(notebook.path.name for notebook in here) or "none"
    raise ValueError(f"papers/{paper} has no notebook {number} (there: {there})")


def select(tree: Path, wanted: list[str]) -> list[Notebook]:
    """Notebooks named `PAPER` or `PAPER/N`; all of them when `wanted` is empty.

    Raises:
        ValueError: a name that matches no paper or notebook, with the names that do.
    """
    notebooks = all_notebooks(tree)
    if not wanted:
        return notebooks
    chosen: list[Notebook] = []
    for name in wanted:
        paper, _, number = name.strip("/").partition("/")
        matches = [n for n in notebooks if n.paper == paper and (not number or str(n.number) == number.split("-")[0])]
        if not matches:
            known = ", ".join(f"{n.paper}/{n.number}" for n in notebooks)
            raise ValueError(f"no notebook matches {name!r}; choose a paper or PAPER/N among: {known}")
        chosen += [match for match in matches if match not in chosen]
    return chosen
