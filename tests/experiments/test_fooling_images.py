"""The arms of `5-fooling-images` on digits, and what is made of them, against numbers worked out by hand."""

import math
from typing import Any

import pytest
import torch

from lib.data.image_set import to_float
from lib.data.parts import parts
from lib.experiments.rethinking_generalization import fooled_nets
from lib.experiments.rethinking_generalization import fooling_images as arms
from lib.experiments.rethinking_generalization import fooling_images_rows as derived
from lib.replication.paper_file import read_paper
from lib.replication.verdicts import judge
from lib.roots import repository
from lib.training.evaluate import predict

SHARED: dict[str, Any] = {"dataset": "digits", "device": "cpu"}
SIZES: dict[str, Any] = {"n_images": 600, "n_held_out_images": 200}
TESTS: dict[str, Any] = SIZES | {"n_test_images": 200}
SEARCH: dict[str, Any] = {"coordinates": "as_published", "tempered": False, "n_generations": 20, "n_population": 30}


@pytest.fixture(scope="module")
def nets():
    kinds = ("plain", "other start", "unsure", "untrained")
    return {kind: arms.trained(0, net="small lenet", kind=kind, n_steps=100, **TESTS, **SHARED) for kind in kinds}


@pytest.fixture(scope="module")
def other():
    return arms.trained(0, net="mlp 1x512", kind="plain", n_steps=100, **TESTS, **SHARED)


@pytest.fixture(scope="module")
def fooling(nets):
    subject = {"net": "small lenet", "fooled": nets["plain"]}
    return {name: arms.evolved(0, encoding=name, **subject, **SEARCH, **SHARED) for name in arms.ENCODINGS}


def rebuilt(values):
    return fooled_nets.loaded("small lenet", (1, 8, 8), 10, values["weights"], "cpu")


def test_parts_have_no_image_in_common():
    sets = parts("digits", (600, 200, 200), 0)
    rows = [tuple(row) for part in sets for row in to_float(part.images).flatten(1).tolist()]
    assert [len(part) for part in sets] == [600, 200, 200] and len(set(rows)) >= 995


def test_weights_answer_as_was_measured(nets):
    *_, test = parts("digits", (600, 200, 200), 0)
    logits = predict(rebuilt(nets["plain"]), to_float(test.images))
    assert (logits.argmax(1) == test.labels).double().mean().item() == nets["plain"]["test accuracy"] > 0.85
    assert nets["untrained"]["test accuracy"] < 0.5 and nets["unsure"]["test accuracy"] > 0.7
    same, again = nets["plain"]["weights"], nets["other start"]["weights"]
    assert not any(torch.equal(same[name], again[name]) for name in same if name.endswith("weight"))


def test_the_unsure_net_is_unsure_of_random_images(nets):
    plain, unsure = (
        arms.random_images(0, net="small lenet", fooled=nets[kind], n_random_images=300, **TESTS, **SHARED)
        for kind in ("plain", "unsure")
    )
    for name in ("uniform noise", "random CPPNs", "test digits, pixels shuffled"):
        assert unsure[name]["mean confidence"] < plain[name]["mean confidence"] - 0.1, name
    assert plain["test digits"]["mean confidence"] == pytest.approx(nets["plain"]["confidence on test images"])


def test_what_is_told_of_champions_is_what_the_net_says_of_their_images(nets, fooling):
    for found in fooling.values():
        probabilities = predict(rebuilt(nets["plain"]), found["images"]).double().softmax(1)
        assert found["confidence"] == pytest.approx(probabilities.diagonal().tolist(), abs=1e-5)
        assert found["median confidence"] == pytest.approx(probabilities.diagonal().quantile(0.5).item(), abs=1e-5)
        assert found["lowest confidence"] == min(found["confidence"])
        assert torch.equal(found["film"][-1], found["images"])
        assert torch.allclose(found["film probabilities"][-1], probabilities.float(), atol=1e-5)
        assert found["film at"][0] == 0 and found["film at"][-1] == 20
        assert found["curve"]["median confidence"][-1] == pytest.approx(found["median confidence"])


def test_a_temperature_above_one_makes_evolution_less_sure(nets):
    hot = nets["plain"] | {"temperature": 5.0}
    subject = {"net": "small lenet", "encoding": "direct encoding"} | SEARCH
    cool, warm = (
        arms.evolved(0, fooled=hot, **subject | {"tempered": tempered}, **SHARED) for tempered in (False, True)
    )
    assert warm["median log odds"] < cool["median log odds"]
    logits = predict(rebuilt(hot), warm["images"]) / 5
    assert warm["confidence"] == pytest.approx(logits.double().softmax(1).diagonal().tolist(), abs=1e-5)


@pytest.mark.parametrize("start", ["mean image", "noise"])
def test_gradient_ascent_reaches_every_class(nets, start):
    settings = {"net": "small lenet", "fooled": nets["plain"], "decay_rate": 0.0, "blur": 0.0, "n_steps": 300}
    found = arms.ascended(0, start=start, **settings, **SIZES, **SHARED)
    assert found["lowest confidence"] > 0.8 and found["median confidence"] > 0.99  # after 100 steps of training
    short = arms.ascended(0, start=start, **settings | {"n_steps": 1}, **SIZES, **SHARED)
    fit, *_ = parts("digits", (600, 200, 1), 0)
    apart = (short["images"] - to_float(fit.images).mean(0)).flatten(1).norm(dim=1).max()
    assert (apart < 0.1) == (start == "mean image")


def test_distance_ignores_brightness_and_contrast_and_finds_the_nearest():
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    faint = 0.3 + 0.1 * images
    assert arms.nearest_distance(faint, images).max() < 1e-3
    assert arms.nearest_distance(1 - images[:1], images[:1]).item() == pytest.approx(2)
    assert arms.nearest_distance(torch.full((1, 1, 8, 8), 0.5), images).item() == pytest.approx(math.sqrt(2))


def test_compared_says_what_other_nets_see(nets, other, fooling):
    judges = {"net": "small lenet", "other_net": "mlp 1x512", "fooled": nets["plain"], "same": nets["plain"]}
    seen = arms.compared(
        0, found=fooling["direct encoding"], **judges, other=other, n_random_images=100, **TESTS, **SHARED
    )
    champions = fooling["direct encoding"]
    hits = predict(rebuilt(nets["plain"]), champions["images"]).argmax(1) == torch.arange(10)
    assert seen["same label"]["same architecture"] == hits.double().mean().item()
    assert seen["tempered"]["median log odds"] != champions["median log odds"]
    assert seen["shuffled"]["mean confidence"] < 1 and seen["distance ratio"] > 1


def test_retraining_learns_the_eleventh_class_and_goes_on_from_a_checkpoint(nets, tmp_path, monkeypatch):
    settings = TESTS | SHARED | {
        "net": "small lenet", "fooled": nets["plain"], "encoding": "cppn", "coordinates": "as_published", "rounds": 1,
        "n_steps": 100, "n_generations": 20, "n_population": 30, "n_fooling_images": 100,
    }  # fmt: skip
    whole = arms.retrained(0, **settings)
    assert [len(values) for values in whole.values()] == [2] * len(whole)
    assert whole["old fooling images"][1] < 0.5 < whole["seen through"][1] and whole["test accuracy"][1] > 0.8
    evolve, calls = arms.evolve, []

    def once(*given, **named):
        calls.append(named["seed"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evolve(*given, **named)

    monkeypatch.setattr(arms, "evolve", once)
    with pytest.raises(KeyboardInterrupt):
        arms.retrained(0, **settings, checkpoint=tmp_path / "partial")
    assert {path.name for path in tmp_path.iterdir()} == {"partial.training0"}
    resumed = arms.retrained(0, **settings, checkpoint=tmp_path / "partial")
    assert resumed["median confidence"] == whole["median confidence"]
    assert torch.equal(resumed["images"][1], whole["images"][1])


def test_perturbed_digits_are_mistaken_and_still_near(nets, other):
    judges = {"net": "small lenet", "other_net": "mlp 1x512", "fooled": nets["plain"], "same": nets["other start"]}
    found = arms.perturbed(0, **judges, other=other, n_perturbed_images=30, **TESTS, **SHARED)
    assert found["share mistaken"] > 0.9 and found["distance from the digit"] < 0.6 * found["length of a digit"]
    assert found["images"].shape == (30, 1, 8, 8) and found["median confidence"] < 0.8
    answers = predict(rebuilt(nets["plain"]), found["images"]).argmax(1)
    assert answers.tolist() == found["answers"]


def test_a_lenet_for_other_images_is_refused_in_words():
    with pytest.raises(ValueError, match="'lenet' is for images of 28 x 28, found 8 x 8"):
        fooled_nets.build("lenet", (1, 8, 8), 10)


def test_moments_of_a_film():
    assert arms.scenes(2)[0] == 0 and arms.scenes(2)[-1] == 2
    assert len(arms.scenes(1000)) == 24
    assert arms.second_half(2) == [1, 2] and arms.second_half(200)[0] > 100 and arms.second_half(200)[-1] == 200
    assert len(arms.second_half(1000)) == 40


def made_of(median, lowest):
    curve = {"generation": [0, 1], "median confidence": [0.1, median], "lowest confidence": [0.1, lowest]}
    return {
        "median confidence": median, "lowest confidence": lowest, "share that is sure": 1.0, "median log odds": 6.0,
        "generations until sure": {"median": 1.0, "every class": 1.0}, "curve": curve,
    }  # fmt: skip


def seen_by(same, other, distance):
    return {"same label": {"same architecture": same, "other architecture": other}, "distance ratio": distance}


@pytest.mark.parametrize(
    ("lowest", "distance", "same", "after", "learnt", "expected"),
    [
        (0.995, 1.5, 0.6, 0.97, 0.9, {"F1": "reproduced", "F2": "reproduced", "F6": "reproduced", "F7": "reproduced"}),
        (0.9, 0.8, 0.1, 0.5, 0.9, {"F1": "not testable", "F2": "not reproduced", "F7": "not reproduced"}),
        (0.995, 1.5, 0.6, 0.97, 0.3, {"F7": "not testable"}),
    ],
)
def test_from_values_to_verdicts(lowest, distance, same, after, learnt, expected):
    names = ("direct encoding", "cppn", "mean image", "noise")
    made = {name: [made_of(0.999, lowest)] * 3 for name in names}
    seen = {name: [seen_by(same, same, distance)] * 3 for name in names}
    rounds = {
        name: [{"median confidence": [0.99, after], "seen through": [0.0, learnt]}] * 3 for name in arms.ENCODINGS
    }
    values = derived.quantities_of(made, seen, [{"test accuracy": 0.96}] * 3) | derived.quantities_of_rounds(rounds)
    claims = read_paper(repository() / "papers" / "rethinking-generalization").claims
    found = {name: judge(claims[name], values, {"mnist"}).status for name in expected}
    assert all(found[name].startswith(status) for name, status in expected.items()), found
    assert values["share of fooling images with the same label/same architecture"] == pytest.approx([same] * 3)
    assert judge(claims["F8"], values, {"mnist"}).reason.startswith("needs imagenet")


def test_a_tile_keeps_its_pixels():
    image = torch.linspace(0, 1, 64).view(1, 8, 8)
    line = derived.placed("row", 3, image)
    assert line["shape"] == "1x8x8" and bytes.fromhex(line["pixels"]) == bytes((image * 255).round().byte().flatten())
