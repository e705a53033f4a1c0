import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lib.training.device import prepare
from lib.training.loop import train
from lib.training.online import OnlineAccuracy
from lib.training.optimisers import sgd


def linear() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    nn.init.zeros_(net.get_parameter("1.weight"))
    return net


def test_accuracy_before_the_update_by_hand():
    """Logits of zero answer class 0; one step of rate 1 on images of one pixel each learns the labels."""
    images, labels = torch.eye(4).view(4, 1, 2, 2), torch.tensor([0, 1, 1, 1])
    online, net = OnlineAccuracy(2), linear()
    history = train(
        net, images, labels, steps=2, batch_size=4, optimiser=sgd(net, lr=1.0, momentum=0.0), batch_loss=online,
        compute=prepare("cpu"),
    )  # fmt: skip
    assert online.right.tolist() == [0.25, 1.0]
    assert online.over(0, 2) == 0.625
    assert history.losses[0].item() == pytest.approx(math.log(2))


def test_it_survives_an_interruption(tmp_path: Path):
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(20, 1, 2, 2, generator=generator), torch.randint(2, (20,), generator=generator)

    def run(steps_until, checkpoint):
        online, net = OnlineAccuracy(12), linear()
        settings: dict[str, Any] = {
            "steps": 12,
            "batch_size": 5,
            "optimiser": sgd(net, lr=0.3),
            "compute": prepare("cpu"),
        }
        train(
            net, images, labels, **settings, batch_loss=online, checkpoint=checkpoint, checkpoint_seconds=0.0,
            stateful={"online": online}, hooks=[lambda run: stop_at(run, steps_until)],
        )  # fmt: skip
        return online.right

    def stop_at(run, step):
        if run.step == step:
            raise RuntimeError("killed")

    whole = run(99, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        run(7, tmp_path / "part")
    resumed = run(99, tmp_path / "part")
    assert torch.equal(resumed, whole) and not resumed.isnan().any()
