from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from lib.attacks.fab import fab, to_hyperplane
from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd


def problem(seed: int, pixels: int, dtype: torch.dtype = torch.float64):
    """Points, some of them on the box, normals with some zeros, and residuals of both signs."""
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(4, pixels, generator=generator, dtype=dtype) * 1.4 - 0.2).clamp(0, 1)
    w = torch.randn(4, pixels, generator=generator, dtype=dtype)
    w[:, ::3] = 0
    reach = torch.where(w > 0, w * (1 - x), -w * x).sum(1)
    return x, w, reach * (torch.rand(4, generator=generator, dtype=dtype) * 1.4)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), pixels=st.integers(2, 12))
def test_linf_projection_against_linear_programming(seed, pixels):
    x, w, rest = problem(seed, pixels)
    delta = to_hyperplane(x, w, rest, "linf")
    for i in range(len(x)):
        # minimise t subject to -t <= delta <= t, 0 <= x + delta <= 1, <w, delta> = rest
        identity = np.eye(pixels)
        bounds = [(-p, 1 - p) for p in x[i].tolist()] + [(0, None)]
        solved = linprog(
            np.r_[np.zeros(pixels), 1],
            A_ub=np.block([[identity, -np.ones((pixels, 1))], [-identity, -np.ones((pixels, 1))]]),
            b_ub=np.zeros(2 * pixels),
            A_eq=np.r_[w[i].numpy(), 0][None],
            b_eq=[rest[i].item()],
            bounds=bounds,
        )
        if solved.success:
            assert delta[i].abs().max().item() == pytest.approx(solved.fun, abs=1e-5)
            assert (w[i] @ delta[i]).item() == pytest.approx(rest[i].item(), abs=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), pixels=st.integers(2, 80), sign=st.sampled_from([-1, 1]))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projection_is_optimal_or_the_most_the_box_allows(norm, seed, pixels, sign):
    x, w, rest = problem(seed, pixels)
    w, rest = sign * w, sign * rest
    delta = to_hyperplane(x, w, rest, norm)
    assert (x + delta).min() >= -1e-12 and (x + delta).max() <= 1 + 1e-12
    assert (delta[w == 0] == 0).all()
    turned = w * rest.sign()[:, None]
    room = torch.where(turned > 0, 1 - x, x)
    attained, most = (w * delta).sum(1), (turned.abs() * room).sum(1)
    torch.testing.assert_close(attained.abs(), torch.minimum(rest.abs(), most), rtol=2e-6, atol=1e-9)
    # Karush-Kuhn-Tucker: pixels away from the box share one speed (Linf) or one multiplier (L2); the others are slower.
    pace = delta.abs() / (torch.ones_like(w) if norm == "linf" else w.abs().clamp_min(1e-12))
    pace[w == 0] = 0
    free = (delta.abs() < room - 1e-9) & (w != 0)
    for i in range(len(x)):
        if free[i].any():
            torch.testing.assert_close(
                pace[i][free[i]], pace[i].amax().expand(int(free[i].sum())), rtol=1e-6, atol=1e-9
            )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_normal_gives_no_step(norm):
    assert to_hyperplane(torch.rand(2, 5), torch.zeros(2, 5), torch.tensor([1.0, -1.0]), norm).count_nonzero() == 0


def test_float32_with_tiny_normals():
    x, w, rest = problem(0, 50, torch.float32)
    for norm in ("linf", "l2"):
        torch.testing.assert_close(
            to_hyperplane(x, 1e-20 * w, 1e-20 * rest, norm), to_hyperplane(x, w, rest, norm), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.6)])
def test_no_weaker_than_pgd(plain_net, digits, norm, eps):
    images, labels = digits[0][:300], digits[1][:300]

    def accuracy(attack):
        return robust_accuracy(plain_net, images, labels, partial(attack, eps=eps, norm=norm), batch_size=300).accuracy

    ours = accuracy(partial(fab, steps=20, target_classes=3))
    assert ours <= accuracy(partial(pgd, steps=20)) + 0.01
    assert 0.2 < ours < 0.8


def test_returns_the_image_where_nothing_is_found(plain_net, digits):
    images, labels = digits[0][:20], digits[1][:20]
    found = fab(plain_net, images, labels, eps=1e-4, steps=5, target_classes=2)
    with torch.no_grad():
        standing = plain_net(found).argmax(1) == labels
    assert standing.any()
    assert torch.equal(found[standing], images[standing])


@pytest.mark.parametrize("settings", [{"steps": 0}, {"restarts": 0}])
def test_no_steps_or_restarts_are_refused(plain_net, digits, settings):
    with pytest.raises(ValueError, match="at least 1"):
        fab(plain_net, *digits, eps=0.1, **settings)
