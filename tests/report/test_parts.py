"""The pieces of a page: formulas, Markdown, drawings, words about a verdict, cells found by names, badges."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from lib.replication import badges, report
from lib.replication.claims import Claim, Control, Part
from lib.replication.notebooks import Notebook
from lib.replication.verdicts import effects, judge
from lib.report import drawing, words
from lib.report.article import _told_apart
from lib.report.cells import judging_cell, measuring_cells
from lib.report.facts import Claimed
from lib.report.films import film
from lib.report.mathml import to_mathml
from lib.report.text import Places, to_html
from lib.roots import repository


def claim(rule="direction", **changes) -> Claim:
    part = Part(name=None, compared=("ours", "theirs"), sign=1, margin=0.1, unit="fraction", paper=None)
    told = {
        "id": "C1", "name": "ours is better", "statement": "Ours is better", "kind": rule, "rule_kind": rule,
        "notebook": 1, "paper": None, "parts": (part,), "tolerances": {}, "controls": (), "gates": (), "needs": (),
    }  # fmt: skip
    return Claim(**{**told, **changes})


def words_about(claim: Claim, values: dict[str, list[float]]) -> str:
    verdict = judge(claim, values, {"cifar10"})
    return " ".join(words.what_would_change(Claimed("p", None, claim, None, {}, {"laptop": verdict})))  # type: ignore[arg-type]


def test_effects_are_what_the_verdict_was_made_of():
    controlled = claim(controls=(Control("theirs", "stronger"),))
    values = {"ours": [0.9, 0.8, 0.7], "theirs": [0.5, 0.5, 0.5], "stronger": [0.8, 0.8, 0.8]}
    found = effects(controlled, values, set())
    assert found["C1"] == pytest.approx([4, 3, 2]) and found["C1 control stronger"] == pytest.approx([1, 0, -1])
    verdict = judge(controlled, values, set())
    assert verdict.mean is not None and verdict.margin
    assert sum(found["C1"]) / 3 == pytest.approx(verdict.mean / verdict.margin)
    assert effects(claim(needs=("cifar10",)), values, {"digits"}) == {}


def test_effects_of_parts_and_of_an_identity():
    parts = tuple(Part(n, ("a", 0.5), -1, m, "fraction", None) for n, m in (("x", 0.1), ("y", 0.2)))
    values = {"a/x": [0.4, 0.3], "a/y": [0.3, 0.1]}
    assert effects(claim(parts=parts), values, set()) == {"C1": [1.0, 2.0], "C1/x": [1.0, 2.0], "C1/y": [1.0, 2.0]}
    identity = claim("identity", parts=(), tolerances={"error": 0.1, "exact": 0.0})
    assert effects(identity, {"error": [0.05, -0.2], "exact": [0.0, 0.0]}, set()) == {"C1/error": [0.5, 2.0]}


@pytest.mark.parametrize(
    ("rule", "ours", "told"),
    [
        ("direction", [0.2, 0.21, 0.19], "the mean would have to fall from 2 below 1"),
        ("direction", [-0.2, -0.21, -0.19], "the upper bound would have to rise from -1.83 to 0"),
        ("direction", [0.01, 0.0, -0.01], "the upper bound would have to rise from 0.169 to 1"),
        ("direction", [0.02, 0.021, 0.019], "reproduced takes a mean of 1"),
        ("direction", [0.3, -0.1, 0.0], "seeds would decide"),
        ("no harm", [0.0, 0.01, -0.01], "the lower bound would have to fall from -0.169 to -1"),
        ("no harm", [-0.3, -0.31, -0.29], "the upper bound would have to rise from -2.83 to -1"),
        ("equal", [0.0, 0.01, -0.01], "would have to leave the band"),
        ("equal", [0.3, 0.31, 0.29], "would have to touch the band"),
    ],
)
def test_what_would_change_a_verdict_is_told_in_margins(rule, ours, told):
    assert told in words_about(claim(rule), {"ours": ours, "theirs": [0.0, 0.0, 0.0]})


def test_a_control_that_fails_and_an_identity_are_told():
    values = {"ours": [0.2, 0.21, 0.19], "theirs": [0.0] * 3, "stronger": [0.3] * 3}
    text = words_about(claim(controls=(Control("theirs", "stronger"),)), values)
    assert "held back to partly because: only against the naive baseline" in text
    assert "Against the control stronger it is reversed" in text
    identity = claim("identity", parts=(), tolerances={"error": 0.1})
    assert "error would have to rise from 0.05 above its tolerance 0.1" in words_about(identity, {"error": [0.05]})


def test_a_strip_has_a_dot_for_each_seed_where_its_value_lies():
    values = {"ours": [0.1, 0.2, 0.3], "theirs": [0.0, 0.0, 0.0]}
    verdict = judge(claim(), values, set())
    svg = drawing.strips(verdict, effects(claim(), values, set()), "direction")
    root = ET.fromstring(svg)
    places = [float(dot.get("cx", "").rstrip("%")) for dot in root.iter("circle")]
    titles = [title.text for title in root.iter("title")]
    assert titles == ["seed 0: 1 margins", "seed 1: 2 margins", "seed 2: 3 margins"]
    assert places[2] - places[1] == pytest.approx(places[1] - places[0], abs=0.02) and 0 < places[0] < places[2] < 100


@pytest.mark.parametrize(
    "tex", [r"\arg\max_y p(y \mid x)", r"\underbrace{\log \sum_y e^{f}}_{\mathrm{LSE}\,f}", r"\tfrac1M"]
)
def test_a_formula_is_well_formed_and_has_no_command_left(tex):
    made = to_mathml(tex, block=True)
    assert ET.fromstring(made.replace("&nbsp;", " ")).get("display") == "block" and "\\" not in made


def test_a_word_stays_one_word_and_a_function_stands_apart_from_its_argument():
    made = to_mathml(r"\log \mathrm{LSE} f")
    assert "<mi>LSE</mi>" in made and '<mi>log</mi><mspace width="0.17em"/>' in made


def test_an_unknown_command_is_no_text_on_a_page():
    with pytest.raises(ValueError, match=r"cannot typeset .*\\frobnicate"):
        to_mathml(r"\frobnicate x")


@pytest.fixture
def places(tmp_path):
    (tmp_path / "papers" / "JEM").mkdir(parents=True)
    (tmp_path / "papers" / "JEM" / "paper.yaml").write_text("claims:", encoding="utf-8")
    return Places(tmp_path, {"papers/README.md": "reading.html"})


def html_of(text, places):
    return to_html(text, places, "papers/JEM/1-x.ipynb", "notebooks/JEM/1-x.html")


def test_links_lead_into_the_site_and_files_come_along(places):
    text = html_of("[how](../README.md#the-nets) [rules](paper.yaml) [out](https://arxiv.org/abs/1)", places)
    assert 'href="../../reading.html#the-nets"' in text and 'href="https://arxiv.org/abs/1"' in text
    assert 'href="../../files/papers/JEM/paper.yaml.txt"' in text
    assert places.copied == {"papers/JEM/paper.yaml": "files/papers/JEM/paper.yaml.txt"}
    with pytest.raises(ValueError, match=r"1-x.ipynb links to papers/JEM/none.md"):
        html_of("[x](none.md)", places)


def test_dollars_in_code_are_no_formulas_and_formulas_in_tables_are(places):
    text = html_of(
        "`$HOME` and $x$\n\n```bash\necho $A $B\n```\n\n| a |\n| --- |\n| $|x|$ |\n\n$$y = 1$$\n\nend", places
    )
    assert "<code>$HOME</code>" in text and text.count("<math") == 3 and text.count('class="formula"') == 1
    assert "$A" in text and "held" not in text and '<div class="scroll"' in text


def test_a_heading_that_a_page_has_twice_has_two_anchors():
    twice = '<h2 id="cost">x</h2><h2 id="cost">x</h2><h3 id="data">y</h3><h2 id="cost">x</h2>'
    assert re.findall('id="(.*?)"', _told_apart(twice)) == ["cost", "cost-1", "data", "cost-2"]


def test_markdown_within_details_is_rendered(places):
    text = html_of(
        "<details>\n<summary>more</summary>\n\n| a | b |\n| --- | --- |\n| 1 | **2** |\n\n</details>", places
    )
    assert "<strong>2</strong>" in text and "</details>" in text and "|" not in text


def test_a_film_has_a_frame_for_each_value_with_all_its_pictures():
    from io import BytesIO

    from PIL import Image

    exhibit: dict[str, list] = {
        "step": [0, 0, 5, 5],
        "shape": ["1x1x2"] * 4,
        "pixels": ["00ff", "ff00", "0000", "ffff"],
    }
    found = film(exhibit)
    assert found is not None and found.over == "step" and list(found.frames) == ["0", "5"]
    frame = Image.open(BytesIO(found.frames["0"])).convert("L")
    shades = [frame.getpixel((x, 0)) for x in (0, frame.height, frame.width - 1)]
    assert shades == [0, 255, 0]
    assert film({**exhibit, "step": [1] * 4}) is None and film({"step": [0, 1], "value": [1, 2]}) is None


def test_the_measuring_cell_is_found_through_names_dictionaries_and_helpers(tmp_path):
    sources = [
        "import nothing",
        "nets = {}\nfor n in 'ab':\n    nets[n] = experiment.run(arm, name=n)",
        "others = growing.run_all(experiment, tree)",
        "unused = experiment.run(arm)",
        "by_name = {k: v for k, v in nets.items()}",
        'experiment.judge({}, measured={"ours": by_name, "theirs": others})',
    ]
    path = tmp_path / "1-x.ipynb"
    path.write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": [s], "metadata": {}} for s in sources]}), encoding="utf-8"
    )
    notebook = Notebook(path)
    assert judging_cell(notebook) == 5
    assert measuring_cells(notebook, claim(), {"ours": "ours/accuracy", "theirs": "theirs/accuracy"}) == [1, 2]
    alone = claim(parts=(Part(None, ("ours", 0.5), 1, 0.1, "fraction", None),))
    assert measuring_cells(notebook, alone, {"ours": "ours/accuracy"}) == [1]


def test_a_badge_counts_what_is_judged_on_real_data():
    statuses = ["reproduced", "reproduced", "reversed", "undecided", "not testable at this tier", "shown", ""]
    assert badges.tally(statuses) == "4 of 7 judged, 2 reproduced"
    root = ET.fromstring(badges.badge(badges.tally(statuses)))
    assert root.get("aria-label") == "claims: 4 of 7 judged, 2 reproduced"
    boxes = [float(e.get("width", 0)) for e in root.iter("{http://www.w3.org/2000/svg}rect")]
    texts = [float(e.get("textLength", 0)) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(boxes) == float(root.get("width", 0)) and all(t < b for t, b in zip(texts, boxes, strict=True))


def test_the_badges_are_those_of_the_recorded_results():
    for path, content in report.badges(repository()).items():
        assert path.read_text(encoding="utf-8") == content, "run `make notebooks` or `make record`"
        assert f"![Claims: {content.partition('claims: ')[2].partition(chr(34))[0]}](badge.svg)" in (
            path.with_name("README.md").read_text(encoding="utf-8")
        )
