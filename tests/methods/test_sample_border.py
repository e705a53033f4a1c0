"""Distances, zones, classes and spread by hand; the unit of the judge against a Gaussian in the plane."""

import math

import pytest
import torch
from torch import nn

from lib.methods.sample_border import covered, judge, seen_by, spread, zones


class Plane(nn.Module):
    """A net whose features are the two pixels themselves."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, 2)
        self.last.weight.data.copy_(torch.tensor([[10.0, 0.0], [-10.0, 0.0]]))
        self.last.bias.data.zero_()

    def forward(self, images):
        return self.last(images.flatten(1))


def at(*points):
    return torch.tensor(points)[:, :, None, None]


def test_the_unit_is_that_of_the_plane():
    """With one known point, fresh ones from a Gaussian around it: r is two standard deviations."""
    fresh = torch.randn(20_000, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    found = judge(Plane(), torch.zeros(1, 2, 1, 1), fresh)
    assert found.radius == pytest.approx(2, rel=0.02)
    assert zones(found.distances(fresh), found.radius)["border"] == pytest.approx(math.exp(-2), abs=1e-3)


def test_distance_is_to_the_nearest_known_image():
    found = judge(Plane(), at([0.0, 0.0], [4.0, 0.0]), at([1.0, 0.0]))
    torch.testing.assert_close(found.distances(at([1.0, 0.0], [4.0, 3.0])), torch.tensor([1.0, 3.0]))
    assert found.radius == pytest.approx(1)


def test_zones_by_hand():
    found = zones(torch.tensor([0.5, 2.0, 2.1, 5.0, 5.1]), radius=2.0)
    assert found == pytest.approx({"core": 0.4, "border": 0.4, "beyond": 0.2, "on or at the border": 0.8})


def test_effective_classes_by_hand():
    one_of_each, all_alike = torch.eye(4), torch.eye(4)[[2, 2, 2]]
    assert covered(one_of_each) == pytest.approx(1) and covered(all_alike) == pytest.approx(1 / 4)
    assert covered(torch.eye(4)[[0, 0, 0, 1]]) == pytest.approx(1 / 3**0.75)  # exp of 2 log 2 - 3/4 log 3, over 4


def test_spread_by_hand():
    assert spread(at([0.0, 0.0], [3.0, 4.0])) == pytest.approx(5)
    assert spread(at([1.0, 1.0], [1.0, 1.0])) == 0


def test_samples_that_are_all_alike_show():
    known = at(*([float(x), 0.0] for x in range(-5, 6)))
    found = seen_by(judge(Plane(), known, known + 0.1), at(*[[3.0, 0.05]] * 11), known)
    assert found["classes covered"] == pytest.approx(1 / 2) and found["spread"] == 0 and found["core"] == 1
    assert found["unsure"] == 0
    unsure = seen_by(judge(Plane(), known, known + 0.1), at(*[[0.0, 9.0]] * 11), known)
    assert unsure["unsure"] == 1 and unsure["beyond"] == 1
