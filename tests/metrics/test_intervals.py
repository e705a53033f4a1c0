"""The t interval against scipy.stats and hand-computed cases; Kendall's tau against scipy.stats.kendalltau."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.metrics import interval, kendall_tau

numbers = st.floats(-1e6, 1e6)


def test_three_seeds_by_hand():
    # m = 2, s = 1, t(0.95; 2) = 2.919986: half width 2.919986 / sqrt(3)
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n, found.spread) == (2.0, 3, 1.0)
    assert found.high - found.mean == pytest.approx(1.685854)
    assert found.mean - found.low == pytest.approx(1.685854)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_agrees_with_scipy(n: int, level: float):
    values = np.random.default_rng(n).normal(3, 2, size=n)
    found = interval(values, level)
    low, high = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.spread == pytest.approx(values.std(ddof=1), rel=1e-12)


def test_each_bound_is_wrong_in_one_case_of_twenty():
    runs = [interval(seeds) for seeds in np.random.default_rng(0).normal(size=(20_000, 3))]
    slack = 4 * math.sqrt(0.05 * 0.95 / 20_000)
    assert np.mean([run.low > 0 for run in runs]) == pytest.approx(0.05, abs=slack)
    assert np.mean([run.high < 0 for run in runs]) == pytest.approx(0.05, abs=slack)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, -1e6 - 0.1])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_equal_values_have_no_width_at_all(value: float, n: int):
    found = interval([value] * n)
    assert (found.mean, found.low, found.high, found.spread) == (value, value, value, 0.0)


@given(st.lists(numbers, min_size=3, max_size=8), st.floats(0.01, 100), numbers)
@settings(deadline=None, max_examples=50)
def test_shift_and_scale_pass_through(values: list[float], scale: float, shift: float):
    before, after = interval(values), interval([scale * value + shift for value in values])
    precision = 1e-9 * (1 + scale * max(map(abs, values)) + abs(shift))
    assert after.low == pytest.approx(scale * before.low + shift, abs=precision)
    assert after.high == pytest.approx(scale * before.high + shift, abs=precision)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [([], "found 0"), ([1.0], "found 1"), ([1.0, math.nan], "value 1 is nan"), ([math.inf, 1.0], "value 0 is inf")],
)
def test_an_interval_of_too_little_or_of_no_numbers_is_refused(values: list[float], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        interval(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0, math.nan])
def test_a_level_is_a_coverage(level: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval([1.0, 2.0], level)


@pytest.mark.parametrize(
    ("values", "tau"),
    [
        ([1, 2], 1.0),
        ([2, 1], -1.0),
        ([1, 3, 2], 1 / 3),
        ([1, 2, 2], 2 / 3),  # two concordant pairs and a tie, of three
        ([1, 1, 1, 2], 0.5),  # tau-b would say 0.71
        ([5, 5, 5], 0.0),
    ],
)
def test_tau_by_hand(values: list[float], tau: float):
    assert kendall_tau(values) == pytest.approx(tau)


@given(st.lists(numbers, min_size=2, max_size=12, unique=True))
@settings(deadline=None, max_examples=50)
def test_without_ties_tau_is_scipys(values: list[float]):
    assert kendall_tau(values) == pytest.approx(stats.kendalltau(range(len(values)), values).statistic)


@given(st.lists(st.integers(0, 4), min_size=3, max_size=12))
@settings(deadline=None, max_examples=50)
def test_with_ties_tau_is_scipys_tau_b_over_all_pairs(values: list[int]):
    assume(len(set(values)) > 1)
    pairs = math.comb(len(values), 2)
    tied = sum(math.comb(values.count(value), 2) for value in set(values))
    tau_b = stats.kendalltau(range(len(values)), values, variant="b").statistic
    assert kendall_tau(values) == pytest.approx(tau_b * math.sqrt(1 - tied / pairs))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan, 2.0]])
def test_an_order_of_too_little_or_of_no_numbers_is_refused(values: list[float]):
    with pytest.raises(ValueError, match="an order needs"):
        kendall_tau(values)
