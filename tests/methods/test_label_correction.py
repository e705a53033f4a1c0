"""Corrections of noisy labels against matrices worked out by hand, and against the plain product of probabilities."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.data.labels import flip_noise_matrix, uniform_noise_matrix
from lib.methods.label_correction import anchor_matrix, corrected_loss, forward_loss, gold_matrix
from lib.training.batches import Batch

HALF = torch.tensor([[0.75, 0.25], [0.5, 0.5]])


def test_forward_loss_by_hand():
    # p = (0.8, 0.2): the noisy label 1 has probability 0.8 * 0.25 + 0.2 * 0.5 = 0.3, label 0 has 0.7
    logits = torch.tensor([[math.log(0.8), math.log(0.2)]])
    assert forward_loss(logits, torch.tensor([1]), HALF).item() == pytest.approx(-math.log(0.3), rel=1e-6)
    assert forward_loss(logits, torch.tensor([0]), HALF).item() == pytest.approx(-math.log(0.7), rel=1e-6)


def test_forward_loss_is_the_cross_entropy_of_the_product_and_of_the_identity():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 5, generator=generator).double()
    labels = torch.randint(5, (64,), generator=generator)
    for matrix in (uniform_noise_matrix(0.6, 5), flip_noise_matrix(0.4, 5, generator)):
        predicted = logits.softmax(1) @ matrix.double()  # rows C^T p
        assert torch.allclose(forward_loss(logits, labels, matrix), F.nll_loss(predicted.log(), labels))
    assert torch.allclose(forward_loss(logits, labels, torch.eye(5)), F.cross_entropy(logits, labels))


def test_forward_loss_and_its_gradient_are_finite_where_probabilities_underflow():
    logits = torch.tensor([[0.0, 500.0]], requires_grad=True)
    forward_loss(logits, torch.tensor([0]), torch.eye(2)).backward()
    assert logits.grad is not None and logits.grad.isfinite().all() and logits.grad[0, 0] < 0


def test_the_minimum_under_noisy_labels_is_the_true_distribution():
    """Patrini et al. 2017, theorem 2: with the true C, the expected corrected loss is least at the clean posterior."""
    clean = torch.tensor([0.7, 0.2, 0.1])
    matrix = uniform_noise_matrix(0.6, 3)
    noisy = clean @ matrix

    def expected(p: torch.Tensor) -> float:
        losses = forward_loss(p.log().expand(3, 3), torch.arange(3), matrix, "none")
        return float((noisy * losses).sum())

    others = [torch.tensor(p) for p in ([0.6, 0.3, 0.1], [0.75, 0.15, 0.1], noisy.tolist())]
    assert all(expected(clean) < expected(p) for p in others)


def test_anchors_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert torch.equal(anchor_matrix(p), p[[0, 2]])
    # 0.6 and up is among the upper half of the first column, 0.7 and 0.8 of the second
    assert torch.equal(anchor_matrix(p, quantile=0.5), p[[3, 1]])
    assert torch.equal(anchor_matrix(p, quantile=1.0), p[[1, 3]]), "the surest of all is at its own bound"
    assert torch.allclose(anchor_matrix(p, quantile=0.9).sum(1), torch.ones(2))


def test_gold_matrix_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert torch.allclose(gold_matrix(p, torch.tensor([0, 0, 1])), torch.tensor([[0.7, 0.3], [0.2, 0.8]]))
    with pytest.raises(ValueError, match="trusted image"):
        gold_matrix(p, torch.tensor([0, 0, 0]))


def test_gold_matrix_of_a_net_that_knows_the_noise_is_the_noise():
    matrix = uniform_noise_matrix(0.4, 4)
    labels = torch.arange(4).repeat(3)
    assert torch.allclose(gold_matrix(matrix[labels], labels), matrix)


def test_trusted_images_keep_the_plain_loss_and_the_total_is_divided_by_the_batch():
    model = nn.Linear(3, 2)
    images, labels = torch.rand(4, 3), torch.tensor([0, 1, 1, 0])
    trusted = torch.tensor([False, True, False, False, True, False])
    batch = Batch(images, labels, torch.tensor([4, 5, 1, 0]), 0, torch.Generator())
    loss = corrected_loss(HALF, trusted)(model, batch)
    plain = F.cross_entropy(model(images)[[0, 2]], labels[[0, 2]], reduction="sum")
    other = forward_loss(model(images)[[1, 3]], labels[[1, 3]], HALF, "sum")
    assert torch.allclose(loss, (plain + other) / 4)
    assert torch.allclose(corrected_loss(HALF)(model, batch), forward_loss(model(images), labels, HALF))
