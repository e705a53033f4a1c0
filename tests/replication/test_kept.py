"""Which nets are kept and how: what fits, in which precision, and that each answers as the trained one does."""

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from lib.experiments.noisy_student import self_training as arms
from lib.experiments.noisy_student import self_training_nets
from lib.experiments.rethinking_generalization import expressivity
from lib.models.builders import made_by
from lib.models.recorded import weights_of
from lib.replication import kept
from lib.replication.artefacts import Artefact
from lib.training.evaluate import error_rate, predict
from tests.experiments.test_noisy_student import SETTING, TEACHER

PLAN: dict[str, Any] = TEACHER | {"steps": 3}
SEEDS = [0, 1]
SHARED: dict[str, Any] = {"dataset": "digits", "device": "cpu", "setting": SETTING}


def nets(net: str) -> list[Artefact]:
    plan = PLAN | {"net": net}
    own = {"name": net, "lineage": [plan], "labels": None}
    return [Artefact(arms.trained, {"seed": seed, **own, **SHARED}) for seed in SEEDS]


@pytest.fixture(scope="module", autouse=True)
def output(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPLICATION_OUTPUT", str(tmp_path_factory.mktemp("kept")))
        yield


def small_and_large():
    return {"small": nets("XXS"), "large": nets("XS"), "small again": nets("XXS")}


def keep(given=None, fresh=self_training_nets.fresh, measured=None):
    return kept.keep(given or small_and_large(), SEEDS, fresh, measured or {})


def loaded(about, content, name, seed):
    of = about["kept"][name]
    net = made_by(of["call"]).eval()
    net.load_state_dict(weights_of(content, of["stored as"], seed))
    return net


def test_a_kept_net_gives_the_trained_nets_logits_bit_for_bit():
    about, content = keep()
    assert about["precision"] == "float32" and about["seeds"] == SEEDS and about["left out"] == []
    assert about["bytes"] == len(content) and about["sha256"] == hashlib.sha256(content).hexdigest()
    for name, artefacts in small_and_large().items():
        for place, artefact in enumerate(artefacts):
            net, tests, _ = self_training_nets.fresh(**artefact.arguments)
            net.load_state_dict(artefact.value()["weights"])
            again = loaded(about, content, name, SEEDS[place])
            assert torch.equal(predict(again, tests.images), predict(net, tests.images))
            assert about["kept"][name]["accuracy"][place] == pytest.approx(artefact.value()["accuracy"])


def test_it_says_what_a_net_is_and_where_it_comes_from():
    about, _ = keep(measured={"small": {"nll": [0.1, 0.2]}})
    of = about["kept"]["small"]
    assert about["names"] == ["small", "large", "small again"]
    assert of["parameters"] == 17_946 and of["images"] == [1, 8, 8] and of["classes"] == list(map(str, range(10)))
    assert of["call"]["builder"] == "small_cnn" and of["call"]["arguments"]["widths"] == [8, 16, 32]
    assert of["arm"] == "lib.experiments.noisy_student.self_training.trained"
    assert (
        of["trained on"] == "50 labelled images of digits; 3 steps" and of["tested on"] == "200 test images of digits"
    )
    assert of["artefacts"] == [artefact.path.stem for artefact in nets("XXS")]
    assert of["measured"] == {"nll": [0.1, 0.2]} and about["kept"]["large"]["measured"] == {}


def test_two_names_of_one_net_share_its_weights():
    about, content = keep()
    assert about["kept"]["small again"]["stored as"] == "small"
    assert content == keep({name: of for name, of in small_and_large().items() if name != "small again"})[1]


def test_where_float32_does_not_fit_filters_are_float16_and_what_that_changes_is_said(monkeypatch):
    whole = keep()[0]["bytes"]
    monkeypatch.setattr(kept, "MOST_BYTES", round(0.9 * whole))
    monkeypatch.setattr(kept.choose, "__defaults__", (round(0.9 * whole),))
    about, content = keep()
    assert about["precision"] == "float16" and about["seeds"] == SEEDS and len(content) < 0.7 * whole
    state = weights_of(content, "small", 0)
    assert {value.dtype for name, value in state.items() if value.dim() == 4 and "inputs" not in name} == {torch.half}
    assert {state[name].dtype for name in ("inputs.mean", "head.1.bias", "features.1.running_var")} == {torch.float32}
    changes = []
    for place, artefact in enumerate(nets("XXS")):
        net, tests, _ = self_training_nets.fresh(**artefact.arguments)
        net.load_state_dict(artefact.value()["weights"])
        again = loaded(about, content, "small", SEEDS[place])
        changes.append((predict(again, tests.images) - predict(net, tests.images)).abs().max().item())
        of_kept = 1 - error_rate(again, tests.images, tests.labels)
        assert about["kept"]["small"]["accuracy"][place] == pytest.approx(of_kept)
    assert 0 < about["kept"]["small"]["largest change of a logit"] == max(changes) < 0.01


def states(**bytes_of: int) -> dict[str, Any]:
    """Nets whose one filter has so many bytes in float32."""

    def state_of(size):
        return lambda half: {"weight": torch.zeros(size // 4, dtype=torch.half if half else torch.float32)}

    return {name: SimpleNamespace(state=state_of(size)) for name, size in bytes_of.items()}


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (90_000 + 6 * 250, (["a", "b"], 3, False)),
        (90_000 + 6 * 250 - 1, (["a", "b"], 3, True)),
        (45_000 + 6 * 250 - 1, (["a", "b"], 2, True)),
        (15_000 + 2 * 250, (["a", "b"], 1, True)),
        (15_000 + 2 * 250 - 1, (["a"], 1, True)),
        (10_000 + 250, (["a"], 1, True)),
        (10_000 + 250 - 1, ([], 0, True)),
    ],
)
def test_as_much_is_kept_as_fits_the_first_nets_first(most, expected):
    assert kept.choose(states(a=20_000, b=10_000), 3, most) == expected


def test_the_size_holds_for_the_file_with_its_header(monkeypatch):
    for most in (40_000, 90_000, 200_000):
        monkeypatch.setattr(kept.choose, "__defaults__", (most,))
        about, content = keep()
        assert len(content) <= most and (about["kept"] or most == 40_000)


def test_where_nothing_fits_nothing_is_kept_and_all_is_named(monkeypatch):
    monkeypatch.setattr(kept.choose, "__defaults__", (1000,))
    about, _ = keep()
    assert about["kept"] == {} and about["left out"] == ["small", "large", "small again"]
    assert kept.in_words("A/1", "laptop", about) == "Left out, since 2 MB hold no more: small; large; small again."


def test_what_float16_cannot_hold_stays_as_it_is():
    assert kept._half(torch.tensor([[1.0, 1e6]])).dtype == torch.float32
    assert kept._half(torch.tensor([[1.0, 1e4]])).dtype == torch.half


def test_an_arm_without_weights_is_named_with_what_it_returns():
    artefacts = [Artefact(expressivity.theorem_1, {"seed": s, "dataset": "digits", "n_images": [8]}) for s in SEEDS]
    with pytest.raises(ValueError, match=r"theorem_1 returns no weights under 'weights': it has n, weights, wrong"):
        keep({"memory": artefacts}, fresh=lambda **arguments: (nn.Linear(1, 1), None, ""))


def test_another_key_of_the_weights_can_be_given():
    about, _ = keep({"small": (nets("XXS"), "weights")})
    assert about["names"] == ["small"]
    with pytest.raises(
        ValueError, match=r"trained returns no weights under 'best weights': it has weights, parameters"
    ):
        keep({"small": (nets("XXS"), "best weights")})


def test_a_net_that_was_changed_after_a_builder_made_it_is_refused():
    def louder(**arguments):
        net, tests, learnt = self_training_nets.fresh(**arguments)
        net.scale = 1.0  # type: ignore[assignment]
        return net, tests, learnt

    def wrapped(**arguments):
        net, tests, learnt = self_training_nets.fresh(**arguments)
        return nn.Sequential(net), tests, learnt

    with pytest.raises(ValueError, match=r"small_cnn with .* is not the net that louder gave"):
        keep({"small": nets("XXS")}, fresh=louder)
    with pytest.raises((ValueError, RuntimeError)):
        keep({"small": nets("XXS")}, fresh=wrapped)


def test_the_page_says_how_to_load_what_was_kept():
    about, _ = keep()
    said = kept.in_words("noisy-student/1", "reduced", about)
    assert said.startswith("Kept: *small*; *large*; *small again*; seeds 0, 1, in float32, 0.")
    assert 'lib.models.recorded("noisy-student/1", "small", seed=0, tier="reduced")' in said
    assert 'lib.models.recorded("noisy-student/1", "small", seed=0)' in kept.in_words(
        "noisy-student/1", "laptop", about
    )
