"""What counts as a changed number, and what is only a measured time."""

import hashlib
import json

import pytest

from lib.replication import record
from lib.replication.notebooks import Notebook
from lib.replication.record import SHOWN_CHANGES, _write_nets, changed_numbers, listed, numbers, with_outputs
from lib.replication.results import nets_path, read_nets

TABLE = {"row": ["a", "a"], "column": ["error", "build seconds"], "seed": [0, 0], "value": [0.5, 3.0]}


def _result(error=0.5, seconds=3.0, quantity=1.0):
    table = TABLE | {"value": [error, seconds]}
    return {"values": {"gap": [quantity]}, "exhibits": {"t": table, "f": {"kind": ["x"], "y": [2.0]}}}


def test_every_number_has_the_name_of_its_place():
    assert numbers(_result()) == {"gap[0]": 1.0, "t, a, error[0]": 0.5, "t, a, build seconds[0]": 3.0, "f, y[0]": 2.0}


def test_measured_times_are_not_compared_and_rounding_is_forgiven():
    assert changed_numbers(_result(), _result(seconds=4.0, error=0.5 + 1e-12)) == []


def test_a_changed_a_new_and_a_missing_number_are_named():
    assert changed_numbers(_result(), _result(error=0.6)) == ["t, a, error[0]: 0.5 -> 0.6"]
    without = _result() | {"values": {}}
    assert changed_numbers(without, _result()) == ["gap[0]: None -> 1.0"]
    assert changed_numbers(_result(), without) == ["gap[0]: 1.0 -> None"]


def _book(picture: str, about: str):
    output = {"output_type": "display_data", "data": {"image/png": picture, "text/plain": about}, "metadata": {}}
    cell = {"cell_type": "code", "metadata": {}, "source": "draw()", "outputs": [output]}
    return {"cells": [cell], "metadata": {}}


def test_a_picture_stays_while_it_shows_the_same_and_goes_when_a_recorded_panel_joins_it(tmp_path):
    notebook = Notebook(tmp_path / "1-topic.ipynb")
    notebook.path.write_text(json.dumps(_book("old", "figure: reduced")))

    def stored(about, keep=True):
        book = with_outputs(notebook, _book("new", about), keep_pictures=keep)
        return book["cells"][0]["outputs"][0]["data"]["image/png"]

    assert stored("figure: reduced") == "old"
    assert stored("figure: reduced", keep=False) == "new"
    assert stored("figure: reduced; recorded: laptop (1a2b)") == "new"


@pytest.mark.parametrize(("redraw", "stored"), [(False, "old"), (True, "new")])
def test_pictures_are_painted_anew_when_that_is_asked_for(tmp_path, monkeypatch, redraw, stored):
    notebook, run = Notebook(tmp_path / "1-topic.ipynb"), tmp_path / "run.json"
    notebook.path.write_text(json.dumps(_book("old", "figure: reduced")))
    run.with_suffix(".ipynb").write_text(json.dumps(_book("new", "figure: reduced")))
    monkeypatch.setattr(record, "result_path", lambda notebook, tier: run)
    monkeypatch.setattr(record, "recorded_path", lambda notebook, tier: tmp_path / "recorded.json")
    about: dict[str, object] = {name: {} for name in ("parameters", "versions", "hardware", "data", "claims")}
    monkeypatch.setattr(record, "read_result", lambda path: _result() | about)
    record.store_outputs([notebook], redraw=redraw)
    assert json.loads(notebook.path.read_text())["cells"][0]["outputs"][0]["data"]["image/png"] == stored


def test_the_nets_of_a_result_are_read_whole_or_not_at_all(tmp_path):
    result = {"nets": {"sha256": hashlib.sha256(b"weights").hexdigest()}}
    path = tmp_path / "2.json"
    assert read_nets(path, {}) is None, "a result from before nets were kept"
    with pytest.raises(ValueError, match=r"2-nets.safetensors is missing; run the notebook again"):
        read_nets(path, result)
    nets_path(path).write_bytes(b"weighty")
    with pytest.raises(ValueError, match=r"2-nets.safetensors is damaged"):
        read_nets(path, result)
    nets_path(path).write_bytes(b"weights")
    assert read_nets(path, result) == b"weights"


def test_a_record_without_nets_takes_those_of_an_earlier_one_away(tmp_path):
    place = nets_path(tmp_path / "laptop" / "2.json")
    _write_nets(place, b"weights")
    assert place.read_bytes() == b"weights"
    _write_nets(place, None)
    assert not place.exists()
    _write_nets(place, None)


def test_of_a_figure_that_changed_its_form_a_few_numbers_are_listed_and_how_many_more():
    lines = [f"histograms, value[{n}]: {n}.0 -> None" for n in range(5000)] + ["gap[0]: 1.0 -> 2.0"]
    told = listed(lines).splitlines()
    assert len(told) == SHOWN_CHANGES + 2 and told[0] == "  histograms, value[0]: 0.0 -> None"
    assert told[-2:] == [f"  histograms: {5000 - SHOWN_CHANGES} more", "  gap[0]: 1.0 -> 2.0"]
    assert listed([]) == "" and listed(["gap[0]: 1.0 -> 2.0"]) == "  gap[0]: 1.0 -> 2.0\n"
