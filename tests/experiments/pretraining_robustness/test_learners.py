"""The nets of detection and calibration: which rate counts, what is kept of the way, where tuning starts."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lib.experiments.pretraining_robustness import learners, learners_nets, sources
from lib.training.evaluate import error_rate

NET = "mlp 2x256"
TARGET: dict[str, Any] = {"target_dataset": "digits", "sizes": [60, 30, 40]}
HOW: dict[str, Any] = {**TARGET, "net": NET, "batch_size": 20, "looks": 3, "device": "cpu", "steps": 6}


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Any]:
    return sources.source(0, "fake:letters", "all", NET, 0.1, steps=2, batch_size=32, test_images=20, device="cpu")


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    return learners.learnt(0, rates=[0.1, 1e-6], **HOW)


def test_images_do_not_overlap_and_vary_with_the_seed():
    parts = learners.target("digits", [60, 30, 40], 0)
    assert [len(part) for part in parts] == [60, 30, 40]
    flat = torch.cat([part.images.flatten(1) for part in parts])
    assert len(flat.unique(dim=0)) == 130
    assert not torch.equal(parts[0].images, learners.target("digits", [60, 30, 40], 1)[0].images)


def test_held_out_images_choose_the_rate_and_every_rate_is_kept(run: dict[str, Any]):
    assert run["rate"] == 0.1 and list(run["at rate"]) == ["0.1", "1e-06"]
    assert run["held-out error"] == min(at["held-out error"] for at in run["at rate"].values())
    assert run["test error"] == run["at rate"]["0.1"]["test error"]


def test_looks_hold_errors_of_their_own_weights(run: dict[str, Any]):
    looks = run["looks"]
    assert looks["step"] == [2, 4, 6] and len(looks["weights"]) == 3
    images, held_out, tests = learners.target("digits", [60, 30, 40], 0)
    model = sources.new_net(NET, images, 0)
    for place, weights in enumerate(looks["weights"]):
        model.load_state_dict(weights)
        assert error_rate(model, tests.images, tests.labels) == pytest.approx(looks["test error"][place])
        assert error_rate(model, held_out.images, held_out.labels) == pytest.approx(looks["held-out error"][place])
    assert all(torch.equal(value, run["weights"][name]) for name, value in looks["weights"][-1].items())


def test_tuning_starts_from_the_source(pretrained: dict[str, Any]):
    """At a rate of next to nothing a tuned net has the source's trunk."""
    tuned = learners.learnt(0, rates=[1e-9], pretrained=pretrained, **HOW)
    trunk = next(n for n, v in pretrained["weights"].items() if v.dim() == 2)
    assert torch.allclose(tuned["weights"][trunk], pretrained["weights"][trunk], atol=1e-5)
    fresh = learners.learnt(0, rates=[1e-9], **HOW)
    assert not torch.allclose(fresh["weights"][trunk], pretrained["weights"][trunk], atol=1e-2)


def test_at_rate_of_takes_the_rate_of_another_run(run: dict[str, Any]):
    longer = learners.at_rate_of(0, run, **HOW | {"steps": 4})
    assert longer["rate"] == 0.1 and list(longer["at rate"]) == ["0.1"] and longer["looks"]["step"][-1] == 4


def test_an_interrupted_training_ends_as_if_nothing_had_been(run: dict[str, Any], tmp_path: Path):
    first = tmp_path / "a.partial"
    learners.learnt(0, rates=[0.1], checkpoint=first, **HOW)
    assert (tmp_path / "a.partial.0.1").exists()
    again = learners.learnt(0, rates=[0.1], checkpoint=first, **HOW)  # nothing left to train
    assert again["looks"]["step"] == [2, 4, 6]
    assert all(torch.equal(value, run["weights"][name]) for name, value in again["weights"].items())


def test_a_kept_net_is_built_again_with_its_own_test_images():
    net, tests, learnt = learners_nets.fresh(0, rates=[0.1], **HOW)
    assert len(tests) == 40 and learnt == "60 images of digits"
    net.load_state_dict(learners.learnt(0, rates=[0.1], **HOW)["weights"])
