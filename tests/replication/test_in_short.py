"""The first lines of a page: one for each claim, from what is recorded."""

import json

import pytest

from lib.replication.in_short import LONGEST_REASON, in_short
from lib.replication.notebooks import find_notebook
from tests import tiny


@pytest.fixture
def notebook(tmp_path):
    return find_notebook(tiny.make_tree(tmp_path), "JEM", 1)


def recorded(notebook, tier, verdict, arms=(), **parameters):
    """A recorded result of the miniature's one claim."""
    result = {
        "paper": "JEM", "notebook": 1, "tier": tier, "exhibits": {}, "commit": "c", "values": {},
        "parameters": {"tier": tier, "seeds": 3, "dataset": "cifar10", "device": "cpu", **parameters},
        "claims": {"C1": {"rule": {}, "verdict": {"name": "C1", **verdict}}},
        "cost": {"arms": [{"arm": arm, "seconds": 1.0, "seeds": 3} for arm in arms]},
    }  # fmt: skip
    path = notebook.path.parent / "recorded" / tier / "1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))


MEASURED = {"status": "reproduced", "mean": 0.05, "low": 0.04, "high": 0.06, "margin": 0.01, "seeds": 3}


def test_a_claim_has_its_verdict_our_number_and_the_papers(notebook):
    recorded(notebook, "laptop", {**MEASURED, "unit": "points"}, net="small cnn", large_net="M")
    lines = in_short(notebook).splitlines()
    assert lines[0] == "| claim | verdict | here | the paper |"
    assert lines[2].startswith("| **C1** A beats B | **reproduced** | 5.0 [4.0, 6.0] points | ")
    assert lines[-1].startswith("Recorded at `laptop`: cifar10; net small cnn, M; 3 seeds.")


def test_a_net_that_the_tier_left_out_is_not_named(notebook):
    sizes = {"small_net": "S", "large_net": "M", "smaller_net": "XS"}
    recorded(notebook, "laptop", MEASURED, arms=["trained, S 2400", "student, XS, Mild"], **sizes)
    assert "; net S, XS; 3 seeds." in in_short(notebook)


def test_what_only_a_stand_in_measured_is_no_answer(notebook):
    recorded(notebook, "reduced", {**MEASURED, "stand_in": ["digits"]})
    assert "| measured on stand-in data alone | – |" in in_short(notebook)
    assert "No run on real data is recorded yet." in in_short(notebook)


def test_a_long_reason_is_cut_at_a_word(notebook):
    reason = "the gain of the last quarter of the steps of " + "the student " * 9 + "is too large; and more"
    recorded(notebook, "laptop", {"status": "not testable at this tier", "reason": reason})
    told = in_short(notebook).splitlines()[2].split(" | ")[2]
    assert told.endswith(" …") and len(told) <= LONGEST_REASON + 2 and reason.startswith(told.removesuffix(" …"))


def test_parts_whose_margins_differ_are_shown_part_by_part_in_the_papers_unit(notebook):
    rules = notebook.path.parent / "paper.yaml"
    rules.write_text(rules.read_text().replace("unit: fraction", "unit: points"))
    parts = [{"name": f"C1/{n}", **MEASURED, "unit": u} for n, u in (("x", "points"), ("y", "fraction"))]
    recorded(notebook, "laptop", {**MEASURED, "unit": "margins", "margin": 1.0, "parts": parts})
    shown = in_short(notebook).splitlines()[2]
    assert "x: 5.0 [4.0, 6.0] points; y: 5.0 [4.0, 6.0] points" in shown


def test_of_several_reasons_data_that_a_part_lacks_come_last(notebook):
    reason = "digits: needs digits; used cifar10, mnist; cifar10: still improving by 0.02"
    recorded(notebook, "laptop", {"status": "not testable at this tier", "reason": reason})
    told = in_short(notebook)
    assert "still improving" in told and "needs digits" not in told
