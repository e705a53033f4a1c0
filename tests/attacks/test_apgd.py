from functools import partial

import pytest
import torch

from lib.attacks.apgd import apgd, checkpoints, likely_class
from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from tests.attacks.nets import Linear


def accuracy(net, digits, attack, count=300, **settings):
    attack = partial(attack, generator=torch.Generator().manual_seed(0), **settings)
    return robust_accuracy(net, digits[0][:count], digits[1][:count], attack, batch_size=count).accuracy


def test_checkpoints_of_the_paper():
    # p = 0, .22, .41, .57, .70, .80, .87, .93, .99 (section 3.1)
    assert checkpoints(100) == [0, 22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(10) == [0, 3, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(("which", "norm", "eps"), [("plain_net", "linf", 0.1), ("robust_net", "l2", 0.8)])
def test_stronger_than_pgd_of_the_same_steps(which, norm, eps, digits, request):
    net = request.getfixturevalue(which)
    ours = accuracy(net, digits, apgd, steps=40, eps=eps, norm=norm)
    assert ours <= accuracy(net, digits, pgd, steps=40, eps=eps, norm=norm) + 0.003
    assert 0.1 < ours < 0.8


def test_targets_find_what_the_untargeted_loss_misses(robust_net, digits):
    untargeted = accuracy(robust_net, digits, apgd, steps=20, eps=0.18)
    targeted = accuracy(robust_net, digits, apgd, steps=20, eps=0.18, loss="targeted_dlr", target_classes=3)
    assert targeted <= untargeted - 0.005


def test_without_early_stop_the_loss_is_at_least_that_of_the_start(robust_net, digits):
    images, labels = digits[0][:50], digits[1][:50]
    found = apgd(robust_net, images, labels, eps=0.05, steps=10, stop_early=False)
    with torch.no_grad():
        gain = (torch.nn.functional.cross_entropy(robust_net(z), labels, reduction="none") for z in (found, images))
    after, before = gain
    assert (after >= before).all()


def test_likely_classes_are_ranked_without_the_true_one():
    model = Linear((1, 2, 2), 4, torch.Generator().manual_seed(0), torch.float32)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([1.0, 4.0, 3.0, 2.0]))
    images, labels = torch.zeros(2, 1, 2, 2), torch.tensor([1, 2])
    with torch.no_grad():
        assert [likely_class(model, images, labels, rank).tolist() for rank in (1, 2, 3)] == [[2, 1], [3, 3], [0, 0]]


def test_more_target_classes_than_there_are_is_no_error():
    model = Linear((1, 2, 2), 4, torch.Generator().manual_seed(0), torch.float32)
    images = torch.rand(5, 1, 2, 2)
    labels = model(images).argmax(1)
    assert apgd(model, images, labels, eps=0.1, steps=3, loss="targeted_dlr", target_classes=9).shape == images.shape


def test_two_classes_are_refused_by_the_dlr_loss_with_the_remedy():
    model = Linear((1, 2, 2), 2, torch.Generator().manual_seed(0), torch.float32)
    with pytest.raises(ValueError, match="at least 3 classes"):
        apgd(model, torch.rand(1, 1, 2, 2), torch.tensor([0]), eps=0.1, loss="dlr")


@pytest.mark.parametrize("settings", [{"steps": 0}, {"restarts": 0}])
def test_no_steps_or_restarts_are_refused(plain_net, digits, settings):
    with pytest.raises(ValueError, match="at least 1"):
        apgd(plain_net, *digits, eps=0.1, **settings)
