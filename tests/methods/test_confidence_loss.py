import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lib.methods.confidence_loss import confidence_loss, energy_score, kl_from_uniform, softmax_score


class Pixels(nn.Module):
    """Logits are the first two pixels: a net whose loss can be worked out by hand."""

    def forward(self, images):
        return images.flatten(1)[:, :2]


def as_images(rows):
    return torch.tensor(rows, dtype=torch.float32).view(len(rows), 1, 1, -1)


def test_divergence_by_hand():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])  # P = (1/2, 1/2) and (3/4, 1/4)
    by_hand = -0.5 * (math.log(0.75) + math.log(0.25)) - math.log(2)
    torch.testing.assert_close(kl_from_uniform(logits), torch.tensor([0.0, by_hand]))


@pytest.mark.parametrize("classes", [2, 8, 10])
def test_divergence_is_the_released_codes_and_not_its_forks(classes):
    logits = torch.randn(7, classes, generator=torch.Generator().manual_seed(classes))
    pointwise = (math.log(1 / classes) - logits.log_softmax(1)) / classes  # U_k (log U_k - log P_k)
    released = pointwise.mean() * classes  # mean over images and classes
    forked = pointwise.sum(1).mean() * classes
    ours = kl_from_uniform(logits).mean()
    torch.testing.assert_close(ours, released)
    torch.testing.assert_close(ours * classes, forked)


def test_divergence_has_uniform_first():
    """It grows without bound with the net's certainty, and its gradient P - U does not fade; the reverse does both."""
    logits = torch.tensor([[200.0, 0.0, 0.0, 0.0]], requires_grad=True)
    value = kl_from_uniform(logits).sum()
    assert value.item() == pytest.approx(200 * 3 / 4 - math.log(4))
    value.backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[0.75, -0.25, -0.25, -0.25]]))


def test_loss_by_hand():
    images, outliers = as_images([[0.0, 1.0], [1.0, 0.0]]), as_images([[0.5, 0.0]])
    labels = torch.tensor([1, 1])
    inside = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    outside = math.log(1 + math.exp(0.5)) - 0.25 - math.log(2)
    for beta in (0.0, 1.0, 0.1):
        value = confidence_loss(Pixels(), images, labels, outliers, beta=beta)
        assert value.item() == pytest.approx(inside + beta * outside, abs=1e-6)


def test_each_term_is_a_mean_over_its_own_images():
    images, labels = as_images([[0.2, 0.9], [0.7, 0.1]]), torch.tensor([0, 1])
    outliers = as_images([[0.9, 0.0], [0.1, 0.3], [1.0, 0.2]])
    once = confidence_loss(Pixels(), images, labels, outliers)
    assert confidence_loss(Pixels(), images, labels, outliers.repeat(5, 1, 1, 1)).item() == pytest.approx(once.item())
    twice = confidence_loss(Pixels(), images.repeat(2, 1, 1, 1), labels.repeat(2), outliers)
    assert twice.item() == pytest.approx(once.item())


def test_bytes_and_floats_may_meet():
    images, labels = torch.tensor([[[[255, 0]]]], dtype=torch.uint8), torch.tensor([0])
    expected = confidence_loss(Pixels(), as_images([[1.0, 0.0]]), labels, as_images([[0.5, 0.0]]))
    torch.testing.assert_close(confidence_loss(Pixels(), images, labels, as_images([[0.5, 0.0]])), expected)


def test_one_pass_or_two_are_the_same_without_batch_norm():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images, outliers = torch.rand(5, 1, 2, 2), torch.rand(2, 1, 2, 2)
    labels = torch.tensor([0, 1, 2, 0, 1])
    joint, separate = (
        confidence_loss(net, images, labels, outliers, forward="joint"),
        confidence_loss(net, images, labels, outliers, forward="separate"),
    )
    torch.testing.assert_close(joint, separate)


def test_another_word_for_the_passes_is_refused():
    """It used to mean two."""
    images = torch.rand(2, 1, 1, 2)
    word: Any = "jointly"
    with pytest.raises(ValueError, match="joint or separate, found 'jointly'"):
        confidence_loss(nn.Flatten(), images, torch.tensor([0, 1]), images, forward=word)


def test_two_passes_hide_from_batch_norm_what_tells_the_kinds_apart():
    """Outliers that are the images and a constant: a pass of their own subtracts it and leaves no difference."""
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(2, affine=False))
    images, labels = as_images([[0.0, 0.1], [0.4, 0.2], [0.1, 0.6]]), torch.tensor([0, 1, 0])
    uniform = kl_from_uniform(net(images)).mean()
    for forward, hidden in (("separate", True), ("joint", False)):
        value = confidence_loss(net, images, labels, images + 0.4, beta=1.0, forward=forward)  # type: ignore[arg-type]
        alone = F.cross_entropy(net(images), labels) + uniform
        assert torch.isclose(value, alone, atol=1e-3) == hidden


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(-8, 8), min_size=4, max_size=4), min_size=1, max_size=6))
def test_score_is_the_logit_of_the_largest_probability(rows):
    logits = torch.tensor(rows, dtype=torch.float64)
    largest = logits.softmax(1).amax(1)
    torch.testing.assert_close(softmax_score(logits), (largest / (1 - largest)).log(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(softmax_score(logits + 100), softmax_score(logits), rtol=1e-9, atol=1e-9)


def test_score_ranks_where_the_probability_has_saturated():
    logits = torch.tensor([[30.0, 0.0, 0.0], [40.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
    assert (logits.softmax(1).amax(1) == 1).all()
    assert (softmax_score(logits).diff() > 9).all()


def test_score_of_a_tie():
    assert softmax_score(torch.tensor([[2.0, 2.0]])).item() == 0  # P_max = 1/2


def test_energy_by_hand():
    logits = torch.tensor([[0.0, 0.0], [1000.0, 0.0]])
    torch.testing.assert_close(energy_score(logits), torch.tensor([math.log(2), 1000.0]))
