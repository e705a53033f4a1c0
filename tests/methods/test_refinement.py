"""Refinement: its value is the chain's, its gradient that of finite differences or, straight-through, the identity."""

import pytest
import torch
from torch import Tensor, nn

from lib.methods.refinement import Refined, push_from_noise, refine
from lib.methods.sgld import Langevin, langevin
from lib.models.small_cnn import norm_free_cnn


def generator() -> torch.Generator:
    """The same noise at every call."""
    return torch.Generator().manual_seed(3)


def net(channels: int) -> nn.Module:
    """A smooth net in float64, whose second derivatives matter."""
    torch.manual_seed(0)
    model = norm_free_cnn(10, in_channels=channels, activation="silu").double().eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.5)
    return model


def picture(channels: int, side: int) -> Tensor:
    """Two images away from the borders of [0, 1]."""
    drawn = torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return 0.3 + 0.4 * drawn


@pytest.mark.parametrize(("channels", "side"), [(3, 32), (1, 14)])
@pytest.mark.parametrize("steps", [1, 2])
def test_the_full_gradient_is_that_of_finite_differences(channels, side, steps):
    sampler, model, x = Langevin(steps, 20.0, 0.01, clamp=True), net(channels), picture(channels, side)

    def loss(images: Tensor, through: bool) -> Tensor:
        return nn.functional.cross_entropy(
            Refined(model, sampler, generator(), through=through)(images), torch.arange(2)
        )

    slopes = {}
    for through in (True, False):
        leaf = x.clone().requires_grad_()
        (slopes[through],) = torch.autograd.grad(loss(leaf, through), leaf)
    direction = slopes[True].sign()
    h = 1e-5
    differences = (loss(x + h * direction, False) - loss(x - h * direction, False)).item() / (2 * h)
    assert (slopes[True] * direction).sum().item() == pytest.approx(differences, rel=1e-4)
    assert (slopes[False] * direction).sum().item() != pytest.approx(differences, rel=1e-4)


def test_straight_through_is_the_identity_and_the_value_is_the_chains():
    sampler, model, x = Langevin(3, 1.0, 0.01, clamp=True), net(1), picture(1, 14)
    expected = langevin(model, x, sampler, generator())
    for through in (True, False):
        leaf = x.clone().requires_grad_()
        found = refine(model, leaf, sampler, generator(), through=through)
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    (slope,) = torch.autograd.grad(found.sum(), leaf)
    assert torch.equal(slope, torch.ones_like(x))


def test_no_step_leaves_net_and_image_as_they_are():
    model, x = net(1), picture(1, 14)
    for through in (True, False):
        assert torch.equal(Refined(model, Langevin(0), generator(), through=through)(x), model(x))


def test_one_step_by_hand():
    """f = (w x, 0), so d LSE / dx = sigmoid(w x) w and d^2 LSE / dx^2 = sigmoid (1 - sigmoid) w^2."""

    class Two(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([2 * images.flatten(), torch.zeros_like(images.flatten())], 1)

    x = torch.tensor([[[[0.25]]]], dtype=torch.float64, requires_grad=True)
    sure = torch.tensor(0.5, dtype=torch.float64).sigmoid().item()
    found = refine(Two(), x, Langevin(1, 0.4, 0.0), generator(), through=True)
    assert found.item() == pytest.approx(0.25 + 0.1 * 2 * sure)
    assert torch.autograd.grad(found.sum(), x)[0].item() == pytest.approx(1 + 0.1 * 4 * sure * (1 - sure))


def test_noise_is_pushed_until_the_class_is_sure_and_no_further():
    torch.manual_seed(0)
    model, noise = nn.Sequential(nn.Flatten(), nn.Linear(196, 10)), picture(1, 14).float()
    classes = torch.tensor([3, 7])
    before = model(noise).softmax(1)[torch.arange(2), classes]
    images, after = push_from_noise(model, noise, classes, step_size=0.2, steps=300, confidence=0.5)
    assert (after >= 0.5).all() and (before < 0.5).all() and (after < 0.9).all()
    assert images.min() >= 0 and images.max() <= 1
    still, _ = push_from_noise(model, noise, classes, step_size=0.2, steps=5, confidence=0.0)
    assert torch.equal(still, noise)
