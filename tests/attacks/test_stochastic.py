from functools import partial

import pytest
import torch
from torch import nn

from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from lib.attacks.stochastic import Averaged, averaged
from tests.attacks.nets import Noisy


class Coin(nn.Module):
    """Right about class 0 on `share` of the passes, independent of the image."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, images):
        right = torch.rand(len(images), 1) < self.share
        return torch.where(right, torch.tensor([4.0, 0.0]), torch.tensor([0.0, 4.0])) + 0 * images.flatten(1)[:, :1]


def test_mean_probability_by_hand():
    class Alternating(nn.Module):
        calls = 0

        def forward(self, images):
            self.calls += 1
            return torch.tensor([[3.0, 0.0], [0.0, 5.0]])[self.calls % 2].expand(len(images), 2)

    mean = Averaged(Alternating(), 4)(torch.zeros(3, 1)).exp()
    expected = (torch.tensor([3.0, 0.0]).softmax(0) + torch.tensor([0.0, 5.0]).softmax(0)) / 2
    torch.testing.assert_close(mean, expected.expand(3, 2))


def test_one_sample_is_the_model_itself_and_none_is_refused(plain_net):
    assert averaged(plain_net, 1) is plain_net
    with pytest.raises(ValueError, match="at least 1"):
        Averaged(plain_net, 0)


def test_judged_on_the_mean_and_not_on_one_pass():
    torch.manual_seed(0)
    images, labels = torch.rand(400, 1, 2, 2), torch.zeros(400, dtype=torch.int64)

    def nothing(model, images, labels):
        return images

    single = robust_accuracy(Coin(0.8), images, labels, nothing, batch_size=400)
    mean = robust_accuracy(Coin(0.8), images, labels, nothing, batch_size=400, samples=31)
    assert single.clean_accuracy == pytest.approx(0.8, abs=0.08) and single.accuracy < 0.75  # looked at twice
    assert mean.accuracy == 1
    assert "randomised output" in [flag.name for flag in single.flags]


def test_attacking_the_mean_is_stronger_than_attacking_single_passes(robust_net, digits):
    torch.manual_seed(0)
    model, images, labels = Noisy(robust_net, 0.3), digits[0][:150], digits[1][:150]
    attack = partial(pgd, eps=0.15, steps=8, generator=torch.Generator().manual_seed(0))

    def one_pass(averaged_model, images, labels):
        return attack(model, images, labels)

    against_mean = robust_accuracy(model, images, labels, attack, batch_size=150, samples=12)
    against_one = robust_accuracy(model, images, labels, one_pass, batch_size=150, samples=12)
    assert against_mean.accuracy < against_one.accuracy
    assert against_mean.backward_passes == 12 * 8 * round(150 * against_mean.clean_accuracy)
    assert against_one.backward_passes == 8 * round(150 * against_one.clean_accuracy)


def test_stochastic_models_are_never_stopped_early(robust_net, digits):
    seen = []

    def spy(model, images, labels, stop_early=True):
        seen.append(stop_early)
        return images

    for samples in (1, 3):
        robust_accuracy(robust_net, digits[0][:5], digits[1][:5], spy, batch_size=5, samples=samples)
    assert seen == [True, False]
