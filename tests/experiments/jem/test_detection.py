"""The arms of `4-detection`, and what its rows, frames and rules are given."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib.experiments.jem import detection as arms
from lib.experiments.jem import detection_rows as derive
from lib.experiments.jem import training
from lib.replication.notebooks import find_notebook
from lib.replication.paper_file import read_paper
from lib.replication.parameters import tier_parameters
from lib.roots import repository

PROTOCOL = {"net": "mlp 2x256", "steps": 4, "sgld_steps": 1, "buffer_size": 100}
TASK: dict[str, Any] = {"pooling": 1, "sizes": [100, 1, 100, 300], "protocol": PROTOCOL}
WHERE: dict[str, Any] = {"pooled_dataset": "digits", "task": TASK, "device": "cpu"}
OTHERS: dict[str, Any] = {"out_datasets": ["letters", "patches", "patches-rgb"], "out_images": 100}


def test_every_other_set_has_the_shape_of_the_test_images():
    _, division = training.opened("digits", TASK, 0)
    sets = arms.other_images(division.test.images, OTHERS["out_datasets"], 1, 100, 0)
    assert list(sets)[:4] == ["near/interpolations", "near/rotated", "near/letters", "far/patches"]
    assert all(images.shape == (100, 1, 8, 8) for images in sets.values())
    assert all(images.min() >= 0 and images.max() <= 1 for images in sets.values())


def test_sets_are_pooled_and_a_photograph_loses_its_colour():
    sets = arms.other_images(torch.rand(20, 3, 16, 16), ["patches-rgb", "letters"], 2, 10, 0)
    assert {"far/grey", "far/patches-rgb"} < sets.keys() and "near/letters" not in sets
    assert torch.equal(sets["far/grey"][:, 0], sets["far/grey"][:, 2])
    with pytest.raises(ValueError, match="after pooling"):
        arms.other_images(torch.rand(20, 3, 16, 16), ["patches-rgb"], 1, 10, 0)


def test_an_interpolation_is_the_mean_of_two_different_images():
    images = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(4, 1, 1, 1)
    mixed = 2 * arms.interpolations(images, 0).flatten()
    pairs = {float(a + b) for i, a in enumerate(images.flatten()) for b in images.flatten()[:i]}
    assert {float(value) for value in mixed} <= pairs and len(set(mixed.tolist())) == 4


def test_equal_scores_count_half():
    scores = {"s": {arms.INSIDE: torch.tensor([3.0, 2.0]), "near/a": torch.tensor([1.0, 2.0])}}
    assert arms.ranked(scores)["s"]["near"]["a"] == 0.875


@pytest.fixture(scope="module")
def small() -> tuple[dict[str, Any], dict[str, Any]]:
    """One setting whose nets are one untrained net, but for JEM, which is another."""
    p, division = training.opened("digits", TASK, 0)
    weights = [p.build(division, seed).state_dict() for seed in (0, 1)]
    plain, jem = (
        {"weights": w, "early weights": w, "accuracy": 0.5, "gain of the last quarter": 0.25} for w in weights
    )
    nets: dict[str, Any] = dict.fromkeys({arm for arm, _, _ in arms.ROWS.values()}, plain) | {"joint": jem}
    run = arms.assessed(0, **nets, **OTHERS, **WHERE)
    return {"digits": [run]}, {"digits": {name: [net] for name, net in nets.items()}}


def test_every_quantity_of_the_rules_is_measured(small):
    found = derive.derived(*small)
    for claim in ("C5", "C6", "C7"):
        rule = read_paper(repository() / "papers" / "JEM").claims[claim]
        parts = [part for part in rule.parts if part.name and part.name.startswith("digits")]
        asked = {term for part in rule.parts for term in part.compared if isinstance(term, str)}
        asked |= {gate.quantity for part in parts for gate in part.gates} | {c.take for c in rule.controls}
        assert parts and {f"{name}/{part.name}" for name in asked for part in parts} <= found.keys()
    rows = small[0]["digits"][0]["rows"]
    judged = rows[arms.JEM]["approximate mass"]
    assert found["lowest auroc of the approximate mass/digits"] == [
        min(*judged["near"].values(), *judged["far"].values())
    ]
    assert found["auroc of max p of the twin/digits, letters"] == [rows[arms.TWIN]["max p(y|x)"]["near"]["letters"]]
    assert rows[arms.JEM] != rows[arms.BLURRED] and rows[arms.JEM] != rows[arms.TWIN]


def test_rows_and_frames_hold_what_they_say(small):
    runs, trained = small
    assert len(derive.score_rows(runs, "log p(x)")) == len(arms.ROWS)
    assert len(derive.noise_rows(runs)) == 2 + 2 * len(derive.SCORES)
    assert derive.net_rows(trained)["digits: JEM"]["accuracy"] == [0.5]
    frame = derive.sets_frame(runs)
    assert len(frame) == 2 * len(derive.SCORES) * 7 and frame["auroc"].between(0, 1).all()
    drawn = derive.score_frame(runs)
    inside = drawn.query("role == 'in' and score == 'log p(x)'")
    kept = sum(len(run["scores"][arms.JEM]["log p(x)"][arms.INSIDE]) for run in runs["digits"])
    assert inside["count"].sum() == kept and len(inside) == derive.COLUMNS
    centre = (inside["edge"] + (derive.RANGE[1] - derive.RANGE[0]) / derive.COLUMNS / 2) * inside["count"]
    assert abs(centre.sum() / kept) < 0.1, "in deviations from the mean of the test images"


@pytest.mark.parametrize(
    ("tier", "shared"),
    [
        ("reduced", {"digits": "digits, many labels"}),
        ("laptop", {name: name for name in ("cifar10", "cifar10, many labels", "mnist")}),
        ("gpu", {name: name for name in ("cifar10", "cifar10, many labels")}),
    ],
)
def test_nets_are_asked_for_in_the_words_of_the_calibration_page(tier, shared):
    """The same arguments give the same key, so that no net is trained twice."""
    here, there = (asked_for(number, tier) for number in (4, 3))
    assert here.keys() == shared.keys()
    assert here == {mine: there[theirs] for mine, theirs in shared.items()}


def asked_for(number: int, tier: str) -> dict[str, Any]:
    """What a page makes of its parameters at a tier."""
    page = find_notebook(repository(), "JEM", number)
    made: dict[str, Any] = {"training": training, "derived": derive}
    made |= {"experiment": SimpleNamespace(device="cpu"), **tier_parameters(page, tier)}
    (cell,) = ["".join(c["source"]) for c in page.cells if "\nsettings = {" in "".join(c["source"])]
    exec(cell, made)
    return made["settings"]
