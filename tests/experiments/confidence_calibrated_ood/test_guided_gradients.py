import json
from typing import Any

import pytest
import torch

from lib.experiments.confidence_calibrated_ood import guided_gradients as arms
from lib.experiments.confidence_calibrated_ood import guided_gradients_rows as rows
from lib.experiments.confidence_calibrated_ood.confidence_loss import classifier
from lib.plots.tiles import pixels
from lib.replication.notebooks import find_notebook
from lib.roots import repository

SETS: dict[str, Any] = {
    "dataset": "digits", "broad_dataset": "letters", "narrow_dataset": "patches", "near_datasets": ["letters"],
    "far_datasets": [], "noises": ["gaussian", "uniform"], "net": "small cnn", "seen_share": 0.5,
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "few_images": 20,
    "beta": 1.0,
    "train_steps": 4,
    "batch_images": 16,
    "outlier_images": 8,
    "ood_images": 30,
}
WHERE: dict[str, Any] = SETS | {"gradient_images": 20, "device": "cpu"}


@pytest.fixture(scope="module")
def trained():
    return classifier(seed=0, training="KL broad", device="cpu", **SETS, **TRAINING)


def test_ratios_are_medians_over_those_on_own_images(trained):
    found = arms.gradients(0, trained, **WHERE)
    assert list(found["median"]) == [f"{way} {of}" for way in arms.WAYS for of in arms.OUTPUTS]
    for kind, medians in found["median"].items():
        assert list(medians) == ["own", "broad", "narrow", "near", "noise"]
        expected = {role: value / medians["own"] for role, value in medians.items() if role != "own"}
        assert found["ratio"][kind] == pytest.approx(expected) and min(medians.values()) > 0
    json.dumps(found)
    assert found["median"]["guided logit"] != found["median"]["plain logit"]


def test_random_weights_differ_where_they_should(trained):
    drawn = arms.randomised(trained["weights"], 0, "digits", "small cnn")
    assert list(drawn) == ["last layer random", "all layers random"]
    changed = {
        name: [key for key in trained["weights"] if not torch.equal(weights[key], trained["weights"][key])]
        for name, weights in drawn.items()
    }
    assert changed["last layer random"] == ["head.1.weight", "head.1.bias"]
    assert len(changed["all layers random"]) > 5
    found = arms.dependence(0, trained, **WHERE)
    assert list(found) == ["edges of the image", *drawn]
    assert all(-1 <= value <= 1 for value in found.values())
    assert found["last layer random"] > found["all layers random"]


def net(right):
    """Of ten test images so many are answered rightly."""
    logits = torch.zeros(10, 2)
    logits[:right, 0] = logits[right:, 1] = 1
    return {"logits": {"test": logits.numpy()}, "labels": {"test": torch.zeros(10).long().numpy()}}


def run(ratio):
    by = {"broad": ratio, "narrow": ratio / 2, "near": ratio / 4}
    return {"ratio": {"guided logit": by, "guided log odds": {r: 2 * v for r, v in by.items()}}}


def test_rules_get_the_ratio_of_the_training_that_a_part_is_about():
    runs = {"CE": [run(1.0)], "CEx": [run(2.0)], "KL broad": [run(0.4)], "KL narrow": [run(0.6)]}
    nets = {"CE": [net(9)], "CEx": [net(9)], "KL broad": [net(8)], "KL narrow": [net(9)]}
    found = rows.derived(runs, nets, {"KL broad": [net(7)]})
    assert found["gradient on OOD over gradient on ID with CE/narrow set, seen"] == [0.5]
    assert found["gradient on OOD over gradient on ID with the confidence loss/narrow set, seen"] == [0.3]
    assert found["gradient on OOD over gradient on ID with the confidence loss/near sets, unseen"] == [0.1]
    assert found["log-odds gradient on OOD over that on ID with CEx/near sets, unseen"] == [1.0]
    assert found["gain of KL broad in its last quarter"] == pytest.approx([0.1])
    assert found["lowest accuracy"] == [0.8]


def test_seen_kinds_are_marked():
    frame = rows.ratio_frame({"CE": [run(1.0)], "KL broad": [run(0.4)], "KL narrow": [run(0.6)]})
    assert set(map(tuple, frame[frame["seen"]][["training", "set"]].to_numpy())) == {
        ("KL broad", "broad set"),
        ("KL narrow", "narrow set"),
    }


def test_maps_are_in_units_of_the_nets_own_median_and_tiles_hold_them(trained):
    shown = arms.pictures(0, trained, **WHERE)
    assert shown["maps"]["logit"].shape == shown["images"].shape == (5, arms.SHOWN, 1, 8, 8)
    found = arms.gradients(0, trained, **WHERE)
    norms = shown["maps"]["logit"][0].flatten(1).norm(dim=1)
    assert norms.median() == pytest.approx(1, rel=1)  # of four images, in units of the median of twenty
    model, sets = arms.subject(0, trained["weights"], **WHERE)
    first = arms.guided_gradient(model, sets["own"][:1]).norm() / found["median"]["guided logit"]["own"]
    assert norms[0].item() == pytest.approx(first.item(), rel=1e-4)
    frame = rows.tiles({"KL broad": shown})
    assert list(frame["row"].unique()) == ["image", "KL broad"] and len(frame) == 10
    assert pixels(*frame.loc[0, ["pixels", "shape"]]).shape == (8, 8, 3)


def test_the_nets_are_asked_for_as_notebook_2_asks():
    """The same call is the same key: else the nets would be trained twice."""
    pages = [find_notebook(repository(), "confidence-calibrated-OOD", number) for number in (2, 5)]
    asked = [set("".join(page.code).split("settings = {")[1].split("}")[0].split(",")) for page in pages]
    words = [{part.strip().split(":")[0].strip('" ') for part in each if part.strip()} for each in asked]
    assert words[0] == words[1]
