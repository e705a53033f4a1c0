import json
from typing import Any

import pytest
import torch

from lib.data.made_outliers import made_outliers
from lib.experiments.confidence_calibrated_ood import detectors as arms
from lib.experiments.confidence_calibrated_ood import detectors_rows as rows
from lib.experiments.confidence_calibrated_ood.confidence_loss import classifier
from lib.experiments.confidence_calibrated_ood.subjects import NETS, in_distribution, out_of_distribution
from lib.methods.confidence_loss import softmax_score
from lib.methods.odin import AUTHORS, Setting
from lib.replication.notebooks import find_notebook
from lib.replication.parameters import choices
from lib.roots import repository
from lib.training.evaluate import predict

SETS: dict[str, Any] = {"dataset": "digits", "broad_dataset": "letters", "narrow_dataset": "patches", "seen_share": 0.5}
TESTED: dict[str, Any] = {"near_datasets": ["letters"], "far_datasets": [], "noises": ["gaussian"]}
TRAINING: dict[str, Any] = {
    "few_images": 20, "beta": 1.0, "train_steps": 30, "batch_images": 16, "outlier_images": 8, "device": "cpu",
}  # fmt: skip
WHERE: dict[str, Any] = {
    **SETS, **TESTED, "net": "small cnn", "tested_images": 40, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    return classifier(seed=0, training="CE", net="small cnn", ood_images=30, **SETS, **TESTED, **TRAINING)


@pytest.fixture(scope="module")
def found(trained):
    return arms.detection(0, trained, **WHERE)


def test_every_detector_is_measured_on_every_role(found):
    json.dumps(found)
    for metric in ("TNR95", "AUROC"):
        assert list(found[metric]) == list(arms.DETECTORS)
        for by_role in found[metric].values():
            assert list(by_role) == ["narrow", "near", "noise"] and all(0 <= value <= 1 for value in by_role.values())
    assert [Setting(**setting) for setting in found["settings"]] == arms.SETTINGS
    assert arms.SOFTMAX in arms.SETTINGS and AUTHORS in arms.SETTINGS
    assert list(found["over settings"]) == ["made outliers", "narrow", "near", "noise"]
    assert all(len(values) == len(arms.SETTINGS) for values in found["over settings"].values())
    chosen = arms.SETTINGS.index(Setting(**found["chosen"]))
    assert found["over settings"]["made outliers"][chosen] == max(found["over settings"]["made outliers"])
    assert found["TNR95"]["ODIN"]["near"] == found["over settings"]["near"][chosen]


def test_numbers_are_on_the_second_half_of_a_set(trained, found):
    fit, _, own = in_distribution("digits", 0)
    _, tested = out_of_distribution(fit.shape, 0, "letters", "patches", ["letters"], [], ["gaussian"], 0.5, 40)
    model = arms.rebuilt("small cnn", fit, trained["weights"], "cpu")
    inside = softmax_score(predict(model, own.images[:40]).double())
    outside = softmax_score(predict(model, tested["near/letters"][20:]).double())
    assert found["TNR95"]["maximum softmax"]["near"] == arms.tnr95(inside, outside)
    assert found["AUROC"]["maximum softmax"]["near"] == arms.auroc(inside.numpy(), outside.numpy())
    right = predict(model, own.images).argmax(dim=1) == own.labels
    assert found["accuracy"] == pytest.approx(right.double().mean().item())


def test_selection_never_sees_the_test_outliers(trained, found, monkeypatch):
    """Whatever stands in the test sets, settings are the same; and they are chosen before a test set is drawn."""
    order: list[str] = []
    drawn, choose = arms.out_of_distribution, arms.choice

    def other_sets(*arguments):
        order.append("test sets")
        pools, tested = drawn(*arguments)
        return pools, {name: torch.rand(images.shape) ** 8 for name, images in tested.items()}

    def watched(model, images, known, seed):
        order.append("choice")
        held_out = in_distribution("digits", 0)[1].images[:40]
        assert torch.equal(images, held_out)  # the net's own kind, of which no test image is one
        return choose(model, images, known, seed)

    monkeypatch.setattr(arms, "out_of_distribution", other_sets)
    monkeypatch.setattr(arms, "choice", watched)
    other = arms.detection(0, trained, **WHERE)
    assert order == ["choice", "test sets"]
    assert other["chosen"] == found["chosen"]
    assert other["over settings"]["made outliers"] == found["over settings"]["made outliers"]
    assert other["over settings"]["near"] != found["over settings"]["near"]


def test_what_is_chosen_follows_from_the_outliers_that_were_made(monkeypatch):
    """A net and scores by hand: outliers that only one setting tells apart are chosen on, and none else is."""
    wanted, other = Setting(1.0, 0.01), Setting(100.0, 0.0)
    made = {"a kind": torch.full((4, 1, 8, 8), 9.0)}

    def scored(_, images, settings):
        outlier = images.flatten(1)[:, 0] > 8
        return {s: torch.where(outlier & (s == wanted), -1.0, 1.0) for s in settings}

    monkeypatch.setattr(arms, "scores", scored)
    monkeypatch.setattr(arms, "made_outliers", lambda images, generator: made)
    known = dict.fromkeys([other, wanted], torch.ones(5))
    chosen, on_made = arms.choice(torch.nn.Identity(), torch.rand(5, 1, 8, 8), known, 0)
    assert chosen == wanted and on_made == {other: 0.0, wanted: 1.0}


def test_the_first_half_chooses_for_the_tested_kind_alone(trained, found, monkeypatch):
    """Another first half changes what is chosen for the tested kind, and nothing else."""
    drawn, compare = arms.out_of_distribution, arms.compared
    first_half = torch.rand(20, 1, 8, 8) ** 4

    def other_first_halves(*arguments):
        pools, tested = drawn(*arguments)
        return pools, {name: torch.cat([first_half, images[20:]]) for name, images in tested.items()}

    flattered: list[Setting] = []

    def noted(inside, outside, chosen, best):
        assert chosen == Setting(**found["chosen"])
        flattered.append(best)
        return compare(inside, outside, chosen, best)

    monkeypatch.setattr(arms, "out_of_distribution", other_first_halves)
    monkeypatch.setattr(arms, "compared", noted)
    other = arms.detection(0, trained, **WHERE)
    for detector in set(arms.DETECTORS) - {"ODIN, tested kind"}:
        assert other["TNR95"][detector] == found["TNR95"][detector]
    fit, held_out, _ = in_distribution("digits", 0)
    model = arms.rebuilt("small cnn", fit, trained["weights"], "cpu")
    known, on_first_half = (arms.scores(model, each, arms.SETTINGS) for each in (held_out.images[:40], first_half))
    best = arms.choose(arms.rates(known, on_first_half))
    assert flattered == [best] * 3 and best != Setting(**found["chosen"])
    at_best = arms.SETTINGS.index(best)
    for role, rates in other["over settings"].items():
        assert role == "made outliers" or other["TNR95"]["ODIN, tested kind"][role] == rates[at_best]


def test_the_second_net_learns_and_is_told_about_outliers():
    where = SETS | TRAINING | {"net": "narrow alexnet", "train_steps": 60, "batch_images": 32}
    plain = arms.second_classifier(0, "CE", **where)
    assert plain["accuracy"] > 0.3
    taught = arms.second_classifier(0, "KL narrow", **where)
    fit, _, _ = in_distribution("digits", 0)
    patches = out_of_distribution(fit.shape, 0, "letters", "patches", [], [], [], 0.5, 50)[1]["narrow/patches"]
    sure = [
        predict(arms.rebuilt("narrow alexnet", fit, run["weights"], "cpu"), patches).softmax(dim=1).amax(dim=1).mean()
        for run in (plain, taught)
    ]
    assert sure[1] < sure[0]
    assert not any("running" in name for name in plain["weights"])


def test_every_first_net_has_a_second_one_beside_it():
    assert set(arms.BESIDE) == set(NETS) and set(arms.BESIDE.values()) == set(arms.SECOND_NETS)


def test_no_test_set_is_of_a_kind_that_settings_are_chosen_on():
    made = made_outliers(torch.rand(2, 1, 8, 8), torch.Generator())
    page = find_notebook(repository(), "confidence-calibrated-OOD", 4)
    assert not set(made) & set(choices(page)["noises"]) and "blobs" in made


def run(accuracy, softmax, odin):
    """TNR95 on the near sets; on the narrow one it is a tenth more."""
    by = {"maximum softmax": softmax, "energy": softmax, "ODIN": odin}
    rates = {name: {"narrow": value + 0.1, "near": value} for name, value in by.items()}
    return {"accuracy": accuracy, "TNR95": rates, "AUROC": rates}


RUNS = {
    "CE": [run(0.8, 0.2, 0.3)], "CEx": [run(0.8, 0.25, 0.35)], "KL broad": [run(0.7, 0.5, 0.45)],
    "KL narrow": [run(0.75, 0.3, 0.6)], "AlexNet, CE": [run(0.6, 0.1, 0.2)], "AlexNet, CEx": [run(0.6, 0.15, 0.2)],
    "AlexNet, KL broad": [run(0.55, 0.2, 0.2)], "AlexNet, KL narrow": [run(0.5, 0.4, 0.2)],
}  # fmt: skip
SHORTER = {"CE": [0.78], "KL broad": [0.69], "KL narrow": [0.75], "AlexNet, CE": [0.5], "AlexNet, KL broad": [0.5],
           "AlexNet, KL narrow": [0.45]}  # fmt: skip


def test_rules_get_the_nets_detectors_and_sets_that_a_part_is_about():
    found = rows.derived(RUNS, SHORTER)

    def of(quantity):
        return [found[f"{quantity}/{part}"][0] for part in list(rows.PARTS)[:4]]

    assert of("TNR95 with CE") == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert of("TNR95 with CEx") == pytest.approx([0.45, 0.35, 0.25, 0.15])
    assert of("TNR95 with the confidence loss") == pytest.approx([0.7, 0.45, 0.5, 0.2])
    assert of("gain by maximum softmax") == pytest.approx([0.1, 0.3, 0.1, 0.3])  # of the first net in every part
    assert of("gain of CE in its last quarter") == pytest.approx([0.02, 0.02, 0.1, 0.1])
    assert of("gain of the confidence loss in its last quarter") == pytest.approx([0.0, 0.01, 0.05, 0.05])
    assert found["lowest accuracy"] == [0.6]
    assert not any("SVHN" in name for name in found)
    svhn = {f"SVHN in, {name}": runs for name, runs in RUNS.items()}
    both = rows.derived(RUNS | svhn, SHORTER | {f"SVHN in, {name}": values for name, values in SHORTER.items()})
    assert both["gain by maximum softmax/SVHN in, AlexNet, unseen kinds"] == pytest.approx([0.3])


def test_gains_are_over_the_same_net_and_detector_and_seen_kinds_are_marked():
    frame = rows.gain_frame(RUNS)
    of = frame.set_index(["set", "training"])["gain"]
    assert of["first net, ODIN", "KL narrow, narrow set"] == pytest.approx(0.3)
    assert of["AlexNet, maximum softmax", "KL broad, near sets"] == pytest.approx(0.1)
    assert of["first net, energy", "CEx, near sets"] == pytest.approx(0.05)
    assert set(frame[frame["seen"]]["training"]) == {"KL narrow, narrow set"}


def test_far_is_the_narrow_set_and_the_far_ones():
    both = [{"AUROC": {"narrow": 0.6, "far": 0.8}}, {"AUROC": {"narrow": 0.2, "far": 0.4}}]
    assert rows.far(both, "AUROC") == pytest.approx([0.7, 0.3])
    assert rows.far([{"AUROC": {"narrow": 0.6}}], "AUROC") == [0.6]


def test_settings_of_all_seeds_and_kinds(found):
    frame = rows.settings_frame([found, found])
    assert list(frame.columns) == ["kind", "temperature", "step", "seed", "TNR95", "chosen"]
    assert len(frame) == 2 * 4 * 12 and frame["chosen"].sum() == 2 * 4
    assert list(frame["kind"].unique()) == ["made outliers", "narrow set", "near sets", "noise"]
    assert list(rows.by_choice({"CE": [found]}, ["CE"])) == ["CE, narrow set", "CE, near sets", "CE, noise"]


def test_the_nets_are_asked_for_as_notebook_2_asks():
    """The same call is the same key: else the nets would be trained twice."""
    pages = [find_notebook(repository(), "confidence-calibrated-OOD", number) for number in (2, 4)]
    asked = [set("".join(page.code).split("settings = {")[1].split("}")[0].split(",")) for page in pages]
    words = [{part.strip().split(":")[0].strip('" ') for part in each if part.strip()} for each in asked]
    assert words[0] == words[1]
