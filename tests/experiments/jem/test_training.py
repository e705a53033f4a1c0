"""What JEM and its twins have in common, what keeps the parts of the data apart, and what the judge's word is worth."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from lib.experiments.jem import training as arms
from lib.experiments.jem import training_samples
from lib.experiments.jem.subjects import Protocol, divide

SIZES = [60, 50, 40, 30]
PROTOCOL = {"net": "mlp 2x256", "steps": 6, "batch_size": 16, "sgld_steps": 2, "buffer_size": 32}
TASK: dict[str, Any] = {"pooling": 1, "sizes": SIZES, "protocol": PROTOCOL}
WHERE: dict[str, Any] = {"seed": 0, "pooled_dataset": "digits", "task": TASK, "device": "cpu"}


@pytest.mark.parametrize(("dataset", "pooling"), [("digits", 1), ("fake:cifar10", 2)])
def test_no_image_is_in_two_parts(dataset, pooling):
    sizes = SIZES if dataset == "digits" else [60, 50, 15, 15]
    parts = [divide(dataset, pooling, sizes, seed) for seed in (0, 1)]
    keys = [[{image.numpy().tobytes() for image in part.images} for part in of_seed] for of_seed in parts]
    for seed in (0, 1):
        assert [len(part) for part in parts[seed]] == sizes
        assert sum(map(len, keys[seed])) == len(set.union(*keys[seed]))
    assert keys[0][0] != keys[1][0] and keys[0][2] != keys[1][2]
    assert parts[0].train.shape[1] == (8 if dataset == "digits" else 16)


class Begun(Exception):
    pass


def test_jem_and_its_twins_begin_with_the_same_weights(monkeypatch):
    starts: list[dict[str, torch.Tensor]] = []

    def begin(net, *_, **__):
        starts.append(net.state_dict())
        raise Begun

    monkeypatch.setattr(arms, "train_jointly", begin)
    monkeypatch.setattr(arms, "train", begin)
    for factorisation in (arms.JOINT, arms.CONDITIONAL):
        with pytest.raises(Begun):
            arms.joint_net(factorisation=factorisation, **WHERE)
    for compared in ("same steps", "same passes", "same data noise"):
        with pytest.raises(Begun):
            arms.twin(compared=compared, **WHERE)
    assert len(starts) == 5
    assert all(torch.equal(start[name], starts[0][name]) for start in starts for name in starts[0])


def test_steps_of_the_twins():
    twins = {which: arms.twin(compared=which, **WHERE) for which in ("same steps", "same passes", "same data noise")}
    # K = 2: a JEM step counts 2 K + 6 = 10 passes, a classifier's 3
    assert {which: net["steps"] for which, net in twins.items()} == {
        "same steps": 6, "same passes": 20, "same data noise": 6,
    }  # fmt: skip
    assert all(1 <= net["early step"] <= net["steps"] for net in twins.values())
    noisy, plain = twins["same data noise"]["weights"], twins["same steps"]["weights"]
    assert any(not torch.equal(noisy[name], plain[name]) for name in plain)


def test_the_trials_differ_from_the_stabilised_recipe_in_what_they_say():
    assert arms.KIT == {"energy_penalty": 0.01, "clip_norm": 1.0, "clamp": True, "activation": "silu"}
    assert replace(Protocol(net="mlp 2x256", steps=1), **arms.TRIALS["kit on"]) == Protocol(net="mlp 2x256", steps=1)
    for trial in ("kit off", "slow sampler", "high rate"):
        without = replace(Protocol(net="mlp 2x256", steps=1), **arms.TRIALS[trial])
        assert (without.energy_penalty, without.clip_norm, without.clamp) == (0.0, 0.0, False)


def test_constants_fitted_undo_an_offset_of_the_classes():
    division = divide("digits", 1, [400, 50, 40, 300], 0)
    net = Protocol(net="mlp 2x256", steps=60).build(division, 0)
    arms.classify(Protocol(net="mlp 2x256", steps=60), net, division, 60, 0.0, 0, "cpu")
    before = arms.accuracies(net, division, 0.0, 0)["accuracy"]
    last = [module for module in net.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.bias.add_(torch.linspace(-20, 20, 10))
    assert arms.accuracies(net, division, 0.0, 0)["accuracy"] < 0.5 < 0.8 < before
    assert arms.accuracy_with_constants(net, division) > before - 0.05


def test_agreement_is_averaged_over_the_classes():
    meant = torch.tensor([0, 0, 0, 1])
    assert training_samples.by_class(torch.tensor([0, 0, 0, 0]), meant, 2) == 0.5
    assert training_samples.by_class(torch.tensor([0, 0, 0, 1]), meant, 2) == 1.0
    assert training_samples.by_class(torch.tensor([0, 0, 0, 1]), meant, 4) == 0.5  # two classes without a sample
