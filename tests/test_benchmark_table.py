"""The table of benchmarks/README.md: rows measured anew stand among those of before, on the same machine alone."""

import pytest

from benchmarks.compare import Outcome, Row
from benchmarks.table import END, START, renewed, table, with_table

MACHINE = "A processor, Linux; torch 1."


def outcome(name: str, ratio: float) -> Outcome:
    row = Row(name, f"{name}, 10 images", "images", 3, {}, [], None, len, lambda ours, theirs: "", "A reason.")
    peers = {"slow": 2 * ratio, "quick": ratio}
    return Outcome(row, {"ours": ratio, "slow": 0.5, "quick": 1.0}, peers, dict.fromkeys(peers, "equal"), {}, {})


OLD = table([outcome("first", 2.0), outcome("second", 4.0)], MACHINE)


def test_a_row_measured_anew_takes_its_old_place_with_its_note():
    new = renewed(f"\n{OLD}\n", [outcome("first", 5.0)], MACHINE)
    assert new == table([outcome("first", 5.0), outcome("second", 4.0)], MACHINE)
    assert "Missed: first" in OLD and "Missed" not in new


def test_a_new_row_comes_last_and_says_what_it_missed():
    new = renewed(OLD, [outcome("third", 1.0)], MACHINE)
    assert new == table([outcome("first", 2.0), outcome("second", 4.0), outcome("third", 1.0)], MACHINE)


def test_rows_of_two_machines_are_not_mixed():
    with pytest.raises(ValueError, match=r"another machine.*Measure all rows(.|\n)*Here: Other"):
        renewed(OLD, [outcome("first", 5.0)], "Other.")


def test_the_table_keeps_the_page_around_it():
    page = f"before\n{START}\n{OLD}\n{END}\nafter"
    assert with_table(page, lambda old: old.strip()) == page
    with pytest.raises(ValueError, match="lost its marks"):
        with_table("nothing", lambda old: old)
