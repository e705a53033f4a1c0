"""What a stored page says from rules, records and code alone: put in anew without a run, so that no page is behind."""

import ast
import importlib
import json
from collections.abc import Iterator
from typing import Any

from lib.files import write_atomically
from lib.replication.in_short import in_short
from lib.replication.listing import FENCE, fenced
from lib.replication.notebooks import Notebook
from lib.replication.paper_file import read_paper
from lib.replication.tables import deviations_of


def tables(notebook: Notebook) -> dict[str, str]:
    """A call in a cell of the page -> the Markdown that it shows now."""
    ours = deviations_of(read_paper(notebook.path.parent), notebook.number)
    return {"replication.in_short(": in_short(notebook), "experiment.deviations()": ours}


def with_tables(notebook: Notebook) -> dict[str, Any]:
    """The stored page with its tables and listings as they are now; a cell that was never run stays without."""
    book = json.loads(notebook.path.read_text(encoding="utf-8"))
    now, imported = tables(notebook), _imported(notebook)
    for cell in (cell for cell in book["cells"] if cell["cell_type"] == "code"):
        source = "".join(cell["source"])
        texts = [output["data"] for output in cell["outputs"] if "text/markdown" in output.get("data", {})]
        for call in (call for call in now if call in source):
            for text in texts:
                text["text/markdown"] = now[call].splitlines(keepends=True)
        listed = [text for text in texts if "".join(text["text/markdown"]).startswith(FENCE)]
        for text, code in zip(listed, _listings(source, imported), strict=False):
            text["text/markdown"] = code.splitlines(keepends=True)
    return book


def stand(notebook: Notebook) -> bool:
    """Whether the stored page shows all this as it is now."""
    return with_tables(notebook)["cells"] == notebook.cells


def write_tables(notebook: Notebook) -> None:
    """Put all this as it is now into the stored page."""
    write_atomically(notebook.path, json.dumps(with_tables(notebook), indent=1, ensure_ascii=False) + "\n")


def _imported(notebook: Notebook) -> dict[str, tuple[str, str]]:
    """Name on the page -> module of `lib` and name in it, of everything that the page imports from there."""
    sources = ("".join(cell["source"]) for cell in notebook.cells if cell["cell_type"] == "code")
    statements = (statement for source in sources for statement in _statements(source))
    return {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in statements
        if isinstance(statement, ast.ImportFrom) and statement.module and statement.module.split(".")[0] == "lib"
        for alias in statement.names
    }


def _listings(source: str, imported: dict[str, tuple[str, str]]) -> Iterator[str]:
    """The code that the calls of `replication.show` in a cell list, in their order."""
    for statement in _statements(source):
        match statement:
            case ast.Expr(ast.Call(function, [argument])) if ast.unparse(function) == "replication.show":
                name, *attributes = ast.unparse(argument).split(".")
                shown = _found(*imported[name])
                for attribute in attributes:
                    shown = getattr(shown, attribute)
                yield fenced(shown)


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a cell; none of one that is not plain Python, such as one with a magic command."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def _found(module: str, name: str) -> Any:
    """What `from module import name` gives."""
    found = importlib.import_module(module)
    return getattr(found, name) if hasattr(found, name) else importlib.import_module(f"{module}.{name}")
