from functools import partial

import pytest
import torch
from torch import nn

from lib.attacks import flags
from lib.attacks.guard import attacking
from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from tests.attacks.nets import Masked, Noisy, small_net


def probe(model, digits):
    with attacking(model):
        return [flag.name for flag in flags.probe(model, digits[0][:40], digits[1][:40])]


def test_an_honest_net_raises_none(plain_net, digits):
    assert probe(plain_net, digits) == []


def test_noise_is_seen(plain_net, digits):
    assert probe(Noisy(plain_net, 0.01), digits) == ["randomised output"]


def test_zero_gradients_are_seen(plain_net, digits):
    assert probe(Masked(plain_net), digits) == ["zero gradients"]


def test_saturated_logits_are_seen(plain_net, digits):
    """Logits so large that the softmax is exactly one: the cross-entropy has no gradient in float32."""

    class Sharp(nn.Module):
        def forward(self, images):
            return 1e4 * plain_net(images)

    assert probe(Sharp(), digits) == ["zero gradients"]


def test_batch_statistics_are_seen(digits):
    net = small_net()
    net[1] = nn.BatchNorm2d(16, track_running_stats=False)
    assert probe(net, digits) == ["output depends on the batch"]


class Through(nn.Module):
    """A function of a net's images or of its logits."""

    def __init__(self, net, before=lambda x: x, after=lambda z: z):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, images):
        return self.after(self.net(self.before(images)))


def test_robust_and_untrained_nets_of_real_sizes_raise_none(robust_net, digits):
    assert probe(robust_net, digits) == []
    for channels, height, width in [(1, 28, 28), (3, 32, 32), (3, 28, 32)]:
        for seed in range(20):
            torch.manual_seed(seed)
            layers = [nn.Conv2d(channels, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
            net = nn.Sequential(*layers, nn.LazyLinear(10))
            images = torch.rand(16, channels, height, width)
            net(images)  # the last layer finds its size
            assert probe(net, (images, torch.randint(10, (16,)))) == []


def test_probabilities_are_seen(plain_net, digits):
    softmax = Through(plain_net, after=lambda z: z.softmax(1))
    assert "probabilities instead of logits" in probe(softmax, digits)
    sharp = Through(plain_net, after=lambda z: (20 * z).softmax(1))
    assert "probabilities instead of logits" in probe(sharp, digits)
    assert probe(Through(plain_net, after=lambda z: z.log_softmax(1)), digits) == []


def taken_by_grad(net, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net(x).logsumexp(1).sum(), x)
    return (x - 0.01 * gradient).clamp(0, 1).detach()


def taken_by_backward(net, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        torch.autograd.backward(net(x).logsumexp(1).sum())
    return (x - 0.01 * x.grad).clamp(0, 1).detach()


@pytest.mark.parametrize("purify", [taken_by_grad, taken_by_backward])
def test_gradients_at_test_time_are_seen(plain_net, digits, purify):
    adapting = Through(plain_net, before=lambda x: purify(plain_net, x))
    assert "gradients at test time" in probe(adapting, digits)


def test_gradients_that_are_nan_are_seen(plain_net, digits):
    """The square root has an infinite slope at 0, which times 0 is NaN; digits have black pixels."""
    rooted = Through(plain_net, before=lambda x: (x * x).sqrt())
    assert probe(rooted, digits) == ["gradients not finite"]


@pytest.mark.parametrize("frequency", [1e3, 1e5])
def test_shattered_gradients_are_seen(plain_net, digits, frequency):
    """A ripple too small to matter, whose slope is ten times that of the image itself."""
    shattered = Through(plain_net, before=lambda x: x + 10 / frequency * (frequency * x).sin())
    assert probe(shattered, (digits[0] * 0.97 + 0.011, digits[1])) == ["gradients mislead"]


@pytest.mark.parametrize("offset", [1e7, -1e8])
def test_logits_lost_in_an_offset_are_seen(plain_net, digits, offset):
    assert "tied logits" in probe(Through(plain_net, after=lambda z: z + offset), digits)
    assert probe(Through(plain_net, after=lambda z: z + 100), digits) == []


def test_the_probe_looks_across_the_whole_set(plain_net, digits):
    """A set sorted so that only its later half has no gradient."""
    assert flags.spread(1000, 64)[[0, -1]].tolist() == [0, 999] and len(flags.spread(1000, 64).unique()) == 64
    assert flags.spread(3, 64).tolist() == [0, 1, 2] and flags.spread(1, 64).tolist() == [0]
    images, labels = digits[0][:400].clone(), digits[1][:400]
    images[:, 0, 0, 0] = (torch.arange(400) >= 200).float()

    def half_masked(x):
        return torch.where(x[:, :, :1, :1] > 0.5, x.detach(), x)

    report = robust_accuracy(
        Through(plain_net, before=half_masked), images, labels, lambda model, images, labels: images, batch_size=400
    )
    assert [(flag.name, flag.value) for flag in report.flags] == [("zero gradients", 0.5)]


def test_gradients_and_logits_that_fail_only_under_attack_are_seen(plain_net, digits):
    """Finite on the grid of grey levels, NaN between: clean images are fine, attacked ones are not."""
    images, labels = digits[0][:50], digits[1][:50]

    def on_the_grid(x):
        return x + (1e-6 - (x * 16 - (x * 16).round()).abs()).sqrt()

    attack = partial(pgd, eps=0.03, steps=2, generator=torch.Generator().manual_seed(0))
    report = robust_accuracy(Through(plain_net, before=on_the_grid), images, labels, attack, batch_size=25)
    raised = {flag.name: flag.value for flag in report.flags}
    assert report.clean_accuracy > 0.9 and report.accuracy == 0
    assert raised["logits not finite"] == report.clean_accuracy

    def near_black(x):  # the value is finite everywhere, the slope is not where a pixel is exactly 0.25
        return x + 0 * (x - 0.25).abs().sqrt()

    def to_a_quarter(model, images, labels):
        return pgd(model, torch.full_like(images, 0.25), labels, eps=0.0, steps=1).add(images).sub(0.25).clamp(0, 1)

    bright = images * 0.5 + 0.4
    report = robust_accuracy(Through(plain_net, before=near_black), bright, labels, to_a_quarter, batch_size=25)
    assert ("gradients not finite", 1.0) in [(flag.name, flag.value) for flag in report.flags]


def test_every_flag_says_what_it_means_and_what_to_do():
    raised = [
        flags.randomised_output(1.0),
        flags.batch_dependent_output(1.0),
        flags.zero_gradients(1.0),
        flags.black_box_better(0.1),
        flags.rising_accuracy("eps", [0.5, 0.6], 100),
        flags.above_chance_at_largest(0.9, 0.1, 100),
        flags.gradients_not_finite(0.1),
        flags.misleading_gradients(0.5),
        flags.probabilities(1.0),
        flags.gradients_at_test_time(1.0),
        flags.tied_logits(1.0),
        flags.logits_not_finite(0.1),
    ]
    assert all(flag is not None and flag.value > flag.threshold and flag.meaning and flag.remedy for flag in raised)
    assert len({flag.name for flag in raised if flag is not None}) == 12


def test_nothing_is_raised_at_the_threshold():
    assert flags.randomised_output(1e-4) is None
    assert flags.zero_gradients(0.05) is None
    assert flags.black_box_better(0.0) is None


@pytest.mark.parametrize(
    ("accuracies", "images", "rise"),
    [
        ([0.9, 0.5, 0.1], 1000, None),
        ([0.5, 0.505, 0.4], 1000, None),  # five images of a thousand
        ([0.9, 0.5, 0.7, 0.6], 1000, 0.2),
        ([0.5, 0.52, 0.54], 1000, 0.04),  # creeping
        ([0.5, 0.55], 20, None),  # one image of twenty
    ],
)
def test_rising_accuracy_by_hand(accuracies, images, rise):
    flag = flags.rising_accuracy("steps", accuracies, images)
    assert (flag is None) == (rise is None)
    if flag is not None:
        assert flag.name == "accuracy rises with steps" and flag.value == pytest.approx(rise)


def test_chance_is_the_commonest_class_with_two_standard_errors():
    assert flags.commonest_share(torch.tensor([0, 1, 1, 2])) == 0.5
    assert flags.above_chance_at_largest(0.55, 0.5, 100) is None
    assert flags.above_chance_at_largest(0.61, 0.5, 100) is not None
