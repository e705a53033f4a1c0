import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from lib.methods.capacity import (
    least_squares_signs_fit,
    linear_rademacher,
    rademacher_bound,
    rademacher_from_error,
    vc_bound,
    vc_reading,
)


def random_signs(n: int, generator: torch.Generator) -> torch.Tensor:
    return 2 * torch.randint(0, 2, (n,), generator=generator) - 1


def test_a_reading_is_one_where_signs_are_fitted_and_zero_at_chance():
    readings = rademacher_from_error([0.0, 0.5, 0.25, 1.0])
    np.testing.assert_array_equal(readings, [1.0, 0.0, 0.5, -1.0])
    with pytest.raises(ValueError, match="fractions"):
        rademacher_from_error([0.1, 12.0])
    with pytest.raises(ValueError, match="nan"):
        rademacher_from_error([math.nan])


@pytest.mark.parametrize(("n", "d", "value"), [(100, 10, 0.261), (100, 50, 0.683), (100, 100, 1), (5, 9, 1), (7, 0, 0)])
def test_closed_form_of_the_linear_reading(n, d, value):
    assert linear_rademacher(n, d) == pytest.approx(value, abs=5e-4)


def test_linear_reading_is_the_normal_probability_and_its_limit():
    assert linear_rademacher(60, 20) == pytest.approx(2 * norm.cdf(math.sqrt(0.5)) - 1, abs=1e-12)
    assert linear_rademacher(10**6, 10) == pytest.approx(math.sqrt(2 * 10 / (math.pi * 10**6)), rel=1e-4)
    with pytest.raises(ValueError, match="n = 0"):
        linear_rademacher(0, 1)


@pytest.mark.parametrize(("n", "d"), [(100, 10), (100, 50), (400, 20)])
def test_closed_form_agrees_with_simulation(n, d):
    generator = torch.Generator().manual_seed(n + d)
    draws = 400
    errors = [
        least_squares_signs_fit(torch.randn(n, d, generator=generator), random_signs(n, generator))[0].item()
        for _ in range(draws)
    ]
    readings = rademacher_from_error(errors)
    standard_error = readings.std(ddof=1) / math.sqrt(draws)
    # the closed form takes P_ii = d / n and a normal sum: together they are worth less than 1 / n
    assert abs(readings.mean() - linear_rademacher(n, d)) < 4 * standard_error + 1 / n


def test_least_squares_fits_any_signs_from_d_equal_n_on():
    generator = torch.Generator().manual_seed(0)
    for d in (30, 45):
        assert least_squares_signs_fit(torch.randn(30, d, generator=generator), random_signs(30, generator))[0] == 0


def test_least_squares_error_by_hand():
    features = torch.tensor([[1.0], [2.0], [-1.0]])
    # w = (-1 + 2 + 1) / 6 > 0: the first sign is missed
    assert least_squares_signs_fit(features, torch.tensor([-1, 1, -1]))[0] == pytest.approx(1 / 3)
    assert least_squares_signs_fit(features, torch.tensor([1, 1, -1]))[0] == 0
    assert least_squares_signs_fit(torch.zeros(3, 1), torch.tensor([1, 1, -1]))[0] == 1  # a fit of zero is an error


@pytest.mark.parametrize(("n", "d"), [(40, 7), (9, 20)])
def test_least_squares_fits_many_sign_vectors_at_once_like_a_library(n, d):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(n, d, generator=generator, dtype=torch.float64)
    features[:, 0] = features[:, 1]  # rank one less where the features are fewer than the points
    signs = torch.stack([random_signs(n, generator) for _ in range(5)], dim=1)
    errors, rank = least_squares_signs_fit(features, signs)
    fit = features @ torch.linalg.pinv(features) @ signs.double()
    np.testing.assert_array_equal(errors, (fit.sign() != signs).double().mean(dim=0))
    assert rank == torch.linalg.matrix_rank(features)


def test_least_squares_takes_dependent_features():
    column = torch.tensor([[1.0], [2.0], [-1.0], [-3.0]])
    assert least_squares_signs_fit(torch.cat([column, column, 0 * column], dim=1), torch.tensor([1, 1, -1, -1]))[0] == 0


@pytest.mark.parametrize(
    ("features", "signs", "message"),
    [
        (torch.ones(3, 2), torch.ones(2), "need"),
        (torch.ones(3), torch.ones(3), "need"),
        (torch.ones(3, 2), torch.tensor([0, 1, 1]), "2 y - 1"),
    ],
)
def test_bad_features_and_signs_are_explained(features, signs, message):
    with pytest.raises(ValueError, match=message):
        least_squares_signs_fit(features, signs)


def test_rademacher_bound_by_hand():
    # ln(2 / (2 e^-2)) = 2, so the last term is 3 sqrt(2 / 400)
    assert rademacher_bound(0.1, 0.2, 200, 2 * math.exp(-2)) == pytest.approx(0.3 + 3 * math.sqrt(0.005))
    assert rademacher_bound(0.0, 1.0, 50_000, 0.05) > 1
    assert rademacher_bound(0.5, -0.01, 50_000, 0.05) < 0.55


def test_vc_bound_by_hand():
    # 2n/d = 1, so d (ln 1 + 1) = 2; ln(4/delta) = 2; sqrt((2 + 2) / 1) = 2
    assert vc_bound(0.25, 2, 1, 4 * math.exp(-2)) == pytest.approx(0.25 + 2)
    assert vc_bound(0.0, 10, 1_000, 0.05) == pytest.approx(math.sqrt((10 * (math.log(200) + 1) + math.log(80)) / 1000))


def test_a_dimension_beyond_two_n_does_not_make_the_vc_bound_small():
    n = 50_000
    assert vc_bound(0.0, 1_649_402, n, 0.05) == vc_bound(0.0, 2 * n, n, 0.05) > 1.4


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 10**6), st.floats(1, 1e8), st.floats(1, 1e8), st.floats(0.001, 0.999))
def test_the_vc_bound_grows_with_the_dimension(n, d, other, delta):
    low, high = sorted([d, other])
    assert vc_bound(0.1, low, n, delta) <= vc_bound(0.1, high, n, delta) + 1e-12


@pytest.mark.parametrize(("n", "delta"), [(0, 0.1), (10, 0.0), (10, 1.0)])
def test_bounds_check_sample_and_probability(n, delta):
    with pytest.raises(ValueError, match="delta"):
        rademacher_bound(0.1, 0.2, n, delta)
    with pytest.raises(ValueError, match="delta"):
        vc_bound(0.1, 3, n, delta)


def test_bounds_take_fractions_and_a_positive_dimension():
    with pytest.raises(ValueError, match="fractions"):
        rademacher_bound(9.9, 0.2, 10, 0.1)
    with pytest.raises(ValueError, match="fractions"):
        vc_bound(-0.1, 3, 10, 0.1)
    with pytest.raises(ValueError, match="positive"):
        vc_bound(0.1, 0, 10, 0.1)


def test_the_vc_reading_is_the_largest_n_that_was_always_fitted():
    assert vc_reading({10: [0.0, 0.0], 20: [0.0, 0.0], 40: [0.0, 0.025], 80: [0.1, 0.2]}) == 20
    assert vc_reading({80: [0.0], 10: [0.1]}) == 80
    assert vc_reading({10: [0.1]}) == vc_reading({}) == 0
    with pytest.raises(ValueError, match="n = 10"):
        vc_reading({10: []})
    with pytest.raises(ValueError, match="fractions"):
        vc_reading({10: [3.0]})


def test_the_vc_reading_of_a_linear_learner_is_d_plus_one():
    generator = torch.Generator().manual_seed(4)
    d = 6

    def error(n: int) -> float:
        features = torch.cat([torch.ones(n, 1), torch.randn(n, d, generator=generator)], dim=1)
        return least_squares_signs_fit(features, random_signs(n, generator))[0].item()

    # at d + 1 points the system is square; somewhat beyond, least squares still fits a lucky draw but not 200 of them
    assert vc_reading({n: [error(n) for _ in range(200)] for n in range(2, 13)}) == d + 1
