"""Noise by kind: the loss against notebook 1's, a batch by hand, who keeps dropout and depth, the noised teacher."""

import math

import pytest
import torch
from torch import nn

from lib.methods.self_training import joint_loss, pseudo_labels
from lib.methods.student_noise import KINDS, divergence, noise_spares, noised_loss, noised_pseudo_labels
from lib.models.small_resnet import small_resnet
from lib.models.wide_resnet import StochasticDepth
from lib.training.batches import Batch, Batches

SIDE, CLASSES = 32, 10


def images(count, seed=0):
    return torch.randint(256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def labelled():
    return Batches(images(8), torch.arange(8) % CLASSES, 4, seed=1, device=torch.device("cpu"))


def unlabelled(step=0):
    soft = torch.softmax(torch.randn(12, CLASSES, generator=torch.Generator().manual_seed(2)), dim=1)
    return Batch(images(12, 3), soft, torch.arange(12), step, torch.Generator().manual_seed(4))


def shifted(x, generator):
    return x.roll(int(torch.randint(1, 5, (), generator=generator)), dims=-1)


def net(dropout=0.5, depth=0.5):
    torch.manual_seed(0)
    return small_resnet(CLASSES, (4, 8, 16), dropout=dropout, stochastic_depth=depth).train()


def ignored(step, on_labelled, on_unlabelled):
    """What nobody asks for."""


def value(loss):
    model = net()
    torch.manual_seed(9)
    return loss(model, unlabelled())


@pytest.mark.parametrize("without, noisy", [((), True), (KINDS, False)])
def test_all_or_none_of_the_noise_is_notebook_1s_loss_to_the_digit(without, noisy):
    ours = value(noised_loss(labelled(), shifted, without=without, note=ignored))
    assert ours == value(joint_loss(labelled(), shifted, noise_on_unlabelled=noisy))


def test_each_kind_changes_the_loss_by_itself():
    sets = [(), *((kind,) for kind in KINDS), KINDS[1:], KINDS]
    assert len({value(noised_loss(labelled(), shifted, without=kinds, note=ignored)).item() for kinds in sets}) == 6


def test_a_batch_by_hand():
    """A net that answers by the first pixel alone, ln 2 for each image of two equal classes."""
    told = []

    class Pixel(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, 0, 0].float(), torch.zeros(len(x))], dim=1)

    pair = Batches(torch.zeros(1, 1, 1, 1), torch.tensor([0]), 1, 0, torch.device("cpu"))
    soft = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    batch = Batch(torch.zeros(3, 1, 1, 1), soft, torch.arange(3), 5, torch.Generator())
    up = lambda x, generator: x + math.log(3)  # noqa: E731 - the noised image has logits ln 3 and 0
    for without, everywhere, first, others in (
        ((), False, -math.log(0.75), [-math.log(0.75 * 0.25) / 2, -math.log(0.75), -math.log(0.25)]),
        (("augmentation",), False, -math.log(0.75), [math.log(2)] * 3),
        (("augmentation",), True, math.log(2), [math.log(2)] * 3),
    ):
        loss = noised_loss(pair, up, without=without, everywhere=everywhere, note=lambda *line: told.append(line))
        assert loss(Pixel(), batch).item() == pytest.approx((first + sum(others)) / 4)
        step, on_labelled, on_unlabelled = told.pop()
        assert step == 5 and on_labelled.item() == pytest.approx(first)
        assert on_unlabelled.item() == pytest.approx(sum(others) / 3)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="augmentation, dropout, stochastic depth, found cutout"):
        noised_loss(labelled(), shifted, without=["cutout"], note=ignored)


@pytest.mark.parametrize("kind, module", [("dropout", nn.Dropout(0.9)), ("stochastic depth", StochasticDepth(0.9))])
def test_noise_in_the_net_spares_the_rows_behind(kind, module):
    x = torch.ones(400, 4, 2, 2)
    other = ({"dropout", "stochastic depth"} - {kind}).pop()
    with noise_spares(module, 200, [kind, "augmentation"]):
        seen = module(x)
    assert (seen[:200] == 0).double().mean() > 0.7 and torch.equal(seen[200:], x[200:])
    with noise_spares(module, 200, [other]):
        assert (module(x)[200:] == 0).any()
    assert (module(x)[200:] == 0).any(), "the hooks were left behind"


def test_a_noised_teacher_is_noised_once_and_left_as_it_was():
    model, pool = net().eval(), images(40)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    first, again = (noised_pseudo_labels(model, pool, shifted, seed=3, batch_size=16) for _ in range(2))
    assert torch.equal(first, again) and torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, noised_pseudo_labels(model, pool, shifted, seed=4))
    assert not model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.allclose(first.sum(1), torch.ones(40))
    quiet = net(0.0, 0.0).eval()
    assert torch.allclose(noised_pseudo_labels(quiet, pool, lambda x, g: x, 0), pseudo_labels(quiet, pool))


def test_divergence_by_hand_and_nothing_of_a_copy():
    teacher = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    assert divergence(teacher, logits) == pytest.approx((0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2)
    assert divergence(teacher, teacher.log() + 7) == pytest.approx(0, abs=1e-7)
