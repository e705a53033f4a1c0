"""The arms of the notebook on small random data: what is drawn, what is selected on what, which weights are scored."""

from typing import Any

import pytest
import torch

from lib.data.load import load
from lib.experiments.pretraining_robustness import adversarial_robustness as arms
from lib.experiments.pretraining_robustness import adversarial_robustness_rows as derive
from lib.experiments.pretraining_robustness import subjects
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository

SIZES = [32, 16, 10]  # a stand-in has 20 test images, so that another seed attacks others
TARGET: dict[str, Any] = {"target_dataset": "fake:digits", "sizes": SIZES}
HOW: dict[str, Any] = {"net": "small cnn", "eps": 0.1, "attack_steps": 1, "batch_size": 32, "device": "cpu"}
SOURCE: dict[str, Any] = {"source_dataset": "fake:letters", "rate": 0.2, "test_images": 20, **HOW}


def rows_of(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


@pytest.mark.parametrize("name", ["digits", "fake:cifar10"])
def test_training_held_out_and_test_images_are_disjoint_and_vary_with_the_seed(name: str):
    images, held_out, tests, attacked = subjects.target_sets(name, SIZES, seed=0)
    assert [len(images), len(held_out), len(attacked)] == SIZES
    a, b, c = rows_of(images.images), rows_of(held_out.images), rows_of(tests.images)
    assert not a & b and not a & c and not b & c and rows_of(attacked.images) <= c
    again, other = (subjects.target_sets(name, SIZES, seed=s) for s in (0, 1))
    assert all(torch.equal(x.images, y.images) for x, y in zip((images, held_out, tests, attacked), again, strict=True))
    assert rows_of(other[0].images) != a and rows_of(other[3].images) != rows_of(attacked.images)


def test_unrelated_classes_leave_the_look_alikes_out():
    letters = load("letters", "test")
    kept = subjects.unrelated(letters, "letters")
    names = {letters.classes[label] for label in kept.labels.tolist()}
    assert len(names) == 30 and not names & set("OoIlSsZBgq") and kept.classes == letters.classes
    assert len(subjects.RELATED["cifar100"]) == 35
    assert {"bus", "wolf", "crocodile"} <= set(subjects.RELATED["cifar100"])
    with pytest.raises(ValueError, match="not known"):
        subjects.unrelated(letters, "imagenet32")


def scripted(monkeypatch: pytest.MonkeyPatch, held_out: list[float]) -> list[tuple[int, set[bytes]]]:
    """Let held-out images score as scripted; returns what was scored."""
    scores, looked = iter(held_out), []

    def robust_share(model: Any, images: Any, eps: float, seed: int) -> float:
        looked.append((len(images), rows_of(images.images)))
        return next(scores) if len(images) == SIZES[1] and len(looked) % 2 else 0.9

    monkeypatch.setattr(subjects, "robust_share", robust_share)
    return looked


def test_the_best_epoch_is_not_the_last_and_is_chosen_on_held_out_images_alone(monkeypatch: pytest.MonkeyPatch):
    looked = scripted(monkeypatch, [0.2, 0.5, 0.3, 0.1])
    run = arms.scratch(0, **TARGET, **HOW, rates=[0.2], steps=4, looks=4)
    assert (run["best step"], run["steps"], run["held-out accuracy"]) == (2, 4, 0.1)
    assert run["curve"]["held-out"] == [[1, 0.2], [2, 0.5], [3, 0.3], [4, 0.1]]
    assert [step for step, _ in run["curve"]["train"]] == [1, 2, 3, 4]
    different = [name for name, value in run["weights"].items() if not torch.equal(value, run["best weights"][name])]
    assert different, "the weights of the best look are not those of the last step"
    images, held_out, tests, _ = subjects.target_sets("fake:digits", SIZES, 0)
    for _, scored in looked:
        assert scored <= rows_of(held_out.images) or scored <= rows_of(images.images)
        assert not scored & rows_of(tests.images)


def test_the_last_weights_are_kept_where_the_last_look_is_the_best(monkeypatch: pytest.MonkeyPatch):
    scripted(monkeypatch, [0.1, 0.2])
    run = arms.scratch(0, **TARGET, **HOW, rates=[0.2], steps=2, looks=2)
    assert run["best step"] == 2
    assert all(torch.equal(value, run["best weights"][name]) for name, value in run["weights"].items())


def test_annealing_ends_at_the_best_step_of_the_long_run():
    run = arms.annealed(0, {"best step": 3}, **TARGET, **HOW, rates=[0.2])
    straight = arms.scratch(0, **TARGET, **HOW, rates=[0.2], steps=3, looks=0)
    assert run["steps"] == 3
    assert all(torch.equal(value, straight["weights"][name]) for name, value in run["weights"].items())


@pytest.fixture(scope="module")
def source() -> dict[str, Any]:
    return arms.pretrain(0, source="targeted", steps=2, **SOURCE)


def test_a_source_says_what_it_was_trained_with(source: dict[str, Any]):
    assert source["passes"] == 2 * 32 * 2 and source["classes"] == 52
    clean = arms.pretrain(0, source="clean", steps=2, **SOURCE)
    assert clean["passes"] == 2 * 32
    fewer = arms.pretrain(0, source="unrelated classes", steps=1, **SOURCE)
    assert fewer["classes"] == 30


def test_of_two_rates_the_better_on_held_out_images_counts(source: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    scores = iter([0.3, 0.4])
    monkeypatch.setattr(arms, "robust_share", lambda model, images, eps, seed: next(scores))
    run = arms.tune(0, source, **TARGET, **HOW, layers="all layers", rates=[0.05, 0.2], steps=1)
    assert (run["rate"], run["held-out accuracy"]) == (0.2, 0.4)


def test_scratch_too_tries_its_rates_and_the_better_on_held_out_images_counts(monkeypatch: pytest.MonkeyPatch):
    scripted(monkeypatch, [0.3, 0.5, 0.4])
    run = arms.scratch(0, **TARGET, **HOW, rates=[0.05, 0.2, 0.1], steps=1, looks=0)
    assert (run["rate"], run["held-out accuracy"]) == (0.2, 0.5)


def test_the_last_layer_arm_keeps_the_sources_trunk(source: dict[str, Any]):
    run = arms.tune(0, source, **TARGET, **HOW, layers="last layer", rates=[0.2], steps=2)
    changed = {n for n, value in run["weights"].items() if not torch.equal(value, source["weights"][n])}
    assert {name.split(".")[0] for name in changed} == {"head"}


def test_robustness_scores_the_weights_it_is_asked_for(source: dict[str, Any]):
    """The trap of a table that calls the best epoch what was scored at the last: two sets of weights, two results."""
    run = arms.tune(0, source, **TARGET, **HOW, layers="all layers", rates=[0.2], steps=2)
    zeros = {name: value * (not name.startswith("head")) for name, value in run["weights"].items()}
    how: dict[str, Any] = {"net": "small cnn", "eps": 0.1, "steps": 2, "device": "cpu", "autoattack_images": 0}
    both = {"weights": run["weights"], "best weights": zeros}
    dead = arms.robustness(0, both, weights="best weights", **TARGET, **how)
    assert "zero gradients" in dead["flags"]  # a constant net answers class 0 everywhere
    alive = arms.robustness(0, both, weights="weights", **TARGET, **how)
    assert alive["flags"] == [] and alive != dead
    assert alive["PGD, worst"] <= min(alive["PGD, cross-entropy"], alive["PGD, margin"])


def test_equal_compute_counts_passes():
    # 800 x 256 x 3 = 614,400 passes of source training and 125 x 128 x 4 = 64,000 of tuning, in steps of 128 x 4 = 512
    assert arms.steps_of_equal_compute({"passes": 614_400}, {"passes": 64_000, "steps": 125}) == 1_325


def runs(*worst: float, flags: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    how = {"clean": 0.5, "flags": list(flags)}
    return [{"PGD, worst": value, "PGD, cross-entropy": value + 0.1, **how} for value in worst]


NETS = ["pre-trained, tuned", "pre-trained, last layer tuned", "scratch, last epoch", "scratch, best epoch",
        "scratch, annealed to it", "scratch, equal steps"]  # fmt: skip


SOURCES = {"untargeted": [{"robust accuracy": 0.2}, {"robust accuracy": 0.1}]}


def judged(sources, measured, from_sources, kinds):
    paths = read_paper(repository() / "papers" / "pretraining-robustness").measured[1]
    return quantities(measured, paths) | derive.derived(sources, measured, from_sources, kinds)


def test_quantities_and_what_was_not_trained():
    measured = {name: runs(0.1 * i, 0.1 * i) for i, name in enumerate(NETS, start=1)}
    found = judged(SOURCES, measured, {"clean": runs(0.3, 0.3)}, ["clean", "targeted", "unrelated classes"])
    assert found["robust accuracy pre-trained"] == [0.1, 0.1]
    assert found["robust accuracy scratch at its best epoch"] == [0.4, 0.4]
    assert found["gain of untargeted pre-training at equal steps"] == pytest.approx([-0.5, -0.5])
    assert found["robust accuracy from that source/clean"] == [0.3, 0.3]
    told = "robust accuracy of the source over that reached on the target"
    assert found[told] == pytest.approx([0.2 / 0.5, 0.1 / 0.5])
    assert found["sources trained/clean"] == [1, 1] and found["sources trained/targeted"] == [0, 0]
    assert "robust accuracy from that source/targeted" not in found
    assert found["unrelated sources trained"] == [0, 0]
    assert found["masking flags under PGD"] == [0, 0]


def test_flags_are_counted_over_seeds_and_seen_in_the_quantities():
    measured = {name: runs(0.2, 0.2) for name in NETS} | {
        "scratch, last epoch": runs(0.1, flags=("zero gradients",)) * 2
    }
    assert derive.derived(SOURCES, measured, {}, [])["masking flags under PGD"] == [1, 1]
    told = derive.flags(measured, "flags").splitlines()
    assert "scratch, last epoch: zero gradients (2 of 2 seeds)" in told and "pre-trained, tuned: none" in told
    assert derive.flags(measured, "AutoAttack flags") == "not run"


def test_the_frame_of_over_fitting_is_tidy():
    run = {"curve": {"held-out": [[1, 0.1], [2, 0.2]], "train": [[1, 0.3], [2, 0.4]]}}
    frame = derive.over_fitting_frame([run, run], [{"steps": 2, "held-out accuracy": 0.5}] * 2)
    assert len(frame) == 10 and frame["accuracy"].max() == 0.5


def test_every_training_can_be_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    given, fit = [], arms.fit

    def noted(*arguments: Any, **options: Any) -> Any:
        given.append(options["checkpoint"])
        return fit(*arguments, **options | {"checkpoint": None})

    monkeypatch.setattr(arms, "fit", noted)
    place, how = tmp_path / "net.partial", {"steps": 2, **HOW}
    source = arms.pretrain(seed=0, source="untargeted", checkpoint=place, **SOURCE, steps=2)
    arms.tune(seed=0, pretrained=source, layers="all layers", rates=[0.1, 0.2], checkpoint=place, **TARGET, **how)
    long = arms.scratch(seed=0, rates=[0.2], checkpoint=place, **TARGET, **how)
    arms.annealed(seed=0, overtrained=long, rates=[0.2, 0.1], checkpoint=place, **TARGET, **HOW)
    assert [path.name for path in given] == [
        "net.partial", "net.partial.0.1", "net.partial.0.2", "net.partial.0.2", "net.partial.0.2", "net.partial.0.1",
    ]  # fmt: skip
