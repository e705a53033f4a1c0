from functools import partial

import pytest
import torch

from lib.attacks.curve import robustness_curve
from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from tests.attacks.nets import Masked


def names(curve):
    return {flag.name for flag in curve.flags}


def test_an_honest_net_falls_to_nothing_without_flags(plain_net, digits):
    images, labels = digits[0][:200], digits[1][:200]
    attack = partial(pgd, steps=10, generator=torch.Generator().manual_seed(0))
    curve = robustness_curve(plain_net, images, labels, attack, (0, 0.05, 0.1, 0.3), batch_size=200)
    assert curve.values == (0, 0.05, 0.1, 0.3)
    assert curve.accuracy[0] == curve.reports[0].clean_accuracy
    assert list(curve.accuracy) == sorted(curve.accuracy, reverse=True) and curve.accuracy[-1] < 0.05
    assert curve.flags == ()


def test_a_point_equals_the_single_call(plain_net, digits):
    images, labels = digits[0][:100], digits[1][:100]
    attack = partial(pgd, steps=5, random_start=False)
    curve = robustness_curve(plain_net, images, labels, attack, [0.1], batch_size=100)
    single = robust_accuracy(plain_net, images, labels, partial(attack, eps=0.1), batch_size=100)
    assert curve.separate == curve.accuracy == (single.accuracy,)


def test_what_breaks_in_a_small_ball_is_broken_in_a_larger_one(plain_net, digits):
    """An attack that works only at the smaller eps: the curve stays down, the flag tells."""
    images, labels = digits[0][:100], digits[1][:100]

    def fading(model, images, labels, eps):
        return pgd(model, images, labels, eps=eps, steps=10) if eps < 0.25 else images

    curve = robustness_curve(plain_net, images, labels, fading, (0.2, 0.3), batch_size=100)
    assert curve.accuracy[1] == curve.accuracy[0] < 0.1 < 0.9 < curve.separate[1]
    assert "accuracy rises with eps" in names(curve)


def test_a_masked_net_does_not_reach_chance(plain_net, digits):
    attack = partial(pgd, steps=5, random_start=False)
    curve = robustness_curve(Masked(plain_net), digits[0][:100], digits[1][:100], attack, (0.1, 0.5), batch_size=100)
    assert names(curve) == {"zero gradients", "largest eps does not reach chance"}


def test_over_steps(plain_net, digits):
    attack = partial(pgd, eps=0.1, random_start=False)
    curve = robustness_curve(
        plain_net, digits[0][:200], digits[1][:200], attack, (1, 5, 20), over="steps", batch_size=200
    )
    assert curve.accuracy[0] > curve.accuracy[1] >= curve.accuracy[2]
    assert curve.flags == ()


def test_the_ball_of_each_point_is_checked(plain_net, digits):
    def too_far(model, images, labels, eps):
        return (images + 2 * eps).clamp(0, 1)

    with pytest.raises(RuntimeError, match="left the linf ball"):
        robustness_curve(plain_net, digits[0][:9], digits[1][:9], too_far, (0.1,), batch_size=9)


@pytest.mark.parametrize("values", [(), (0.2, 0.1), (0.1, 0.1)])
def test_grids_that_do_not_rise_are_refused(plain_net, digits, values):
    with pytest.raises(ValueError, match="rise strictly"):
        robustness_curve(plain_net, digits[0], digits[1], pgd, values, batch_size=10)
