"""A notebook as an article: its prose, code and stored outputs, with an anchor at every cell."""

import base64
import html
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from lib.replication.claims import Paper
from lib.replication.notebooks import Notebook
from lib.replication.results import Result
from lib.report.films import Film, film
from lib.report.text import Places, code, to_html

EXHIBIT = re.compile(r"experiment\.(?:table|figure|literature)\(\s*\"([^\"]+)\"")
Save = Callable[[str, bytes], str]  # name and content of a file beside the page -> its link


def anchor(place: int) -> str:
    """The anchor of the cell with this index."""
    return f"cell-{place}"


def article(notebook: Notebook, paper: Paper, recorded: Result | None, places: Places, page: str, save: Save) -> str:
    """HTML of all cells.

    Args:
        notebook: The notebook.
        paper: Its paper, which names the exhibits.
        recorded: Its largest recorded result, for pictures that a slider chooses among.
        places: Where links lead.
        page: The page that this goes to.
        save: Puts a picture beside the page.
    """
    cells = "\n".join(
        f'<section class="cell {cell["cell_type"]}" id="{anchor(place)}">{"".join(parts)}</section>'
        for place, cell in enumerate(notebook.cells)
        for parts in [list(_cell(notebook, paper, recorded, places, page, save, place, cell))]
    )
    return _told_apart(cells)


def _told_apart(text: str) -> str:
    """The page with a number behind the anchor of a heading that it has twice, as GitHub gives it."""
    seen: Counter[str] = Counter()

    def numbered(found: re.Match[str]) -> str:
        seen[found[2]] += 1
        return found[0] if seen[found[2]] == 1 else f'{found[1]}{found[2]}-{seen[found[2]] - 1}"'

    return re.sub(r'(<h\d id=")([^"]+)"', numbered, text)


def _cell(
    notebook: Notebook,
    paper: Paper,
    recorded: Result | None,
    places: Places,
    page: str,
    save: Save,
    place: int,
    cell: dict[str, Any],
) -> Iterator[str]:
    source = "".join(cell["source"])
    file = f"papers/{notebook.paper}/{notebook.path.name}"

    def prose(text: str) -> str:
        return to_html(text, places, file, page)

    if cell["cell_type"] == "markdown":
        yield prose(source)
        return
    yield code(source)
    exhibit = next(iter(EXHIBIT.findall(source)), "")
    title = paper.exhibits[exhibit].title if exhibit in paper.exhibits else ""
    for number, output in enumerate(cell["outputs"]):
        yield f'<div class="output">{_output(output, prose, title, save, f"cell-{place}-{number}.png")}</div>'
    found = film(recorded["exhibits"].get(exhibit, {})) if recorded and "experiment.figure(" in source else None
    if found:
        yield moving(found, title, save, f"cell-{place}")


def _output(output: dict[str, Any], prose: Callable[[str], str], title: str, save: Save, name: str) -> str:
    """One stored output in its richest form."""
    if output["output_type"] == "stream":
        return f'<pre class="stream" tabindex="0">{html.escape("".join(output["text"]))}</pre>'
    data = {kind: "".join(content) for kind, content in output.get("data", {}).items()}
    if "image/png" in data:
        alt = f"{title}; {data.get('text/plain', '')}".strip("; ")
        shown = picture(base64.b64decode(data["image/png"]), alt, save, name)
        return f'<div class="picture" tabindex="0" role="region" aria-label="figure">{shown}</div>'
    if "text/markdown" in data:
        return prose(data["text/markdown"])
    return f'<pre class="stream" tabindex="0">{html.escape(data.get("text/plain", ""))}</pre>'


def picture(content: bytes, alt: str, save: Save, name: str) -> str:
    """An image element of a PNG, with its size, so that the page does not jump while it loads."""
    width, height = struct.unpack(">II", content[16:24])
    link = html.escape(save(name, content))
    return f'<img src="{link}" alt="{html.escape(alt)}" width="{width}" height="{height}" loading="lazy">'


def moving(shown: Film, title: str, save: Save, name: str) -> str:
    """The frames of a film one below the other, which the script `film.js` turns into one that a slider moves."""
    frames = "".join(
        f'<figure data-value="{html.escape(value)}"><figcaption>{shown.over} {html.escape(value)}</figcaption>'
        f"{picture(content, f'{title}, {shown.over} {value}', save, f'{name}-{shown.over}-{value}.png')}</figure>"
        for value, content in shown.frames.items()
    )
    return f'<div class="film" data-over="{shown.over}">{frames}</div>'
