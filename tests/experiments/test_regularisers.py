"""The traps of switching regularisers: equal steps, equal strength, labels that stay, no choice on test images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lib.data.augment import random_crop
from lib.experiments.rethinking_generalization import regularisers as arms
from lib.experiments.rethinking_generalization import regularisers_rows as summary
from lib.experiments.rethinking_generalization.regularised_nets import NETS, WITHOUT
from lib.models.count import parameter_count
from lib.models.inputs import whitened_crop
from lib.training.loop import Diverged

SMALL: dict[str, Any] = {
    "dataset": "digits",
    "learner": "mlp 1x512",
    "noise_share": 0.0,
    "relative_rate": 1.0,
    "last_rate": 0.1,
    "n_images": 40,
    "n_held_out_images": 30,
    "n_test_images": 50,
    "n_epochs": 4,
    "curve_points": 4,
    "device": "cpu",
}
SWITCHES = arms.switches(5e-4, 0.5, ["crop", "flip", "dropout"])
OFF = SWITCHES["nothing"]


@pytest.fixture
def given(monkeypatch):
    """What every training is given, and the net it starts from; nothing is trained."""
    calls = []

    def train(net, images, labels, **settings):
        weights = torch.cat([weight.detach().flatten() for weight in net.parameters()])
        calls.append({"images": images, "labels": labels, "weights": weights, "net": net} | settings)
        raise Diverged(0, 0.0, 0.0)

    monkeypatch.setattr(arms, "train", train)
    return calls


def test_every_switch_changes_one_thing_and_everything_what_it_names():
    for name in ("crop", "flip", "weight decay", "dropout"):
        assert sum(SWITCHES[name][setting] != OFF[setting] for setting in OFF) == 1
    assert SWITCHES["everything"] == {"augmentations": ["crop", "flip"], "weight_decay": 0.0, "dropout": 0.5}
    assert SWITCHES["crop and weight decay"] == {"augmentations": ["crop"], "weight_decay": 5e-4, "dropout": 0.0}


def test_arms_share_images_weights_steps_and_schedule(given):
    for on in SWITCHES.values():
        arms.trained(3, **on, **SMALL)
    plain = given[0]
    for call in given:
        for name in ("images", "labels", "weights"):
            assert torch.equal(call[name], plain[name])
        assert [call[name] for name in ("steps", "batch_size", "seed")] == [4, 128, plain["seed"]]
        assert [call["schedule"](step) for step in range(4)] == [plain["schedule"](step) for step in range(4)]
        assert call["schedule"](4) == pytest.approx(0.1)  # the share of its rate that training ends with
    decays = [{group["weight_decay"] for group in call["optimiser"].param_groups} for call in given]
    assert decays == [{on["weight_decay"]} for on in SWITCHES.values()]
    drops = [{module.p for module in call["net"].modules() if isinstance(module, nn.Dropout)} for call in given]
    assert drops == [{on["dropout"]} for on in SWITCHES.values()]
    assert [call["augment"] is None for call in given] == [not on["augmentations"] for on in SWITCHES.values()]


def test_random_labels_are_those_of_the_seed_whatever_is_on(given):
    for seed, on in ((0, OFF), (0, SWITCHES["everything"]), (1, OFF)):
        arms.trained(seed, **on, **SMALL | {"noise_share": 1.0, "n_images": 900})
    first, again, other = (call["labels"] for call in given)
    assert torch.equal(first, again) and not torch.equal(first, other)
    true = arms.labelled_sets(0, "digits", 0.0, 900, 30, 50)[0].labels
    assert (first != true).double().mean().item() == pytest.approx(0.9, abs=0.03)


def test_held_out_images_are_training_images_that_no_net_sees_with_labels_as_noisy():
    clean = arms.labelled_sets(0, "digits", 0.0, 800, 600, 300)
    noisy = arms.labelled_sets(0, "digits", 0.4, 800, 600, 300)
    keys = [{image.numpy().tobytes() for image in part.images} for part in clean]
    whole = torch.cat([part.images for part in clean])
    assert len(whole) == 1700 and len(set().union(*keys)) == sum(map(len, keys))
    for part, other, changed in zip(clean, noisy, (0.36, 0.36, 0.0), strict=True):
        assert torch.equal(part.images, other.images)
        assert (part.labels != other.labels).double().mean().item() == pytest.approx(changed, abs=0.06)
    assert torch.equal(clean[2].labels, noisy[2].labels)


def test_a_crop_is_the_papers_random_window_behind_a_centre_crop():
    images = torch.randint(0, 256, (64, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    augment = arms.augmentation(["crop"], 32)
    assert augment is not None
    moved = augment(images, torch.Generator().manual_seed(1))
    assert torch.equal(moved, random_crop(images, 2, generator=torch.Generator().manual_seed(1)))
    centre = whitened_crop(28, 28)(moved)
    places = set()
    for image, seen in zip(images, centre, strict=True):
        windows = {
            (top, left): image[None, :, top : top + 28, left : left + 28] for top in range(5) for left in range(5)
        }
        (place,) = [p for p, w in windows.items() if torch.allclose(whitened_crop(28, 28)(w)[0], seen, atol=1e-5)]
        places.add(place)
    assert len(places) > 15  # of 25
    assert arms.augmentation([], 32) is None


def test_augmentations_are_done_one_after_the_other():
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    both = arms.augmentation(["crop", "flip"], 8)
    assert both is not None
    generator = torch.Generator().manual_seed(4)
    crop, flip = (arms.augmentation([name], 8) for name in ("crop", "flip"))
    assert crop is not None and flip is not None
    assert torch.equal(both(images, torch.Generator().manual_seed(4)), flip(crop(images, generator), generator))


@pytest.mark.parametrize("name", ["half-width cnn", "small cnn", "small inception"])
def test_with_and_without_batch_norm_nets_differ_in_it_alone(name):
    with_norm, without = (NETS[net].build((3, 32, 32), 10, 0.5) for net in (name, name + WITHOUT))
    assert any(isinstance(module, nn.BatchNorm2d) for module in with_norm.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in without.modules())
    filters = [[m.weight for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (with_norm, without)]
    assert [f.shape for f in filters[0]] == [f.shape for f in filters[1]]
    for a, b in zip(*filters, strict=True):
        assert a.std().item() == pytest.approx((2 / a[0].numel()) ** 0.5, rel=0.25)  # He normal, both
        assert a.std().item() == pytest.approx(b.std().item(), rel=0.25)
    rates = [
        NETS[name].optimiser(net, 128).param_groups[0]["lr"]
        for name, net in ((name, with_norm), (name + WITHOUT, without))
    ]
    assert rates[0] == rates[1]


@pytest.mark.parametrize(("name", "count"), [("mlp 1x512", 1_209_866), ("small inception", 1_649_402),
                                             ("small alexnet", 1_387_786)])  # fmt: skip
def test_the_papers_nets_keep_their_size_and_have_dropout(name, count):
    net = NETS[name].build((3, 32, 32), 10, 0.25)
    assert parameter_count(net) == count
    assert [module.p for module in net.modules() if isinstance(module, nn.Dropout)] == [0.25]
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_curves_end_where_training_does_and_have_a_point_at_three_quarters():
    assert arms.curve_epochs(48, 12) == set(range(4, 49, 4)) and 150 in arms.curve_epochs(200, 8)
    assert max(arms.curve_epochs(50, 8)) == 50 and arms.curve_epochs(2, 12) == {1, 2}


def test_a_run_by_its_pieces(monkeypatch):
    """The epoch chosen is the best on held-out images, and what it brings is counted on test images."""
    scores = iter([(0.2, 0.5, 0.4), (0.5, 0.7, 0.6), (0.9, 0.6, 0.9), (1.0, 0.6, 0.5)])  # train, held-out, test
    pending: list[float] = []
    ends = {"after": [1.0, 0.55, 0.65]}  # final train and test, then the chosen net on test images

    def scored(net, images):
        if len(pending) == 0 and (row := next(scores, None)) is not None:
            pending.extend(row)
        return pending.pop(0) if pending else ends["after"].pop(0)

    monkeypatch.setattr(arms, "accuracy", scored)
    run = arms.trained(0, **OFF, **SMALL)
    assert run["epoch"] == [1, 2, 3, 4] and run["diverged"] == 0
    assert run["curve"]["test accuracy"] == [0.4, 0.6, 0.9, 0.5]
    assert run["final"]["train accuracy"] == 1.0 and run["final"]["test accuracy"] == 0.55
    assert run["stopped early"]["epoch"] == 2 and run["stopped early"]["held-out accuracy"] == 0.7
    assert run["stopped early"]["gain"] == pytest.approx(0.1)  # not 0.35, which the test images would choose
    assert run["gain by test images"] == pytest.approx(0.4)
    assert run["gain in the last quarter"]["held-out accuracy"] == pytest.approx(0.0)  # 0.6 at the end and at 3/4


def test_the_chosen_net_is_the_one_of_its_epoch(monkeypatch):
    """Its accuracy on test images is that of the curve at that epoch, and not that of the final net."""
    whole = SMALL | {"n_held_out_images": 50, "n_epochs": 6, "curve_points": 6}
    held_out = iter([0.1, 0.9, 0.2, 0.3, 0.4, 0.5])
    original = arms.accuracy
    monkeypatch.setattr(arms, "accuracy", lambda net, images: next(held_out) if images.split == "validation"
                        else original(net, images))  # fmt: skip
    run = arms.trained(0, **OFF, **whole)
    assert run["stopped early"]["test accuracy"] == run["curve"]["test accuracy"][1]
    assert run["final"]["test accuracy"] == run["curve"]["test accuracy"][-1]
    assert run["curve"]["test accuracy"][1] != run["curve"]["test accuracy"][-1]


def test_a_finished_run_is_read_back(tmp_path: Path, monkeypatch):
    checkpoint = tmp_path / "arm.partial"
    run = arms.trained(0, **SWITCHES["everything"], **SMALL, checkpoint=checkpoint)
    monkeypatch.setattr("lib.training.loop.Step.take", None)  # a step more would fail
    assert arms.trained(0, **SWITCHES["everything"], **SMALL, checkpoint=checkpoint) == run


def test_a_run_that_diverges_answers_at_chance(given):
    run = arms.trained(0, **OFF, **SMALL)
    assert run["diverged"] == 1.0 and run["final"]["test accuracy"] == 0.1
    whole = arms.without_an_answer(10)
    assert run == whole and summary.early_rows({"x": [whole]})["x"]["epoch chosen"] == [0.0]


def ended(train: float, held_out: float, test: float) -> dict[str, Any]:
    final = {"train accuracy": train, "held-out accuracy": held_out, "test accuracy": test, "online accuracy": train}
    stopped = {"epoch": 1.0, "held-out accuracy": held_out, "test accuracy": test, "gain": 0.0}
    curve = {"train accuracy": [train], "held-out accuracy": [held_out], "test accuracy": [test]}
    return {"epoch": [1.0], "final": final, "stopped early": stopped, "curve": curve, "gain by test images": 0.0}


def test_the_best_rate_is_chosen_on_held_out_images_among_those_that_fitted():
    slow = [ended(0.6, 0.9, 0.1), ended(0.6, 0.9, 0.2)]
    common = [ended(1.0, 0.5, 0.9), ended(0.97, 0.8, 0.3)]
    fast = [ended(1.0, 0.6, 0.4), ended(0.5, 0.7, 0.5)]
    best = summary.best_on_held_out({1: slow, 2: common, 4: fast})
    assert [run["final"]["test accuracy"] for run in best] == [0.4, 0.2]  # none fitted with the second seed
    assert summary.lowest_train_accuracy({"a": common, "b": fast}) == [1.0, 0.5]
    gate = summary.lowest_train_values({"x": {2: common, 4: fast}}, {"x": {2: fast, 4: slow}})
    assert gate == {"lowest train accuracy with or without batch norm/x": [1.0, 0.6]}
    rows = summary.rate_rows({"x": {2: common, 4: fast}}, {"x": {2: fast, 4: slow}})
    assert rows["x, at 2 times its rate"]["difference"] == pytest.approx([0.5, -0.2])
    assert rows["x, each at its best rate"]["difference"] == pytest.approx([0.4 - 0.4, 0.3 - 0.2])


def test_rows_have_the_papers_names_and_differences_are_within_a_seed():
    true = {"nothing": [ended(1, 0.5, 0.5)], "crop": [ended(1, 0.5, 0.6)], "weight decay": [ended(1, 0.5, 0.55)]}
    random = {"nothing": [ended(1, 0.1, 0.1)], "weight decay": [ended(0.9, 0.1, 0.1)]}
    joined = summary.joined({"small inception": true}, {"small inception": random})
    rows = summary.table_1_rows(joined)
    assert list(rows) == ["Inception", "Inception, crop", "Inception, decay", "Inception, random labels"]
    assert summary.effect_rows(true, random)["crop"]["test, against nothing"] == pytest.approx([0.1])
    assert list(summary.each_rows({"x": true}, {"x": random})) == ["x: nothing", "x: crop", "x: weight decay"]
    assert "train, random labels" not in summary.effect_rows(true, random)["crop"]
    assert summary.effects_frame({"x": true})["difference"].tolist() == pytest.approx([0.1, 0.05])
    fits = summary.table_4_rows(joined, {"crop": [ended(0.98, 0, 0)]}, "half-width cnn")
    assert fits["Inception, weight decay"]["train"] == [0.9] and fits["half-width cnn, random cropping"]["train"] == [
        0.98
    ]
    curves = summary.curves_frame(joined)
    assert sorted(set(curves["labels"])) == ["random", "true"] and set(curves["regularisers"]) == set(true)
    assert "mlp, nothing, random labels" in summary.flat({"mlp": joined["small inception"]})
