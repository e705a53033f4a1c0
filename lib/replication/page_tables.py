"""What a stored page says from rules and records alone: it is put in anew without a run, so that no page is behind."""

import json
from typing import Any

from lib.files import write_atomically
from lib.replication.in_short import in_short
from lib.replication.notebooks import Notebook
from lib.replication.paper_file import read_paper
from lib.replication.tables import deviations


def tables(notebook: Notebook) -> dict[str, str]:
    """A call in a cell of the page -> the Markdown that it shows now."""
    entries = read_paper(notebook.path.parent).deviations.values()
    here = [entry for entry in entries if notebook.number in entry.notebooks]
    return {"replication.in_short(": in_short(notebook), "experiment.deviations()": deviations(here)}


def with_tables(notebook: Notebook) -> dict[str, Any]:
    """The stored page with these tables as they are now; a cell that was never run stays without."""
    book = json.loads(notebook.path.read_text(encoding="utf-8"))
    for call, text in tables(notebook).items():
        for cell in book["cells"]:
            if cell["cell_type"] == "code" and call in "".join(cell["source"]):
                for output in cell["outputs"]:
                    if "text/markdown" in output.get("data", {}):
                        output["data"]["text/markdown"] = text.splitlines(keepends=True)
    return book


def stand(notebook: Notebook) -> bool:
    """Whether the stored page shows these tables as they are now."""
    return with_tables(notebook)["cells"] == notebook.cells


def write_tables(notebook: Notebook) -> None:
    """Put the tables as they are now into the stored page."""
    write_atomically(notebook.path, json.dumps(with_tables(notebook), indent=1, ensure_ascii=False) + "\n")
