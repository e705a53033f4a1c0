"""The picture of the front page follows from the recorded results."""

import json
import math
import re
from typing import Any

import pandas as pd
import pytest

from lib.plots.glance import results_at_a_glance
from lib.replication.glance import glance_rows, is_stale, picture_key
from lib.roots import repository


def frame() -> pd.DataFrame:
    columns = ["paper", "claim", "name", "shape", "status", "effect", "low", "high"]
    rows = [
        ("a", "C1", "students beat teachers", "effect", "reproduced", 3.0, 2.0, 4.0),
        ("a", "C2", "weights are enough", "identity", "reproduced", 0.1, math.nan, math.nan),
        ("b", "C1", "accuracy stays equal", "equal", "reversed", -99.0, -200.0, -9.0),
    ]
    return pd.DataFrame(rows, columns=columns)


def test_rows_are_the_headlines_in_units_of_their_margins():
    rows = {(row["paper"], row["claim"]): row for row in glance_rows(repository())}
    gap = rows["rethinking-generalization", "C20"]
    assert gap["status"] == "reproduced"
    assert gap["shape"] == "effect"
    assert gap["low"] <= gap["effect"] <= gap["high"]
    assert gap["effect"] >= 1  # what a reproduced effect is
    identity = rows["rethinking-generalization", "C21"]
    assert identity["shape"] == "identity"
    assert identity["low"] is None
    assert 0 <= identity["effect"] <= 1


def test_the_picture_has_a_panel_for_each_paper_and_a_line_for_each_claim(tmp_path):
    results_at_a_glance(frame(), tmp_path / "a.svg", "results 0")
    text = (tmp_path / "a.svg").read_text()
    assert re.findall(r">([a-z ]+)  (C\d)<", text) == [
        (n, c) for n, c in zip(frame()["name"], frame()["claim"], strict=True)
    ]
    for word in ("reproduced", "reversed", "no difference: within ±1", "results 0"):
        assert word in text
    assert "nan" not in text.lower()


def test_the_bytes_depend_on_the_data_alone(tmp_path):
    results_at_a_glance(frame(), tmp_path / "a.svg", "k")
    results_at_a_glance(frame(), tmp_path / "b.svg", "k")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("change", [{"effect": 3.1}, {"status": "partly"}])
def test_other_results_have_another_key(change: dict[str, object]) -> None:
    rows: list[dict[str, Any]] = json.loads(frame().to_json(orient="records"))
    assert picture_key(rows) != picture_key([rows[0] | change, *rows[1:]])


def test_the_committed_picture_shows_the_recorded_results():
    assert not is_stale(repository()), "run `make notebooks` or `make record`"
