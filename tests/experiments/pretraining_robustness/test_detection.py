"""The arms of `4-detection` on small sets: which net stands in which row, which images are others, what is counted."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from lib.data.image_set import to_float
from lib.experiments.pretraining_robustness import detection as arms
from lib.experiments.pretraining_robustness import detection_rows as derive
from lib.experiments.pretraining_robustness import learners, moments, sources
from lib.metrics.detection import curve as curve_of
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository

NET = "mlp 2x256"
TARGET: dict[str, Any] = {"target_dataset": "digits", "sizes": [60, 30, 40]}
HOW: dict[str, Any] = {**TARGET, "net": NET, "batch_size": 20, "looks": 2, "device": "cpu"}
SETS: dict[str, Any] = {"near_datasets": [], "far_datasets": ["patches"], "noises": ["gaussian", "blobs"]}
PAPER = read_paper(repository() / "papers" / "pretraining-robustness")


def training(errors: list[float], rate: float = 0.1, steps: int = 30) -> dict[str, Any]:
    """A training as `learners.learnt` returns it, with names in the place of weights."""
    at = [10 * (i + 1) for i in range(len(errors))]
    looks = {"step": at, "held-out error": errors, "test error": errors}
    return {
        "rate": rate,
        "steps": steps,
        "looks": looks | {"weights": [f"{rate} after {step}" for step in at]},
        "at rate": {
            f"{r:g}": {"weights": f"end at {r}", "held-out error": 0.5, "test error": 0.5} for r in (0.1, 0.02)
        },
    }


def test_held_out_errors_choose_every_net():
    tuned = training([0.5, 0.31, 0.2], rate=0.02)
    found = moments.compared(tuned, training([0.6, 0.25, 0.3]), training([0.7, 0.4, 0.35]), training([0.5, 0.15, 0.21]))
    errors = {name: (moment.held_out_error, moment.step) for name, moment in found.items()}
    assert errors == {
        moments.PRETRAINED: (0.2, 30),
        moments.SCRATCH: (0.3, 30),
        moments.SHORT: (0.35, 30),
        moments.SAME_RATE: (0.5, 30),
        moments.COMPUTE: (0.21, 30),
        moments.STOPPED: (0.25, 20),  # the best moment of scratch itself
        moments.BEST: (0.15, 20),  # of any training from scratch
        moments.MATCHED: (0.21, 30),  # nearest to .2
        moments.TUNED_LESS: (0.31, 20),  # nearest to .3
    }
    assert found[moments.SAME_RATE].weights == "end at 0.02" and found[moments.SAME_RATE].rate == 0.02


def test_other_images_have_the_shape_and_no_more_than_the_number_of_test_images():
    tests = learners.target("digits", [60, 30, 40], 0)[2].images
    sets = arms.other_images(tests, "letters", [], ["patches"], ["gaussian", "blobs-as-coded"], 0)
    assert [place.split("/")[0] for place in sets] == ["near", "near", "far", "source", "noise", "noise"]
    assert all(images.shape == (40, 1, 8, 8) for images in sets.values())
    inside = to_float(tests)
    assert torch.equal(sets["near/rotated"].rot90(-1, (2, 3)), inside)
    means = sets["near/means of two"]
    assert not any(torch.equal(mean, image) for mean in means for image in inside)
    halves = torch.cdist(means.flatten(1), ((inside[:, None] + inside[None]) / 2).flatten(0, 1).flatten(1))
    assert halves.amin(1).max() < 1e-4  # each is the mean of some two of them
    again = arms.other_images(tests, "letters", [], ["patches"], ["gaussian"], 0)
    assert torch.equal(again["noise/gaussian"], sets["noise/gaussian"])
    assert not torch.equal(arms.other_images(tests, "letters", [], [], ["gaussian"], 1)["noise/gaussian"],
                           sets["noise/gaussian"])  # fmt: skip


def test_photographs_are_not_turned_and_other_shapes_are_refused():
    photographs = torch.rand(4, 3, 32, 32)
    places = list(arms.other_images(photographs, "fake:cifar100", ["fake:tiny-imagenet-val"], [], [], 0))
    assert places == ["near/means of two", "near/tiny-imagenet-val", "source/cifar100"]
    with pytest.raises(ValueError, match="patches has images of"):
        arms.other_images(photographs, "fake:cifar100", [], ["patches"], [], 0)


def test_largest_probability_by_hand():
    logits = torch.tensor([[0.0, 0.0], [float(np.log(3)), 0.0]])
    assert arms.max_softmax(logits) == pytest.approx([0.5, 0.75], abs=1e-7)
    sure = torch.tensor([[40.0, 0.0], [39.0, 0.0]])
    assert arms.max_softmax(sure)[0] == 1 and arms.max_softmax(sure / 2)[0] > arms.max_softmax(sure / 2)[1]


def test_scores_against_another_library():
    rng = np.random.default_rng(0)
    inside, outside = rng.uniform(0.3, 1, 100), rng.uniform(0, 0.9, 20)
    labels, both = np.r_[np.zeros(100), np.ones(20)], -np.r_[inside, outside]
    published = arms.as_published(inside, outside, rng)  # all 20 are one to five: every draw is the whole set
    exact = arms.exactly(curve_of(inside, outside))
    for found in (published, exact):
        assert found["AUROC"] == pytest.approx(roc_auc_score(labels, both))
        assert found["AUPR"] == pytest.approx(average_precision_score(labels, both))
    positive = average_precision_score(1 - labels, -both)
    assert exact["AUPR, test images positive"] == pytest.approx(positive)


def test_draws_take_one_other_image_to_five_test_images(monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []

    def curve(inside: Any, outside: Any) -> Any:
        sizes.append(len(outside))
        return curve_of(inside, outside)

    monkeypatch.setattr(arms, "curve", curve)
    rng = np.random.default_rng(0)
    arms.as_published(rng.random(50), rng.random(50), rng)
    assert sizes == [10] * arms.DRAWS


# ---- one small run of everything, and what is derived from it


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    source = sources.source(0, "fake:letters", "all", NET, 0.1, steps=2, batch_size=32, test_images=20, device="cpu")
    tuned = learners.learnt(0, pretrained=source, rates=[0.1], steps=4, **HOW)
    scratch, short = (learners.learnt(0, rates=[0.1], steps=steps, **HOW) for steps in (8, 4))
    nets: dict[str, Any] = {"pretrained": tuned, "scratch": scratch, "short": short}
    compute = learners.at_rate_of(0, scratch, steps=6, **HOW)
    return arms.assessed(
        0, source_dataset="fake:letters", net=NET, device="cpu", compute=compute, **nets, **SETS, **TARGET
    )


def test_means_are_over_the_sets_of_one_kind(run: dict[str, Any]):
    near = run["nets"][moments.SCRATCH]["exact"]["near"]
    assert set(near) == {"mean", "means of two", "rotated"}
    assert near["mean"]["AUROC"] == pytest.approx((near["means of two"]["AUROC"] + near["rotated"]["AUROC"]) / 2)
    assert set(run["nets"][moments.SCRATCH]["published"]) == {"near", "far", "source", "noise"}


def test_the_last_look_is_the_net_of_the_row(run: dict[str, Any]):
    looks, net = run["looks"][moments.SCRATCH], run["nets"][moments.SCRATCH]
    assert looks["step"][-1] == net["step"] == 8 and looks["clean error"][-1] == net["clean error"]
    assert looks["AUROC"]["far/patches"][-1] == net["exact"]["far"]["patches"]["AUROC"]


def test_every_rule_of_the_notebook_finds_its_quantities(run: dict[str, Any]):
    nets = derive.nets_of([run, run])
    found = derive.derived([{"test error": 0.5, "classes": 52}] * 2, nets) | quantities(nets, PAPER.measured[4])
    assert found["accuracy of the source over chance"] == [26, 26]
    own = nets[moments.SCRATCH][0]
    assert found["clean accuracy scratch"][0] == pytest.approx(1 - own["clean error"])
    assert found["score scratch/AUPR, far"][0] == own["published"]["far"]["mean"]["AUPR"]
    assert found["room above scratch/AUROC, near"][0] == pytest.approx(1 - own["published"]["near"]["mean"]["AUROC"])
    less = nets[moments.TUNED_LESS][0]["published"]["noise"]["mean"]["AUROC"]
    assert found["score pre-trained at scratch's accuracy/AUROC, noise"][0] == less
    for claim in (claim for claim in PAPER.claims.values() if claim.notebook == 4):
        for part in claim.parts:
            controls = [control.take for control in claim.controls]
            asked = [*map(str, part.compared), *controls, *(gate.quantity for gate in part.gates)]
            assert all(part.quantity(name) in found for name in asked)
        assert all(gate.quantity in found for gate in claim.gates)


def test_tables_and_frames_hold_every_net_and_set(run: dict[str, Any]):
    runs = [run, run]
    nets = derive.nets_of(runs)
    rows = derive.set_rows(nets, "AUROC")
    assert list(rows) == ["near: means of two", "near: rotated", "far: patches", "noise: gaussian", "noise: blobs"]
    assert all(list(row) == list(run["nets"]) for row in rows.values())
    table = derive.table_4_rows(nets)
    assert set(next(iter(table.values()))) == set(next(iter(PAPER.exhibits["table-4"].values.values())))
    gains = derive.gains_frame(nets)
    assert len(gains) == 5 * len(derive.GAINS) * 2
    one = gains[(gains["set"] == "far: patches") & (gains["against"] == "scratch, equal steps")]["gain"].iloc[0]
    scores = [run["nets"][net]["exact"]["far"]["patches"]["AUROC"] for net in (moments.PRETRAINED, moments.SHORT)]
    assert one == pytest.approx(scores[0] - scores[1])
    looks = derive.accuracy_frame(runs)
    assert len(looks) == 2 * 4 * 6 * 2 and looks["clean error"].between(0, 1).all()
    means = derive.role_means(looks)
    assert set(means["role"]) == {"near", "far", "noise"}, "no mean is taken over kinds, and none with the source"
    kept = [values for of in run["kept"].values() for values in of.values()]
    assert len(kept) == 9 * 7 and len(derive.certainty_frame(runs)) == sum(map(len, kept))
    assert set(derive.definition_rows(nets)["scratch, far"]) == set(derive.DEFINITIONS)
    assert len(derive.source_rows(nets)) == 9
