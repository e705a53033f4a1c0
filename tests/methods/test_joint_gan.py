"""The losses of the joint GAN by hand and against torch's, the order of its steps, and resuming."""

import math
import os
import signal
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.methods.joint_gan import (
    Gan,
    Pull,
    discriminator_loss,
    fooling_loss,
    gan_step,
    joint_step,
    pull_away,
    train_gan,
    train_joint,
)
from lib.training.batches import Batch
from lib.training.device import prepare

CPU = prepare("cpu")


class Times(nn.Module):
    """x -> (w x, 0, ...): a net of one weight, whose steps can be worked out by hand."""

    def __init__(self, weight, outputs=1):
        super().__init__()
        self.weight, self.outputs = nn.Parameter(torch.tensor(weight)), outputs

    def forward(self, x):
        return F.pad(self.weight * x, (0, self.outputs - 1))


def tiny(rate=0.5):
    generator, discriminator = Times(2.0), Times(-1.0)
    own, judges = (torch.optim.SGD(net.parameters(), lr=rate) for net in (generator, discriminator))
    return Gan(generator, discriminator, own, judges, latent=1)


def batch_of(real, labels, seed=3):
    images = torch.tensor(real)[:, None]
    return Batch(images, torch.tensor(labels), torch.arange(len(real)), 0, torch.Generator().manual_seed(seed))


def noise(count, draws, seed=3):
    """The first draws that a batch's generator makes."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, 1, generator=generator).double() for _ in range(draws)]


def sigmoid(s):
    return 1 / (1 + (-s).exp())


def test_discriminator_loss_by_hand():
    assert discriminator_loss(torch.zeros(3), torch.zeros(2)).item() == pytest.approx(math.log(4))
    real, fake = torch.tensor([math.log(3)]), torch.tensor([-math.log(4)])  # D = 3/4 and 1/5
    assert discriminator_loss(real, fake).item() == pytest.approx(-math.log(3 / 4) - math.log(4 / 5))


def test_losses_are_those_of_the_released_code_by_torch():
    """Which ends D in a sigmoid and takes the binary cross-entropy with labels 1 and 0."""
    real, fake = torch.randn(7, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    ones, zeros = torch.ones_like, torch.zeros_like
    bce = F.binary_cross_entropy
    released = bce(real.sigmoid(), ones(real)) + bce(fake.sigmoid(), zeros(fake))
    torch.testing.assert_close(discriminator_loss(real, fake), released)
    torch.testing.assert_close(fooling_loss(fake, "non-saturating"), bce(fake.sigmoid(), ones(fake)))
    torch.testing.assert_close(fooling_loss(fake, "saturating"), (1 - fake.sigmoid()).log().mean())


@pytest.mark.parametrize(("form", "slope"), [("non-saturating", -0.8), ("saturating", -0.2)])
def test_slope_of_the_two_forms_by_hand(form, slope):
    """Where D = 1/5 the one falls by 1 - D and the other by D, both towards larger logits."""
    fake = torch.tensor([-math.log(4)], requires_grad=True)
    fooling_loss(fake, form).backward()
    assert fake.grad is not None and fake.grad.item() == pytest.approx(slope)


def test_another_form_is_refused():
    form: Any = "wasserstein"
    with pytest.raises(ValueError, match="non-saturating or saturating, found 'wasserstein'"):
        fooling_loss(torch.zeros(1), form)


def test_pull_away_by_hand():
    samples = torch.tensor([[1.0, 0.0], [3.0, 3.0], [0.0, -2.0]])  # cosines 1/sqrt 2, 0, -1/sqrt 2
    assert pull_away(samples).item() == pytest.approx(2 * (1 / 2 + 0 + 1 / 2) / 6)


def test_pull_away_takes_opposite_samples_for_alike():
    assert pull_away(torch.tensor([[5.0, 0.0], [-5.0, 0.0]])).item() == pytest.approx(1)


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_discriminator_first_then_generator_on_the_same_samples(beta):
    """One joint step by pencil: G = 2 z, D = -x, classifier (0.3 x, 0), rates 1/2."""
    real, labels, rate = [1.0, -0.5], [0, 1], 0.5
    gan, classifier = tiny(rate), Times(0.3, outputs=2)
    value = joint_step(gan, classifier, batch_of(real, labels), Pull(beta))

    z, fresh = noise(2, draws=2)
    x, fake = torch.tensor(real, dtype=torch.float64)[:, None], 2 * z
    # d softplus(-v x) / dv = -(1 - D) x on the data and d softplus(v x) / dv = D x on the samples
    v = -1 - rate * (-((1 - sigmoid(-x)) * x).mean() + (sigmoid(-fake) * fake).mean()).item()
    assert gan.discriminator.weight.item() == pytest.approx(v)
    # d softplus(-v w z) / dw = -(1 - D) v z; KL = log(1 + e^{u w z}) - u w z / 2 - log 2, by w: (P - 1/2) u z
    slope = -((1 - sigmoid(v * fake)) * v * z).mean() + beta * ((sigmoid(0.3 * fake) - 0.5) * 0.3 * z).mean()
    w = 2 - rate * slope.item()
    assert gan.generator.weight.item() == pytest.approx(w)
    # the classifier's loss is on new samples of the new generator, and its weight is not moved here
    inside = (1 + (-0.3 * x * torch.tensor([[1], [-1]])).exp()).log().mean()
    outside = ((1 + (0.3 * w * fresh).exp()).log() - 0.3 * w * fresh / 2 - math.log(2)).mean()
    assert value.item() == pytest.approx((inside + beta * outside).item(), rel=1e-5)
    assert classifier.weight.item() == pytest.approx(0.3)


def test_a_step_leaves_no_gradient_where_it_has_no_business():
    gan, classifier = tiny(), Times(0.3, outputs=2)
    gan_step(gan, batch_of([1.0, 2.0], [0, 1]), Pull(beta=1.0), classifier).backward()
    assert classifier.weight.grad is None and classifier.weight.requires_grad
    assert gan.generator.weight.grad is not None
    before = gan.generator.weight.grad.clone()
    joint_step(gan, classifier, batch_of([1.0, 2.0], [0, 1]), Pull(beta=1.0)).backward()
    assert classifier.weight.grad is not None
    assert not torch.equal(gan.generator.weight.grad, before), "the generator's own step, and not the classifier's"


def test_without_beta_the_classifier_is_not_asked():
    class Unasked(nn.Module):
        def forward(self, x):
            raise AssertionError("a plain GAN has no classifier")

    gan_step(tiny(), batch_of([1.0], [0]), Pull(beta=0.0), Unasked())


def test_pull_away_joins_the_generators_loss():
    gan = tiny()
    fake = torch.tensor([[1.0], [2.0]])
    plain, pulled = (gan.generator_loss(fake, Pull(pull_away=weight), None) for weight in (0.0, 3.0))
    assert (pulled - plain).item() == pytest.approx(3.0)  # both on one side of the origin: cos^2 = 1


def test_both_rates_keep_pace_with_the_schedule():
    gan = tiny(rate=0.5)
    gan.schedule = [1.0, 0.1, 0.01].__getitem__
    rates = []
    for step in (0, 1, 2, 1):
        gan_step(gan, batch_of([1.0], [0])._replace(step=step), Pull(), None)
        rates.append([each.param_groups[0]["lr"] for each in (gan.generator_optimiser, gan.discriminator_optimiser)])
    assert rates == [pytest.approx([rate, rate]) for rate in (0.5, 0.05, 0.005, 0.05)]


def test_a_gan_finds_the_mean_of_its_data():
    """A generator that can only shift its noise ends where the data are."""
    torch.manual_seed(0)
    shift = nn.Linear(1, 1)
    shift.weight.data.fill_(1.0)
    shift.weight.requires_grad_(False)
    judge = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))
    own, judges = torch.optim.Adam([shift.bias], 5e-2, (0.5, 0.9)), torch.optim.Adam(judge.parameters(), 1e-2)
    data = torch.randn(500, 1) + 4
    train_gan(Gan(shift, judge, own, judges, latent=1), data, steps=400, batch_size=64, pull=Pull(), compute=CPU)
    assert shift.bias.item() == pytest.approx(4, abs=0.7)


def trained(checkpoint=None, hooks=()):
    torch.manual_seed(1)
    classifier = nn.Linear(2, 2)
    generator, discriminator = nn.Linear(3, 2), nn.Linear(2, 1)
    optimisers = [torch.optim.Adam(net.parameters(), 1e-2) for net in (generator, discriminator, classifier)]
    gan = Gan(generator, discriminator, optimisers[0], optimisers[1], latent=3)
    points = torch.randn(40, 2, generator=torch.Generator().manual_seed(2))
    train_joint(
        classifier, optimisers[2], gan, points, (points[:, 0] > 0).long(), steps=15, batch_size=8, pull=Pull(1.0),
        seed=5, compute=CPU, hooks=hooks, checkpoint=checkpoint, fingerprint="test",
    )  # fmt: skip
    return [*classifier.parameters(), *generator.parameters(), *discriminator.parameters()]


def test_an_interrupted_game_goes_on_bit_for_bit(tmp_path):
    def leave(run):
        if run.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    straight = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "kept", hooks=[leave])
    for ours, theirs in zip(trained(tmp_path / "kept"), straight, strict=True):
        assert torch.equal(ours, theirs)
