"""Training where the device is: a real net learns there, in its precision, is evaluated and resumed there."""

import pytest
import torch

from lib.data.augment import crop_and_flip
from lib.models.small_cnn import small_cnn
from lib.training.device import prepare
from lib.training.evaluate import error_rate, predict
from lib.training.hooks import every, measure
from lib.training.loop import train
from lib.training.optimisers import adam, muon, sgd
from lib.training.schedules import linear

OPTIMISERS = {
    "sgd": lambda net: sgd(net, 0.05, nesterov=True, weight_decay=1e-4),
    "adam": lambda net: adam(net, 1e-3),
    "muon": lambda net: muon(net, batch_size=32),
}


def subjects():
    """A net for 32x32 colour images, and images whose mean colour is their class."""
    torch.manual_seed(0)
    labels = torch.arange(96) % 3
    images = torch.randint(0, 100, (96, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images[torch.arange(96), labels] += 120
    return small_cnn(3, (8, 16, 32), 3, strides=(2, 2, 2)), images, labels


def fit(device, optimiser, steps=12, **more):
    net, images, labels = subjects()
    history = train(
        net, images, labels, steps=steps, batch_size=32, optimiser=optimiser(net), schedule=linear(steps),
        augment=crop_and_flip, seed=2, compute=prepare(str(device)), **more,
    )  # fmt: skip
    return net, images, labels, history


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS.keys())
def test_a_net_learns_on_device(optimiser, device):
    looked = every(6, measure("error", lambda net: error_rate(net, *subjects()[1:])))
    net, images, labels, history = fit(device, optimiser, hooks=[looked])
    assert {parameter.device.type for parameter in net.parameters()} == {device.type}
    assert history.losses[-3:].mean() < history.losses[:3].mean()
    assert [step for step, _ in history.values["error"]] == [6, 12]
    assert predict(net, images, 50).shape == (96, 3) and error_rate(net, images, labels) <= 1


def test_a_run_that_was_stopped_goes_on_on_device(device, tmp_path):
    class Stopped(Exception):
        pass

    def stop(run):
        if run.step == 7:
            raise Stopped

    kept = {"checkpoint": tmp_path / "run", "fingerprint": "net of subjects", "checkpoint_seconds": 0.0}
    with pytest.raises(Stopped):
        fit(device, OPTIMISERS["sgd"], hooks=[stop], **kept)
    net, *_, history = fit(device, OPTIMISERS["sgd"], **kept)
    assert len(history.losses) == 12 and bool(history.losses.isfinite().all())
    assert {parameter.device.type for parameter in net.parameters()} == {device.type}
