"""The arms of `4-kernels` on digits, and what is made of them, against numbers worked out by hand."""

import json
import math
from typing import Any

import pytest
import torch

from lib.data.load import load
from lib.experiments.rethinking_generalization import kernels as arms
from lib.experiments.rethinking_generalization import kernels_rows as derived
from lib.experiments.rethinking_generalization import whole_kernels
from lib.methods.kernels import evaluate, gaussian, one_hot
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.replication.verdicts import judge
from lib.roots import repository

SMALL: dict[str, Any] = {"dataset": "digits", "n_held_out": 200, "n_test": 200, "device": "cpu"}
PIXELS: dict[str, Any] = {"features": "pixels", "filters": 1, "n_images": 120}


@pytest.fixture(scope="module")
def across():
    return arms.widths_and_ridges(0, **SMALL, **PIXELS, widths=[1.0, 4.0, 64.0], ridges=[0.1, 100.0])


def test_parts_have_no_image_in_common_and_the_seed_decides_them():
    first, again, other = (arms.draw(seed, "digits", 300, 200, 200, "cpu") for seed in (0, 0, 1))
    rows = torch.cat([part.images.flatten(1) for part in (first.train, first.held_out, first.test)])
    every = {tuple(row) for row in load("digits", "all").images.flatten(1).tolist()}
    twins = len(load("digits", "all")) - len(every)
    assert len({tuple(row) for row in rows.tolist()}) >= len(rows) - twins
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.images, other.train.images)
    assert first.classes == 10 and first.train.images.max() <= 1


def test_one_line_is_what_a_dense_solve_gives(across):
    task = arms.draw(0, "digits", 120, 200, 200, "cpu")
    x, test = task.train.images.flatten(1).double(), task.test.images.flatten(1).double()
    gamma = across["at"]["gamma"][0]
    assert gamma == pytest.approx(1.0 / across["median"])
    alpha = torch.linalg.solve(gaussian(x, x, gamma), y := one_hot(task.train.labels, 10))
    wrong = evaluate(test, x, alpha, gamma).argmax(1).ne(task.test.labels).double().mean().item()
    assert across["at"]["test error"][0] == pytest.approx(wrong)
    assert across["at"]["norm"][0] == pytest.approx((y * alpha).sum().sqrt().item())
    assert across["at"]["train error"] == [0.0] * 3 and max(across["at"]["residual"]) < 1e-10


def test_the_width_is_chosen_on_held_out_images(across):
    best = across["at"]["held-out error"].index(min(across["at"]["held-out error"]))
    assert across["chosen"]["width"] == across["width"][best]
    assert across["chosen"]["test error"] == across["at"]["test error"][best]
    at = {"held-out error": [0.2, 0.1, 0.1], "norm": [1.0, 2.0, 3.0]}
    assert arms._best(at) == {"held-out error": 0.1, "norm": 2.0}


def test_random_labels_need_a_larger_norm_and_teach_nothing(across):
    """At width 64 no image has a neighbour, K is nearly the identity, and no labels are harder than others."""
    ratios = [r / n for r, n in zip(across["at"]["norm, random labels"], across["at"]["norm"], strict=True)]
    assert ratios[0] > ratios[1] > 1.2 and ratios[2] == pytest.approx(1, abs=0.1)
    assert across["at"]["test accuracy, random labels"][0] < 0.25 < 0.7 < across["at"]["test accuracy"][0]


def test_a_grid_goes_on_where_it_was_stopped(tmp_path):
    seen = []

    def measure(value):
        seen.append(value)
        if value == 3.0 and len(seen) < 4:
            raise KeyboardInterrupt
        return {"twice": 2 * value}

    with pytest.raises(KeyboardInterrupt):
        arms._each([1.0, 2.0, 3.0], measure, tmp_path / "partial")
    assert json.loads((tmp_path / "partial").read_text()) == [{"twice": 2.0}, {"twice": 4.0}]
    assert arms._each([1.0, 2.0, 3.0], measure, tmp_path / "partial") == {"twice": [2.0, 4.0, 6.0]}
    assert seen == [1.0, 2.0, 3.0, 3.0]


def test_both_grids_go_on_where_they_were_stopped(tmp_path, monkeypatch):
    path = tmp_path / "x.partial"
    points: dict[str, Any] = {"widths": [1.0, 4.0], "ridges": [0.1, 100.0]}
    whole = arms.widths_and_ridges(0, **SMALL, **PIXELS, **points)
    asked, at = [], arms.KernelSystem.at

    def stops_at_the_last(system, gamma, ridge=0.0):
        asked.append(ridge)
        if asked == [0.0, 0.0, 0.1, 100.0]:
            raise KeyboardInterrupt
        return at(system, gamma, ridge)

    monkeypatch.setattr(arms.KernelSystem, "at", stops_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        arms.widths_and_ridges(0, **SMALL, **PIXELS, **points, checkpoint=path)
    assert arms.widths_and_ridges(0, **SMALL, **PIXELS, **points, checkpoint=path) == whole
    assert asked == [0.0, 0.0, 0.1, 100.0, 100.0]
    assert all("x.partial" in left.name for left in tmp_path.iterdir()), "an artefact removes what has this name"


def test_a_ridge_lowers_the_norm_and_leaves_what_it_does_not_fit(across):
    ridged = across["penalised"]
    small, large = ridged["at"]["norm"]
    assert large < small < across["chosen"]["norm"]
    assert max(ridged["at"]["residual"]) < 1e-10, "of (K + ridge I) alpha = y, not of K alpha = y"
    assert ridged["at"]["gamma"] == [across["chosen"]["gamma"]] * 2


def test_all_images_once_agree_with_a_dense_solve():
    found = whole_kernels.whole("digits", 150, 200, 0.2, "cpu")
    x, labels, _ = whole_kernels._first("digits", "train", 150, "cpu")
    test, test_labels, _ = whole_kernels._first("digits", "test", 200, "cpu")
    alpha = torch.linalg.solve(gaussian(x, x, 0.2), y := one_hot(labels, 10))
    assert found["norm"] == pytest.approx((y * alpha).sum().sqrt().item(), rel=1e-6)
    wrong = (gaussian(test, x, 0.2) @ alpha).argmax(1).ne(test_labels).double().mean().item()
    assert found["test error"] == wrong and found["train error"] == 0 and found["residual"] < 1e-8
    assert found["triangle"] == 4 * 150**2 and found["images"] == 150 and found["peak memory"] > 0


def test_the_three_solvers_solve_one_system():
    found = whole_kernels.solvers("digits", 0.2, 150, "cpu")
    assert found["float64 factor"]["residual"] < 1e-12 and found["float32 factor, refined"]["residual"] < 1e-8
    assert found["float64 factor"]["megabytes"] == 2 * found["float32 factor, refined"]["megabytes"] == 0.18


def test_interpolants_built_badly_fit_the_same_images_and_have_at_least_the_minimum_norm(across):
    found = arms.bad_interpolants(0, "digits", 100, 80, across, "cpu")
    assert all(made["train error"] == 0 and made["residual"] < 1e-6 for made in found.values())
    least = found["minimum norm"]["norm"]
    assert all(made["norm"] >= least == float(f"{least:.3e}") for made in found.values())
    assert found["wrong test labels"]["test error"] == 1 and found["right test labels"]["test error"] == 0
    assert found["wrong test labels"]["norm"] > found["right test labels"]["norm"]


def test_descent_from_zero_ends_at_the_minimum_norm_and_from_elsewhere_does_not():
    found = arms.sgd_from_zero(0, "digits", 10, 100, 100, 200)
    for model in ("linear", "gaussian kernel"):
        assert found[model]["distance"] < 1e-3 and found[model]["angle"] < 1e-3
        assert found[model]["norm over minimum"] == pytest.approx(1, abs=1e-3)
    other = found["linear, another start"]
    assert other["residual"] < 1e-3 and other["distance"] > 0.5
    assert other["norm over minimum"] == pytest.approx(math.hypot(1, other["distance"]), rel=1e-2)  # orthogonal


def test_distance_norm_and_angle_by_hand():
    found = arms._beside(torch.tensor([3.0, 4.0]), torch.tensor([5.0, 0.0]), lambda a, b: (a * b).sum().item())
    assert found["distance"] == pytest.approx(math.sqrt(4 + 16) / 5)
    assert found["norm over minimum"] == pytest.approx(1)
    assert found["angle"] == pytest.approx(math.acos(3 / 5))


def test_interpolants_share_a_hessian_that_another_point_has_not():
    found = arms.hessians(0, "digits", 15, 200)
    assert found["another interpolant"]["difference"] < 1e-9 < 0.01 < found["no interpolant"]["difference"]
    assert found["another interpolant"]["train error"] == found["minimum norm"]["train error"] == 0
    assert found["another interpolant"]["norm over minimum"] == pytest.approx(math.sqrt(26))


def run(error, norm, held_out=0.1):
    at = {"test error": [0.5, error], "held-out error": [0.5, held_out], "norm": [7.0, norm],
          "norm, random labels": [70.0, 10 * norm], "test error, random labels": [0.9, 0.8]}  # fmt: skip
    chosen = {"test error": error, "test accuracy": 1 - error, "train error": 0.0, "norm": norm,
              "test accuracy, random labels": 0.1}  # fmt: skip
    return {"images": 5, "width": [1.0, 2.0], "at": at, "chosen": chosen}


ACROSS = {"mnist pixels": [run(0.04, 20.0)] * 3, "mnist gabor": [run(0.01, 30.0)] * 3,
          "cifar10 pixels": [run(0.5, 40.0)] * 3, "cifar10 random filters": [run(0.3, 50.0)] * 3}  # fmt: skip


def test_preprocessing_by_hand():
    found = derived.preprocessing(ACROSS, common_width=1.2)
    assert found["norm with preprocessing over norm on pixels/mnist"] == [1.5] * 3
    assert found["the same at one relative width/mnist"] == [1.0] * 3  # 7 over 7, at width 1
    assert found["test error removed by preprocessing/mnist"] == pytest.approx([0.03] * 3)
    assert not any("cifar10" in name for name in found), "the paper's rule is about Gabor filters"


def rivals(random, other, wrong, right, lost):
    norms = {"minimum norm": 10.0, "random centres": random, "centres at other images": other,
             "wrong test labels": wrong, "right test labels": right}  # fmt: skip
    return {name: {"norm": norm, "test error": 0.1 + lost * (name in derived.BUILT)} for name, norm in norms.items()}


def test_bad_interpolants_by_hand():
    sets = {
        "mnist": [rivals(1000.0, 100.0, 40.0, 20.0, 0.5)] * 3,
        "cifar10": [rivals(10.0, 100.0, 10.0, 10.0, 0.3)] * 3,
    }
    found = derived.built_badly(sets)
    assert found["log of norm over minimum norm/random centres"] == pytest.approx([math.log(100) / 2] * 3)
    assert found["log of the rival's norm over minimum norm/random centres"] == pytest.approx([math.log(10)] * 3)
    assert found["log of norm over minimum norm/wrong test labels"] == pytest.approx([math.log(4) / 2] * 3)
    assert found["log of the rival's norm over minimum norm/wrong test labels"] == pytest.approx([math.log(2) / 2] * 3)
    assert found["test accuracy lost/random centres"] == pytest.approx([0.3] * 3)  # the least over the data sets


def ends(distance, norm, angle):
    return {"distance": distance, "norm over minimum": norm, "angle": angle}


def test_the_worst_end_of_descent_counts_and_another_start_does_not():
    far = ends(1.0, 2.0, 1.0)
    first = {"linear": ends(0.1, 0.9, 0.2), "gaussian kernel": ends(0.3, 1.0, 0.0), "linear, another start": far}
    second = {"linear": ends(0.0, 1.05, 0.4), "gaussian kernel": ends(0.0, 1.0, 0.0), "linear, another start": far}
    runs = {"a": [first], "b": [second]}
    found = derived.ends_of_sgd(runs)
    assert found["distance of sgd from the minimum norm"] == [0.3]
    assert found["norm of sgd over the minimum norm less one"] == pytest.approx([0.1])
    assert found["angle between sgd and the minimum norm"] == [0.4]


WHOLE = {"mnist": {"images": 60000, "gamma": 0.02, "train error": 0.0, "test error": 0.0122, "residual": 1e-9,
                   "products": 4, "norm": 150.0, "norm, random labels": 900.0, "triangle": 7.2e9, "peak memory": 9e9,
                   "seconds": 1200.0}}  # fmt: skip


def test_every_claim_of_the_page_finds_its_quantities():
    paper = read_paper(repository() / "papers" / "rethinking-generalization")
    measured = ACROSS | {f"{name} with ridge": runs for name, runs in ACROSS.items()}
    at_rest = ends(1e-9, 1.0, 1e-9)
    values = {
        **quantities(measured, paper.measured[4]),
        **derived.preprocessing(ACROSS, 2.0),
        **derived.built_badly({"mnist": [rivals(1000.0, 100.0, 40.0, 20.0, 0.5)] * 3}),
        **derived.ends_of_sgd({"mnist": [{"linear": at_rest, "gaussian kernel": at_rest}] * 3}),
        **derived.curvature({"mnist": [{"another interpolant": {"difference": 1e-12}}] * 3}),
        **derived.at_full_size(WHOLE, 3),
    }
    claims = [claim for claim in paper.claims.values() if claim.notebook == 4]
    found = {claim.id: judge(claim, values, {"mnist", "cifar10"}).status for claim in claims}
    reproduced = dict.fromkeys(("C23", "C23b", "C23c", "C23d", "C24", "C24b", "C25"), "reproduced")
    assert found == reproduced
    assert values["distance from the error on all of mnist"] == pytest.approx([0.0002] * 3)
    assert derived.at_full_size({"digits": {}}, 3) == {}


def test_rows_and_frames():
    rows = derived.table_3(WHOLE, ACROSS, ACROSS)
    assert rows["MNIST, pixels"] == {"images": [60000], "test error": [pytest.approx(1.22)], "norm": [150.0]}
    assert rows["MNIST, Gabor filters"]["test error with l2"] == pytest.approx([1.0] * 3)
    assert derived.full_size(WHOLE)["MNIST"]["triangle, GB"] == [7.2]
    curves = derived.curves(ACROSS)
    assert len(curves) == 4 * 3 * 2 and set(curves["name"]) >= {"MNIST, pixels", "CIFAR-10, random filters"}
    cloud = derived.norms_and_errors(ACROSS)
    assert len(cloud) == 4 * 2 * 2
    line = cloud[(cloud["name"] == "MNIST, pixels") & (cloud["labels"] == "random") & (cloud["width"] == 2.0)]
    assert line["norm"].item() == pytest.approx(200.0) and line["test error"].item() == pytest.approx(0.8)
    assert derived.by_name({"mnist": [{"a": 1}, {"a": 2}]}) == {"MNIST: a": [1, 2]}
