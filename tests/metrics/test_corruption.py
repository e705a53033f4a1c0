"""Corruption error and flip rate against cases computed by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import metrics

OURS = {"noise": [0.2, 0.4], "blur": [0.1, 0.2]}
BASELINE = {"noise": [0.4, 0.8], "blur": [0.2, 0.1]}
rates = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)
tables = st.dictionaries(st.sampled_from(["noise", "blur", "fog", "jpeg"]), st.tuples(rates, rates), min_size=1)


def test_hand_computed_corruption_error():
    assert metrics.corruption_error(OURS) == pytest.approx((0.3 + 0.15) / 2, abs=1e-15)
    # Noise: 0.6 / 1.2, blur: 0.3 / 0.3. The sums over severities are divided, not the single rates.
    assert metrics.mean_corruption_error(OURS, baseline=BASELINE) == pytest.approx((0.5 + 1.0) / 2, abs=1e-15)


def test_the_normaliser_may_be_its_mean_over_severities():
    means = {"noise": [0.6], "blur": [0.15]}
    found = metrics.mean_corruption_error(OURS, baseline=means)
    assert found == pytest.approx(metrics.mean_corruption_error(OURS, baseline=BASELINE), abs=1e-15)


@given(tables)
@settings(deadline=None, max_examples=50)
def test_corruption_error_equals_the_formula(table):
    ours, theirs = ({name: pair[i] for name, pair in table.items()} for i in (0, 1))
    expected = np.mean([sum(ours[name]) / sum(theirs[name]) for name in table])
    assert metrics.mean_corruption_error(ours, baseline=theirs) == pytest.approx(expected, abs=1e-12, rel=1e-12)
    assert metrics.mean_corruption_error(ours, baseline=ours) == 1
    reordered = dict(reversed(ours.items()))
    assert metrics.mean_corruption_error(reordered, baseline=theirs) == metrics.mean_corruption_error(
        ours, baseline=theirs
    )
    assert metrics.corruption_error(reordered) == metrics.corruption_error(ours)
    assert metrics.corruption_error(ours) == pytest.approx(np.mean(list(ours.values())), abs=1e-12)


def test_hand_computed_flip_probability():
    """Answers a b b a: two changes, two unlike the first. Answers c d d d: one change, three unlike the first."""
    predictions = [[0, 1, 1, 0], [2, 3, 3, 3]]
    assert metrics.flip_probability(predictions, reference="previous") == (2 + 1) / 6
    assert metrics.flip_probability(predictions, reference="first") == (2 + 3) / 6
    assert metrics.flip_probability(predictions[::-1], reference="first") == (2 + 3) / 6


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_flip_probability_equals_the_loop(seed):
    predictions = np.random.default_rng(seed).integers(3, size=(4, 7))
    previous = sum(row[j] != row[j - 1] for row in predictions for j in range(1, 7)) / 24
    first = sum(row[j] != row[0] for row in predictions for j in range(1, 7)) / 24
    assert metrics.flip_probability(predictions, reference="previous") == pytest.approx(previous, abs=1e-12)
    assert metrics.flip_probability(predictions, reference="first") == pytest.approx(first, abs=1e-12)
    renamed = np.array([5, 0, 9])[predictions]
    assert metrics.flip_probability(renamed, reference="previous") == pytest.approx(previous, abs=1e-12)


def test_two_frames_and_constant_answers():
    assert metrics.flip_probability([[1, 1]], reference="previous") == 0
    assert metrics.flip_probability([[1, 2]], reference="first") == 1


def test_hand_computed_mean_flip_rate():
    ours, baseline = {"tilt": 0.1, "scale": 0.3}, {"tilt": 0.2, "scale": 0.2}
    assert metrics.mean_flip_rate(ours, baseline=baseline) == pytest.approx((0.5 + 1.5) / 2, abs=1e-15)
    assert metrics.mean_flip_rate(ours, baseline=ours) == 1
    assert metrics.mean_flip_rate({"tilt": 0.0}, baseline={"tilt": 0.5}) == 0


@pytest.mark.parametrize(
    ("ours", "baseline", "message"),
    [
        ({}, BASELINE, "is empty"),
        (OURS, {}, "is empty"),
        (OURS, {"noise": [0.4, 0.8]}, "must cover the same names"),
        (OURS, {**BASELINE, "fog": [0.1, 0.2]}, "must cover the same names"),
        (OURS, {"noise": [0.4, 0.8, 0.9], "blur": [0.2, 0.1]}, "'noise' has 2 severities, 3 in the baseline"),
        (OURS, {"noise": [0.4, 0.8], "blur": [0.0, 0.0]}, r"baseline\['blur'\] is 0"),
        ({"noise": [0.2, 0.4], "blur": []}, BASELINE, "is empty"),
        ({"noise": [20.0, 40.0], "blur": [0.1, 0.2]}, BASELINE, "percent"),
        ({"noise": [0.2, np.nan], "blur": [0.1, 0.2]}, BASELINE, "NaN or infinite"),
        ({"noise": [0.2, -0.1], "blur": [0.1, 0.2]}, BASELINE, r"must lie in \[0, 1\]"),
        ({"noise": 0.3, "blur": [0.1, 0.2]}, BASELINE, "1 dimension"),
    ],
)
def test_bad_tables_are_named(ours, baseline, message):
    with pytest.raises(ValueError, match=message):
        metrics.mean_corruption_error(ours, baseline=baseline)


def test_bad_input_to_the_other_metrics():
    with pytest.raises(ValueError, match="is empty"):
        metrics.corruption_error({})
    with pytest.raises(ValueError, match=r"errors\['fog'\] must lie in \[0, 1\]"):
        metrics.corruption_error({"fog": [50.0]})
    with pytest.raises(ValueError, match="at least 2 frames"):
        metrics.flip_probability([[1], [2]], reference="previous")
    with pytest.raises(ValueError, match="2 dimension"):
        metrics.flip_probability([1, 2], reference="previous")
    with pytest.raises(ValueError, match="is empty"):
        metrics.flip_probability(np.empty((0, 5)), reference="previous")
    with pytest.raises(ValueError, match=r"baseline\['tilt'\] is 0"):
        metrics.mean_flip_rate({"tilt": 0.5}, baseline={"tilt": 0.0})
    with pytest.raises(ValueError, match="NaN or infinite"):
        metrics.mean_flip_rate({"tilt": np.nan}, baseline={"tilt": 0.5})
