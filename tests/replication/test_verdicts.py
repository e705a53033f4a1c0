"""Every status by hand, what parts, controls, gates and data do to it, and how often chance alone says `reproduced`."""

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from lib.metrics.intervals import interval, kendall_tau
from lib.replication.claims import EMBEDDED, Claim, Control, Gate, PaperEffect, Part
from lib.replication.verdicts import (
    DECIDED,
    INTERVAL_RULES,
    STATUSES,
    Verdict,
    combine,
    decide,
    expected_false_reproduced,
    headline,
    judge,
    seeds_to_decide,
)

DRAWS = 20_000
SLACK = 4 * math.sqrt(0.05 * 0.95 / DRAWS)  # four standard errors of a share of 5 %


def part(name: str | None = None, **changes: Any) -> Part:
    fields: dict[str, Any] = {
        "name": name, "compared": ("a", "b"), "sign": 1, "margin": 0.1, "unit": "fraction",
        "paper": None,
    }  # fmt: skip
    return Part(**{**fields, **changes})


def claim(kind: str, *parts: Part, **changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "id": "C1", "statement": "A beats B", "kind": kind, "rule_kind": kind, "notebook": 1, "paper": None,
        "parts": parts or (part(),), "tolerances": {}, "controls": (), "gates": (), "needs": (),
    }  # fmt: skip
    return Claim(**{**fields, **changes})


def against_zero(kind: str, differences: list[float], **changes: Any) -> Verdict:
    return judge(claim(kind, part(**changes)), {"a": differences, "b": [0.0] * len(differences)}, {"digits"})


# Three seeds m - 0.1, m, m + 0.1 have s = 0.1 and the interval m +- 2.919986 x 0.1 / sqrt(3) = m +- 0.168585.
@pytest.mark.parametrize(
    ("kind", "mean", "status"),
    [
        ("direction", 0.2, "reproduced"),
        ("direction", 0.17, "reproduced"),
        ("direction", 0.16, "undecided"),
        ("direction", 0.0, "undecided"),
        ("direction", -0.06, "undecided"),
        ("direction", -0.07, "not reproduced"),
        ("direction", -0.16, "not reproduced"),
        ("direction", -0.17, "reversed"),
        ("no harm", 0.07, "reproduced"),
        ("no harm", 0.068, "undecided"),
        ("no harm", -0.26, "undecided"),
        ("no harm", -0.27, "not reproduced"),
        ("equal", 0.0, "undecided"),
        ("equal", 0.26, "undecided"),
        ("equal", 0.27, "not reproduced"),
        ("equal", -0.27, "not reproduced"),
    ],
)
def test_each_rule_by_hand(kind: str, mean: float, status: str):
    verdict = against_zero(kind, [mean - 0.1, mean, mean + 0.1])
    assert verdict.status == status
    assert (verdict.mean, verdict.low, verdict.high) == pytest.approx(
        (mean, mean - 0.1685854, mean + 0.1685854), abs=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "margin", "status"),
    [
        ("direction", 0.21, "partly"),
        ("direction", 0.2, "reproduced"),
        ("equal", 0.37, "reproduced"),
        ("equal", 0.36, "undecided"),
    ],
)
def test_the_margin_decides(kind: str, margin: float, status: str):
    assert against_zero(kind, [0.1, 0.2, 0.3], margin=margin).status == status


@pytest.mark.parametrize(
    ("rule", "mean", "low", "high", "status"),
    [
        ("direction", 1.0, 0.0, 2.0, "undecided"),  # L > 0 is strict
        ("direction", 1.0, 0.5, 1.5, "reproduced"),  # m >= d is not
        ("direction", -0.5, -1.0, 0.0, "not reproduced"),  # U < 0 is strict
        ("direction", 0.0, -1.0, 1.0, "undecided"),  # U < d is strict
        ("no harm", 0.0, -1.0, 1.0, "undecided"),
        ("no harm", -1.5, -2.0, -1.0, "undecided"),
        ("equal", 0.0, -1.0, 0.5, "undecided"),
        ("equal", 0.0, -0.5, 1.0, "undecided"),
        ("equal", 1.5, 1.0, 2.0, "undecided"),
    ],
)
def test_on_its_boundary_a_rule_reads_as_written(rule: str, mean: float, low: float, high: float, status: str):
    assert decide(rule, mean, low, high) == status


@pytest.mark.parametrize(
    ("kind", "value", "status"),
    [
        ("direction", 0.1, "reproduced"),
        ("direction", 0.05, "partly"),
        ("direction", 0.0, "not reproduced"),
        ("direction", -0.05, "reversed"),
        ("no harm", -0.05, "reproduced"),
        ("no harm", -0.1, "undecided"),
        ("no harm", -0.15, "not reproduced"),
        ("equal", 0.05, "reproduced"),
        ("equal", 0.1, "undecided"),
        ("equal", 0.15, "not reproduced"),
    ],
)
def test_identical_seeds_are_judged_on_their_value(kind: str, value: float, status: str):
    found = judge(claim(kind), {"a": [0.3 + value] * 3, "b": [0.3] * 3}, set())
    assert found.status == status
    assert found.low == found.high == found.mean


def test_differences_equal_but_for_rounding_are_equal():
    # 0.3 - 0.2, 0.8 - 0.7 and 0.1 - 0.0 differ in their last digits, and none is exactly the margin 0.1
    found = judge(claim("direction"), {"a": [0.3, 0.8, 0.1], "b": [0.2, 0.7, 0.0]}, set())
    assert (found.status, found.low) == ("reproduced", found.high)


def test_sign_turns_a_smaller_error_into_a_gain():
    values = {"a": [0.10, 0.11, 0.12], "b": [0.30, 0.31, 0.32]}
    assert judge(claim("direction", part(sign=-1)), values, set()).status == "reproduced"
    assert judge(claim("direction"), values, set()).status == "reversed"


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_are_no_verdict(seeds: int):
    verdict = against_zero("direction", [0.5] * seeds)
    assert (verdict.status, verdict.mean, verdict.seeds) == ("no verdict", None, seeds)
    assert "at least 3 needed" in verdict.text()


def test_an_order_is_judged_on_kendalls_tau():
    rule = claim("order", part(compared=("a", "b", "c"), margin=0.5))
    increasing = {"a": [1, 2, 3], "b": [2, 3, 4], "c": [3, 4, 5]}
    assert judge(rule, increasing, set()).mean == 1.0
    assert judge(rule, increasing, set()).status == "reproduced"
    assert judge(rule, {"a": increasing["c"], "b": increasing["b"], "c": increasing["a"]}, set()).status == "reversed"
    assert judge(rule, {**increasing, "c": [1.5, 2.5, 3.5]}, set()).status == "partly"  # tau 1/3 in every seed


@pytest.mark.parametrize(
    ("errors", "status"), [([0.0, -0.01], "reproduced"), ([0.0, -0.011], "not reproduced"), ([0.01], "reproduced")]
)
def test_an_identity_is_judged_on_its_largest_error(errors: list[float], status: str):
    rule = claim("identity", parts=(), tolerances={"labels wrong": 0, "fit error": 0.01})
    verdict = judge(rule, {"labels wrong": [0], "fit error": errors}, set())
    assert verdict.status == status
    assert [row.status for row in verdict.parts] == ["reproduced", status]
    assert judge(rule, {"labels wrong": [1], "fit error": errors}, set()).status == "not reproduced"


def test_a_claim_without_a_scalar_is_only_shown():
    assert judge(claim("qualitative", parts=(), rule_kind=None), {}, {"digits"}).status == "shown"
    missing = judge(claim("qualitative", parts=(), rule_kind=None, needs=("cifar10",)), {}, {"digits"})
    assert missing.status == "not testable at this tier"


# ---- what is not testable


def test_missing_data_is_not_testable_and_a_stand_in_does_not_help():
    rule = claim("direction", needs=("imagenet",))
    for used in ({"digits"}, {"fake:imagenet"}):
        verdict = judge(rule, {}, used)
        assert verdict.status == "not testable at this tier"
        assert "needs imagenet" in verdict.reason
    assert judge(rule, {"a": [1.0] * 3, "b": [0.0] * 3}, {"imagenet"}).status == "reproduced"


def test_a_missing_quantity_is_an_error_that_names_claim_and_quantity():
    with pytest.raises(ValueError, match=r"claim C1: quantity 'accuracy' was not measured; did you mean 'acuracy'"):
        judge(claim("direction", part(compared=("accuracy", "b"))), {"acuracy": [1.0] * 3, "b": [0.0] * 3}, set())
    with pytest.raises(ValueError, match="claim C1: quantity 'teacher accuracy'"):
        judge(claim("direction", gates=(Gate("teacher accuracy", at_least=0.3),)), {"a": [1.0], "b": [1.0]}, set())


def test_values_that_are_no_numbers_or_of_other_seeds_are_refused():
    with pytest.raises(ValueError, match="claim C1: quantity 'a' needs a finite value"):
        judge(claim("direction"), {"a": [1.0, math.nan, 1.0], "b": [0.0] * 3}, set())
    with pytest.raises(ValueError, match="number of seeds"):
        judge(claim("direction"), {"a": [1.0] * 3, "b": [0.0] * 4}, set())
    with pytest.raises(ValueError, match="parts differ in their number of seeds"):
        values = {"a/x": [1.0] * 3, "b/x": [0.0] * 3, "a/y": [1.0] * 4, "b/y": [0.0] * 4}
        judge(claim("direction", part("x"), part("y")), values, set())


def test_a_gate_is_held_against_the_mean_over_seeds():
    rule = claim("direction", gates=(Gate("accuracy", at_least=0.5), Gate("noise", at_most=0.1)))
    values = {"a": [1.0] * 3, "b": [0.0] * 3, "accuracy": [0.4, 0.6], "noise": [0.1]}
    assert judge(rule, values, set()).status == "reproduced"
    closed = judge(rule, {**values, "accuracy": [0.4, 0.5]}, set())
    assert (closed.status, closed.reason) == ("not testable at this tier", "accuracy is 0.45, wanted at least 0.5")
    closed = judge(rule, {**values, "noise": [0.2]}, set())
    assert closed.reason == "noise is 0.2, wanted at most 0.1"


def test_a_literature_only_claim_says_so():
    verdict = judge(claim("direction", parts=(), notebook=None), {}, {"digits"})
    assert verdict.status == "not testable at this tier"
    assert "literature only" in str(verdict)


# ---- parts and controls


def parts_values(**differences: list[float]) -> dict[str, list[float]]:
    values = {f"a/{name}": seeds for name, seeds in differences.items()}
    return values | {f"b/{name}": [0.0] * len(seeds) for name, seeds in differences.items()}


def test_parts_are_averaged_in_units_of_their_margins():
    rule = claim("direction", part("x", margin=0.1), part("y", margin=0.4))
    verdict = judge(rule, parts_values(x=[0.2, 0.2, 0.2], y=[0.4, 0.8, 1.2]), set())
    # (2 + 1) / 2, (2 + 2) / 2, (2 + 3) / 2: mean 2, s = 0.5
    assert (verdict.mean, verdict.margin, verdict.unit) == (2.0, 1.0, "margins")
    assert verdict.high - verdict.mean == pytest.approx(0.5 * 1.685854)  # type: ignore[operator]
    assert [(row.name, row.status, row.mean) for row in verdict.parts] == [
        ("C1/x", "reproduced", pytest.approx(0.2)),
        ("C1/y", "reproduced", pytest.approx(0.8)),
    ]


def test_parts_with_one_margin_are_shown_in_their_own_unit():
    verdict = judge(claim("direction", part("x"), part("y")), parts_values(x=[0.2] * 3, y=[0.4] * 3), set())
    assert (verdict.mean, verdict.margin, verdict.unit) == (pytest.approx(0.3), 0.1, "fraction")


def test_a_reversed_part_makes_the_claim_partly_and_an_undecided_one_does_not():
    rule = claim("direction", part("x"), part("y"))
    undecided = judge(rule, parts_values(x=[1.0, 1.1, 1.2], y=[-0.1, 0.1, 0.3]), set())
    assert [row.status for row in undecided.parts] == ["reproduced", "undecided"]
    assert undecided.status == "reproduced"
    reversed_ = judge(rule, parts_values(x=[1.0, 1.1, 1.2], y=[-0.2, -0.2, -0.2]), set())
    assert (reversed_.status, reversed_.reason) == ("partly", "reversed on y")


@pytest.mark.parametrize("kind", ["no harm", "equal"])
def test_parts_that_fail_in_opposite_directions_do_not_cancel(kind: str):
    verdict = judge(claim(kind, part("x"), part("y")), parts_values(x=[0.5] * 3, y=[-0.5] * 3), set())
    assert verdict.mean == 0.0
    assert verdict.status == "partly"
    assert "not reproduced on" in verdict.reason


def test_a_part_that_is_not_testable_here_is_left_out_and_named():
    rule = claim("direction", part("x"), part("y", needs=("cifar10",), gates=(Gate("accuracy", at_least=0.5),)))
    verdict = judge(rule, parts_values(x=[1.0] * 3), {"digits"})
    assert (verdict.status, verdict.reason) == ("reproduced", "judged on 1 of 2 parts")
    assert [row.status for row in verdict.parts] == ["reproduced", "not testable at this tier"]
    values = parts_values(x=[1.0] * 3, y=[2.0] * 3) | {"accuracy/y": [0.6]}
    assert judge(rule, values, {"cifar10"}).mean == 1.5
    assert judge(rule, values | {"accuracy/y": [0.4]}, {"cifar10"}).mean == 1.0
    none = judge(claim("direction", part("y", needs=("cifar10",))), {}, {"digits"})
    assert (none.status, none.reason) == ("not testable at this tier", "y: needs cifar10; used digits")


@pytest.mark.parametrize(
    ("control", "status", "reason"),
    [
        ([0.0, 0.0, 0.0], "reproduced", ""),
        ([1.0, 1.0, 1.0], "partly", "only against the naive baseline"),  # no effect against the control
        ([0.0, 0.9, 1.8], "partly", "only against the naive baseline"),  # undecided against the control
        ([0.95, 0.95, 0.95], "partly", "only against the naive baseline"),  # smaller than the margin
        ([2.0, 2.0, 2.0], "partly", "only against the naive baseline"),  # reversed
    ],
)
def test_a_claim_must_hold_against_its_control(control: list[float], status: str, reason: str):
    rule = claim("direction", controls=(Control("b", "same steps"),))
    verdict = judge(rule, {"a": [1.0] * 3, "b": [0.0] * 3, "same steps": control}, set())
    assert (verdict.status, verdict.reason) == (status, reason)
    assert verdict.label == (f"{status} ({reason})" if reason else status)
    assert verdict.controls[0].name == "C1 control same steps"


def test_a_control_replaces_a_quantity_within_every_part():
    rule = claim("direction", part("x"), part("y"), controls=(Control("b", "c"),))
    values = parts_values(x=[1.0] * 3, y=[1.0] * 3) | {"c/x": [0.5] * 3, "c/y": [0.7] * 3}
    assert judge(rule, values, set()).controls[0].mean == pytest.approx(0.4)


def test_a_claim_that_fails_is_not_rescued_by_its_control():
    rule = claim("direction", controls=(Control("b", "c"),))
    verdict = judge(rule, {"a": [0.0] * 3, "b": [1.0] * 3, "c": [-1.0] * 3}, set())
    assert verdict.status == "reversed"
    assert verdict.controls[0].status == "reproduced"


# ---- how many seeds it would take


def test_seeds_needed_are_the_fewest_that_decide():
    verdict = against_zero(
        "direction", [0.0, 0.1, 0.2]
    )  # m = d = 0.1, s = 0.1: L > 0 needs t(0.95; S - 1) / sqrt(S) < 1
    assert verdict.status == "undecided"
    assert verdict.seeds_needed == 5  # 2.353 / 2 = 1.177, 2.132 / sqrt(5) = 0.953
    assert verdict.reason == "about 5 seeds would decide"


@pytest.mark.parametrize(("rule", "mean"), [("no harm", -1.0), ("equal", 1.0), ("equal", -1.0)])
def test_no_number_of_seeds_decides_a_mean_on_the_margin(rule: str, mean: float):
    assert seeds_to_decide(rule, mean, 0.5) is None
    assert "no number of seeds" in against_zero(rule, [0.1 * mean - 0.05, 0.1 * mean, 0.1 * mean + 0.05]).reason


@given(st.sampled_from(INTERVAL_RULES), st.floats(-3, 3), st.floats(0.01, 5))
@settings(deadline=None, max_examples=200)
def test_one_seed_fewer_would_not_decide(rule: str, mean: float, spread: float):
    needed = seeds_to_decide(rule, mean, spread)
    if needed is None:
        assert min(abs(mean - bound) for bound in (-1, 0, 1)) < 0.05
        return

    def status(seeds: int) -> str:
        half = float(stdtrit(seeds - 1, 0.95)) * spread / math.sqrt(seeds)
        return decide(rule, mean, mean - half, mean + half)

    assert status(needed) != "undecided"
    assert needed == 3 or status(needed - 1) == "undecided"
    assert status(10 * needed) != "undecided"


@given(st.sampled_from(INTERVAL_RULES), st.floats(-3, 3), st.floats(0, 5), st.floats(0.1, 3))
@settings(deadline=None, max_examples=200)
def test_a_rule_does_not_care_for_the_unit(rule: str, mean: float, half: float, margin: float):
    scaled = decide(rule, mean, mean - half, mean + half)
    assert scaled in STATUSES
    if min(abs(x - bound) for x in (mean, mean - half, mean + half) for bound in (-1, 0, 1)) > 1e-9:
        assert scaled == decide(rule, mean * margin, (mean - half) * margin, (mean + half) * margin, margin)


# ---- chance and power: 20,000 simulated runs of every kind

Simulated = tuple[list[str], np.ndarray]


def statuses(rule: str, effects: np.ndarray) -> list[str]:
    """The rule on simulated runs, effects (runs, seeds) in units of the margin; the t interval without `interval`."""
    seeds = effects.shape[1]
    mean = effects.mean(axis=1)
    spread = np.where(np.ptp(effects, axis=1) > 0, effects.std(axis=1, ddof=1), 0.0)
    half = stdtrit(seeds - 1, 0.95) * spread / math.sqrt(seeds)
    bounds = np.stack([mean, mean - half, mean + half], axis=1).round(9)
    return [decide(rule, *row) for row in bounds.tolist()]


def share(found: list[str], status: str = "reproduced") -> float:
    return found.count(status) / len(found)


def random_order_of(entries: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    def null(generator: np.random.Generator, seeds: int) -> np.ndarray:
        orders = generator.permuted(np.tile(np.arange(entries), (DRAWS * seeds, 1)), axis=1)
        pairs = itertools.combinations(range(entries), 2)
        tau = np.mean([np.sign(orders[:, late] - orders[:, early]) for early, late in pairs], axis=0)
        return tau.reshape(DRAWS, seeds) / 0.5

    return null


def normal_around(mean: float, spread: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda generator, seeds: generator.normal(mean, spread, size=(DRAWS, seeds))


NULLS = {
    "direction, no effect, margin 1/10 of the spread": ("direction", normal_around(0, 10)),
    "direction, no effect, margin = spread": ("direction", normal_around(0, 1)),
    "no harm, harm of one margin, spread 1": ("no harm", normal_around(-1, 1)),
    "no harm, harm of one margin, spread 0.2": ("no harm", normal_around(-1, 0.2)),
    "equal, one margin above": ("equal", normal_around(1, 0.2)),
    "equal, one margin below": ("equal", normal_around(-1, 0.2)),
    "equal, one margin above, spread 1": ("equal", normal_around(1, 1)),
    "order of three at random": ("order", random_order_of(3)),
    "order of five at random": ("order", random_order_of(5)),
}


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("name", NULLS)
def test_chance_says_reproduced_in_at_most_one_case_of_twenty(name: str, seeds: int):
    rule, null = NULLS[name]
    assert share(statuses(rule, null(np.random.default_rng(seeds), seeds))) <= 0.05 + SLACK


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("name", NULLS)
def test_chance_does_no_better_with_two_parts(name: str, seeds: int):
    rule, null = NULLS[name]
    generator = np.random.default_rng(seeds)
    x, y = null(generator, seeds), 3 * null(generator, seeds) if rule == "direction" else null(generator, seeds)
    per_part = zip(statuses(rule, x), statuses(rule, y), strict=True)
    whole = statuses(rule, (x + 2 * y) / 3)
    found = [combine(rule, one, {"x": a, "y": b}, [])[0] for one, (a, b) in zip(whole, per_part, strict=True)]
    assert share(found) <= 0.05 + SLACK


@pytest.mark.parametrize("seeds", [3, 5])
def test_an_effect_against_the_naive_baseline_alone_is_not_reproduced(seeds: int):
    """A large effect against B, none against the control: at most 5 % slip through, the others are `partly`."""
    generator = np.random.default_rng(seeds)
    a, b, control = generator.normal([[[20.0]], [[0.0]], [[20.0]]], 1, size=(3, DRAWS, seeds))
    naive, controlled = statuses("direction", a - b), statuses("direction", a - control)
    found = [combine("direction", one, {}, [other])[0] for one, other in zip(naive, controlled, strict=True)]
    assert share(naive) > 0.99
    assert share(found) <= 0.05 + SLACK
    assert share(found, "partly") >= 0.94


@pytest.mark.parametrize(("seeds", "power"), [(3, 0.712), (5, 0.975)])  # noncentral t, effect = 2 spreads
def test_power_where_the_effect_is_twice_the_spread(seeds: int, power: float):
    effects = normal_around(4, 2)(np.random.default_rng(seeds), seeds)  # margin: a quarter of the effect
    assert share(statuses("direction", effects)) == pytest.approx(power, abs=0.015)


@pytest.mark.parametrize("name", NULLS)
def test_judge_agrees_with_the_simulation(name: str):
    """The simulations skip `judge` for speed: here 100 runs, in two parts with a control, go through both."""
    rule, _ = NULLS[name]
    generator = np.random.default_rng(1)
    entries = ("a", "b", "c") if rule == "order" else ("a", "b")
    quantities = [f"{entry}/{part_name}" for entry in (*entries, "control") for part_name in "xy"]
    parts = [part(p, compared=entries, margin=m) for p, m in (("x", 0.2), ("y", 0.5))]
    rules = claim(rule, *parts, controls=(Control("b", "control"),))
    for _ in range(100):
        values = {name: generator.normal(0, 0.3, size=4).tolist() for name in quantities}

        def effects(p: Part, second: str, values: dict[str, list[float]] = values) -> np.ndarray:
            columns = np.array([values[f"{second if e == 'b' else e}/{p.name}"] for e in entries])
            if rule == "order":
                return np.array([kendall_tau(seed) for seed in columns.T]) / p.margin
            return (columns[0] - columns[1]) / p.margin

        per_part = {str(p.name): effects(p, "b") for p in parts}
        controls = [effects(p, "control") for p in parts]
        whole = (per_part["x"] + per_part["y"]) / 2
        apart = {p: statuses(rule, d[None])[0] for p, d in per_part.items()}
        control = statuses(rule, ((controls[0] + controls[1]) / 2)[None])
        verdict = judge(rules, values, set())
        assert verdict.status == combine(rule, statuses(rule, whole[None])[0], apart, control)[0]
        assert verdict.low == pytest.approx(interval(whole).low, abs=1e-8)


# ---- what a reader sees


def test_one_line_shows_the_measured_value_where_it_is_compared_with_a_number():
    rule = claim("equal", part("mlp", compared=("r", 1.0), margin=0.02), part("cnn", compared=("r", 1.0), margin=0.02))
    seeds = [0.998, 0.996, 1.0, 0.997, 0.999]
    verdict = judge(rule, {"r/mlp": seeds, "r/cnn": seeds}, set())
    assert str(verdict) == "C1 reproduced: 0.998 [0.996, 1.000], margin 0.02, 5 seeds"
    assert str(verdict.parts[1]) == "C1/cnn reproduced: 0.998 [0.996, 1.000], margin 0.02, 5 seeds"


def test_one_line_is_in_the_papers_unit():
    effect = PaperEffect(0.8, "points", "table 8")
    rule = claim("direction", part(unit="points", margin=0.002, paper=effect), paper=effect)
    verdict = judge(rule, {"a": [0.51, 0.52, 0.53], "b": [0.5] * 3}, set())
    assert str(verdict) == "C1 reproduced: 2.00 [0.31, 3.69] points, margin 0.2, 3 seeds"
    assert (verdict.effect, verdict.paper) == (pytest.approx(2.0), effect)


def test_a_smaller_is_better_quantity_is_shown_as_measured():
    verdict = judge(claim("direction", part(compared=("ratio", 5.0), sign=-1)), {"ratio": [1.0, 2.0, 3.0]}, set())
    assert verdict.mean == 3.0
    assert verdict.figures() == "2.00 [0.31, 3.69], margin 0.1, 3 seeds"


def test_a_stand_in_is_named_in_every_row():
    verdict = judge(claim("direction"), {"a": [1.0] * 3, "b": [0.0] * 3}, {"fake:cifar10", "digits", "cifar100"})
    assert verdict.stand_in == ("digits", "fake:cifar10")
    assert "stand-in data digits, fake:cifar10" in str(verdict)


def test_the_embedded_sets_are_those_that_the_data_room_makes_without_a_download():
    from lib.data.catalogue import DRAWN_SETS

    assert {*DRAWN_SETS, "digits"} == EMBEDDED


def test_a_verdict_survives_json():
    rule = claim("direction", part("x"), part("y", paper=PaperEffect(3, "points", "t")), controls=(Control("b", "c"),))
    values = parts_values(x=[1.0, 2.0, 3.0], y=[1.0, 2.0, 1.0]) | {"c/x": [0.0] * 3, "c/y": [0.0] * 3}
    for used in ({"digits"}, {"fake:cifar10"}):
        verdict = judge(rule, values, used)
        assert Verdict.from_dict(json.loads(json.dumps(asdict(verdict), allow_nan=False))) == verdict


def test_the_headline_is_the_largest_tier_that_decides():
    verdicts = {
        "reduced": Verdict("C1", "reproduced"),
        "laptop": Verdict("C1", "partly", "reversed on y"),
        "gpu": Verdict("C1", "undecided"),
        "paper": Verdict("C1", "not testable at this tier"),
    }
    found = headline(verdicts)
    assert (found.tier, found.verdict, dict(found.beside)) == ("laptop", verdicts["laptop"], {"gpu": verdicts["gpu"]})
    assert found.text() == "partly (reversed on y) (laptop), undecided (gpu)"
    assert headline({**verdicts, "paper": Verdict("C1", "reversed")}).tier == "paper"


def test_a_headline_is_never_made_from_stand_in_data():
    real, stand_in = Verdict("C1", "undecided"), Verdict("C1", "reproduced", stand_in=("fake:cifar10",))
    assert headline({"reduced": real, "gpu": stand_in}).verdict == real
    assert headline({"gpu": stand_in}).verdict is None
    assert headline({"gpu": stand_in}).text() == "measured on stand-in data alone"
    assert headline({}).text() == "not run"


def test_a_headline_without_a_decision_says_what_there_is():
    undecided, untestable = Verdict("C1", "undecided"), Verdict("C1", "not testable at this tier")
    assert headline({"reduced": undecided, "laptop": untestable}).tier == "reduced"
    assert headline({"reduced": untestable}).text() == "not testable at this tier (reduced)"
    with pytest.raises(ValueError, match="no tier 'custom'"):
        headline({"custom": undecided})


def test_expected_false_reproduced_counts_what_an_interval_rule_judges():
    judged = claim("direction")
    others = [
        claim("identity", parts=(), tolerances={"x": 0}),
        claim("qualitative", parts=(), rule_kind=None),
        replace(judged, notebook=None),
    ]
    assert expected_false_reproduced([judged, claim("equal"), *others]) == pytest.approx(0.1)


def test_every_decided_status_is_a_status():
    assert set(DECIDED) < set(STATUSES)


def test_the_verdict_machinery_does_not_import_torch():
    """The runner decides about all notebooks in one quick process; the metrics' `__init__` is imported on the way."""
    code = "import sys, lib.replication.verdicts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("gained", "status"), [([0.04, 0.05, 0.06], "reproduced"), ([0.05, 0.05, 0.06], "not testable")]
)
def test_nets_that_still_improve_are_no_evidence(gained: list[float], status: str):
    """At most half the margin of 0.1 may have been gained in the last quarter of the steps."""
    gate = Gate("gain of a", at_most=0.05, plateau=True)
    values = {"a": [0.5, 0.6, 0.5], "b": [0.0] * 3, "gain of a": gained}
    verdict = judge(claim("direction", part(gates=(gate,))), values, {"mnist"})
    assert verdict.status.startswith(status)
    if status != "reproduced":
        assert verdict.reason.startswith("still improving by 0.0533 in the last quarter: gain of a is 0.05333")
    divided = claim("direction", part("one", gates=(gate,)), part("two"))
    own = {f"{name}/{which}": values[name] for name in "ab" for which in ("one", "two")}
    assert judge(divided, {**own, "gain of a": gained}, {"mnist"}).parts[0].status.startswith(status)


def test_gates_behind_a_closed_one_may_speak_of_what_was_not_run():
    closed, unmeasured = Gate("larger nets trained", at_least=1), Gate("lead of the larger net", at_least=0)
    values = {"a": [0.5] * 3, "b": [0.0] * 3, "larger nets trained": [0.0] * 3}
    verdict = judge(claim("direction", gates=(closed, unmeasured)), values, {"mnist"})
    assert verdict.reason == "larger nets trained is 0, wanted at least 1"


def test_a_number_is_shown_as_the_paper_shows_it_whatever_the_claims_sign():
    """An error that falls by 4 points is -4 here and there; A itself where it is compared with a number."""
    fell = Verdict("C1", "reproduced", mean=0.04, low=0.03, high=0.05, margin=0.01, seeds=3, unit="points", sign=-1)
    assert fell.number() == "-4.0 [-5.0, -3.0] points" and fell.figures().startswith(
        "-4.0 [-5.0, -3.0] points, margin 1"
    )
    factor = Verdict("C6", "reproduced", mean=3.8, low=3.6, high=4.0, margin=0.5, seeds=3, sign=-1, against=5.0)
    assert factor.number() == factor.measured() == "1.20 [1.00, 1.40]"


def test_parts_of_which_the_paper_has_its_own_numbers_are_compared_one_by_one():
    """Their mean, 0.98, would stand beside 0.5 and 0.7 and hide that one of the two is reversed."""
    how: dict[str, Any] = {"status": "reproduced", "margin": 0.002, "seeds": 3, "unit": "points"}
    more = Verdict("C9/more", mean=0.024, low=0.02, high=0.03, paper=PaperEffect(0.5, "points", "table 11"), **how)
    any_ = Verdict("C9/any", mean=-0.006, low=-0.01, high=-0.002, paper=PaperEffect(0.7, "points", "table 11"), **how)
    whole = Verdict("C9", mean=0.009, low=0.006, high=0.012, parts=(more, any_), **how)
    assert whole.measured() == "more: 2.40 [2.00, 3.00] points; any: -0.60 [-1.00, -0.20] points"
    of_all = replace(whole, paper=more.paper, parts=(more, replace(any_, paper=more.paper)))
    assert of_all.measured() == "0.90 [0.60, 1.20] points", "one number of the paper for both: their mean"
