"""Weights of several moments: which are kept, that they are copies, and that an interruption loses none."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lib.training.history import Run
from lib.training.keep_looks import KeepLooks
from lib.training.loop import train


def trained(keep: KeepLooks, checkpoint: Path | None = None, until: int = 0) -> nn.Module:
    """Seven steps of a linear net; where `until` is given, interrupted after so many and begun again."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    images, labels = torch.rand(20, 3), torch.arange(20) % 2

    def interrupt(run: Run) -> None:
        if run.step == until:
            raise KeyboardInterrupt

    train(
        model, images, labels, steps=7, batch_size=5, optimiser=torch.optim.SGD(model.parameters(), 0.1),
        hooks=[keep, interrupt], checkpoint=checkpoint, checkpoint_seconds=0, stateful={"looks": keep},
    )  # fmt: skip
    return model


def test_looks_are_every_so_many_steps_and_at_the_last():
    keep = KeepLooks(3)
    model = trained(keep)
    assert list(keep.weights) == [3, 6, 7]
    assert torch.equal(keep.weights[7]["weight"], model.state_dict()["weight"])
    assert not torch.equal(keep.weights[3]["weight"], keep.weights[6]["weight"]), "copies, not views"


def test_an_interrupted_run_keeps_the_looks_from_before(tmp_path: Path):
    whole = KeepLooks(3)
    trained(whole)
    with pytest.raises(KeyboardInterrupt):
        trained(KeepLooks(3), tmp_path / "run", until=5)
    resumed = KeepLooks(3)
    trained(resumed, tmp_path / "run")
    assert list(resumed.weights) == [3, 6, 7]
    for step, weights in whole.weights.items():
        assert all(torch.equal(value, resumed.weights[step][name]) for name, value in weights.items())


def test_no_look_at_all_is_refused():
    with pytest.raises(ValueError, match="every 1 or more"):
        KeepLooks(0)
