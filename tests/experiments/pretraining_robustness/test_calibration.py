"""The arms of `5-calibration` on small sets: what is measured on which images, and what is derived from it."""

from typing import Any

import numpy as np
import pytest
import torch

from lib.experiments.pretraining_robustness import calibration as arms
from lib.experiments.pretraining_robustness import calibration_rows as derive
from lib.experiments.pretraining_robustness import learners, moments, sources
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository

NET = "mlp 2x256"
TARGET: dict[str, Any] = {"target_dataset": "digits", "sizes": [60, 30, 200]}
HOW: dict[str, Any] = {**TARGET, "net": NET, "batch_size": 20, "looks": 5, "device": "cpu"}
PAPER = read_paper(repository() / "papers" / "pretraining-robustness")


def test_calibration_by_hand():
    """Two hundred answers of confidence 3/4, of which half are right: a gap of a quarter in both bins."""
    logits = np.tile([np.log(3), 0.0], (200, 1))
    labels = np.arange(200) % 2
    found = arms.calibration(logits, labels)
    assert found["RMS"] == found["MAD"] == found["confidence minus accuracy"] == pytest.approx(0.25)
    assert found["RMS, code"] == pytest.approx(0.25 / 2**0.5) and found["MAD, code"] == pytest.approx(0.125)
    assert found["negative log-likelihood"] == pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2)
    assert found["Brier score"] == pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2)
    # Two hundred answers of equal confidence are one bin, which chance moves by E|x|, x normal with sd sqrt(3/16/200).
    assert found["RMS floor"] == pytest.approx((2 / np.pi * 3 / 16 / 200) ** 0.5, rel=0.2)


def test_the_floor_of_bins_of_a_hundred():
    """Each of twenty bins misses a confidence of 3/4 by sqrt(3/16/100) in the root mean square."""
    assert arms.rms_floor(np.linspace(0.74, 0.76, 2000)) == pytest.approx((3 / 16 / 100) ** 0.5, rel=0.05)


def test_a_temperature_makes_modest_and_changes_no_answer():
    logits, labels = np.tile([np.log(3), 0.0], (200, 1)), np.arange(200) % 2
    cool = arms.calibration(logits, labels, temperature=1e6)
    assert cool["confidence"] == pytest.approx(0.5) and cool["RMS"] == pytest.approx(0, abs=1e-6)


def test_the_temperature_is_fitted_to_held_out_images_alone():
    sure, modest = np.tile([2.0, 0.0], (40, 1)), np.tile([0.2, 0.0], (40, 1))
    labels = {"held out": (np.arange(40) % 4 == 0) * 1, "tests": np.arange(40) % 2}  # three in four right, one in two
    found = arms.before_and_after({"held out": sure, "tests": modest}, labels)
    assert found["temperature"] == pytest.approx(2 / np.log(3))
    assert found["scaled"]["confidence"] == pytest.approx(1 / (1 + np.exp(-0.1 * np.log(3))))
    assert found["as it comes"]["confidence"] == pytest.approx(1 / (1 + np.exp(-0.2)))


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    source = sources.source(0, "fake:letters", "all", NET, 0.1, steps=2, batch_size=32, test_images=20, device="cpu")
    nets: dict[str, Any] = {
        "pretrained": learners.learnt(0, pretrained=source, rates=[0.1], steps=5, **HOW),
        "scratch": learners.learnt(0, rates=[0.1], steps=10, **HOW),
        "short": learners.learnt(0, rates=[0.1], steps=5, **HOW),
    }
    compute = learners.at_rate_of(0, nets["scratch"], steps=6, **HOW)
    return arms.assessed(0, net=NET, device="cpu", compute=compute, **nets, **TARGET)


def test_numbers_are_of_the_test_images_and_of_the_nets_own_answers(run: dict[str, Any]):
    labels, logits = run["labels"], run["answers"][moments.SCRATCH]
    assert np.array_equal(labels, learners.target("digits", [60, 30, 200], 0)[2].labels.numpy())
    net = run["nets"][moments.SCRATCH]
    assert net["clean error"] == pytest.approx((logits.argmax(1) != labels).mean())
    assert net["as it comes"] == arms.calibration(logits, labels)
    sign = net["as it comes"]["confidence"] - (1 - net["clean error"])
    assert net["as it comes"]["confidence minus accuracy"] == pytest.approx(sign)


def test_the_last_look_is_the_net_of_the_row(run: dict[str, Any]):
    looks, net = run["looks"][moments.SCRATCH], run["nets"][moments.SCRATCH]
    assert looks["step"] == [2, 4, 6, 8, 10]
    for name in ("RMS", "RMS floor", "confidence minus accuracy"):
        assert looks[name][-1] == net["as it comes"][name]


def test_the_view_shows_the_numbers_of_the_page_where_nothing_is_changed(run: dict[str, Any]):
    shown = arms.viewed(run, moments.SCRATCH, 100, 1.0)
    net = run["nets"][moments.SCRATCH]
    assert len(shown["confidence"]) == 2
    assert (shown["RMS"], shown["floor"]) == (net["as it comes"]["RMS"], net["as it comes"]["RMS floor"])
    assert shown["fitted temperature"] == net["temperature"]
    scaled = arms.viewed(run, moments.SCRATCH, 100, net["temperature"])
    assert scaled["RMS"] == net["scaled"]["RMS"]
    assert len(arms.viewed(run, moments.SCRATCH, 10, 1.0)["confidence"]) == 20


def test_early_is_six_tenths_of_the_way():
    assert derive.early([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) == 5
    assert derive.early([2, 4]) == 0, "the earlier one of two that are as near"


def test_every_rule_of_the_notebook_finds_its_quantities(run: dict[str, Any]):
    nets = derive.nets_of([run, run])
    found = derive.derived([{"test error": 0.5, "classes": 52}] * 2, nets, [run, run])
    found |= quantities(nets, PAPER.measured[5])
    tuned, scratch = (run["nets"][name]["as it comes"] for name in (moments.PRETRAINED, moments.SCRATCH))
    ratio = found["calibration error pre-trained over scratch/MAD, ten classes"]
    assert ratio == pytest.approx([tuned["MAD"] / scratch["MAD"]] * 2)
    room = found["calibration error scratch over the floor/RMS, ten classes"]
    assert room == pytest.approx([scratch["RMS"] / tuned["RMS floor"]] * 2)
    looks = run["looks"][moments.SCRATCH]["RMS"]
    assert (found["error late/RMS"][0], found["error early/RMS"][0]) == (looks[4], looks[2])
    scaled = run["nets"][moments.PRETRAINED]["scaled"]["RMS"]
    assert found["RMS calibration error pre-trained with temperature"] == [scaled, scaled]
    for claim in (claim for claim in PAPER.claims.values() if claim.notebook == 5):
        for part in claim.parts:
            if part.needs:
                continue
            terms = [name for name in part.compared if isinstance(name, str)]
            asked = [*terms, *(control.take for control in claim.controls), *(gate.quantity for gate in part.gates)]
            assert all(part.quantity(name) in found for name in asked)
        assert all(gate.quantity in found for gate in claim.gates)


def test_tables_and_frames_hold_every_net(run: dict[str, Any]):
    runs = [run, run]
    nets = derive.nets_of(runs)
    table = derive.table_5_rows(nets, "this target")["this target"]
    assert set(table) == set(PAPER.exhibits["table-5"].values["Tiny ImageNet"])
    assert all(list(row) == list(derive.TABLE) for row in derive.net_rows(nets).values())
    frame = derive.errors_frame(nets)
    assert len(frame) == 18 and frame["floor"].gt(0).all()
    own = frame[(frame["net"] == moments.SCRATCH) & (frame["seed"] == 1)].iloc[0]
    net = run["nets"][moments.SCRATCH]
    assert (own["before"], own["after"]) == (net["as it comes"]["RMS"], net["scaled"]["RMS"])
    trainings = derive.training_frame(runs, PAPER.exhibits["figure-4"])
    ours = trainings[trainings["source"] == "this run"]
    assert len(ours) == 2 * (5 + 5 + 5 + 3) and ours["share"].max() == 1
    paper = trainings[trainings["source"] == "paper"]
    assert len(paper) == 14 and paper["RMS"].iloc[-1] == pytest.approx(0.126) and paper["share"].iloc[-1] == 1


def test_answers_are_asked_of_the_given_weights(run: dict[str, Any]):
    images, held_out, tests = learners.target("digits", [60, 30, 200], 0)
    model = sources.new_net(NET, images, 0)
    silent = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    found = arms.answers(model, silent, held_out, tests)
    assert found["tests"].shape == (200, 10) and not found["tests"].any() and len(found["held out"]) == 30
