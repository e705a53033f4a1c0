"""What `paper.yaml` may say, what each default fills in, and that every mistake is named where it stands."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lib.replication.claims import UNITS, Claim, Part
from lib.replication.paper_file import read_paper
from lib.roots import repository

PAPERS = sorted((repository() / "papers").glob("*/paper.yaml"))
CITATION = {"title": "A title", "authors": ["A. Author"], "year": 2017, "venue": "ICLR", "arxiv": "1611.03530"}
DIRECTION = {
    **{"name": "A beats B", "statement": "A beats B"},
    **{"kind": "direction", "notebook": 1, "comparison": ["a", "b"]},
}
EFFECT = {"effect": 0.8, "unit": "points", "source": "table 8"}
DEVIATION = {
    **{"piece": "optimiser", "notebook": 1, "paper": "none", "code": "decay 1e-4", "follows": "code", "ours": "same"},
    **{"why": "simple", "source": "appendix A"},
}


def write(folder: Path, claims: dict[str, Any], **top: Any) -> Path:
    content = {**CITATION, "notebooks": {1: "first", 2: "second"}, "claims": claims, **top}
    (folder / "paper.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def read_claim(folder: Path, **changes: Any) -> Claim:
    raw = {key: value for key, value in {**DIRECTION, **changes}.items() if value is not ...}
    return read_paper(write(folder, {"C1": raw})).claims["C1"]


def only_part(claim: Claim) -> Part:
    (part,) = claim.parts
    return part


def test_a_folder_and_its_file_are_the_same_paper(tmp_path: Path):
    folder = write(tmp_path, {"C1": DIRECTION})
    paper = read_paper(folder)
    assert paper == read_paper(folder / "paper.yaml")
    assert (paper.title, paper.authors, paper.notebooks) == ("A title", ("A. Author",), {1: "first", 2: "second"})
    with pytest.raises(FileNotFoundError, match=r"paper\.yaml"):
        read_paper(tmp_path / "elsewhere")


def test_the_margin_is_a_quarter_of_the_papers_effect(tmp_path: Path):
    part = only_part(read_claim(tmp_path, paper=EFFECT))
    assert part.margin == pytest.approx(0.002)  # a quarter of 0.8 points, as a fraction
    assert (part.unit, part.sign, part.name) == ("points", 1, None)


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({}, 0.01),  # no effect given: one point
        ({"paper": {"effect": None, "source": "section 2"}}, 0.01),
        ({"paper": {**EFFECT, "unverified": True}}, 0.01),  # from memory: feeds no rule
        ({"paper": {**EFFECT, "effect": -0.8, "contradicts": "table 9"}}, 0.01),
        ({"paper": EFFECT, "margin": 0.004}, 0.004),
        ({"paper": {**EFFECT, "effect": -0.8}, "sign": -1}, 0.002),
        ({"paper": {"effect": 2.0, "unit": "ratio", "source": "figure 1"}}, 0.5),
        ({"paper": EFFECT, "kind": "no harm"}, 0.01),  # "same": one point, not a quarter of a small difference
        ({"paper": EFFECT, "kind": "equal"}, 0.01),
        ({"kind": "order", "comparison": ..., "order": ["a", "b", "c"]}, 0.5),
        ({"kind": "qualitative"}, 0.01),
    ],
)
def test_margins(tmp_path: Path, changes: dict[str, Any], margin: float):
    assert only_part(read_claim(tmp_path, **changes)).margin == pytest.approx(margin)


def test_a_part_takes_from_the_claim_what_it_does_not_state(tmp_path: Path):
    claim = read_claim(
        tmp_path,
        paper=EFFECT,
        sign=1,
        parts={
            "plain": None,
            "own effect": {"paper": {**EFFECT, "effect": 4.0}},
            "own margin": {"margin": 0.05, "paper": None},
            "other way": {"comparison": ["b", "a"], "sign": -1, "needs": ["cifar10"], "paper": None},
        },
    )
    plain, own_effect, own_margin, other_way = claim.parts
    assert (plain.margin, plain.paper) == (pytest.approx(0.002), claim.paper)
    assert own_effect.margin == pytest.approx(0.01)
    assert (own_margin.margin, own_margin.paper, own_margin.unit) == (0.05, None, "points")
    assert (other_way.compared, other_way.sign, other_way.needs) == (("b", "a"), -1, ("cifar10",))
    assert plain.quantity("accuracy") == "accuracy/plain"


def test_a_claims_margin_holds_for_every_part_without_its_own(tmp_path: Path):
    parts = {"x": {"paper": {**EFFECT, "effect": 4.0}}, "y": {"margin": 0.03}}
    assert [part.margin for part in read_claim(tmp_path, margin=0.02, parts=parts).parts] == [0.02, 0.03]


def test_a_qualitative_claim_is_judged_through_its_scalar_or_shown(tmp_path: Path):
    shown = read_claim(tmp_path, kind="qualitative", comparison=...)
    assert (shown.rule_kind, shown.parts) == (None, ())
    assert read_claim(tmp_path, kind="qualitative").rule_kind == "direction"
    assert read_claim(tmp_path, kind="qualitative", judged_as="no harm").rule_kind == "no harm"
    ordered = read_claim(tmp_path, kind="qualitative", comparison=..., order=["a", "b", "c"])
    assert (ordered.rule_kind, only_part(ordered).compared) == ("order", ("a", "b", "c"))


def test_a_literature_only_claim_needs_no_comparison(tmp_path: Path):
    claim = read_claim(tmp_path, notebook=None, comparison=..., paper=EFFECT)
    assert (claim.notebook, claim.parts) == (None, ())


def test_an_identity_states_tolerances(tmp_path: Path):
    claim = read_claim(tmp_path, kind="identity", comparison=..., quantities={"labels wrong": 0, "fit error": 0.01})
    assert claim.tolerances == {"labels wrong": 0, "fit error": 0.01}


def test_gates_and_controls_may_be_one_or_several(tmp_path: Path):
    gate, control = {"quantity": "accuracy", "at_least": 0.3}, {"instead_of": "b", "take": "c"}
    one = read_claim(tmp_path, gate=gate, control=control)
    two = read_claim(tmp_path, gate=[gate, {"quantity": "noise", "at_most": 1}], control=[control, control])
    assert (len(one.gates), len(one.controls), len(two.gates), len(two.controls)) == (1, 1, 2, 2)
    assert one.gates[0].holds(0.3) and not one.gates[0].holds(0.299)
    assert two.gates[1].holds(1.0) and not two.gates[1].holds(1.001)


IDENTITY = {"kind": "identity", "comparison": ...}
ORDER = {"kind": "order", "comparison": ...}
MISTAKES = [
    ({"margn": 0.1}, "unknown key 'margn'; did you mean 'margin'"),
    ({"kind": "directon"}, "unknown kind 'directon'; did you mean 'direction'"),
    ({"notebook": ...}, "'notebook' is missing"),
    ({"notebook": 7}, "notebook 7 is not one of"),
    ({"statement": ""}, "'statement' must be text"),
    ({"name": "beats"}, "three to six words of at most 43 letters together, found 'beats'"),
    ({"name": "A beats B by a great many points"}, "three to six words"),
    ({"comparison": ["a"]}, r"comparison is \[A, B\]"),
    ({"comparison": [0.1, "a"]}, r"comparison is \[A, B\]"),
    ({"comparison": ["a", "a"]}, "with itself"),
    ({"comparison": "a, b"}, "'comparison' must be a list"),
    ({"comparison": ...}, r"comparison is \[A, B\]"),
    ({"order": ["a", "b", "c"]}, "'order' does not go with the rule 'direction'"),
    ({**ORDER, "order": ["a", "b"]}, "three or more"),
    ({**ORDER, "order": ["a", "b", "a"]}, "three or more different"),
    ({**ORDER, "order": ["a", "b", "c"], "sign": -1}, "sign is 1 or -1"),
    ({**ORDER, "order": ["a", "b", "c"], "margin": 2}, "tau is <= 1"),
    ({"sign": 2}, "sign is 1 or -1"),
    ({"margin": 0}, "margin must be > 0"),
    ({"margin": -0.1}, "margin must be > 0"),
    ({"margin": "a tenth"}, "must be a number, found 'a tenth'"),
    ({"margin": 2, "paper": EFFECT}, "margins are fractions"),
    ({"paper": {**EFFECT, "effect": 0}}, "margin must be > 0"),
    ({"paper": {"effect": 3.0, "unit": "score", "source": "t", "unverified": True}}, "state a margin"),
    ({"paper": {"effect": 0.8, "source": "table 8"}}, "state the unit"),
    ({"paper": {**EFFECT, "unit": "point"}}, "unknown unit 'point'; did you mean 'points'"),
    ({"paper": {"effect": 0.8, "unit": "points"}}, "'source' is missing"),
    ({"paper": {**EFFECT, "unverified": "yes"}}, "unverified is true or false"),
    ({"paper": {**EFFECT, "effect": -0.8}}, "does not pass 'direction'"),
    ({"paper": {**EFFECT, "effect": 0.8}, "margin": 0.5}, "does not pass 'direction'"),
    ({"paper": {**EFFECT, "effect": -1.2}, "kind": "no harm"}, "does not pass 'no harm'"),
    ({"paper": {**EFFECT, "effect": 1.2}, "kind": "equal"}, "does not pass 'equal'"),
    ({"gate": {"quantity": "a"}}, "one of at_least and at_most"),
    ({"gate": {"quantity": "a", "at_least": 0, "at_most": 1}}, "one of at_least and at_most"),
    ({"gate": {"at_least": 0}}, "'quantity' is missing"),
    ({"control": {"instead_of": "z", "take": "c"}}, "instead_of 'z' is not compared"),
    ({"control": {"instead_of": "a", "take": "c"}, "parts": {"x": {"comparison": ["d", "e"]}}}, "is not compared"),
    ({"needs": ["fake:cifar10"]}, "real data sets"),
    ({"parts": {}}, "parts is empty"),
    ({"parts": {"x": {"singn": 1}}}, "part x: unknown key 'singn'; did you mean 'sign'"),
    ({"parts": {"x": {"weight": 2}}}, "part x: unknown key 'weight'"),
    ({"parts": {True: None}}, "truth values"),
    ({"judged_as": "equal"}, "'judged_as' is for a qualitative claim"),
    ({"kind": "qualitative", "judged_as": "identity"}, "unknown judged_as"),
    ({"kind": "qualitative", "comparison": ..., "margin": 0.1}, "only shown"),
    ({"quantities": {"a": 0}}, "'quantities' is for kind identity"),
    ({**IDENTITY}, "an identity states quantities"),
    ({**IDENTITY, "quantities": {"a": -1}}, "tolerance of 'a'"),
    ({**IDENTITY, "quantities": {"a": None}}, "tolerance of 'a'"),
    ({**IDENTITY, "quantities": {"a": 0}, "margin": 0.1}, "'margin' means nothing for an identity"),
]


@pytest.mark.parametrize(("changes", "complaint"), MISTAKES)
def test_a_mistake_in_a_claim_is_named_with_its_place(tmp_path: Path, changes: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint) as caught:
        read_claim(tmp_path, **changes)
    assert f"{tmp_path.name}/paper.yaml: claim C1" in str(caught.value)


@pytest.mark.parametrize(
    ("top", "complaint"),
    [
        ({"titel": "x"}, "unknown key 'titel'; did you mean 'title'"),
        ({"authors": []}, "authors is a list of names"),
        ({"arxiv": 1611.0353}, r"'arxiv' must be text.*quote numbers"),
        ({"notebooks": ["first"]}, "notebooks maps numbers to topics"),
        ({"claims": {"claim one": DIRECTION}}, "a claim's id is a letter and a number"),
        ({"claims": {"C1": None}}, "expected keys and values"),
        ({"exhibits": {"t": {"title": "T", "notebook": 9}}}, "exhibit t: notebook 9"),
        ({"exhibits": {"t": {"title": "T", "notebook": 1, "values": {"r": {"c": [1]}}}}}, "row r: 'c' is a number"),
        ({"exhibits": {"t": {"title": "T", "notebook": 1, "values": {"r": {"c": {"value": 1}}}}}}, "'unverified'"),
        ({"deviations": {"d": {"as_published": "x"}}}, "deviation d: unknown key 'as_published'"),
        ({"deviations": {"d": {"piece": "net"}}}, "deviation d: 'code' is missing"),
        ({"deviations": {"d": DEVIATION | {"piece": "nets"}}}, "unknown piece 'nets'; did you mean 'net'"),
        ({"deviations": {"d": DEVIATION | {"follows": "us"}}}, "deviation d: unknown follows 'us'"),
        (
            {"deviations": {"d": DEVIATION | {"notebook": 9}}},
            r"one or a list of \[1, 2\], none twice, or null; found 9",
        ),
        ({"deviations": {"d": DEVIATION | {"notebook": [1, 1]}}}, r"none twice, or null; found \["),
        ({"deviations": {"d": DEVIATION | {"notebook": []}}}, r"none twice, or null; found \["),
        ({"deviations": {"d": DEVIATION | {"notebook": [[1]]}}}, r"none twice, or null; found \["),
        ({"deviations": {"d": DEVIATION | {"why": ""}}}, "'why' must be text"),
        ({"deviations": {"d": DEVIATION | {"effect": 0.3}}}, "'effect' must be text.*quote numbers"),
        ({"companions": [{"title": "x"}]}, "companions: authors"),
    ],
)
def test_a_mistake_elsewhere_is_named_with_its_place(tmp_path: Path, top: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint) as caught:
        read_paper(write(tmp_path, top.pop("claims", {"C1": DIRECTION}), **top))
    assert f"{tmp_path.name}/paper.yaml" in str(caught.value)


def test_a_quantity_may_be_given_by_its_path(tmp_path: Path):
    measured = {1: {"student accuracy": "student/accuracy"}}
    assert read_paper(write(tmp_path, {"C1": DIRECTION}, measured=measured)).measured == measured
    for wrong, complaint in [
        ({3: {"a": "b/c"}}, r"measured has an entry for each of the notebooks \[1, 2\]"),
        ({1: {"a": "accuracy"}}, "map each quantity to arm and place"),
        ({1: {"a": "net//accuracy"}}, "map each quantity to arm and place"),
        ({1: ["net/accuracy"]}, "map each quantity to arm and place"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            read_paper(write(tmp_path, {"C1": DIRECTION}, measured=wrong))


def test_a_key_given_twice_does_not_silently_replace_the_first(tmp_path: Path):
    write(tmp_path, {"C1": DIRECTION})
    with (tmp_path / "paper.yaml").open("a") as file:
        file.write("title: Another\n")
    with pytest.raises(ValueError, match="'title' is given twice"):
        read_paper(tmp_path)


def test_an_exhibit_keeps_the_papers_cells_as_printed(tmp_path: Path):
    cells = {"train": 99.82, "test": {"value": 9.86, "unverified": True}, "with decay": "failed to converge", 0.5: 1}
    values = {"AlexNet": cells, "none": {"train": None}}
    exhibits = {"table-1": {"title": "Fitting", "notebook": 1, "unit": "percent", "values": values}}
    exhibit = read_paper(write(tmp_path, {"C1": DIRECTION}, exhibits=exhibits)).exhibits["table-1"]
    assert exhibit.values["AlexNet"] == {"train": 99.82, "test": 9.86, "with decay": "failed to converge", "0.5": 1}
    assert exhibit.shown("AlexNet", "train") == "99.82"
    assert exhibit.shown("AlexNet", "test") == "[9.86]"
    assert exhibit.shown("AlexNet", "with decay") == "failed to converge"
    assert exhibit.shown("none", "train") == exhibit.shown("no such row", "train") == ""


def test_deviations_and_companions(tmp_path: Path):
    entries = {
        "decay": DEVIATION,
        "rate": DEVIATION | {"notebook": [1, 2], "effect": "half a point"},
        "print": DEVIATION | {"notebook": None},
    }
    paper = read_paper(write(tmp_path, {"C1": DIRECTION}, deviations=entries, companions=[CITATION]))
    decay = paper.deviations["decay"]
    assert (decay.id, decay.piece, decay.follows, decay.notebooks) == ("decay", "optimiser", "code", (1,))
    assert (decay.paper, decay.code, decay.ours, decay.why) == ("none", "decay 1e-4", "same", "simple")
    assert (decay.source, decay.effect) == ("appendix A", "")
    assert (paper.deviations["rate"].notebooks, paper.deviations["rate"].effect) == ((1, 2), "half a point")
    assert paper.deviations["print"].notebooks == ()
    assert paper.companions[0].title == "A title"


def test_rule_and_numbers_in_words(tmp_path: Path):
    gate = {"quantity": "accuracy", "at_least": 0.3}
    claim = read_claim(tmp_path, paper=EFFECT, gate=gate, control={"instead_of": "b", "take": "c"})
    assert claim.rule_text() == "a > b, margin 0.002; also with c for b; if accuracy is at least 0.3"
    assert claim.paper_text() == "0.8 points (table 8)"
    assert (
        read_claim(tmp_path, kind="equal", parts={"x": None, "y": None}).rule_text() == "a = b +- 0.01, mean of 2 parts"
    )
    smaller = read_claim(tmp_path, kind="no harm", sign=-1, paper={**EFFECT, "unverified": True})
    assert (smaller.rule_text(), smaller.paper_text()) == ("b > a - 0.01", "[0.8 points] (table 8)")
    parts = {"x": {"paper": {**EFFECT, "effect": 8.0}}, "y": {"paper": {**EFFECT, "effect": -1, "contradicts": "t 2"}}}
    divided = read_claim(tmp_path, parts=parts)
    assert divided.rule_text() == "x: a > b, margin 0.02; y: a > b, margin 0.01"
    assert divided.paper_text() == "x: 8 points; y: -1 points (against its statement)"


@pytest.mark.parametrize(
    ("key", "value"),
    [("margin", 0.02), ("sign", -1), ("needs", ["cifar10"]), ("gate", {"quantity": "a", "at_least": 0}),
     ("control", {"instead_of": "a", "take": "c"}), ("comparison", ["a", "c"]), ("parts", {"x": None})],
)  # fmt: skip
def test_whatever_a_verdict_depends_on_is_in_the_recorded_rule(tmp_path: Path, key: str, value: Any):
    before = read_claim(tmp_path).rule()
    assert read_claim(tmp_path, **{key: value}).rule() != before
    assert read_claim(tmp_path, statement="Other words").rule() == before


def test_a_recorded_rule_is_known_again_also_with_the_weights_of_older_results(tmp_path: Path):
    claim = read_claim(tmp_path, parts={"x": None, "y": {"margin": 0.2}})
    recorded = json.loads(json.dumps(claim.rule()))
    assert claim.judged_by(recorded)
    weighted = {**recorded, "parts": [part | {"weight": 1.0} for part in recorded["parts"]]}
    assert claim.judged_by(weighted)
    assert not claim.judged_by({**recorded, "parts": [part | {"weight": 2.0} for part in recorded["parts"]]})
    assert not claim.judged_by({**recorded, "needs": ["cifar10"]})
    assert not read_claim(tmp_path, parts={"x": None, "y": {"margin": 0.3}}).judged_by(weighted)


@pytest.mark.parametrize("file", PAPERS, ids=lambda file: file.parent.name)
def test_the_papers_own_effects_pass_their_rules(file: Path):
    """Sign, unit and margin of every number; numbers that no rule uses are counted apart and must say why."""
    used, apart = 0, 0
    for claim in read_paper(file).claims.values():
        for part in claim.parts:
            if part.paper is None or not part.paper.counts:
                assert (
                    part.paper is None or part.paper.effect is None or part.paper.unverified or part.paper.contradicts
                )
                apart += 1
                continue
            assert part.paper.effect is not None
            effect = part.sign * part.paper.effect * UNITS[part.paper.unit]
            lower = {"direction": part.margin, "order": part.margin}.get(str(claim.rule_kind), -part.margin)
            assert effect >= lower, f"{claim.id} {part.name}: {effect} does not reach {lower}"
            assert claim.rule_kind != "equal" or effect < part.margin, f"{claim.id} {part.name}: not equal"
            used += 1
    assert used > 0
    print(f"{file.parent.name}: {used} numbers pass their rule, {apart} parts have none that a rule may use")


def test_every_claim_of_the_random_labels_fact_sheet_is_there():
    claims = read_paper(repository() / "papers" / "rethinking-generalization").claims
    assert {f"C{number}" for number in range(1, 26)} | {f"F{number}" for number in range(1, 10)} <= set(claims)


def test_effects_follow_from_the_tables_they_name():
    paper = read_paper(repository() / "papers" / "rethinking-generalization")
    table_1, table_2 = paper.exhibits["table-1"].values, paper.exhibits["table-2"].values

    def cell(table: Any, row: str, column: str) -> float:
        return float(table[row][column])

    def gap(row: str) -> float:
        return cell(table_1, row, "train") - cell(table_1, row, "test")

    def test(row: str) -> float:
        return cell(table_1, row, "test")

    expected = {
        "C1": [cell(table_1, f"{net}, random labels", "train") - 100 for net in ("MLP 1x512", "Inception")],
        "C2": [test(f"{net}, random labels") - 10 for net in ("MLP 1x512", "Inception")],
        "C3": [gap(f"{net}, random labels") - gap(net) for net in ("MLP 1x512", "Inception")],
        "C10": [test("MLP 1x512") - test("MLP 1x512, decay"), test("Inception") - test("Inception, crop, decay")],
        "C12": [
            test("Inception, crop") - test("Inception, decay"),
            cell(table_2, "true labels, augmentation", "top-1 test")
            - cell(table_2, "true labels, decay", "top-1 test"),
        ],
        "C15": [
            cell(table_2, row, "top-1 best") - cell(table_2, row, "top-1 test")
            for row in ("true labels, decay", "true labels")
        ],
        "C17": [test(f"Inception{d}") - test(f"Inception without BatchNorm{d}") for d in ("", ", decay")],
        "C20": [gap("Inception, random labels") - gap("Inception")],
    }
    for name, effects in expected.items():
        found = [part.paper.effect for part in paper.claims[name].parts if part.paper is not None]
        assert found == pytest.approx(effects), name


@pytest.mark.parametrize(("margin", "allowed"), [(0.1, 0.05), (0.002, 0.005)])
def test_a_plateau_allows_half_the_margin_and_no_less_than_half_a_point(tmp_path: Path, margin: float, allowed: float):
    claim = read_claim(tmp_path, margin=margin, plateau=["gain of a", "gain of b"])
    (first, second) = only_part(claim).gates
    assert (first.quantity, second.quantity) == ("gain of a", "gain of b")
    assert first.plateau and first.at_most == pytest.approx(allowed) and claim.no_plateau == ""
    assert "if gain of a is at most" in claim.rule_text()


def test_a_claim_may_say_why_no_plateau_is_asked(tmp_path: Path):
    claim = read_claim(tmp_path, plateau="The paper itself stops after five epochs.")
    assert only_part(claim).gates == () and claim.no_plateau.startswith("The paper itself")
    with pytest.raises(ValueError, match="lists quantities, or says in a sentence"):
        read_claim(tmp_path, plateau=[])
    with pytest.raises(ValueError, match="say in words why no plateau is asked"):
        read_claim(tmp_path, kind="order", comparison=..., order=["a", "b", "c"], plateau=["gain of a"])


def test_where_a_number_is_compared_with_the_papers_own_quantity_is_shown(tmp_path):
    """86.2 points are accepted, which exceeds 30 by 56.2: beside our 81 belongs the first."""
    paper = {"effect": 56.2, "unit": "points", "source": "table 1"}
    claim = read_claim(tmp_path, comparison=["a", 0.3], paper=paper, margin=0.1)
    assert claim.paper_text() == "86.2 points (table 1)" and claim.paper_number() == "86.2 points"
    ratio = {"effect": -3.036, "unit": "ratio", "source": "figure 1b"}
    both = {"x": {"paper": ratio}, "y": {"paper": {**ratio, "effect": -1.4}}}
    parts = read_claim(tmp_path, comparison=["a", 5.0], parts=both, margin=0.5, sign=-1)
    assert parts.paper_number() == "x: 1.964; y: 3.6"
