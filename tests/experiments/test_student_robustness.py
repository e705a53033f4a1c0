"""The robustness page's arms on digits and at 32 x 32: the same images for all nets, shared images, flips, attacks."""

from typing import Any

import pytest
import torch

from lib.experiments.noisy_student import robustness as arms
from lib.experiments.noisy_student import robustness_rows as derive
from lib.experiments.noisy_student.lineages import Setting
from lib.experiments.noisy_student.self_training import trained
from lib.experiments.noisy_student.subjects import draw
from lib.replication.paper_file import read_paper
from lib.replication.rows import by_name
from lib.roots import repository

SETTING: Setting = {
    "labelled_images": 50, "unlabelled_images": 200, "test_images": 80, "labelled_batch": 8, "unlabelled_batch": 24,
    "noise": "shift", "dropout": 0.1, "tested_on": "test",
}  # fmt: skip
WHERE: dict[str, Any] = {"dataset": "digits", "device": "cpu", "setting": SETTING}
LEVELS = (0.5, 1, 2, 4, 8, 16)
SEVERITIES = [1, 2, 3, 4, 5]
PLAN = {"net": "XXS", "steps": 40}
NAMES = ("student", "supervised", "without_noise", "teacher")
PLANS = {name.replace("_", " "): PLAN for name in NAMES}


@pytest.fixture(scope="module")
def net():
    return trained(0, "a net", [PLAN], None, **WHERE)


@pytest.fixture(scope="module")
def short():
    return trained(0, "a shorter net", [PLAN | {"steps": 8}], None, **WHERE)


@pytest.fixture(scope="module")
def nets(net, short):
    return {"student": net, "supervised": short, "without_noise": net, "teacher": short}


@pytest.fixture(scope="module")
def corrupted(nets):
    return arms.under_corruption(0, **nets, plans=PLANS, severities=SEVERITIES, corrupted_images=40, **WHERE)


def test_one_net_under_two_names_errs_alike_and_is_its_own_reference(corrupted):
    assert corrupted["student"] == corrupted["without noise"]
    assert corrupted["supervised"]["errors"] == corrupted["teacher"]["errors"]
    assert derive.relative(by_name([corrupted]), "supervised") == [pytest.approx(1)]
    assert corrupted["student"]["errors"] != corrupted["supervised"]["errors"]
    assert len(corrupted["student"]["errors"]) == 15 and {len(e) for e in corrupted["student"]["errors"].values()} == {
        5
    }


def test_a_corruption_is_drawn_from_the_seed_and_not_from_what_was_drawn_before(nets, corrupted):
    assert (
        arms.under_corruption(0, **nets, plans=PLANS, severities=SEVERITIES, corrupted_images=40, **WHERE) == corrupted
    )
    states = {
        arms.draws(seed, kind, severity).initial_seed()
        for seed in (0, 1)
        for kind in arms.BENCHMARK
        for severity in (1, 5)
    }
    assert len(states) == 2 * 15 * 2


def test_shared_images_are_those_that_both_recognise(nets, corrupted):
    test = arms.asked(SETTING, 0, "digits", 40)
    both = [
        arms.right(arms.restored(nets[n], PLAN, "digits", SETTING, 0, "cpu"), test.images, test.labels)
        for n in ("student", "supervised")
    ]
    assert corrupted["student"]["shared"] == arms.share(both[0] & both[1])
    assert 0 < corrupted["student"]["shared"] <= corrupted["supervised"]["clean accuracy"] < 1
    assert arms.share(torch.zeros(0, dtype=torch.bool)) == 0


def test_the_images_asked_about_are_test_images(nets):
    test = arms.asked(SETTING, 0, "digits", 40)
    assert torch.equal(test.images, draw(SETTING, 0, "digits").test.images[:40])
    assert len(arms.asked(SETTING, 0, "digits", 1000)) == 80


def test_flips_of_a_net_that_answers_one_class_are_none(nets):
    constant = dict(nets["student"])
    constant["weights"] = {name: value.clone() for name, value in constant["weights"].items()}
    last = [name for name in constant["weights"] if name.startswith("head")][-1]
    for name in [name for name in constant["weights"] if name.startswith("head")]:
        constant["weights"][name].zero_()
    assert last
    flipped = arms.under_perturbation(0, **{**nets, "student": constant}, plans=PLANS, sequence_images=20, **WHERE)
    assert set(flipped["student"]["flips"].values()) == {0.0}
    assert max(flipped["without noise"]["flips"].values()) > 0
    assert derive.flip_rates(by_name([flipped]), "student") == [0.0]
    assert derive.flip_rates(by_name([flipped]), "supervised") == [pytest.approx(1)]


def test_attacks_leave_less_the_larger_the_radius_and_the_nets_stay_as_they_were(net, short):
    before = {name: value.clone() for name, value in net["weights"].items()}
    told = arms.attacked(
        0, net, short, [PLAN, PLAN], LEVELS, attack_steps=4, attacked_images=60, autoattack_images=0, **WHERE
    )
    assert all(torch.equal(value, before[name]) for name, value in net["weights"].items())
    fgsm = list(told["fgsm"].values())
    assert list(told["fgsm"]) == ["0.5", "1", "2", "4", "8", "16"]
    assert told["clean accuracy"] >= fgsm[0] >= fgsm[-1] and fgsm[-1] < told["clean accuracy"]
    assert all(told["pgd"]["cross-entropy"][level] <= told["pgd"]["transferred"][level] for level in ("8", "16"))
    assert "autoattack" not in told


def test_at_32_pixels_with_autoattack():
    setting: dict[str, Any] = dict(SETTING) | {"labelled_images": 40, "unlabelled_images": 20, "test_images": 20}
    where = WHERE | {"dataset": "fake:cifar10", "setting": setting}
    net = trained(0, "a net", [PLAN | {"steps": 6}], None, **where)
    told = arms.attacked(
        0, net, net, [PLAN, PLAN], LEVELS, attack_steps=1, attacked_images=8, autoattack_images=4, **where
    )
    assert 0 <= told["autoattack"] <= 1
    same: dict[str, Any] = dict.fromkeys(NAMES, net)
    assert arms.under_corruption(0, **same, plans=PLANS, severities=SEVERITIES, corrupted_images=4, **where)["student"][
        "errors"
    ].keys()


def test_pictures_hold_what_both_nets_say(net, short):
    told = arms.pictured(0, net, short, [PLAN, PLAN], SEVERITIES, pictured_images=2, **WHERE)
    assert told["images"]["fog"].shape == (5, 2, 1, 8, 8) and told["images"]["fog"].dtype == torch.uint8
    said = derive.answers_of(told, "fog", 3, 1)
    assert list(said) == ["student", "supervised"] and all(text.endswith("%") for text in said.values())
    frame = derive.contact_frame(told)
    assert len(frame) == 15 * 3 and list(frame["corruption"].unique())[8] == "frost"
    assert list(frame["row"].unique()) == ["severity 1", "severity 3", "severity 5"]
    strongest = told["images"]["frost"][4, 0].numpy().tobytes().hex()
    assert frame.set_index(["corruption", "line"])["pixels"]["frost", 2] == strongest


def test_quantities_by_hand_and_the_rules_find_all_of_theirs():
    def net_errors(error):
        errors = {kind: [error] * 5 for kind in arms.BENCHMARK}
        return {"clean accuracy": 0.9, "errors": errors, "shared errors": errors, "shared": 0.8}

    found = {"student": [net_errors(0.2)], "supervised": [net_errors(0.4)], "without noise": [net_errors(0.3)],
             "teacher": [net_errors(0.5)]}  # fmt: skip
    flipped = {name: [{"flips": {"tilt": share, "scale": 0.0}}] for name, share in
               {"student": 0.1, "supervised": 0.3, "without noise": 0.2, "teacher": 0.2}.items()}  # fmt: skip
    attacked = {
        name: [{"fgsm": {f"{level:g}": at - level / 100 for level in LEVELS}, "pgd": {"cross-entropy": {"16": 0.01}}}]
        for name, at in {"student": 0.6, "supervised": 0.5, "without noise": 0.55}.items()
    }
    values = derive.derived(found, flipped, attacked, LEVELS)
    assert values["mean corruption error of the student"] == [pytest.approx(0.4)]
    assert values["corruption error of the supervised net on shared images"] == [pytest.approx(0.4)]
    assert values["mean flip rate of the supervised net"] == [pytest.approx(1.5)], (
        "over the kinds that flip the teacher"
    )
    assert values["gain at the largest eps/growth"] == values["gain at the smallest eps/growth"] == [pytest.approx(0.1)]
    assert "gain at the largest eps/growth" not in derive.under_fgsm(attacked, LEVELS[:2]), "a dry run has one radius"
    assert values["better accuracy under FGSM/eps 8"] == [pytest.approx(0.52)]
    claims = [
        claim for claim in read_paper(repository() / "papers/noisy-student").claims.values() if claim.notebook == 5
    ]
    asked = {
        f"{quantity}/{part.name}" if part.name else quantity
        for claim in claims if claim.id != "C17"
        for part in claim.parts
        for quantity in [*part.compared, *(gate.quantity for gate in part.gates)]
        if isinstance(quantity, str)
    }  # fmt: skip
    assert asked - set(values) <= {"accuracy of the supervised net"}
