"""Energies by hand, and gradients against finite differences."""

import math

import pytest
import torch
from torch import nn

from lib.methods.energy import at_least_float32, class_log_density, frozen, log_density, log_density_gradient
from lib.models.mlp import mlp


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return mlp((8,), 3, (1, 2, 2), activation="silu", inputs=nn.Identity()).double()


LOGITS = torch.tensor([[0.0, math.log(2.0), math.log(3.0)], [-1.0, -1.0, -1.0]], dtype=torch.float64)


def test_by_hand():
    assert log_density(LOGITS).tolist() == pytest.approx([math.log(6), math.log(3) - 1])
    assert class_log_density(LOGITS, torch.tensor([1, 2])).tolist() == pytest.approx([math.log(2), -1.0])


def test_a_shift_of_all_logits_moves_the_density_and_not_the_class():
    shift = torch.tensor([[5.0], [-700.0]], dtype=torch.float64)
    assert torch.allclose(log_density(LOGITS + shift), log_density(LOGITS) + shift[:, 0])
    assert torch.allclose((LOGITS + shift).softmax(1), LOGITS.softmax(1))


@pytest.mark.parametrize("classes", [None, torch.tensor([0, 2, 1])])
def test_gradient_is_that_of_the_log_density(net, classes):
    images = torch.rand(3, 1, 2, 2, dtype=torch.float64)
    x = images.clone().requires_grad_()
    logits = net(x)
    (log_density(logits) if classes is None else class_log_density(logits, classes)).sum().backward()
    found = log_density_gradient(net, images, classes)
    assert x.grad is not None and found.dtype == torch.float64
    assert torch.allclose(found, x.grad, atol=1e-14, rtol=1e-13)  # a float64 net is not rounded to float32
    step = torch.zeros_like(images)
    step[1, 0, 0, 1] = 1e-5
    score = (lambda i: log_density(net(i))) if classes is None else (lambda i: class_log_density(net(i), classes))
    difference = (score(images + step) - score(images - step)) / 2e-5
    assert found[1, 0, 0, 1].item() == pytest.approx(difference[1].item(), abs=1e-5)


def test_frozen_weights_ask_for_nothing_and_are_free_again_after(net):
    fixed = next(net.parameters()).requires_grad_(False)
    with frozen(net):
        assert not any(parameter.requires_grad for parameter in net.parameters())
    assert [parameter.requires_grad for parameter in net.parameters()] == [False, True, True, True]
    assert not fixed.requires_grad
    with pytest.raises(RuntimeError), frozen(net):
        raise RuntimeError
    assert sum(parameter.requires_grad for parameter in net.parameters()) == 3


def test_the_gradient_leaves_weights_and_images_alone(net):
    images = torch.rand(2, 1, 2, 2, dtype=torch.float64)
    before = images.clone()
    log_density_gradient(net, images)
    assert torch.equal(images, before) and not images.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())


def test_half_precision_is_widened_and_nothing_else_is_changed():
    for given, wanted in (("bfloat16", "float32"), ("float16", "float32"), ("float32", "float32"), ("float64",) * 2):
        logits = torch.ones(2, 3, dtype=getattr(torch, given))
        assert at_least_float32(logits).dtype == getattr(torch, wanted)
