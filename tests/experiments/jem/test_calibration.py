"""The arms of `3-calibration`, and what its rows, frames and rules are given."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib.experiments.jem import calibration as arms
from lib.experiments.jem import calibration_rows as derive
from lib.experiments.jem import training
from lib.experiments.jem.subjects import loaded
from lib.replication.notebooks import find_notebook
from lib.replication.paper_file import read_paper
from lib.replication.parameters import tier_parameters
from lib.replication.rows import by_name
from lib.roots import repository

PROTOCOL = {"net": "mlp 2x256", "steps": 60, "sgld_steps": 1, "buffer_size": 100}
TASK: dict[str, Any] = {"pooling": 1, "sizes": [100, 1, 200, 600], "protocol": PROTOCOL}
WHERE: dict[str, Any] = {"pooled_dataset": "digits", "task": TASK, "device": "cpu"}


def logit(p: float) -> float:
    """The logit that stands for a probability p of the first of two classes, the other's being 0."""
    return math.log(p / (1 - p))


def by_hand() -> tuple[torch.Tensor, torch.Tensor]:
    """Four answers of confidence .9, two of them right, and four of .6, three right."""
    logits = torch.tensor([[logit(0.9), 0.0]] * 4 + [[logit(0.6), 0.0]] * 4, dtype=torch.float64)
    return logits, torch.tensor([0, 0, 1, 1, 0, 0, 0, 1])


def test_a_case_computed_by_hand():
    found = arms.calibration(*by_hand(), draws=0)
    assert found["accuracy"] == 5 / 8
    assert found["calibration error"] == pytest.approx(0.5 * 0.4 + 0.5 * 0.15)
    assert found["confidence minus accuracy"] == pytest.approx(0.5 * 0.4 - 0.5 * 0.15)
    expected = -(2 * math.log(0.9) + 2 * math.log(0.1) + 3 * math.log(0.6) + math.log(0.4)) / 8
    assert found["negative log-likelihood"] == pytest.approx(expected)
    bins = arms.diagram(*by_hand())
    assert bins["size"] == [4, 4] and bins["accuracy"] == [0.75, 0.5]
    assert bins["confidence"] == pytest.approx([0.6, 0.9])


def test_a_temperature_changes_confidence_and_no_answer():
    logits, labels = by_hand()
    cold, warm = (arms.calibration(logits, labels, t, draws=0) for t in (1.0, 3.0))
    assert cold["accuracy"] == warm["accuracy"]
    assert warm["confidence minus accuracy"] < cold["confidence minus accuracy"]
    # confidence .9 becomes 1 / (1 + 9^(-1/3))
    assert arms.diagram(logits, labels, 3.0)["confidence"][-1] == pytest.approx(1 / (1 + 9 ** (-1 / 3)))


def test_the_temperature_is_fitted_to_held_out_images_alone():
    held_out = torch.tensor([[logit(0.9), 0.0]] * 4), torch.tensor([0, 0, 0, 1])
    answered = {"test": by_hand()[0], "labels": by_hand()[1], "held out": held_out[0], "held-out labels": held_out[1]}
    run = arms.assessment(answered)
    assert run["temperature"] == pytest.approx(logit(0.9) / math.log(3), rel=1e-5)  # .9 has to become 3/4
    other = arms.assessment(answered | {"labels": 1 - answered["labels"]})
    assert other["temperature"] == run["temperature"] and other["scaled"] != run["scaled"]
    right = arms.calibration(answered["test"], answered["labels"], run["temperature"])
    assert run["scaled"] == right


def test_chance_alone_is_what_a_perfect_net_scores():
    random = torch.Generator().manual_seed(0)
    sure = 0.5 + 0.5 * torch.rand(2000, generator=random, dtype=torch.float64)
    labels = (torch.rand(2000, generator=random, dtype=torch.float64) > sure).long()
    found = arms.calibration(torch.stack([torch.logit(sure), torch.zeros_like(sure)], 1), labels)
    assert found["calibration error"] == pytest.approx(found["chance alone"], rel=0.5)
    assert 0 < found["chance alone"] < 0.05


@pytest.fixture(scope="module")
def watched() -> dict[str, Any]:
    """The watched twin of one seed."""
    return arms.watched_twin(0, **WHERE)


def test_the_watched_twin_is_the_twin(watched):
    twin = training.twin(0, compared="same steps", **WHERE)
    assert twin["weights"].keys() == watched["weights"].keys()
    assert all(torch.equal(twin["weights"][name], watched["weights"][name]) for name in twin["weights"])


def test_it_is_stopped_where_held_out_likelihood_is_highest(watched):
    asked = {
        weights: arms.answers(0, net=watched, weights=weights, **WHERE) for weights in ("weights", "early weights")
    }
    held_out = {
        name: arms.calibration(found["held out"], found["held-out labels"], draws=0)["negative log-likelihood"]
        for name, found in asked.items()
    }
    assert held_out["early weights"] <= held_out["weights"]
    path = watched["path"]
    assert len(path["share of the steps"]) == arms.WATCHES and path["share of the steps"][-1] == 1
    assert watched["early share"] in path["share of the steps"]
    end = arms.calibration(asked["weights"]["test"], asked["weights"]["labels"], draws=0)
    assert path["confidence minus accuracy"][-1] == pytest.approx(end["confidence minus accuracy"])
    assert path["accuracy"][-1] == end["accuracy"] > 0.7


def test_answers_are_of_other_images_than_the_net_learnt_from(watched):
    p, division = training.opened("digits", TASK, 0)
    net = loaded(p.build(division, 0), watched["weights"], "cpu")
    clean, again, noisy = (arms.answered_by(net, division, 0, sigma) for sigma in (0.0, 0.0, 0.5))
    assert clean["test"].shape == (600, 10) and clean["held out"].shape == (200, 10)
    assert torch.equal(clean["test"], again["test"]) and torch.equal(clean["held out"], noisy["held out"])
    assert not torch.allclose(clean["test"], noisy["test"], atol=1e-2)
    assert torch.equal(clean["labels"], division.test.labels)
    assert torch.equal(clean["held-out labels"], division.validation.labels)


@pytest.fixture(scope="module")
def small(watched) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two settings of one net, which stands for all arms, as the page has them: measured, trained."""
    net = watched | {"gain of the last quarter": 0.25}
    nets = dict.fromkeys({arm for arm, _, _ in arms.ROWS.values()}, net)
    rows = by_name([arms.assessed(0, **nets, **WHERE)])
    names = derive.setting_names(["digits", "digits"])
    return dict.fromkeys(names, rows), {name: {arm: [net] for arm in nets} for name in names}


def test_every_quantity_of_the_rules_is_measured(small):
    found = derive.derived(*small)
    for claim in ("C4", "C4b"):
        rule = read_paper(repository() / "papers" / "JEM").claims[claim]
        asked = {term for part in rule.parts for term in part.compared}
        asked |= {gate.quantity for part in rule.parts for gate in part.gates}
        asked |= {control.take for control in rule.controls}
        assert {f"{name}/digits" for name in asked} <= found.keys()
    early = small[0]["digits"][arms.EARLY][0]["as it comes"]["calibration error"]
    assert found["calibration error of the twin stopped early/digits"] == [early]
    scaled = small[0]["digits"][arms.TWIN][0]["scaled"]["calibration error"]
    assert found["calibration error of the twin after temperature scaling/digits"] == [scaled] != [early]
    assert found["accuracy of JEM over the twin's/digits"] == [1.0]
    assert found["gain of JEM in its last quarter/digits, many labels"] == [0.25]


def test_a_set_that_comes_twice_has_two_names():
    assert derive.setting_names(["cifar100", "cifar10", "cifar10"]) == ["cifar100", "cifar10", "cifar10, many labels"]


def test_rows_and_frames_hold_what_they_say(small):
    measured, trained = small
    table = derive.calibration_rows(measured)
    assert len(table) == 2 * len(arms.ROWS)
    run = measured["digits"][arms.TWIN][0]
    assert table[f"digits: {arms.TWIN}"]["calibration error, scaled"] == [run["scaled"]["calibration error"]]
    assert derive.likelihood_rows(measured)["digits: JEM"]["temperature"] == [run["temperature"]]
    bins = derive.reliability_frame(measured)
    assert bins[bins["net"] == arms.JEM]["size"].sum() == 600
    errors = derive.error_frame(measured)
    assert len(errors) == 2 * len(derive.SHOWN) and set(errors.columns) >= {"sign", "before", "after", "chance"}
    path = derive.path_frame(measured, trained)
    (stop,) = path[(path["setting"] == "digits") & (path["what"] == "stopped")].to_dict("records")
    (there,) = path[
        (path["setting"] == "digits") & (path["what"] == "twin") & (path["share"] == stop["share"])
    ].to_dict("records")
    assert stop["sign"] == there["sign"]


def test_the_view_has_the_bins_and_the_temperature_that_were_chosen(watched):
    answered = {"twin": arms.answers(0, net=watched, weights="weights", **WHERE)}
    shown = arms.viewed(answered, "twin", 5, 2.0)
    logits, labels = answered["twin"]["test"], answered["twin"]["labels"]
    assert shown["diagram"] == arms.diagram(logits, labels, 2.0, 5) and len(shown["diagram"]["size"]) <= 5
    assert shown["calibration error"] == arms.calibration(logits, labels, 2.0, 5, draws=0)["calibration error"]
    assert shown["fitted temperature"] == arms.fitted(answered["twin"])


@pytest.mark.parametrize(
    ("tier", "shared"),
    [
        ("reduced", {"digits, many labels": "digits"}),
        ("laptop", {"mnist": "mnist", "cifar10": "cifar10"}),
        ("gpu", {"cifar10, many labels": "cifar10"}),
    ],
)
def test_nets_that_the_training_page_has_are_asked_for_in_its_words(tier, shared):
    """The same arguments give the same key, so that no net is trained twice."""
    there, here = (asked_for(number, name, tier) for number, name in ((2, "shared"), (3, "settings")))
    assert {mine: here[mine] for mine in shared} == {mine: there[theirs] for mine, theirs in shared.items()}


def asked_for(number: int, name: str, tier: str) -> dict[str, Any]:
    """What a page of JEM makes of its parameters at a tier, under the name of a variable."""
    page = find_notebook(repository(), "JEM", number)
    made: dict[str, Any] = {"arms": training, "training": training, "derived": derive}
    made |= {"experiment": SimpleNamespace(device="cpu"), **tier_parameters(page, tier)}
    (cell,) = ["".join(c["source"]) for c in page.cells if f"\n{name} = {{" in "".join(c["source"])]
    exec(cell, made)
    return made[name]
