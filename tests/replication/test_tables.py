"""Tables of a page."""

from typing import Any

from lib.replication.claims import Exhibit
from lib.replication.tables import cost, literature


def test_a_table_of_costs_has_one_line_for_each_arm():
    arms = [{"arm": "train", "seeds": 3, "seconds": 6.0}, {"arm": "attack", "seeds": 3, "seconds": 1.5}] * 2
    table = cost([*arms, {"arm": "train", "seeds": 2, "seconds": 4.0}])
    assert table.splitlines()[2:] == [
        "| train | 8 | 2.0 | 16.0 |",
        "| attack | 6 | 0.5 | 3.0 |",
        "| **all** |  |  | **19.0** |",
    ]


def test_what_is_not_measured_is_shown_as_printed():
    values: dict[str, dict[str, Any]] = {
        "Inception": {"top-1": 77.0, "top-5": None},
        "guess": {"top-1": 0.1, "top-5": "about .5"},
    }
    exhibit = Exhibit("table-2", "On ImageNet", 1, values, frozenset([("guess", "top-1")]), "percent", "table 2")
    assert literature(exhibit).splitlines() == [
        "**On ImageNet** (table 2, percent; as published, not measured here)",
        "",
        "|  | top-1 | top-5 |",
        "| --- | --- | --- |",
        "| **Inception** | 77 | – |",
        "| **guess** | [0.1] | about .5 |",
    ]
