"""Thermometers on densities whose temperature is known, and on chains whose variance is known."""

import math

import pytest
import torch
from torch import nn

from lib.methods import plane, thermometer
from lib.methods.energy import log_density
from lib.methods.plane import Hills
from lib.methods.sgld import Langevin, langevin
from lib.models.mlp import mlp


def hill(width: float = plane.WIDTH) -> Hills:
    return Hills(heights=(1.0,), width=width)


def scores_of(hills: Hills) -> torch.Tensor:
    return log_density(hills.double()(plane.grid(2.0, 160).images))


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_draws_at_a_known_temperature_are_read_so(temperature):
    """Draws from a hill of width s sqrt(T) are draws from p^(1/T) of the hill of width s."""
    images, _ = hill(plane.WIDTH * math.sqrt(temperature)).double().draw(50_000, torch.Generator().manual_seed(0))
    level = log_density(hill().double()(images)).mean().item()
    assert thermometer.by_energy(level, scores_of(hill())) == pytest.approx(temperature, rel=0.02)
    assert thermometer.by_curvature(hill().double(), images.double()) == pytest.approx(temperature, rel=0.02)


def test_by_energy_inverts_the_exact_mean_and_stops_at_its_ends():
    scores = scores_of(Hills())
    for temperature in (0.2, 1.0, 7.0):
        level = float((torch.softmax(scores / temperature, 0) * scores).sum())
        assert thermometer.by_energy(level, scores) == pytest.approx(temperature, rel=1e-6)
    assert thermometer.by_energy(scores.mean().item() - 1, scores) == thermometer.HOTTEST
    assert thermometer.by_energy(scores.max().item() + 1, scores) == pytest.approx(thermometer.COLDEST)


def test_by_curvature_by_hand():
    """g = -x^2 / 2 - 2 y^2 at (1, 1): gradient (-1, -4), Laplacian -5, T = 17 / 5, in any unit of x."""

    class Bowl(nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.scale = scale

        def forward(self, images):
            x, y = (self.scale * images.flatten(1)).unbind(1)
            return (-(x**2) / 2 - 2 * y**2)[:, None]

    for scale in (1.0, 2.0):
        image = torch.full((1, 2, 1, 1), 1 / scale, dtype=torch.float64)
        assert thermometer.by_curvature(Bowl(scale), image) == pytest.approx(17 / 5)


def test_by_curvature_reads_one_of_exact_draws_from_any_density():
    """E |grad g|^2 = -E laplacian g holds for every density, hills that overlap among them."""
    wide, hills = plane.grid(2.0, 160), Hills(width=0.25).double()
    p = torch.softmax(log_density(hills(wide.images)), 0)
    drawn = torch.multinomial(p, 30_000, replacement=True, generator=torch.Generator().manual_seed(0))
    assert thermometer.by_curvature(hills, wide.images[drawn]) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("step_size", "temperature"), [(0.005, 1.0), (0.02, 1.0), (0.02, 5e-5)])
def test_chains_on_a_hill_have_the_temperature_of_the_formula(step_size, temperature):
    sampler = Langevin(200, step_size, math.sqrt(2 * step_size * temperature))
    random = torch.Generator().manual_seed(0)
    end = langevin(hill(), torch.rand((4000, 2, 1, 1), generator=random), sampler, random)
    expected = thermometer.of_a_hill(step_size, sampler.noise, 1 / plane.WIDTH**2)
    assert expected == pytest.approx(temperature / (1 - step_size / plane.WIDTH**2 / 2))
    assert thermometer.by_curvature(hill().double(), end.double()) == pytest.approx(expected, rel=0.05)


def test_cold_chains_are_right_within_their_hill_and_wrong_between_hills():
    hills, random = Hills(), torch.Generator().manual_seed(0)
    start = torch.rand((1000, 2, 1, 1), generator=random)
    end = langevin(hills, start, Langevin(300, 0.005, math.sqrt(2 * 0.005 * 0.01)), random).double()
    level = log_density(hills.double()(end)).mean().item()
    assert thermometer.by_curvature(hills, end) == pytest.approx(0.01125, rel=0.1)
    assert thermometer.by_energy(level, scores_of(Hills())) > 0.2


def test_a_step_too_long_for_the_hill_is_refused():
    with pytest.raises(ValueError, match="the chain needs < 2"):
        thermometer.of_a_hill(0.05, 0.1, 44.4)


def test_the_net_is_left_as_it_was():
    net = mlp((4,), 2, (2, 1, 1), activation="silu", inputs=nn.Identity()).train()
    thermometer.by_curvature(net, torch.rand(5, 2, 1, 1))
    assert net.training and all(p.requires_grad and p.grad is None for p in net.parameters())
