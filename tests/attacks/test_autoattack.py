import pytest
import torch

from lib.attacks.autoattack import autoattack
from tests.attacks.nets import Linear, Masked, Noisy


def names(report):
    return [flag.name for flag in report.flags]


def short(model, digits, count=60, **settings):
    settings = {"eps": 0.15, "steps": 10, "queries": 100, "batch_size": 64, **settings}
    generator = torch.Generator().manual_seed(0)
    return autoattack(model, digits[0][:count], digits[1][:count], generator=generator, **settings)


@pytest.mark.parametrize(("which", "eps", "norm"), [("plain_net", 0.1, "linf"), ("robust_net", 0.7, "l2")])
def test_standard_runs_four_members_over_survivors(which, eps, norm, digits, request):
    net = request.getfixturevalue(which)
    report = short(net, digits, count=60, eps=eps, norm=norm, steps=15, queries=200)
    assert list(report.members) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    after = list(report.members.values())
    assert after == sorted(after, reverse=True) and report.accuracy == after[-1]
    assert 0.2 < report.accuracy < 0.9 < report.clean_accuracy
    with torch.no_grad():
        assert torch.equal(net(report.adversarial).argmax(1) == digits[1][:60], report.robust)
    # On an honest net Square breaks nothing that the attacks with gradients left standing.
    assert report.members["square"] == report.members["fab-t"] and report.flags == ()


def test_a_masked_net_raises_the_flags_and_falls_to_square(plain_net, digits):
    report = short(Masked(plain_net), digits, queries=300)
    assert names(report) == ["zero gradients", "black-box better than white-box"]
    assert report.members["fab-t"] - report.members["square"] > 0.2
    assert report.flags[1].value == pytest.approx(report.members["fab-t"] - report.members["square"])


def test_rand_attacks_the_mean_of_a_stochastic_net(robust_net, digits):
    torch.manual_seed(0)
    report = short(Noisy(robust_net, 0.1), digits, count=40, version="rand", samples=4, eps=0.2)
    assert list(report.members) == ["apgd-ce", "apgd-dlr"]
    assert report.flags == ()  # the randomness is averaged over
    assert report.accuracy < 0.8 * report.clean_accuracy


def test_custom_runs_the_members_named(plain_net, digits):
    report = short(plain_net, digits, version="custom", members=["square", "apgd-dlr"], queries=20)
    assert list(report.members) == ["square", "apgd-dlr"]


def test_custom_serves_two_classes():
    generator = torch.Generator().manual_seed(0)
    model = Linear((1, 4, 4), 2, generator, torch.float32)
    images = torch.rand(20, 1, 4, 4, generator=generator)
    labels = model(images).argmax(1)
    report = autoattack(
        model, images, labels, eps=0.3, version="custom", members=["apgd-ce", "fab-t"], steps=10, batch_size=20
    )
    assert report.accuracy < 1


def test_standard_on_two_classes_names_the_remedy():
    model = Linear((1, 4, 4), 2, torch.Generator().manual_seed(0), torch.float32)
    images = torch.rand(20, 1, 4, 4)
    labels = model(images).argmax(1)
    with pytest.raises(ValueError, match=r'at least 4 classes.*version="custom"'):
        autoattack(model, images, labels, eps=0.01, steps=2, queries=2, batch_size=20)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"version": "custom"}, "needs members out of apgd-ce, apgd-dlr, apgd-t, fab-t, square; found None"),
        ({"version": "custom", "members": ["cw"]}, r"found \['cw'\]"),
        ({"members": ["square"]}, 'or "custom" with members'),
        ({"version": "plus"}, "found 'plus'"),
        ({"eps": -1}, "eps must be finite"),
    ],
)
def test_settings_that_are_refused(plain_net, digits, settings, message):
    with pytest.raises(ValueError, match=message):
        short(plain_net, digits, **settings)
