"""The arms of `2-label-noise` on small random data: who sees which labels, what is chosen by what, what is derived."""

from typing import Any

import pytest
import torch

from lib.data.image_set import ImageSet
from lib.data.load import load
from lib.experiments.pretraining_robustness import label_noise as arms
from lib.experiments.pretraining_robustness import label_noise_rows as derive
from lib.experiments.pretraining_robustness import sources
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository

SIZES = [60, 20, 40]
SET: dict[str, Any] = {"target_dataset": "digits", "sizes": SIZES}
HOW: dict[str, Any] = {"net": "mlp 2x256", "batch_size": 20, "device": "cpu"}
SHORT: dict[str, Any] = {**SET, **HOW, "rates": [0.1], "steps": 3}
PAPER = read_paper(repository() / "papers" / "pretraining-robustness")


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Any]:
    return arms_source("all")


def arms_source(classes: str) -> dict[str, Any]:
    return sources.source(
        0, "fake:letters", classes, "mlp 2x256", 0.1, steps=2, batch_size=32, test_images=20, device="cpu"
    )


def test_a_source_says_what_it_was_trained_with(pretrained: dict[str, Any]):
    assert (pretrained["classes"], pretrained["passes"], pretrained["steps"]) == (52, 64, 2)
    assert pretrained["curve"]["step"][-1] == 2 and pretrained["curve"]["test error"][-1] == pretrained["test error"]
    assert arms_source("unrelated")["classes"] == 30


def test_noise_touches_training_and_held_out_labels_and_no_others():
    clean, noisy = (arms.noisy_target(0, **SET, noise="uniform", strength=s) for s in (0.0, 0.6))
    assert torch.equal(clean.images.labels, clean.true) and torch.equal(clean.held_out_given, clean.held_out.labels)
    assert torch.equal(noisy.images.images, clean.images.images) and torch.equal(noisy.true, clean.true)
    assert 0.3 < (noisy.images.labels != noisy.true).double().mean() < 0.8  # 0.54 expected
    assert not torch.equal(noisy.held_out_given, noisy.held_out.labels)
    assert torch.equal(noisy.held_out.labels, clean.held_out.labels)
    assert torch.equal(noisy.tests.labels, clean.tests.labels)


def test_noise_is_drawn_anew_for_every_seed_and_once_for_all_arms_of_it():
    first, again = (arms.noisy_target(0, **SET, noise="flip", strength=0.5) for _ in range(2))
    assert torch.equal(first.images.labels, again.images.labels)
    other = arms.noisy_target(1, **SET, noise="flip", strength=0.5)
    assert not torch.equal(first.images.images, other.images.images)
    flips = {(int(t), int(g)) for t, g in zip(first.true, first.images.labels, strict=True) if t != g}
    assert len(flips) == len({true for true, _ in flips}), "a class flips to one other class"


def test_hierarchical_noise_stays_within_the_superclass():
    target = arms.noisy_target(0, **SET, noise="hierarchical", strength=0.8)
    groups = torch.tensor(arms.SUPERCLASSES["digits"])
    assert torch.equal(groups[target.true], groups[target.images.labels])
    assert not torch.equal(target.true, target.images.labels)


def test_human_labels_belong_to_the_images_they_are_put_on(monkeypatch: pytest.MonkeyPatch):
    """The labels are looked up by the places of the images in the whole set, not by those in the part."""
    whole = load("fake:cifar10")
    human = whole.with_labels((whole.labels + 3) % 10)
    monkeypatch.setattr(arms, "load", lambda name, *rest: human if name == "human" else load(name, *rest))
    target = arms.noisy_target(3, "fake:cifar10", SIZES, "human", 0.0, human_datasets=["human"])
    assert torch.equal(target.images.labels, (target.true + 3) % 10)
    assert torch.equal(target.held_out_given, (target.held_out.labels + 3) % 10)


def test_trusted_images_are_a_stratified_share_of_those_trained_on():
    target = arms.noisy_target(0, **SET, noise="uniform", strength=0.6)
    trusted = arms.trusted_images(target, 1 / 3, seed=0)
    assert trusted.sum() == 20 and len(target.true[trusted].unique()) == 10
    assert arms.trusted_images(target, 0.01, seed=0).sum() == 10  # one for each class at least
    assert not torch.equal(trusted, arms.trusted_images(target, 1 / 3, seed=1))


def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ImageSet, dict[str, Any]]]:
    """What every training of an arm was given."""
    given: list[tuple[ImageSet, dict[str, Any]]] = []
    real = arms.trained

    def trained(model: Any, images: ImageSet, *rest: Any, **options: Any) -> Any:
        given.append((images, options))
        return real(model, images, *rest, **options)

    monkeypatch.setattr(arms, "trained", trained)
    return given


def test_gold_first_sees_untrusted_images_alone_then_true_labels_for_the_trusted(monkeypatch: pytest.MonkeyPatch):
    given = noted(monkeypatch)
    run = arms.gold(0, 1 / 3, **SHORT, noise="uniform", strength=0.9)
    target = arms.noisy_target(0, **SET, noise="uniform", strength=0.9)
    trusted = arms.trusted_images(target, 1 / 3, 0)
    (first, plain), (second, corrected) = given
    assert torch.equal(first.images, target.images.images[~trusted])
    assert torch.equal(first.labels, target.images.labels[~trusted]) and "loss" not in plain
    assert torch.equal(second.labels[trusted], target.true[trusted])
    assert torch.equal(second.labels[~trusted], target.images.labels[~trusted])
    assert corrected["loss"] is not None and 0 <= run["error of the matrix"] <= 1


def test_trusted_alone_sees_nothing_else(monkeypatch: pytest.MonkeyPatch):
    given = noted(monkeypatch)
    arms.trusted_alone(0, 1 / 3, **SHORT)
    target = arms.noisy_target(0, **SET, noise="uniform", strength=0.9)
    trusted = arms.trusted_images(target, 1 / 3, 0)
    assert torch.equal(given[0][0].images, target.images.images[trusted])
    assert torch.equal(given[0][0].labels, target.true[trusted])


def test_forward_starts_anew_and_is_plain_training_where_the_matrix_is_the_identity(monkeypatch: pytest.MonkeyPatch):
    noise: dict[str, Any] = {"noise": "uniform", "strength": 0.5}
    first = arms.plain(0, **SHORT, **noise)
    monkeypatch.setattr(arms, "anchor_matrix", lambda answers, quantile: torch.eye(10))
    again = arms.forward(0, first, **SHORT, **noise)
    assert all(torch.allclose(value, again["weights"][name], atol=1e-5) for name, value in first["weights"].items())
    assert again["error of the matrix"] == pytest.approx(0.45)  # (.05 x 9 + (1 - .55)) / 2


def test_tuning_starts_from_the_source_and_scratch_does_not(pretrained: dict[str, Any]):
    target = arms.noisy_target(0, **SET, noise="uniform", strength=0.0)
    tuned, fresh = (
        arms.start(0, "mlp 2x256", target.images, pretrained),
        arms.start(0, "mlp 2x256", target.images, None),
    )
    same = [torch.equal(value, pretrained["weights"][name]) for name, value in tuned.state_dict().items()]
    assert same[:4] == [True] * 4 and not all(same)
    assert not torch.equal(next(fresh.parameters()), next(tuned.parameters()))


def test_of_several_rates_clean_held_out_images_choose():
    tried = [{"held-out error": e, "test error": t, "rate": r} for e, t, r in ((0.3, 0.1, 0.2), (0.2, 0.4, 0.05))]
    best = arms.best_rate(tried)
    assert best["rate"] == 0.05 and best["at rate"] == {"0.2": 0.1, "0.05": 0.4}


def test_stopping_takes_the_test_error_at_the_look_that_held_out_labels_choose():
    curve = {
        "held-out error": [0.4, 0.2, 0.3],
        "held-out error, given labels": [0.7, 0.8, 0.6],
        "test error": [0.5, 0.4, 0.1],
    }
    assert arms.stopped([2, 4, 6], curve, "held-out error") == {"step": 4, "test error": 0.4}
    assert arms.stopped([2, 4, 6], curve, "held-out error, given labels") == {"step": 6, "test error": 0.1}


def test_clean_images_stop_a_run_that_noisy_labels_would_let_go_on(monkeypatch: pytest.MonkeyPatch):
    chosen: list[str] = []

    def stopped(at: object, curve: object, by: str) -> dict[str, float]:
        chosen.append(by)
        return {"step": 0, "test error": 0.0}

    monkeypatch.setattr(arms, "stopped", stopped)
    arms.plain(0, **SHORT, noise="uniform", strength=0.5)
    assert chosen == ["held-out error", "held-out error, given labels"]


def test_gold_asks_for_the_answers_to_trusted_images_under_their_true_labels(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    def gold_matrix(answers: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        asked.append((answers, labels))
        return torch.eye(10)

    monkeypatch.setattr(arms, "gold_matrix", gold_matrix)
    arms.gold(0, 1 / 3, **SHORT, noise="uniform", strength=0.9)
    target = arms.noisy_target(0, **SET, noise="uniform", strength=0.9)
    trusted = arms.trusted_images(target, 1 / 3, 0)
    assert torch.equal(asked[0][1], target.true[trusted]) and asked[0][0].shape == (20, 10)


def test_at_rate_of_takes_the_rate_of_another_run():
    run = arms.at_rate_of(
        0, {"rate": 0.02}, **{k: v for k, v in SHORT.items() if k != "rates"}, noise="flip", strength=0
    )
    assert run["rate"] == 0.02 and list(run["at rate"]) == ["0.02"]


def test_an_arm_returns_curves_and_can_be_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    given = noted(monkeypatch)
    run = arms.plain(0, **SHORT | {"rates": [0.1, 0.02]}, noise="uniform", strength=0.5, looks=3,
                     checkpoint=tmp_path / "a.partial")  # fmt: skip
    assert run["curve"]["step"] == [1, 2, 3] and run["curve"]["test error"][-1] == run["test error"]
    assert [options["checkpoint"].name for _, options in given] == ["a.partial.0.1", "a.partial.0.02"]


# ---- what is derived


def level(*errors: float, rate: float = 0.1, stopped: float = 0.9) -> list[dict[str, Any]]:
    return [
        {"test error": e, "rate": rate, "at rate": {"0.1": e, "0.02": e + 0.05}, "stopped": {"test error": stopped},
         "error of the matrix": 0.1}
        for e in errors
    ]  # fmt: skip


UNIFORM = {
    "pre-trained": {0.0: level(0.1, 0.1, rate=0.02), 0.8: level(0.3, 0.3, rate=0.1)},
    "scratch": {0.0: level(0.2, 0.2, stopped=0.15), 0.8: level(0.6, 0.6, stopped=0.35)},
    "scratch, equal steps": {0.0: level(0.2, 0.2), 0.8: level(0.4, 0.4)},
    "scratch, equal compute": {0.0: level(0.1, 0.1), 0.8: level(0.7, 0.7)},
    "pre-trained, unrelated classes": {0.0: level(0.1, 0.1), 0.8: level(0.4, 0.4)},
}
NAMES = ("pre-trained", "scratch", "scratch, equal steps")
CORRECTED = {
    (method, name): {0.8: level(0.1 * i + 0.01 * j, 0.1)}
    for i, method in enumerate(("forward", "gold 5 %", "gold 10 %"), start=1)
    for j, name in enumerate(NAMES)
}
ALONE = {(share, name): level(0.25, 0.25) for share in (0.05, 0.1) for name in NAMES[::2]}
SOURCE = [{"test error": 0.8, "classes": 100}] * 2


def test_quantities_by_hand():
    found = derive.derived(SOURCE, UNIFORM, CORRECTED, ALONE)
    assert found["accuracy of the source over chance"] == pytest.approx([20, 20])
    assert found["clean accuracy scratch"] == pytest.approx([0.8, 0.8])
    assert found["area pre-trained/ten classes"] == found["area pre-trained"] == pytest.approx([0.2, 0.2])
    assert found["area scratch/ten classes"] == pytest.approx([0.4, 0.4])
    assert found["area scratch stopped by clean images/ten classes"] == pytest.approx([0.25, 0.25])
    # the tuned net has rate .02 without noise, where scratch of equal steps makes .25, and .1 under noise: .4
    assert found["area scratch of equal steps and rate/ten classes"] == pytest.approx([0.325, 0.325])
    assert found["gain of pre-training over equal steps"] == pytest.approx([0.1, 0.1])
    assert found["area pre-trained where corrected/ten classes"] == pytest.approx([0.3, 0.3])
    assert found["area scratch with forward correction/ten classes"] == pytest.approx([0.11, 0.1])
    assert found["area scratch with 10 % trusted/ten classes"] == pytest.approx([0.31, 0.1])
    gold = found["area scratch of equal steps with gold loss correction/ten classes, 5 % trusted"]
    assert gold == pytest.approx([0.22, 0.1])


def test_every_rule_of_the_notebook_finds_its_quantities():
    found = derive.derived(SOURCE, UNIFORM, CORRECTED, ALONE)
    memory = {"memorised": [{"test error": 0.6, "stopped by given labels": {"test error": 0.4}}] * 2}
    found |= quantities(memory, PAPER.measured[2])
    assert found["test error after the last epoch"] == [0.6, 0.6] and found["test error at the best epoch"] == [
        0.4,
        0.4,
    ]
    for claim in (claim for claim in PAPER.claims.values() if claim.notebook == 2):
        for part in claim.parts:
            if part.needs:
                continue
            suffix = f"/{part.name}" if part.name else ""
            controls = [control.take for control in claim.controls]
            assert all(f"{name}{suffix}" in found for name in [*part.compared, *controls])
        assert all(gate.quantity in found for gate in claim.gates)


def test_tables_and_frames_hold_every_arm():
    rows = derive.control_rows(UNIFORM)
    assert rows["scratch, stopped by clean held-out images"]["area"] == pytest.approx([0.25, 0.25])
    assert rows["pre-trained"]["s = 0.8"] == [0.3, 0.3]
    table = derive.table_1_rows(UNIFORM, CORRECTED, [0.05, 0.1])
    assert set(PAPER.exhibits["table-1"].values) == set(table)
    assert table["No correction"]["scratch"] == [0.6, 0.6], "over the strengths of the corrections, as all rows"
    corrections = derive.correction_rows(UNIFORM, CORRECTED, ALONE)
    assert corrections["no correction"]["scratch"] == [0.6, 0.6]
    assert corrections["trusted 5 % alone"]["pre-trained"] == [0.25, 0.25]
    frame = derive.strengths_frame(UNIFORM, CORRECTED, PAPER.exhibits["figure-2"])
    assert set(frame["source"]) == {"this run", "paper"} and len(frame[frame["source"] == "this run"]) == 38
    assert frame["test error"].between(0, 1).all()


def test_curves_have_a_line_for_every_look():
    run = {"steps": 4, "curve": {"step": [2, 4], "test error": [0.5, 0.4], "train error, given labels": [0.6, 0.3]}}
    frame = derive.steps_frame({"scratch": [run, run]}, PAPER.exhibits["figure-1"])
    ours = frame[frame["source"] == "this run"]
    assert len(ours) == 8 and set(ours["share of the run"]) == {0.5, 1.0}
    assert frame[frame["source"] == "paper"]["error"].max() < 1
    curves = derive.curves_frame({"scratch": {0.8: [run]}}, {})
    assert set(curves["strength"]) == {0.8} and set(curves["method"]) == {"no correction"}
