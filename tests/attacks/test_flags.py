import pytest
import torch
from torch import nn

from lib.attacks import flags
from lib.attacks.guard import attacking
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


def test_every_flag_says_what_it_means_and_what_to_do():
    raised = [
        flags.randomised_output(1.0),
        flags.batch_dependent_output(1.0),
        flags.zero_gradients(1.0),
        flags.black_box_better(0.1),
        flags.rising_accuracy("eps", [0.5, 0.6], 100),
        flags.above_chance_at_largest(0.9, 0.1, 100),
    ]
    assert all(flag is not None and flag.value > flag.threshold and flag.meaning and flag.remedy for flag in raised)
    assert len({flag.name for flag in raised if flag is not None}) == 6


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
