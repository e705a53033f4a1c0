"""Densities of two pixels against SciPy, the sum that is Z against closed forms, histograms by hand."""

import math

import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal

from lib.methods import plane
from lib.methods.energy import log_density


def test_pixels_and_points():
    images = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    assert plane.points(images).tolist() == [[-1.0, 1.0]]
    assert torch.equal(plane.images_at(plane.points(images)), images)


def test_logits_of_the_hills_are_log_weight_plus_scipys_log_density():
    hills = plane.Hills(turn=0.4).double()
    z = torch.tensor([[0.1, -0.3], [0.9, 0.8]], dtype=torch.float64)
    found = hills(plane.images_at(z))
    for k, (weight, centre) in enumerate(zip(plane.HEIGHTS, hills.centres, strict=True)):
        scipys = multivariate_normal(centre.numpy(), plane.WIDTH**2).logpdf(z.numpy())
        assert found[:, k].tolist() == pytest.approx(list(math.log(weight) + scipys))
    assert math.dist(hills.centres[0], hills.centres[1]) == pytest.approx(0.5 * math.sqrt(3), rel=1e-6)


@pytest.mark.parametrize("turn", [0.0, 1.0])
def test_z_of_the_hills_is_one_and_a_shift_goes_into_it(turn):
    wide, hills = plane.grid(2.0, 60), plane.Hills(turn).double()
    scores = log_density(hills(wide.images))
    assert plane.log_partition(scores, wide.cell).item() == pytest.approx(0, abs=1e-13)
    assert plane.log_partition(scores + 3, wide.cell).item() == pytest.approx(3, abs=1e-13)
    assert torch.allclose(plane.log_density_at(scores + 3, wide.cell), scores, atol=1e-13)


def test_the_sum_agrees_with_scipys_quadrature_for_a_density_that_no_formula_normalises():
    def score(x, y):
        return math.cos(3 * x) + x * y - y**4

    box = plane.grid(1.0, 80)
    x, y = plane.points(box.images).unbind(1)
    ours = plane.log_partition((3 * x).cos() + x * y - y**4, box.cell).item()
    theirs, _ = dblquad(lambda y, x: math.exp(score(x, y)), -1, 1, -1, 1)
    assert ours == pytest.approx(math.log(theirs), abs=2e-4)  # the midpoint rule, not 0 at the border


@pytest.mark.parametrize("density", [plane.ring, plane.bump])
def test_densities_to_ask_for_are_normalised(density):
    wide = plane.grid(2.0, 160)
    assert plane.log_partition(density(plane.points(wide.images)), wide.cell).item() == pytest.approx(0, abs=1e-9)


def test_a_temperature_widens_a_hill():
    wide, hill = plane.grid(2.0, 160), plane.Hills(heights=(1.0,)).double()
    hot = plane.log_density_at(log_density(hill(wide.images)), wide.cell, 2.0)
    wider = plane.Hills(heights=(1.0,), width=plane.WIDTH * math.sqrt(2)).double()
    assert torch.allclose(hot, log_density(wider(wide.images)), atol=1e-9)


def test_divergence_of_two_gaussians_in_closed_form():
    """KL of N(0, s^2 I) to N(m, t^2 I) in two dimensions: (2 s^2 + m^2) / 2 t^2 - 1 + 2 log(t / s)."""
    wide = plane.grid(2.0, 160)
    z = plane.points(wide.images)
    s, t, m = 0.2, plane.BUMP_WIDTH, 0.25
    p = -(z - torch.tensor([m, 0.0])).square().sum(1) / (2 * s**2) - math.log(2 * math.pi * s**2)
    expected = (2 * s**2 + m**2) / (2 * t**2) - 1 + 2 * math.log(t / s)
    assert plane.divergence(p, plane.bump(z), wide.cell) == pytest.approx(expected, abs=1e-6)
    assert plane.divergence(p, p, wide.cell) == 0


def test_draws_follow_the_density_and_carry_their_hills():
    hills = plane.Hills()
    images, labels = hills.draw(40_000, torch.Generator().manual_seed(0))
    weights = torch.bincount(labels) / len(labels)
    assert weights.tolist() == pytest.approx(plane.HEIGHTS, abs=0.01)
    away = plane.points(images) - hills.centres[labels]
    assert away.std(0).tolist() == pytest.approx([plane.WIDTH] * 2, rel=0.02)
    assert (hills.nearest(images) == labels).double().mean() > 0.99
    wide = plane.grid(2.0, 160)
    exact = plane.exact_shares(log_density(hills.double()(wide.images)), wide, 10)
    assert plane.total_variation(plane.shares(images, 10), exact) < 0.02


def test_cells_by_hand():
    z = torch.tensor([[-0.9, -0.9], [0.1, -0.1], [0.9, 0.9], [1.2, 0.0], [0.0, -1.01]])
    assert plane.cells_of(plane.images_at(z), 2).tolist() == [0, 1, 3, 4, 4]
    assert plane.shares(plane.images_at(z), 2).tolist() == pytest.approx([0.2, 0.2, 0, 0.2, 0.4])
    flat = plane.grid(2.0, 8)  # of the square of area 16 a quarter lies inside
    assert plane.exact_shares(torch.full((64,), -math.log(16)), flat, 2).tolist() == pytest.approx(
        [1 / 16] * 4 + [0.75]
    )
    assert plane.total_variation(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.5, 0.25])) == 0.25
