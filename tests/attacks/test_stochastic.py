from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from lib.attacks.harness import robust_accuracy, run_members
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
    # The majority of five passes is right with probability .942; in the search two single passes must be right.
    assert single.clean_accuracy == pytest.approx(0.942, abs=0.04)
    assert single.search_accuracy == pytest.approx(0.64, abs=0.08)
    assert mean.accuracy == mean.search_accuracy == 1
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
    assert against_mean.backward_passes == 12 * 8 * 150  # every image is attacked
    assert against_one.backward_passes == 8 * 150


@pytest.mark.parametrize("samples", [1, 20])
def test_an_attack_that_changes_nothing_loses_no_accuracy(samples):
    """An image was lost by one unlucky draw per member; five members looked five times."""
    torch.manual_seed(0)
    images, labels = torch.rand(2000, 1, 2, 2), torch.zeros(2000, dtype=torch.int64)
    members = {str(i): lambda model, images, labels: images for i in range(5)}
    report = run_members(Coin(0.6), images, labels, members, batch_size=1000, samples=samples)
    # Two accuracies of 2,000 draws each: four standard errors of their difference, where each is about .7 to .98.
    assert report.accuracy == pytest.approx(report.clean_accuracy, abs=4 * (2 * 0.21 / 2000) ** 0.5)
    assert report.search_accuracy == report.members["4"] < report.accuracy - 0.1


def test_the_verdict_on_a_random_net_repeats(robust_net, digits):
    """Fresh verdicts on the report's own images agree with the report; those of the search did not."""
    torch.manual_seed(0)
    model, images, labels = Noisy(robust_net, 0.4), digits[0][:200], digits[1][:200]
    attack = partial(pgd, eps=0.15, steps=3, generator=torch.Generator().manual_seed(0))
    report = robust_accuracy(model, images, labels, attack, batch_size=200, samples=4)
    judge = Averaged(model, 20)
    with torch.no_grad():
        fresh = [(judge(report.adversarial).argmax(1) == labels).double().mean().item() for _ in range(5)]
    assert report.accuracy == pytest.approx(sum(fresh) / 5, abs=0.04)
    assert 0.1 < report.search_accuracy < report.accuracy < 0.9


def test_of_several_members_the_strongest_attempt_is_kept(robust_net, digits):
    torch.manual_seed(0)
    model, images, labels = Noisy(robust_net, 0.05), digits[0][:60], digits[1][:60]
    strong = partial(pgd, eps=0.3, steps=5)
    members: dict[str, Any] = {"strong": strong, "nothing": lambda model, images, labels: images}
    report = run_members(model, images, labels, members, batch_size=60, samples=3)
    assert report.accuracy < 0.2 and not torch.equal(report.adversarial, images)


def test_an_average_over_what_is_not_logits_is_refused():
    with pytest.raises(ValueError, match=r"must return logits \(N, K\) for 3 images, found a tuple"):
        Averaged(Tupled(), 2)(torch.rand(3, 1, 2, 2))


class Tupled(nn.Module):
    def forward(self, images):
        return images.flatten(1), images


def test_stochastic_models_are_never_stopped_early(robust_net, digits):
    seen = []

    def spy(model, images, labels, stop_early=True):
        seen.append(stop_early)
        return images

    for samples in (1, 3):
        robust_accuracy(robust_net, digits[0][:5], digits[1][:5], spy, batch_size=5, samples=samples)
    assert seen == [True, False]
