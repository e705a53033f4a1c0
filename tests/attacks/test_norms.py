import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.attacks.norms import ascent_direction, draw_in_ball, draw_uniform, project, settle, size

NORMS = st.sampled_from(["linf", "l2"])
DTYPES = st.sampled_from([torch.float32, torch.float64])


@settings(deadline=None, max_examples=60)
@given(
    norm=NORMS,
    dtype=DTYPES,
    eps=st.floats(0, 3),
    reach=st.floats(0, 50),
    pixels=st.integers(1, 3000),
    seed=st.integers(0),
)
def test_settled_points_lie_in_ball_and_box_to_one_ulp(norm, dtype, eps, reach, pixels, seed):
    generator = torch.Generator().manual_seed(seed % 2**63)
    images = torch.rand(3, 1, pixels, generator=generator, dtype=dtype)
    points = images + reach * torch.randn(3, 1, pixels, generator=generator, dtype=dtype)
    settled = settle(points, images, eps, norm)
    assert settled.dtype == dtype
    assert settled.min() >= 0 and settled.max() <= 1
    assert size(settled.double() - images.double(), norm).max() <= eps + torch.finfo(dtype).eps * max(1, eps)


@settings(deadline=None, max_examples=30)
@given(norm=NORMS, eps=st.floats(0.01, 2), seed=st.integers(0, 2**31))
def test_projection_leaves_points_inside_alone_and_repeats(norm, eps, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(4, 3, 5, 5, generator=generator, dtype=torch.float64)
    points = project(images + torch.randn(images.shape, generator=generator), images, eps, norm)
    torch.testing.assert_close(project(points, images, eps, norm), points, rtol=0, atol=1e-15)
    inside = images + 0.5 * (points - images)
    torch.testing.assert_close(project(inside, images, eps, norm), inside, rtol=0, atol=1e-15)


def test_linf_projection_is_the_nearest_point():
    images, points = torch.tensor([[0.1, 0.5, 0.9]]), torch.tensor([[-1.0, 0.55, 2.0]])
    torch.testing.assert_close(project(points, images, 0.2, "linf"), torch.tensor([[0.0, 0.55, 1.0]]))


def test_l2_projection_scales_then_clamps():
    images, points = torch.tensor([[0.5, 0.9]]), torch.tensor([[0.5 + 3.0, 0.9 + 4.0]])
    torch.testing.assert_close(project(points, images, 0.5, "l2"), torch.tensor([[0.8, 1.0]]))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_l2_direction_has_length_one_at_every_scale(scale):
    gradients = scale * torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(ascent_direction(gradients, "l2"), torch.tensor([[[0.6, 0.8]], [[0.0, 0.0]]]))


def test_linf_direction_is_the_sign():
    assert ascent_direction(torch.tensor([[2.0, -1e-30, 0.0]]), "linf").tolist() == [[1, -1, 0]]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_fill_the_ball_and_follow_the_generator(norm):
    images = torch.full((4000, 1, 2, 2), 0.5)
    first, again = (draw_in_ball(images, 0.4, norm, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    radius = size(first - images, norm) / 0.4
    assert radius.max() <= 1 + 1e-6
    # Uniform in a d-dimensional ball: P(radius < r) = r^d with d = 4, so the mean radius is d / (d + 1).
    assert radius.mean().item() == pytest.approx(4 / 5, abs=4 * math.sqrt(4 / (6 * 25)) / math.sqrt(4000))


def test_uniform_numbers_span_the_interval():
    drawn = draw_uniform(torch.empty(10_000), -3, 5, torch.Generator().manual_seed(0))
    assert -3 <= drawn.min() < -2.9 and 4.9 < drawn.max() <= 5
