"""What a stored page says from rules, records and code alone is put in anew when these change."""

import json

import pytest

from lib.metrics.intervals import interval
from lib.replication.listing import listing
from lib.replication.notebooks import find_notebook
from lib.replication.page_tables import stand, tables, write_tables
from tests import tiny

DEVIATION = """
deviations:
  length:
    piece: optimiser
    notebook: 1
    paper: 350 epochs
    code: As the paper
    follows: otherwise
    ours: A tenth of it
    why: One core
    source: section 3
"""


@pytest.fixture
def page(tmp_path):
    """The miniature's notebook with both tables as stored, and a third cell that a run alone can fill."""
    path = find_notebook(tiny.make_tree(tmp_path), "JEM", 1).path
    book = json.loads(path.read_text())
    calls = ["replication.in_short('JEM', 1)", "experiment.deviations()", "experiment.table('a', rows)"]
    for number, call in enumerate(calls):
        output = {"data": {"text/markdown": ["old\n"]}, "metadata": {}, "output_type": "display_data"}
        cell = {"cell_type": "code", "execution_count": 1, "id": f"t{number}", "metadata": {}, "source": [call]}
        book["cells"].append({**cell, "outputs": [output]})
    path.write_text(json.dumps(book))
    return path


def opened(page):
    """Read again: a notebook keeps the cells that it has read."""
    return find_notebook(page.parents[2], "JEM", 1)


def shown(page):
    return ["".join(cell["outputs"][0]["data"]["text/markdown"]) for cell in opened(page).cells[-3:]]


def test_a_page_shows_what_the_rules_say_now_and_a_run_s_own_table_stays(page):
    assert not stand(opened(page))
    write_tables(opened(page))
    assert stand(opened(page))
    assert shown(page) == [*tables(opened(page)).values(), "old\n"]
    rules = page.parent / "paper.yaml"
    rules.write_text(rules.read_text() + DEVIATION)
    assert not stand(opened(page)), "a deviation that was added"
    write_tables(opened(page))
    assert "A tenth of it" in shown(page)[1] and stand(opened(page))


def test_a_cell_that_was_never_run_stays_without_output(page):
    book = json.loads(page.read_text())
    for cell in book["cells"][1:]:
        cell["outputs"] = []
    page.write_text(json.dumps(book))
    assert stand(opened(page))
    write_tables(opened(page))
    assert not any(cell.get("outputs") for cell in opened(page).cells)


def test_a_listing_is_the_code_of_today(page):
    """Of a function, and of one found through its module; other outputs and a cell with a magic command stay."""
    source = [
        "from lib import replication\n", "from lib.metrics import intervals\n",
        "from lib.metrics.intervals import interval\n",
        "replication.show(interval)\n", "replication.show(intervals.kendall_tau)\n",
    ]  # fmt: skip
    outputs = [
        {"data": {"text/markdown": [text]}, "metadata": {}, "output_type": "display_data"}
        for text in ("a sentence", "```python\nold\n```", "```python\nold\n```")
    ]
    book = json.loads(page.read_text())
    cell = {"cell_type": "code", "execution_count": 1, "id": "shown", "metadata": {}, "source": source}
    book["cells"].append({**cell, "id": "magic", "source": ["%load_ext autoreload\n"], "outputs": []})
    book["cells"].append({**cell, "outputs": outputs})
    page.write_text(json.dumps(book))
    write_tables(opened(page))
    told = ["".join(output["data"]["text/markdown"]) for output in opened(page).cells[-1]["outputs"]]
    assert told[0] == "a sentence"
    assert told[1] == f"```python\n{listing(interval)}```" and "def interval(" in told[1]
    assert told[2].startswith("```python\ndef kendall_tau(")
