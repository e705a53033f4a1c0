"""The arms of `3-class-imbalance` on small data: class sizes, who sees which images, what is chosen by what, rules."""

from typing import Any

import pytest
import torch

from lib.data.imbalance import class_sizes
from lib.experiments.pretraining_robustness import class_imbalance as arms
from lib.experiments.pretraining_robustness import class_imbalance_rows as derive
from lib.experiments.pretraining_robustness import sources
from lib.experiments.pretraining_robustness.sources import new_net
from lib.replication.paper_file import read_paper
from lib.roots import repository

SET: dict[str, Any] = {
    "target_dataset": "digits",
    "largest": 20,
    "smallest_share": 0.1,
    "gamma": 0.2,
    "parts": [50, 60],
}
HOW: dict[str, Any] = {"net": "mlp 2x256", "rates": [0.1], "steps": 3, "batch_size": 20, "device": "cpu"}
PAPER = read_paper(repository() / "papers" / "pretraining-robustness")


@pytest.mark.parametrize(
    ("gamma", "sizes", "minority", "of_hundred", "minority_of_hundred"),
    [
        (0.2, [5000, 858, 557, 439, 375, 333, 304, 282, 264, 250], 9, 4_283, 79),
        (0.4, [5000, 997, 630, 485, 405, 353, 316, 289, 267, 250], 8, 4_916, 77),
        (0.6, [5000, 1166, 720, 539, 440, 376, 331, 297, 271, 250], 8, 5_762, 75),
        (0.8, [5000, 1369, 828, 605, 481, 402, 347, 307, 275, 250], 8, 6_824, 74),
        (1.0, [5000, 1607, 957, 682, 529, 433, 366, 317, 280, 250], 8, 8_075, 72),
        (1.5, [5000, 2343, 1388, 936, 683, 526, 421, 347, 292, 250], 7, 11_645, 69),
        (2.0, [5000, 3173, 1972, 1289, 892, 648, 490, 382, 306, 250], 7, 15_209, 66),
    ],
)
def test_sizes_of_every_gamma_of_the_paper(gamma, sizes, minority, of_hundred, minority_of_hundred):
    assert class_sizes(10, 5000, 250, gamma) == sizes
    assert sum(size < sum(sizes) / 10 for size in sizes) == minority
    b = (100**gamma - 20) / 19  # the law of the hundred classes, whose known totals are of sizes before rounding
    exact = [500 * (b + 1) / (b + c**gamma) for c in range(1, 101)]
    assert int(sum(exact)) == of_hundred
    assert sum(size < sum(exact) / 100 for size in exact) == minority_of_hundred
    assert class_sizes(100, 500, 25, gamma) == [round(size) for size in exact]


@pytest.mark.parametrize("row", ["Normal", "Cost sensitive", "Oversampling", "SMOTE", "Pre-trained"])
def test_the_solved_sizes_give_the_papers_minority(row):
    """Figure 3 over the nine classes below the mean is table 2's minority error, and over all ten its total."""
    errors = [float(str(error)) for error in PAPER.exhibits["figure-3"].values[row].values()]
    printed = PAPER.exhibits["table-2-cifar-10"].values[row]
    assert sum(errors[1:]) / 9 == pytest.approx(float(str(printed["minority, gamma 0.2"])), abs=0.11)
    assert sum(errors) / 10 == pytest.approx(float(str(printed["total, gamma 0.2"])), abs=0.11)


def test_target_is_imbalanced_by_the_seed_and_its_other_parts_are_balanced_and_disjoint():
    target = arms.target_of(0, **SET)
    assert sorted(target.images.labels.bincount().tolist(), reverse=True) == class_sizes(10, 20, 2, 0.2)
    assert max(target.held_out.labels.bincount()) - min(target.held_out.labels.bincount()) <= 1
    everything = torch.cat([part.images.flatten(1) for part in target]).unique(dim=0)
    assert len(everything) == sum(map(len, target)), "digits has no two equal images"
    largest = {int(arms.target_of(seed, **SET).images.labels.bincount().argmax()) for seed in range(4)}
    assert len(largest) > 1
    again = arms.target_of(0, **SET)
    assert torch.equal(again.images.images, target.images.images)


def test_methods_make_of_the_images_what_they_say():
    images = arms.target_of(0, **SET).images
    assert arms.rebalanced(images, "plain", 0) is images and arms.rebalanced(images, "cost-sensitive", 0) is images
    for method, size in (("over-sampling", 20), ("SMOTE", 20), ("under-sampling", 2)):
        made = arms.rebalanced(images, method, 0)
        assert made.labels.bincount().tolist() == [size] * 10
        assert made.images.dtype == images.images.dtype and made.shape == images.shape
        assert made.checksum != images.checksum
        assert not torch.equal(made.images, arms.rebalanced(images, method, 1).images)
    made = arms.rebalanced(images, "SMOTE", 0)
    assert torch.equal(made.images[: len(images)], images.images)
    known = {bytes(image.numpy().tobytes()) for image in images.images}
    assert any(bytes(image.numpy().tobytes()) not in known for image in made.images), "SMOTE invents images"


def noted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every training of an arm was given."""
    given: list[dict[str, Any]] = []
    real = sources.train

    def train(model: Any, images: Any, labels: Any, **options: Any) -> Any:
        first = {name: value.clone() for name, value in model.state_dict().items()}
        given.append(options | {"images": images, "labels": labels, "first": first})
        return real(model, images, labels, **options)

    monkeypatch.setattr(sources, "train", train)
    return given


def test_all_methods_are_augmented_alike_and_start_alike(monkeypatch: pytest.MonkeyPatch):
    given = noted(monkeypatch)
    for method in arms.METHODS:
        arms.fit(0, **SET, **HOW, method=method)
    assert {options["augment"] for options in given} == {arms.small_warp}
    assert {options["steps"] for options in given} == {3} and len({options["seed"] for options in given}) == 1
    assert all(torch.equal(options["first"][n], value) for options in given for n, value in given[0]["first"].items())
    assert [options["batch_loss"] is not None for options in given] == [m == "cost-sensitive" for m in arms.METHODS]
    assert [len(options["labels"]) for options in given][2:] == [200, 20, 200]
    arms.fit(0, **SET, **HOW, method="plain", augmented=False)
    assert given[-1]["augment"] is None


def test_tuning_starts_from_the_source(monkeypatch: pytest.MonkeyPatch):
    given = noted(monkeypatch)
    target = arms.target_of(0, **SET)
    weights = new_net("mlp 2x256", target.images, 99).state_dict()
    arms.fit(0, **SET, **HOW, method="plain", pretrained={"weights": weights})
    same = [torch.equal(value, weights[name]) for name, value in given[0]["first"].items()]
    assert same[:4] == [True] * 4 and not all(same)


def test_a_run_tells_its_errors_by_rank_and_overall():
    run = arms.fit(0, **SET, **HOW | {"rates": [0.1, 0.02]}, method="plain")
    sizes, errors = run["class sizes"], run["error by rank"]
    assert sizes == class_sizes(10, 20, 2, 0.2) and run["minority classes"] == 8  # 20 6 4 ..., the mean is 5
    assert run["largest class error"] == errors[0]
    assert run["minority error"] == pytest.approx(sum(errors[2:]) / 8)
    assert run["total error"] == pytest.approx(sum(errors) / 10)
    assert list(run["at rate"]) == ["0.1", "0.02"] and run["passes"] == 20 + 20 + 7  # of 47 images


def test_errors_of_classes_by_hand(monkeypatch: pytest.MonkeyPatch):
    images = arms.target_of(0, **SET).tests.take(torch.arange(4)).with_labels(torch.tensor([0, 0, 1, 3]))
    monkeypatch.setattr(arms, "predict", lambda model, pixels: torch.eye(10)[torch.tensor([0, 5, 1, 2])])
    found = arms.class_errors(torch.nn.Identity(), images)
    assert found[:4].tolist() == [0.5, 0.0, 0.5, 1.0], "class 2 has no image and gets the error over all"


def test_of_several_rates_held_out_images_choose_and_equal_compute_takes_that_rate():
    tried = [
        {"rate": r, "held-out error": h, "total error": t, "minority error": t}
        for r, h, t in ((0.2, 0.3, 0.1), (0.05, 0.2, 0.4))
    ]
    best = arms.best_rate(tried)
    assert best["rate"] == 0.05 and best["at rate"]["0.2"]["total error"] == 0.1
    how = {name: value for name, value in HOW.items() if name != "rates"}
    assert arms.at_rate_of(0, {"rate": 0.02}, **SET, **how, method="plain")["rate"] == 0.02


# ---- what is derived


def run(total: float, held_out: float | None = None, minority: float = 0.5, first: float = 0.1) -> dict[str, Any]:
    held_out = total if held_out is None else held_out
    errors = {
        "total error": total,
        "held-out error": held_out,
        "minority error": minority,
        "largest class error": first,
    }
    other = {"total error": total + 0.1, "held-out error": held_out, "minority error": minority}
    return errors | {
        "rate": 0.1,
        "at rate": {"0.1": errors, "0.02": other},
        "class sizes": [6, 2],
        "error by rank": [first, minority],
        "minority classes": 1,
    }


def nets(shift: float = 0.0) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Scratch: SMOTE is best on held-out images, though under-sampling is by chance better on test images."""
    of = {
        (method, start): [run(base + shift + 0.01 * i)]
        for start, base in (("pre-trained", 0.2), ("scratch", 0.4), ("scratch, equal steps", 0.5))
        for i, method in enumerate(arms.METHODS)
    }
    of["SMOTE", "scratch"] = [run(0.35 + shift, held_out=0.1, minority=0.6, first=0.25)]
    of["under-sampling", "scratch"] = [run(0.3 + shift, held_out=0.5)]
    of |= {(method, "scratch, equal compute"): [run(0.45 + shift)] for method in ("plain", "over-sampling")}
    of["plain", "pre-trained"] = [run(0.2 + shift, minority=0.3, first=0.05) | {"rate": 0.02}]
    of["plain", "pre-trained, unrelated classes"] = [run(0.25 + shift)]
    return of


NETS = {0.2: nets(), 2.0: nets(-0.1)}
SOURCE = [{"test error": 0.8, "classes": 100}]


def test_quantities_by_hand():
    found = derive.derived(SOURCE, NETS)
    part = "/ten classes, gamma 0.2"
    assert found[f"total error pre-trained{part}"] == [0.2]
    assert found[f"total error of the best method from scratch{part}"] == [0.35], "held-out images choose, not the test"
    assert found[f"total error of the best method at equal steps{part}"] == [0.5]
    assert found[f"total error of the best method at equal steps and rate{part}"] == pytest.approx([0.6])
    assert found[f"total error of the best method at equal compute{part}"] == [0.45]
    assert found[f"total error scratch with over-sampling{part}"] == pytest.approx([0.42])
    assert found[f"total error pre-trained with over-sampling{part}"] == pytest.approx([0.22])
    assert found["total error pre-trained/ten classes, gamma 2.0"] == pytest.approx([0.1])
    assert found["accuracy of the source over chance"] == pytest.approx([20])
    assert found["accuracy of the best method from scratch"] == pytest.approx([0.65])
    assert found["minority error less error on the largest class"] == pytest.approx([0.4])
    # SMOTE loses .25 of the largest class, tuning .05: the minority must gain more than .2 from .6
    assert found["minority error of the best method less the gain on the largest class"] == pytest.approx([0.4])
    assert found["total error pre-trained"] == pytest.approx([0.15])
    assert found["total error from unrelated classes"] == pytest.approx([0.2])
    assert found["gain of pre-training over equal steps"] == pytest.approx([0.3])


def test_every_rule_of_the_notebook_finds_its_quantities():
    found = derive.derived(SOURCE, NETS)
    claims = [claim for claim in PAPER.claims.values() if claim.notebook == 3]
    assert {claim.id for claim in claims} == {"C13", "C14", "C15", "S3"}
    for claim in claims:
        for part in (part for part in claim.parts if not part.needs):
            suffix = f"/{part.name}" if part.name else ""
            assert all(f"{name}{suffix}" in found for name in [*part.compared, *(c.take for c in claim.controls)])
        assert all(gate.quantity in found for gate in claim.gates)


def test_tables_and_frames_hold_every_arm():
    assert set(PAPER.exhibits["table-2-cifar-10"].values) < set(derive.table_2_rows(NETS))
    for columns in derive.table_2_rows(NETS).values():
        assert set(columns) <= set(PAPER.exhibits["table-2-cifar-10"].values["Normal"])
    rows = derive.control_rows(NETS)
    assert len(rows) == 18 and next(iter(rows)).startswith("pre-trained: ")
    assert derive.size_rows(NETS)["gamma 0.2"] == {"1": [6], "2": [2], "all": [8], "minority classes": [1]}
    frame = derive.rank_frame(NETS, PAPER.exhibits["figure-3"])
    assert len(frame[frame["source"] == "paper"]) == 50 and frame["error"].between(0, 1).all()
    assert len(frame[frame["source"] == "this run"]) == 2 * 2 * 18
