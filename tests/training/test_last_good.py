"""What a GPU does, looking every few steps alone, tried on the CPU, where every bit can be compared."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lib.models import small_cnn
from lib.training import Diverged, muon, train
from lib.training.device import Compute

CPU = torch.device("cpu")
IMAGES = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 3


def run(steps, look_every, bad_step=None, bad_gradient=False, seen=None, **options):
    """A net with batch norm, dropout, momentum and draws of its own; the loss of `bad_step` is not finite."""
    torch.manual_seed(0)
    model = small_cnn(3, (4, 4, 4), dropout=0.5)

    def loss(model, batch):
        if seen is not None:
            seen.append(batch.step)
        noise = torch.rand(1) + torch.rand(1, generator=batch.generator)
        value = F.cross_entropy(model(batch.images + noise), batch.labels)
        if batch.step != bad_step:
            return value
        return value + (0 * value).sqrt() if bad_gradient else value * math.nan

    try:
        train(model, IMAGES, LABELS, steps=steps, batch_size=8, optimiser=muon(model, batch_size=8), batch_loss=loss,
              seed=2, compute=Compute(CPU, look_every=look_every), **options)  # fmt: skip
        return model.state_dict(), None
    except Diverged as found:
        return model.state_dict(), found


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("look_every", [2, 3, 5, 50])
def test_looking_now_and_then_changes_nothing_about_a_good_run(look_every):
    assert same(run(11, look_every)[0], run(11, 1)[0])


@pytest.mark.parametrize("look_every", [2, 3, 5, 50])
@pytest.mark.parametrize("bad_gradient", [False, True])
def test_a_divergence_is_of_the_same_step_and_leaves_the_same_state(look_every, bad_gradient):
    state, found = run(12, look_every, 7, bad_gradient)
    expected, each = run(12, 1, 7, bad_gradient)
    assert each is not None and found is not None and found.step == each.step == 7
    assert math.isfinite(found.loss) == math.isfinite(each.loss) == bad_gradient and not math.isfinite(
        found.gradient_norm
    )
    assert same(state, expected)
    assert same(state, run(7, 1)[0])


def test_a_loss_with_a_state_of_its_own_is_not_called_a_second_time():
    seen: list[int] = []
    state, found = run(12, 5, 7, retake=False, seen=seen)
    assert found is not None and found.step == 7
    assert seen == list(range(10))  # the look after ten steps found it
    assert same(state, run(5, 1)[0])


def test_a_bad_last_step_is_found_and_the_checkpoint_is_of_the_state_before(tmp_path: Path):
    path = tmp_path / "run.ckpt"
    assert run(8, 50, 7, checkpoint=path)[1] is not None
    assert same(run(8, 50, checkpoint=path)[0], run(8, 1)[0])  # it goes on from there, without the fault


def test_nothing_is_saved_that_was_not_looked_at(tmp_path: Path):
    path = tmp_path / "run.ckpt"
    state, found = run(8, 50, 3, checkpoint=path, checkpoint_seconds=0.0)
    assert found is not None and same(state, run(3, 1)[0])
    assert same(run(8, 50, checkpoint=path, checkpoint_seconds=0.0)[0], run(8, 1)[0])


def test_measured_values_after_the_bad_step_are_dropped(tmp_path: Path):
    path, values = tmp_path / "run.ckpt", []
    run(12, 50, 7, checkpoint=path, hooks=[lambda r: r.history.record("step", r.step, r.step)])
    run(12, 50, checkpoint=path, hooks=[lambda r: values.append(list(r.history.values["step"]))])
    assert [step for step, _ in values[0]] == [1, 2, 3, 4, 5, 6, 7]
