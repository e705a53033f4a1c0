from functools import partial

import foolbox
import pytest
import torch
from torch import nn

from lib.attacks.harness import robust_accuracy
from lib.attacks.norms import size
from lib.attacks.pgd import pgd
from tests.attacks.nets import Linear

PEERS = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}


def foolbox_pgd(net, images, labels, norm, eps, steps, random_start):
    """Foolbox's PGD of the same steps and step size, its random starts from seed 0."""
    torch.manual_seed(0)
    peer = foolbox.PyTorchModel(net.eval(), bounds=(0, 1), device="cpu")
    attack = PEERS[norm](abs_stepsize=2.5 * eps / steps, steps=steps, random_start=random_start)
    return attack(peer, images, labels, epsilons=eps)[1]


def share_correct(net, images, labels):
    with torch.no_grad():
        return (net(images).argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize(("which", "eps"), [("plain_net", 0.1), ("robust_net", 0.18)])
def test_at_least_as_strong_as_foolbox_from_the_same_random_starts(which, eps, digits, request):
    """The whole climb gives foolbox's images; stopping at the first success breaks no fewer."""
    net, images, labels = request.getfixturevalue(which), digits[0][:1000], digits[1][:1000]
    found = foolbox_pgd(net, images, labels, "linf", eps, 10, True)
    torch.manual_seed(0)
    whole = pgd(net, images, labels, eps=eps, steps=10)
    torch.manual_seed(0)
    early = pgd(net, images, labels, eps=eps, steps=10, stop_early=True)
    theirs = share_correct(net, found, labels)
    assert len(images) >= 1000 and 0.2 <= theirs <= 0.8
    assert (
        (whole - found).abs().flatten(1).amax(1) < 1e-4
    ).double().mean() > 0.95  # rounding flips a sign here and there
    assert share_correct(net, early, labels) <= theirs + 0.003


@pytest.mark.parametrize(("which", "eps"), [("plain_net", 0.6), ("robust_net", 0.75)])
def test_at_least_as_strong_as_foolbox_in_l2(which, eps, digits, request):
    net, images, labels = request.getfixturevalue(which), digits[0][:1000], digits[1][:1000]
    attack = partial(pgd, eps=eps, steps=10, norm="l2", random_start=False)
    ours = robust_accuracy(net, images, labels, attack, batch_size=600).accuracy
    theirs = share_correct(net, foolbox_pgd(net, images, labels, "l2", eps, 10, False), labels)
    assert len(images) >= 1000 and 0.2 <= theirs <= 0.8
    assert ours <= theirs + 0.003


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_one_step_from_the_image_is_the_gradient_step(plain_net, digits, norm):
    images, labels = digits[0][:20], digits[1][:20]
    found = pgd(plain_net, images, labels, eps=0.3, steps=1, step_size=0.1, norm=norm, random_start=False)
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(plain_net(leaf), labels), leaf)
    length = gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    step = 0.1 * (gradient.sign() if norm == "linf" else gradient / length)
    torch.testing.assert_close(found, (images + step).clamp(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_linear_classes_reach_the_closed_form_optimum(dtype):
    generator = torch.Generator().manual_seed(1)
    model = Linear((1, 4, 4), 2, generator, dtype)
    images, labels = torch.rand(8, 1, 4, 4, generator=generator, dtype=dtype), torch.tensor([0, 1] * 4)
    slope = (model.weight[1 - labels] - model.weight[labels]).detach().view_as(images)
    linf = pgd(model, images, labels, eps=0.2, steps=10, generator=generator)
    torch.testing.assert_close(linf, (images + 0.2 * slope.sign()).clamp(0, 1))
    inside = 0.4 + 0.2 * images  # far from the box, the best L2 step is along the slope
    l2 = pgd(model, inside, labels, eps=0.3, steps=10, norm="l2", random_start=False)
    expected = inside + 0.3 * slope / slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(l2, expected, rtol=0, atol=1e-6)


def test_more_steps_and_restarts_break_no_fewer(plain_net, digits):
    images, labels = digits[0][:400], digits[1][:400]

    def accuracy(**settings):
        attack = partial(pgd, eps=0.1, generator=torch.Generator().manual_seed(0), **settings)
        return robust_accuracy(plain_net, images, labels, attack, batch_size=400).accuracy

    one = accuracy(steps=1, random_start=False)
    ten = accuracy(steps=10)
    assert accuracy(steps=10, restarts=3) <= ten <= one - 0.02


def test_restarts_without_early_stop_keep_the_strongest(plain_net, digits):
    images, labels = digits[0][:100], digits[1][:100]

    def loss(restarts):
        found = pgd(
            plain_net, images, labels, eps=0.05, steps=2, restarts=restarts, generator=torch.Generator().manual_seed(5)
        )
        with torch.no_grad():
            logits = plain_net(found)
        return nn.functional.cross_entropy(logits, labels, reduction="none"), logits.argmax(1) != labels

    (single, broken), (several, broken_by_several) = loss(1), loss(4)
    assert ((several >= single - 1e-6) | broken_by_several).all()
    assert (several > single + 1e-6).any()
    assert (broken_by_several | ~broken).all()


def test_targeted_reaches_more_targets_than_untargeted(plain_net, digits):
    images, targets = digits[0][:200], (digits[1][:200] + 3) % 10
    found = pgd(
        plain_net, images, targets, eps=0.3, steps=20, targeted=True, generator=torch.Generator().manual_seed(0)
    )
    stopped = pgd(
        plain_net, images, targets, eps=0.3, steps=20, targeted=True, stop_early=True, generator=torch.Generator()
    )
    with torch.no_grad():
        assert (plain_net(found).argmax(1) == targets).double().mean() > 0.9
        assert (plain_net(stopped).argmax(1) == targets).double().mean() > 0.9


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
def test_every_loss_attacks(plain_net, digits, loss):
    attack = partial(pgd, eps=0.15, steps=10, loss=loss, generator=torch.Generator().manual_seed(0))
    assert robust_accuracy(plain_net, digits[0][:300], digits[1][:300], attack, batch_size=300).accuracy < 0.5


def test_stop_early_returns_the_first_point_that_is_misclassified(plain_net, digits):
    images, labels = digits[0][:200], digits[1][:200]
    whole = pgd(plain_net, images, labels, eps=0.15, steps=20, random_start=False)
    early = pgd(plain_net, images, labels, eps=0.15, steps=20, random_start=False, stop_early=True)
    with torch.no_grad():
        broken = plain_net(whole).argmax(1) != labels
        assert (plain_net(early).argmax(1) != labels)[broken].all()
    assert 50 < broken.sum() < 200
    assert size(early - images, "linf")[broken].mean() < size(whole - images, "linf")[broken].mean()


class TestAsPublished:
    def test_centres_the_ball_on_the_noised_image(self):
        """On a linear model the result is the corner of the ball around the noised image, up to 2 eps away."""
        generator = torch.Generator().manual_seed(0)
        model = Linear((3, 8, 8), 2, generator, torch.float32)
        images, labels = torch.rand(50, 3, 8, 8, generator=generator), torch.tensor([0, 1] * 25)
        eps = 8 / 255
        attack = partial(pgd, eps=eps, steps=20, step_size=2 / 255, generator=generator)
        published, corrected = (attack(model, images, labels, as_published=switch) for switch in (True, False))
        moved = (published - images).abs()
        assert 15.9 / 255 < moved.max() <= 16 / 255 + 1e-6
        assert 0.40 < (moved > eps + 1e-6).double().mean() < 0.55  # anchors: 47-48 % of the pixels
        assert (corrected - images).abs().max() <= eps + 1e-7
        assert published.min() >= 0 and published.max() <= 1

    def test_does_not_reproduce_the_damage_to_the_callers_batch(self, plain_net, digits):
        images = digits[0][:20].clone()
        pgd(plain_net, images, digits[1][:20], eps=0.1, steps=3, as_published=True)
        assert torch.equal(images, digits[0][:20])

    def test_is_an_linf_attack_with_a_random_start(self, plain_net, digits):
        with pytest.raises(ValueError, match="Linf attack with a random start"):
            pgd(plain_net, *digits, eps=0.1, steps=2, norm="l2", as_published=True)


def test_batch_statistics_change_the_attack_but_not_the_buffers(plain_net, digits):
    images, labels = digits[0][:64], digits[1][:64]
    before = {name: buffer.clone() for name, buffer in plain_net.named_buffers()}
    attack = partial(pgd, eps=0.1, steps=3, random_start=False)
    with_batch = attack(plain_net, images, labels, batch_statistics=True)
    assert not torch.equal(with_batch, attack(plain_net, images, labels))
    assert torch.equal(with_batch, attack(plain_net, images, labels, batch_statistics=True, stop_early=True))
    assert all(torch.equal(buffer, before[name]) for name, buffer in plain_net.named_buffers())
    assert all(not m.training and getattr(m, "track_running_stats", True) for m in plain_net.modules())


def test_in_training_nothing_is_looked_at_and_one_function_serves_every_attack():
    torch.manual_seed(0)
    net = Linear((1, 4, 4), 3, torch.Generator().manual_seed(0), torch.float32)
    images, labels = torch.rand(8, 1, 4, 4), torch.arange(8) % 3
    attack, kept = partial(pgd, net, labels=labels, eps=0.1, steps=3), []

    def graphed(slope):
        kept.append(slope)
        return kept[0]

    def draws():
        return torch.Generator().manual_seed(1)

    for seen in (images, images.flip(0)):
        found = attack(seen, generator=draws(), checked=False, graphed=graphed)
        assert torch.equal(found, attack(seen, generator=draws()))
    assert len(kept) == 2
    with pytest.raises(ValueError, match="must be finite"):
        attack(images * torch.nan)
    assert attack(images * torch.nan, checked=False).isnan().all()


@pytest.mark.parametrize("settings", [{"steps": 0}, {"steps": 2, "restarts": 0}])
def test_no_steps_or_restarts_are_refused(plain_net, digits, settings):
    with pytest.raises(ValueError, match="at least 1"):
        pgd(plain_net, *digits, eps=0.1, **settings)
