"""The picture of the evidence: which lines it has, and where its marks lie."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.plots.forest import forest
from lib.plots.glance import COLOURS
from lib.replication.forest import forest_frame
from lib.replication.paper_file import read_paper
from lib.replication.verdicts import Verdict
from tests import tiny


@pytest.fixture
def frame(tmp_path):
    """One claim with two parts, one of which was not testable, and a control; recorded, and in this run."""
    paper = read_paper(tiny.make_tree(tmp_path) / "papers" / "JEM")
    numbers: dict[str, Any] = {"mean": 0.4, "low": 0.2, "high": 0.6, "margin": 0.2, "seeds": 3}
    parts = (Verdict("C1/easy", "reproduced", **numbers), Verdict("C1/hard", "not testable at this tier"))
    controls = (Verdict("C1 control twin", "reversed", mean=-0.4, low=-0.6, high=-0.2, margin=0.2, seeds=3),)
    kept = Verdict("C1", "partly", parts=parts, controls=controls, **numbers)
    small = Verdict("C1", "undecided", mean=0.0, low=-0.1, high=0.1, margin=0.2, seeds=3, stand_in=("digits",))
    return forest_frame(paper, {"recorded at laptop": {"C1": kept}, "this run": {"C1": small}})


def test_lines_are_the_claim_its_tested_parts_and_its_controls_in_margins(frame):
    lines = frame.drop_duplicates("line")
    assert list(lines["label"]) == ["C1 A beats B", "easy", "twin"]
    assert list(lines["level"]) == ["claim", "part", "control"]
    claim = frame[frame["line"] == 0]
    assert list(claim["run"]) == ["recorded at laptop", "this run"]
    assert claim["mean"].tolist() == pytest.approx([2.0, 0.0]) and claim["low"].tolist() == pytest.approx([1.0, -0.5])
    assert list(claim["evidence"]) == [True, False]


def test_marks_lie_at_their_values_in_the_colour_of_their_verdict_and_stand_ins_are_hollow(frame):
    _, axes = plt.subplots()
    forest(frame, axes)
    dots = {float(np.asarray(line.get_xdata())[0]): line for line in axes.lines if line.get_marker() == "o"}
    assert sorted(dots) == pytest.approx([-2.0, 0.0, 2.0])
    assert dots[-2.0].get_color() == COLOURS["reversed"] and dots[0.0].get_markerfacecolor() == "white"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["C1 A beats B", "easy", "with twin"]
    plt.close("all")


def test_what_was_not_judged_says_so(tmp_path):
    paper = read_paper(tiny.make_tree(tmp_path) / "papers" / "JEM")
    frame = forest_frame(paper, {"recorded at laptop": {"C1": Verdict("C1", "not testable at this tier")}})
    assert math.isnan(frame["mean"][0])
    _, axes = plt.subplots()
    forest(frame, axes)
    assert [text.get_text() for text in axes.texts] == ["not testable at this tier"]
    plt.close("all")
