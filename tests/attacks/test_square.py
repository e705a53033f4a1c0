from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.attacks.harness import robust_accuracy
from lib.attacks.losses import margin
from lib.attacks.norms import size
from lib.attacks.square import _draw_windows, _move_mass, _odd_side, _recolour, _State, bump, square, square_share
from tests.attacks.nets import Linear, Masked


def state(shape=(3, 2, 9, 7), eps=0.1, seed=0):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    low, high = (images - eps).clamp(0, 1), (images + eps).clamp(0, 1)
    nothing = torch.zeros(len(images))
    return _State(nothing.long(), nothing.long(), images, low, high, low, nothing)


def test_schedule_of_the_paper():
    # Of 10,000 queries p is halved at 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 (section 5).
    shares = [square_share(query, 10_000, 0.8) for query in (0, 10, 11, 50, 51, 201, 501, 1001, 2001, 4001, 6001, 9999)]
    assert shares == [0.8 / 2**k for k in (0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9)]
    assert square_share(5, 1000, 0.8) == square_share(50, 10_000, 0.8)


@settings(deadline=None, max_examples=30)
@given(side=st.integers(1, 7), extra=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_windows_are_squares_and_reach_every_place(side, extra, seed):
    x = torch.zeros(400, 2, side + extra, side + 1)
    window = _draw_windows(x, side, torch.Generator().manual_seed(seed))
    assert x[window].shape == (400, 2, side, side)
    x[window] = 1
    assert (x.sum((1, 2, 3)) == 2 * side**2).all()
    assert torch.equal(x[:, 0], x[:, 1])
    assert x.flatten(1).any(0).all()


def test_linf_proposal_recolours_one_square_and_always_changes_something():
    before, generator = state(), torch.Generator().manual_seed(1)
    for share in (0.8, 0.2, 0.01):
        after = _recolour(before, share, 0.1, generator)
        changed = after != before.x
        assert changed.flatten(1).any(1).all()
        assert ((after == before.low) | (after == before.high) | ~changed).all()
        side = max(round((share * 63) ** 0.5), 1)
        where = changed.any(1)  # (N, H, W)
        for image in where:
            rows, columns = image.any(1).nonzero(), image.any(0).nonzero()
            assert rows.max() - rows.min() < side and columns.max() - columns.min() < side


def test_l2_proposal_spends_all_of_eps_away_from_the_box():
    before = state()
    images = 0.4 + 0.2 * before.images
    before = before._replace(images=images, x=images + 0.01)
    after = _move_mass(before, 0.3, 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        size(after - images, "l2"), torch.full((3,), 0.5, dtype=torch.float64), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9])
def test_bumps_have_length_one_and_two_opposite_halves(side):
    drawn = [bump(side, torch.zeros(1), torch.Generator().manual_seed(seed)) for seed in range(20)]
    for hills in drawn:
        assert hills.shape == (side, side)
        assert torch.linalg.vector_norm(hills).item() == pytest.approx(1)
    if side > 1:
        assert any((hills[0] > 0).all() for hills in drawn) and any((hills[:, 0] > 0).all() for hills in drawn)
        assert all(hills.min() < 0 < hills.max() for hills in drawn)


def test_bump_by_hand():
    # Upper hill of 1 x 3 and lower hill of 2 x 3: rings 1 0 1, and 1 1 1 / 1 0 1; 1 and 1 + 1/4 before scaling.
    hills = torch.tensor([[0.25, 1.25, 0.25], [-0.25, -0.25, -0.25], [-0.25, -1.25, -0.25]])
    hills = hills / hills.norm()
    drawn = bump(3, torch.zeros(1), torch.Generator().manual_seed(0))
    assert torch.allclose(drawn, hills) or torch.allclose(drawn, hills.T)


@pytest.mark.parametrize(
    ("share", "extent", "side"), [(0.8, 8, 7), (0.01, 8, 3), (0.8, 32, 29), (0.8, 2, 1), (0.8, 1, 1)]
)
def test_l2_squares_are_odd_and_fit(share, extent, side):
    assert _odd_side(share, extent, extent) == side


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_more_queries_raise_the_margin(robust_net, digits, norm):
    images, labels = digits[0][:60], digits[1][:60]

    def loss(queries):
        eps, generator = (0.05 if norm == "linf" else 0.3), torch.Generator().manual_seed(0)
        found = square(robust_net, images, labels, eps=eps, norm=norm, queries=queries, generator=generator)
        with torch.no_grad():
            return margin(robust_net(found), labels).mean()

    one, twenty, two_hundred = loss(1), loss(20), loss(200)
    assert one < twenty < two_hundred


def test_breaks_a_masked_net_that_gradients_do_not(plain_net, digits):
    images, labels = digits[0][:100], digits[1][:100]
    attack = partial(square, eps=0.15, queries=300, generator=torch.Generator().manual_seed(0))
    report = robust_accuracy(Masked(plain_net), images, labels, attack, batch_size=100)
    assert report.backward_passes == 0
    assert report.accuracy < 0.6 < 0.95 < report.clean_accuracy


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 28, 32), (1, 33, 10)])
def test_runs_on_images_of_every_real_size(shape, norm):
    """Upright and lying hills both come up: in half of all draws the lying ones raised from ten pixels on."""
    gains = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        model = Linear(shape, 3, generator, torch.float32)
        images, eps = torch.rand(2, *shape, generator=generator), 0.05 if norm == "linf" else 1.0
        with torch.no_grad():
            labels = model(images).argmax(1)
            attack = partial(square, model, images, labels, eps=eps, norm=norm)
            one, found = (attack(queries=n, generator=torch.Generator().manual_seed(seed)) for n in (1, 20))
            gain = margin(model(found), labels) - margin(model(one), labels)
        assert (gain >= 0).all()
        gains += int((gain > 0).sum())
        assert 0.1 * eps < size(found - images, norm).max() <= eps + 1e-6
    assert gains > 5


def test_flat_inputs_are_refused(plain_net):
    with pytest.raises(ValueError, match=r"needs images \(N, C, H, W\), found shape \(2, 64\)"):
        square(plain_net, torch.rand(2, 64), torch.tensor([0, 1]), eps=0.1)


@pytest.mark.parametrize("settings", [{"queries": 0}, {"restarts": 0}])
def test_no_queries_or_restarts_are_refused(plain_net, digits, settings):
    with pytest.raises(ValueError, match="at least 1"):
        square(plain_net, *digits, eps=0.1, **settings)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_first_share_that_is_none_is_refused(plain_net, digits, share):
    with pytest.raises(ValueError, match=r"first_share must lie in \(0, 1\]"):
        square(plain_net, *digits, eps=0.1, first_share=share)
