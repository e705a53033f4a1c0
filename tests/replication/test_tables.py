"""Tables of a page."""

from typing import Any

from lib.replication.claims import Deviation, Exhibit
from lib.replication.tables import comparison, cost, deviations, literature, spread, tidy


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


def test_deviations_stand_piece_by_piece_with_what_is_done_here_and_what_it_changes():
    bins = Deviation("bins", "evaluation", "20", "none", "paper", "20 | 15", "figure", (), "figure 3")
    decay = Deviation(
        "weight-decay", "optimiser", "unknown", "1e-4", "both", "two", "open", (1, 2), "app. A", "1 point"
    )
    head = "| the paper | the released code | here | why | measured effect |"
    assert deviations([bins, decay]).splitlines() == [
        f"| piece {head}",
        "| --- | --- | --- | --- | --- | --- |",
        "| **optimiser**: weight decay | unknown | 1e-4 | *both, measured*: two | open (app. A) | 1 point |",
        "| **evaluation**: bins | 20 | none | *as the paper*: 20 \\| 15 | figure (figure 3) | not measured |",
    ]
    numbered = deviations([bins, decay], numbered=True).splitlines()
    assert numbered[0] == f"| piece | notebook {head}"
    assert numbered[2].startswith("| **optimiser**: weight decay | 1, 2 | unknown |")
    assert numbered[3].startswith("| **evaluation**: bins | – | 20 |")


def test_a_table_shows_what_is_recorded_and_folds_this_run_away():
    """Rows are what is compared, columns what was measured, and the paper's number stands beneath ours."""
    exhibit = Exhibit("t", "Two nets", 1, {"net": {"accuracy": 57.4, "error": None}}, frozenset())
    recorded = {"laptop": tidy({"net": {"accuracy": [0.5], "error": [0.25]}, "twin": {"error": [0.5]}})}
    here = tidy({"net": {"accuracy": [1.0]}})
    text = comparison(exhibit, here, ["digits"], recorded, percent=True)
    assert text.splitlines() == [
        "**Two nets**, per cent; recorded at laptop",
        "",
        "|  | accuracy | error |",
        "| --- | --- | --- |",
        "| **net** | 50<br>*paper: 57.4* | 25 |",
        "| **twin** | – | 50 |",
        "",
        "<details>",
        "<summary>this run (digits)</summary>",
        "",
        "|  | accuracy |",
        "| --- | --- |",
        "| **net** | 100<br>*paper: 57.4* |",
        "",
        "</details>",
    ]
    alone = comparison(exhibit, here, ["digits"], {"laptop": {}}, percent=True)
    assert alone.startswith("**Two nets**, per cent; this run (digits)\n") and "<details>" not in alone


def test_seeds_that_differ_in_the_last_digits_alone_have_no_spread():
    assert spread([1.0, 1.0 + 2e-16, 1.0 - 1e-16]) == "1" and spread([0.3, 0.1 + 0.2]) == "0.3"
    assert spread([1.0, 2.0, 3.0]) == "2.0 ± 1.7"


def test_nobody_has_to_count_nines():
    assert spread([0.99999999, 0.99999998, 0.99999999]) == "1.00000 ± <0.00001"
    assert spread([0.00012, 0.00013, 0.00012]).startswith("1.2e-04")  # what is small keeps its digits
    assert spread([0.9992, 0.9994, 0.999]) == "0.99920 ± 0.00034"


def test_a_table_of_data_that_the_arms_draw_names_no_set():
    exhibit = Exhibit("t", "Two nets", 1, {}, frozenset())
    assert comparison(exhibit, tidy({"net": {"error": [1.0]}}), [], {}, percent=False).startswith(
        "**Two nets**; this run\n"
    )
