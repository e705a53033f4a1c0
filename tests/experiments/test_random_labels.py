"""The traps of the randomisation test: labels that stay, equal steps, clean against corrupted test labels."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lib.experiments.rethinking_generalization import random_labels as arms
from lib.experiments.rethinking_generalization import random_labels_rows as rows
from lib.replication.paper_file import read_paper
from lib.replication.rows import by_name, quantities
from lib.replication.tables import literature
from lib.replication.verdicts import NOT_TESTABLE, REPRODUCED, judge
from lib.roots import repository

LEVELS = [0.0, 0.2, 0.6, 1.0]
SMALL: dict[str, Any] = {
    "dataset": "digits",
    "learner": "mlp 1x512",
    "n_images": 30,
    "n_test_images": 40,
    "n_epochs": 4,
    "curve_points": 2,
    "curve_images": 20,
    "device": "cpu",
}


@pytest.fixture
def followed(monkeypatch):
    """What every training is given, without training."""
    calls = []

    def follow(learner, images, labels, test_images, test_labels, classes, **settings):
        calls.append({"images": images, "labels": labels, "test images": test_images, "test labels": test_labels})
        return settings

    monkeypatch.setattr(arms, "follow", follow)
    return calls


def test_labels_are_drawn_once_per_seed_and_more_corruption_keeps_what_less_replaced(followed):
    large = SMALL | {"n_images": 1500, "n_test_images": 297}
    settings = arms.label_corruption(0, levels=LEVELS, **large)
    arms.label_corruption(0, levels=LEVELS, **large)
    arms.label_corruption(1, levels=LEVELS, **large)
    clean, some, many, every = (call["labels"] for call in followed[:4])
    assert all(torch.equal(a["labels"], b["labels"]) for a, b in zip(followed[:4], followed[4:8], strict=True))
    assert not torch.equal(followed[3]["labels"], followed[11]["labels"])
    for p, labels in zip(LEVELS, (clean, some, many, every), strict=True):
        assert (labels != clean).double().mean().item() == pytest.approx(0.9 * p, abs=0.05)
    changed = some != clean
    assert torch.equal(some[changed], many[changed]) and torch.equal(some[changed], every[changed])
    assert len({str(sorted(chosen.items(), key=str)) for chosen in settings.values()}) == 1  # nothing else differs


def test_test_errors_are_counted_against_true_labels_and_against_labels_corrupted_alike(followed):
    arms.label_corruption(0, levels=LEVELS, **SMALL | {"n_test_images": 1500})
    for p, call in zip(LEVELS, followed, strict=True):
        clean, corrupted = call["test labels"]["clean"], call["test labels"]["corrupted"]
        assert torch.equal(clean, followed[0]["test labels"]["clean"])
        assert (clean != corrupted).double().mean().item() == pytest.approx(0.9 * p, abs=0.05)


def test_pixels_are_moved_as_the_paper_says(followed):
    names = ["shuffled pixels", "random pixels", "gaussian"]
    arms.input_corruption(0, inputs=names, **SMALL)
    shuffled, moved, noise = followed
    train_set, test_set = arms.draw_sets("digits", 30, 40, torch.Generator().manual_seed(0))
    assert all(torch.equal(call["labels"], train_set.labels) for call in followed)  # the true ones
    plain = columns(train_set.images, test_set.images)
    # One order of the positions for all images of train and test: the same 64 columns through both sets.
    assert columns(shuffled["images"], shuffled["test images"]) == plain
    assert not torch.equal(shuffled["images"], train_set.images)
    assert columns(moved["images"], moved["test images"]) != plain
    for call, images in ((moved["images"], train_set.images), (moved["test images"], test_set.images)):
        assert torch.equal(call.flatten(1).sort(1).values, images.flatten(1).sort(1).values)  # each image's histogram
    assert noise["images"].mean().item() == pytest.approx(train_set.images.mean().item(), abs=0.05)
    assert noise["images"].std().item() == pytest.approx(train_set.images.std().item(), abs=0.05)
    assert not torch.equal(noise["images"], noise["test images"][:30])


def columns(images: torch.Tensor, test_images: torch.Tensor) -> list[list[float]]:
    """The values of every position through all images, in an order that does not depend on the positions."""
    return sorted(torch.cat([images, test_images]).flatten(1).T.tolist())


def test_every_training_has_the_same_steps_and_a_finished_one_is_not_done_again(tmp_path: Path, monkeypatch):
    checkpoint = tmp_path / "arm.partial"
    runs = arms.label_corruption(0, levels=[0.0, 1.0], **SMALL, checkpoint=checkpoint)
    for run in runs.values():
        assert run["steps per epoch"] == 1 and len(run["losses"]) == 4 and run["step"] == [2, 4]
        assert len(run["train accuracy"]) == len(run["clean test error"]) == len(run["corrupted test error"]) == 2
        assert run["train accuracy"][-1] == run["final train accuracy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arm.partial.0.0", "arm.partial.1.0"]
    monkeypatch.setattr("lib.training.loop.Step.take", None)  # a step more would fail
    again = arms.label_corruption(0, levels=[0.0, 1.0], **SMALL, checkpoint=checkpoint)
    for p, run in runs.items():
        assert torch.equal(again[p].pop("losses"), run.pop("losses")) and again[p] == run


def test_splits_of_an_undivided_set_differ_between_seeds_and_never_overlap():
    sets = [arms.draw_sets("digits", 1000, 797, torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    for train_set, test_set in sets:
        both = torch.cat([train_set.images, test_set.images]).flatten(1)
        assert both.sum(0).tolist() == pytest.approx(whole_sum())  # each of the 1,797 images once
    assert not torch.equal(sets[0][1].images, sets[1][1].images)
    with pytest.raises(ValueError, match="1000 images wanted, but digits test has 797"):
        arms.draw_sets("digits", 1000, 1000, torch.Generator())


def whole_sum() -> list[float]:
    from lib.data.load import load

    return load("digits", "all").images.flatten(1).sum(0).tolist()


def test_redrawn_labels_cannot_be_fitted():
    redrawn = arms.redrawn_labels(0, "digits", "mlp 1x512", n_images=100, n_epochs=60, device="cpu")
    assert redrawn["loss"] > 0.95 * math.log(10) and redrawn["train accuracy"] < 0.5


def run_of(losses: list[float], accuracies: list[float], clean: float = 0.5, per_epoch: int = 2) -> dict[str, Any]:
    points = [2 * (i + 1) for i in range(len(accuracies))]
    return {
        "losses": torch.tensor(losses),
        "steps per epoch": per_epoch,
        "step": points,
        "train accuracy": accuracies,
        "clean test error": [clean] * len(points),
        "corrupted test error": [clean] * len(points),
        "final train accuracy": accuracies[-1],
        "final clean test error": clean,
        "final corrupted test error": clean,
    }


def test_time_to_fit_by_hand():
    run = run_of([2.0, 1.0, 0.1875, 0.0, 0.04, 0.02], [0.5, 0.99, 0.999])
    assert rows.time_to_fit(run, "mean loss 1.0") == (1.5, True)  # (1.0 + 0.1875) / 2
    assert rows.time_to_fit(run, "mean loss 0.1") == (2.0, True)  # 0.1875 / 2
    assert rows.time_to_fit(run, "mean loss 0.05") == (2.5, True)
    assert rows.time_to_fit(run, "mean loss 0.01") == (3.0, False)  # 0.02 and 0.03: never
    assert rows.time_to_fit(run, "99 % of the labels") == (2.0, True)
    assert rows.time_to_fit(run, "99.9 % of the labels") == (3.0, True)
    assert rows.time_to_fit(run, "all labels") == (3.0, False)
    assert rows.share_met({"0.0": [run], "1.0": [run_of([0.0, 0.0], [1.0])]}, "all labels") == [0.5]


def test_a_clean_error_turned_into_one_on_corrupted_labels():
    levels = {p: [run_of([1.0, 1.0], [1.0], clean=e)] for p, e in (("0.0", 0.2), ("0.5", 0.4), ("1.0", 0.9))}
    expected = rows.error_rows({"mlp 1x512": levels})["MLP 1x512, expected on corrupted"]
    assert expected["0.0"] == pytest.approx([0.2])
    assert expected["0.5"] == pytest.approx([1 - (0.5 * 0.6 + 0.05)])
    assert expected["1.0"] == pytest.approx([0.9])
    # The paper's Inception at p = 0.5: an error of 0.519 on clean labels is one of 0.710 on corrupted ones.
    published = read_paper(repository() / "papers" / "rethinking-generalization").exhibits
    clean = float(published["figure-1c-clean"].values["Inception"]["0.5"])  # type: ignore[arg-type]
    assert 1 - (0.5 * (1 - clean) + 0.05) == pytest.approx(published["figure-1c"].values["Inception"]["0.5"], abs=1e-3)


def synthetic(seeds: int = 3) -> tuple[dict[str, dict[str, list[Any]]], dict[str, list[Any]]]:
    """Runs that look like the paper's: p later and worse, everything fitted."""
    errors = {"0.0": 0.15, "0.2": 0.3, "0.4": 0.45, "0.6": 0.6, "0.8": 0.78, "1.0": 0.9}
    labels = {
        p: run_of([1.0] * (4 + 2 * i) + [0.0] * (20 - 2 * i), [1.0] * 12, error)
        for i, (p, error) in enumerate(errors.items())
    }
    inputs = {
        name: run_of([1.0] * (6 + 2 * i) + [0.0] * (18 - 2 * i), [1.0] * 12)
        for i, name in enumerate(["shuffled pixels", "gaussian", "random pixels"])
    }
    return {name: by_name([labels] * seeds) for name in ("mlp 1x512", "half-width cnn")}, by_name([inputs] * seeds)


def judged(labels, inputs, conditions):
    """The quantities of the page: what the rules read by a path, and what is derived."""
    paths = read_paper(repository() / "papers" / "rethinking-generalization").measured[1]
    read = quantities(rows.measured(labels, inputs, "half-width cnn"), paths)
    return read | rows.derived(labels, conditions, "half-width cnn")


def test_every_claim_of_the_page_finds_its_quantities_and_passes_on_runs_like_the_papers():
    labels, inputs = synthetic()
    conditions = rows.five_conditions(labels["half-width cnn"], inputs)
    assert tuple(conditions) == rows.FIGURE_1A and {len(runs) for runs in conditions.values()} == {3}
    values = judged(labels, inputs, conditions)
    paper = read_paper(repository() / "papers" / "rethinking-generalization")
    for claim in (paper.claims[f"C{number}"] for number in range(1, 9)):
        assert judge(claim, values, {"cifar10"}).status == REPRODUCED, claim.id
    assert judge(paper.claims["C9"], values, {"cifar10"}).status == NOT_TESTABLE


def test_a_grid_of_one_level_leaves_out_what_it_does_not_measure():
    labels, inputs = synthetic(1)
    alone = {name: {"0.0": levels["0.0"]} for name, levels in labels.items()}
    assert rows.five_conditions(alone["mlp 1x512"], inputs) == {}
    assert rows.rule_rows(alone, {}) == {} and rows.time_rows({}) == {}
    assert set(rows.fit_rows(alone)) == {"MLP 1x512", "half-width cnn"}
    assert "test error at p=0.0/convnet" in judged(alone, inputs, {})


def test_rows_and_frames_hold_one_value_per_seed():
    labels, inputs = synthetic()
    published = read_paper(repository() / "papers" / "rethinking-generalization").exhibits
    conditions = rows.five_conditions(labels["half-width cnn"], inputs)
    assert rows.fit_rows(labels)["MLP 1x512, random labels"]["test"] == pytest.approx([0.1] * 3)
    score = rows.memorisation_rows(labels, (3, 32, 32), 10, {"mlp 1x512": 10_000, "half-width cnn": 2_500})
    assert score["MLP 1x512"] == {"score": [1.0] * 3, "parameters": [1_209_866], "parameters per image": [120.9866]}
    assert score["half-width cnn"]["parameters"] == [40_258]
    assert rows.relative_times(labels)["MLP 1x512"]["1.0"] == pytest.approx([8 / 3] * 3)
    assert rows.time_rows(conditions)["true labels"]["loss 0.1"] == pytest.approx([0.006] * 3)
    curves = rows.curve_frame(labels)
    assert len(curves) == 2 * 3 * 6 * 12 and list(curves["epoch"].unique()) == list(range(1, 13))
    loss = rows.loss_frame(conditions, published["figure-1a"])
    assert set(loss["source"]) == {"this run", "paper"} and set(loss["condition"]) == set(rows.FIGURE_1A)
    against_p = rows.against_p_frame(rows.relative_times(labels), published["figure-1b"], "time over true")
    assert set(against_p["name"]) == {"MLP 1x512", "half-width cnn", "Inception", "AlexNet"}
    assert "| **Inception** |" in literature(published["figure-against-table"])


def test_each_gap_is_read_from_the_run_on_its_own_labels():
    """Test error less training error: .9 - (1 - 1.0) on random labels, .3 - (1 - .95) on true ones."""
    levels = {"0.0": [run_of([1.0, 1.0], [0.95], clean=0.3)], "1.0": [run_of([1.0, 1.0], [1.0], clean=0.9)]}
    values = judged({"mlp 1x512": levels}, {}, {})
    assert values["gap on random labels/mlp 1x512"] == pytest.approx([0.9])
    assert values["gap on true labels/mlp 1x512"] == pytest.approx([0.25])
    assert values["test accuracy after random labels/mlp 1x512"] == pytest.approx([0.1])
    assert values["lowest train accuracy on random labels"] == [1.0]
    assert values["lowest train accuracy over p"] == [0.95]


def test_a_score_of_memorisation_is_zero_at_chance_and_one_at_all():
    levels = {"1.0": [run_of([1.0, 1.0], [accuracy]) for accuracy in (0.1, 0.55, 1.0)]}
    score = rows.memorisation_rows({"mlp 1x512": levels}, (3, 32, 32), 10, {"mlp 1x512": 1})["MLP 1x512"]["score"]
    assert score == pytest.approx([0.0, 0.5, 1.0])


def test_the_order_of_figure_1a_turned_round_has_a_tau_of_minus_one():
    slow_first = {name: [run_of([1.0] * 2 * (5 - i) + [0.0] * 12, [1.0])] for i, name in enumerate(rows.FIGURE_1A)}
    assert rows.order(slow_first, "mean loss 0.1") == pytest.approx([-1.0])
