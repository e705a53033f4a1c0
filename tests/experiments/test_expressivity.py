"""What `3-expressivity` makes of its readings, against numbers worked out by hand; the arm that counts errors."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from lib.experiments.rethinking_generalization import expressivity as arms
from lib.experiments.rethinking_generalization import expressivity_rows as rows
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.replication.verdicts import judge
from lib.roots import repository

READING: dict[str, list[Any]] = {"n": [100, 400], "train error": [0.0, 0.05], "rademacher": [1.0, 0.9]}
FITTED: dict[str, list[Any]] = {"n": [100, 400], "train error": [0.0, 0.0], "rademacher": [1.0, 1.0]}


def test_the_bounds_of_a_reading_by_hand():
    found = rows.bounds([READING, FITTED], delta=0.05)
    assert found["train error"] == [0.05, 0.0] and found["rademacher"] == [0.9, 1.0]
    assert found["vc reading"] == [100, 400]  # the largest sample that was fitted without an error
    slack = 3 * math.sqrt(math.log(2 / 0.05) / (2 * 400))
    assert found["rademacher bound"] == pytest.approx([0.05 + 0.9 + slack, 1.0 + slack])
    logs = [100 * (math.log(8) + 1), 400 * (math.log(2) + 1)]
    by_hand = [error + math.sqrt((log + math.log(80)) / 400) for error, log in zip((0.05, 0.0), logs, strict=True)]
    assert found["vc bound"] == pytest.approx(by_hand)


def test_noise_below_zero_is_no_complexity():
    found = rows.bounds([{"n": [50], "train error": [0.52], "rademacher": [-0.04]}], delta=0.05)
    assert found["rademacher"] == [0.0] and found["vc reading"] == [0]


def test_a_reading_is_one_less_twice_the_error(monkeypatch):
    """A net that always answers +1 is wrong on the -1s; the reading is 1 - 2 err, not 1 - err."""

    def constant(learner, images, labels, classes, **how):
        last = nn.Linear(64, 2)
        nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor([0.0, 1.0])
        return nn.Sequential(nn.Flatten(), last), 7

    monkeypatch.setattr(arms, "fit_until_zero_error", constant)
    found = arms.random_signs(0, "digits", "mlp 1x512", n_images=[40, 200], max_steps=1, device="cpu")
    assert all(0.2 < error < 0.8 for error in found["train error"])
    assert found["rademacher"] == pytest.approx([1 - 2 * error for error in found["train error"]])
    assert found["n"] == [40, 200] and found["steps"] == [7, 7]


def judged():
    stability = [
        {"random": {"gap": 0.9 - s / 100, "replace-one change": 0.8}, "true": {"gap": 0.1, "replace-one change": 0.0}}
        for s in range(3)
    ]
    values = rows.derived(
        readings={"mlp 1x512": [FITTED, READING, FITTED], "small cnn": [FITTED] * 3},
        bounds={"mlp 1x512": {"vc bound": [1.3, 1.1, 1.3]}, "small cnn": {"vc bound": [1.2] * 3}},
        linear=[{"rademacher": [0.5, 0.31], "closed form": [0.48, 0.3]}] * 3,
        theorem=[{"wrong": [0, 2], "error": [1e-6, 2e-5]}] * 3,
        corollary=[{"wrong": [0, 0], "error": [3e-6, 1e-6], "weights over n plus d": [2.0, 5.0],
                    "width times depth over n": [1.0, 1.5]}] * 3,
    )  # fmt: skip
    paths = read_paper(repository() / "papers" / "rethinking-generalization").measured[3]
    return values | quantities({"stability": stability, "linear bounds": [{"vc bound": 0.8}] * 3}, paths)


def test_each_judged_quantity_is_taken_from_its_own_reading():
    values = judged()
    assert values["gap on random labels"] == pytest.approx([0.9, 0.89, 0.88])
    assert values["gap on true labels"] == [0.1] * 3
    assert values["replace-one change"] == [0.8] * 3
    assert values["linear control error"] == pytest.approx([0.02] * 3)
    assert values["vc bound of the linear control"] == [0.8] * 3
    assert values["rademacher complexity/mlp 1x512"] == [1.0, 0.9, 1.0]
    assert values["vc bound/mlp 1x512"] == [1.3, 1.1, 1.3] and values["vc bound/small cnn"] == [1.2] * 3
    assert values["theorem 1 labels wrong"] == [2] * 3 and values["theorem 1 fit error"] == [2e-5] * 3
    assert values["corollary 1 weights over n + d"] == [5.0] * 3
    assert values["corollary 1 width times depth over n"] == [1.5] * 3


def test_every_claim_of_the_page_finds_its_quantities():
    paper = read_paper(repository() / "papers" / "rethinking-generalization")
    statuses = {f"C{n}": judge(paper.claims[f"C{n}"], judged(), {"cifar10"}).status for n in range(18, 23)}
    assert statuses["C20"] == "reproduced" and statuses["C21"] == "not reproduced" and statuses["C22"] == "reproduced"


def test_rows_along_a_grid_hold_one_value_per_seed():
    found = rows.by_size(
        [{"n": [10, 1000], "wrong": [0, 1]}, {"n": [10, 1000], "wrong": [2, 3]}], "{n:,} images", ["wrong"]
    )
    assert found == {"10 images": {"wrong": [0, 2]}, "1,000 images": {"wrong": [1, 3]}}
