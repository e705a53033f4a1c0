"""Calibration errors against plain loops, against the published variants, and against simulation."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from lib import metrics
from lib.metrics.calibration import Norm

# Confidences with many ties, the two ends and exact bin borders among them, each with a right or wrong answer.
tied = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.7, 1.0]), st.booleans()), min_size=1, max_size=12)
spread = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)
answers = st.one_of(tied, spread)
NORMS: tuple[Norm, ...] = ("l1", "l2", "max")
BINNINGS: tuple[dict[str, Any], ...] = (
    {"binning": "uniform", "bins": 10},
    {"binning": "adaptive", "bins": 4},
    {"binning": "adaptive", "bin_size": 3},
)
quick = settings(deadline=None, max_examples=30)


def errors_of(groups, answers_in_all):
    """The three norms from groups of (confidence, correct), by the formulas of lib/metrics/calibration.py."""
    gaps = [abs(np.mean([c for c, _ in group]) - np.mean([r for _, r in group])) for group in groups]
    weights = [len(group) / answers_in_all for group in groups]
    l1 = sum(w * g for w, g in zip(weights, gaps, strict=True))
    l2 = math.sqrt(sum(w * g**2 for w, g in zip(weights, gaps, strict=True)))
    return {"l1": l1, "l2": l2, "max": max(gaps, default=0.0)}


def uniform_groups(pairs, bins):
    """Bin b holds (b/B, (b+1)/B], the first also 0: by comparison with each border."""
    groups = [[(c, r) for c, r in pairs if (b / bins < c or b == 0) and c <= (b + 1) / bins] for b in range(bins)]
    groups[0] = [(c, r) for c, r in pairs if c <= 1 / bins]
    assert sum(map(len, groups)) == len(pairs)
    return [group for group in groups if group]


def released_code(confidence, correct, p, size=100):
    """The loop of the pre-training paper's code: the last bin takes the remainder and is never visited."""
    order = np.argsort(confidence, kind="stable")
    confidence, correct = confidence[order], correct[order]
    starts = [i * size for i in range(len(confidence) // size)]
    total = 0.0
    for start in starts[:-1]:
        gap = abs(confidence[start : start + size].mean() - correct[start : start + size].mean())
        total += size / len(confidence) * gap**p
    return total ** (1 / p)


def unzip(pairs):
    return [c for c, _ in pairs], [r for _, r in pairs]


def distinct(n, seed=0):
    """Distinct confidences and answers that are right a little less often than said."""
    rng = np.random.default_rng(seed)
    confidence = rng.permutation((np.arange(n) + 0.5) / n)
    return confidence, rng.random(n) < confidence**1.3


@pytest.mark.parametrize("norm", NORMS)
@given(answers, st.integers(1, 20))
@example([(0.0, True), (1.0, False)], 15)
@quick
def test_uniform_bins_equal_the_loop(norm, pairs, bins):
    expected = errors_of(uniform_groups(pairs, bins), len(pairs))[norm]
    assert metrics.calibration_error(*unzip(pairs), norm=norm, bins=bins) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("bins", [*range(1, 60), 99, 100, 1000])
def test_a_border_belongs_to_the_bin_on_its_left(bins):
    borders = np.arange(1, bins) / bins
    confidence = np.concatenate([[0.0], np.nextafter(borders, 0), borders, np.nextafter(borders, 1), [1.0]])
    expected = np.searchsorted(borders, confidence, side="left")
    curve = metrics.reliability_curve(confidence, np.ones(len(confidence)), bins=bins)
    assert curve.size.tolist() == np.bincount(expected, minlength=bins).tolist()
    assert (curve.lower <= curve.confidence).all() and (curve.confidence <= curve.upper).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "rule", [{"bins": 1}, {"bins": 3}, {"bins": 50}, {"bin_size": 2}, {"bin_size": 4}, {"bin_size": 9}]
)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans()), min_size=1, max_size=6))
@settings(deadline=None, max_examples=20)
def test_adaptive_bins_with_ties_equal_the_mean_over_all_orders(norm, rule, pairs):
    """Each way to sort the tied answers is a fair reading of "sorted by confidence"; the bins take their mean."""
    pairs = sorted(pairs)
    n = len(pairs)
    count = max(n // rule["bin_size"], 1) if "bin_size" in rule else min(rule["bins"], n)
    starts = [i * rule["bin_size"] if "bin_size" in rule else i * n // count for i in range(count)] + [n]
    orders = [
        list(itertools.chain(*order))
        for order in itertools.product(
            *(itertools.permutations(group) for _, group in itertools.groupby(pairs, key=lambda pair: pair[0]))
        )
    ]
    mean_right = np.mean([[right for _, right in order] for order in orders], axis=0)
    averaged = list(zip([c for c, _ in pairs], mean_right, strict=True))
    groups = [averaged[a:b] for a, b in itertools.pairwise(starts)]
    found = metrics.calibration_error(*unzip(pairs), norm=norm, binning="adaptive", **rule)
    assert found == pytest.approx(errors_of(groups, n)[norm], abs=1e-12)


@pytest.mark.parametrize("rule", BINNINGS, ids=str)
@given(answers, st.randoms(use_true_random=False))
@quick
def test_the_order_of_the_answers_does_not_matter(rule, pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    for norm in NORMS:
        expected = metrics.calibration_error(*unzip(pairs), norm=norm, **rule)
        assert metrics.calibration_error(*unzip(shuffled), norm=norm, **rule) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@quick
def test_the_reliability_curve_equals_scikit_learn(seed, bins):
    confidence, correct = distinct(97, seed)
    curve = metrics.reliability_curve(confidence, correct, bins=bins)
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=bins)
    assert curve.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert curve.confidence == pytest.approx(mean_confidence, abs=1e-12)
    assert curve.size.sum() == 97


@given(answers)
@quick
def test_the_norms_are_ordered_and_bound_the_signed_error(pairs):
    for rule in BINNINGS:
        l1, l2, worst = (metrics.calibration_error(*unzip(pairs), norm=norm, **rule) for norm in NORMS)
        signed = metrics.signed_confidence_error(*unzip(pairs))
        assert 0 <= abs(signed) <= l1 + 1e-12 and l1 <= l2 + 1e-12 and l2 <= worst + 1e-12 and worst <= 1


@pytest.mark.parametrize(
    ("confidence", "correct", "error"), [(0.0, 0, 0), (0.0, 1, 1), (1.0, 1, 0), (1.0, 0, 1), (0.75, 1, 0.25)]
)
def test_one_answer_and_the_ends_of_the_range(confidence, correct, error):
    for rule in BINNINGS:
        for norm in NORMS:
            assert metrics.calibration_error([confidence], [correct], norm=norm, **rule) == error
    assert metrics.signed_confidence_error([confidence], [correct]) == confidence - correct


def test_hand_computed_case_with_confidence_exactly_one():
    """Ten bins, of which three are in use.

    [0, 0.1]: one wrong answer at 0. (0.8, 0.9]: 0.85 right, 0.9 wrong. (0.9, 1]: three right answers at 1, 0.95 wrong.
    """
    confidence, correct = [0.0, 0.85, 0.9, 1.0, 1.0, 1.0, 0.95], [0, 1, 0, 1, 1, 1, 0]
    gaps = [0, 0.875 - 0.5, 3.95 / 4 - 0.75]
    expected = {
        "l1": (2 * gaps[1] + 4 * gaps[2]) / 7,
        "l2": math.sqrt((2 * gaps[1] ** 2 + 4 * gaps[2] ** 2) / 7),
        "max": gaps[1],
    }
    for norm in NORMS:
        assert metrics.calibration_error(confidence, correct, norm=norm, bins=10) == pytest.approx(
            expected[norm], abs=1e-15
        )
    curve = metrics.reliability_curve(confidence, correct, bins=10)
    assert curve.lower.tolist() == [0, 0.8, 0.9] and curve.upper.tolist() == [0.1, 0.9, 1]
    assert curve.accuracy.tolist() == [0, 0.5, 0.75] and curve.size.tolist() == [1, 2, 4]


def test_ece_with_twenty_bins_as_in_jem():
    """Widths of 0.05: 0.52 and 0.54 share a bin, 0.56 does not. (|1 + 0 - 1.06| + |1 - 0.56|) / 3."""
    found = metrics.calibration_error([0.52, 0.54, 0.56], [1, 0, 1], bins=20)
    assert found == pytest.approx((0.06 + 0.44) / 3, abs=1e-15)


def test_rms_and_mad_of_two_hand_made_bins_of_100():
    """100 answers near 0.6 of which 50 are right (gap 0.1), 150 near 0.9 of which 90 are right (gap 0.3)."""
    low, high = 0.6 + np.linspace(-0.01, 0.01, 100), 0.9 + np.linspace(-0.01, 0.01, 150)
    confidence, correct = np.append(low, high), np.append(np.arange(100) < 50, np.arange(150) < 90)
    assert metrics.mad_calibration_error(confidence, correct) == pytest.approx(0.4 * 0.1 + 0.6 * 0.3, abs=1e-12)
    assert metrics.rms_calibration_error(confidence, correct) == pytest.approx(
        math.sqrt(0.4 * 0.01 + 0.6 * 0.09), abs=1e-12
    )
    # As published, the second bin does not count, while N still counts its answers.
    assert metrics.mad_calibration_error(confidence, correct, definition="dropped_bin") == pytest.approx(
        0.04, abs=1e-12
    )
    assert metrics.rms_calibration_error(confidence, correct, definition="dropped_bin") == pytest.approx(
        math.sqrt(0.4 * 0.01), abs=1e-12
    )


@pytest.mark.parametrize("n", [200, 201, 299, 300, 1234, 10_000])
def test_the_dropped_bin_equals_the_released_loop(n):
    confidence, correct = distinct(n)
    rms = metrics.rms_calibration_error(confidence, correct, definition="dropped_bin")
    mad = metrics.mad_calibration_error(confidence, correct, definition="dropped_bin")
    assert rms == pytest.approx(released_code(confidence, correct, 2), abs=1e-12)
    assert mad == pytest.approx(released_code(confidence, correct, 1), abs=1e-12)
    assert rms < metrics.rms_calibration_error(confidence, correct)


@pytest.mark.parametrize("n", [1, 99, 100, 150, 199])
def test_the_dropped_bin_of_fewer_than_two_full_bins_leaves_nothing(n):
    confidence, wrong = np.linspace(0.9, 1.0, n), np.zeros(n, dtype=bool)
    for norm in NORMS:
        rule: dict[str, Any] = {"norm": norm, "binning": "adaptive", "bin_size": 100}
        assert metrics.calibration_error(confidence, wrong, **rule, definition="dropped_bin") == 0
        assert metrics.calibration_error(confidence, wrong, **rule) == pytest.approx(confidence.mean(), abs=1e-12)


def test_the_dropped_bin_hides_100_confident_mistakes_in_10_000_answers():
    """99 bins with a gap of 4.5 points and the 100 most confident answers, at 0.998, all wrong.

    Dropped: sqrt(0.99 x 0.045^2) = 4.48 %. All bins: sqrt(0.99 x 0.045^2 + 0.01 x 0.998^2) = 10.94 %.
    """
    right_in_bin = np.repeat(np.linspace(40, 90, 99).astype(int), 100)  # of 100 answers
    sequence = 1e-10 * np.arange(9900)  # no ties: the answers stay in the bins they are listed in
    confidence = np.append(right_in_bin / 100 + 0.045 + sequence, np.linspace(0.9975, 0.9985, 100))
    correct = np.append(np.tile(np.arange(100), 99) < right_in_bin, np.zeros(100, dtype=bool))
    dropped = metrics.rms_calibration_error(confidence, correct, definition="dropped_bin")
    assert dropped == pytest.approx(math.sqrt(0.99 * 0.045**2), abs=1e-6) and round(100 * dropped, 2) == 4.48
    whole = metrics.rms_calibration_error(confidence, correct)
    assert (
        whole == pytest.approx(math.sqrt(0.99 * 0.045**2 + 0.01 * 0.998**2), abs=1e-6)
        and round(100 * whole, 2) == 10.94
    )


def test_signed_error_has_the_sign_of_over_confidence():
    assert metrics.signed_confidence_error([0.9, 0.8], [1, 0]) == pytest.approx(0.85 - 0.5)
    assert metrics.signed_confidence_error([0.6, 0.5], [1, 1]) == pytest.approx(0.55 - 1)


@pytest.mark.parametrize("norm", NORMS)
def test_the_noise_floor_equals_the_mean_over_all_outcomes(norm):
    """Four answers, 16 outcomes, each weighted by its probability under perfect calibration."""
    confidence = np.array([0.3, 0.35, 0.8, 0.9])
    rule = {"norm": norm, "binning": "adaptive", "bins": 2}
    expected, squares = 0.0, 0.0
    for outcome in itertools.product([0, 1], repeat=4):
        probability = np.prod(np.where(outcome, confidence, 1 - confidence))
        error = metrics.calibration_error(confidence, outcome, **rule)
        expected += probability * error
        squares += probability * error**2
    standard_error = math.sqrt((squares - expected**2) / 1000)
    assert metrics.calibration_noise_floor(confidence, **rule, draws=1000) == pytest.approx(
        expected, abs=4 * standard_error
    )


@pytest.mark.parametrize(("power", "accuracy"), [(0.09, 0.92), (0.3, 0.77)])
def test_the_noise_floor_of_bins_of_100_follows_its_formula(power, accuracy):
    """RMS sqrt(E[c (1 - c)] / 100) and MAD sqrt(2 / pi) E[sqrt(c (1 - c))] / 10, whatever the number of answers."""
    for n in (2_000, 10_000):
        confidence = ((np.arange(n) + 0.5) / n) ** power
        assert confidence.mean() == pytest.approx(accuracy, abs=0.005)
        variance = confidence * (1 - confidence)
        rule: dict[str, Any] = {"binning": "adaptive", "bin_size": 100}
        rms = metrics.calibration_noise_floor(confidence, norm="l2", **rule)
        assert rms == pytest.approx(math.sqrt(variance.mean() / 100), rel=0.03)
        mad = metrics.calibration_noise_floor(confidence, norm="l1", **rule)
        assert mad == pytest.approx(math.sqrt(2 / math.pi) * np.sqrt(variance).mean() / 10, rel=0.03)


def test_a_calibrated_model_scores_the_noise_floor_and_a_bad_one_more():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.5, 1, 3000)
    rules: tuple[dict[str, Any], ...] = ({}, {"norm": "l2", "binning": "adaptive", "bin_size": 100})
    for rule in rules:
        scores = [metrics.calibration_error(confidence, rng.random(3000) < confidence, **rule) for _ in range(200)]
        floor = metrics.calibration_noise_floor(confidence, **rule)
        assert floor == pytest.approx(np.mean(scores), abs=4 * float(np.std(scores)) * math.sqrt(2 / 200))
        assert metrics.calibration_error(confidence, rng.random(3000) < confidence - 0.2, **rule) > 2 * floor


def test_the_noise_floor_depends_on_the_seed_and_on_nothing_else():
    confidence = np.random.default_rng(0).uniform(0.3, 1, 500)
    floor = metrics.calibration_noise_floor(confidence, seed=3)
    assert metrics.calibration_noise_floor(confidence[::-1], seed=3) == floor
    assert metrics.calibration_noise_floor(confidence, seed=4) != floor
    assert metrics.calibration_noise_floor([0.0, 1.0, 1.0]) == 0  # certain answers leave nothing to chance
    with pytest.raises(ValueError, match="draws must be at least 1"):
        metrics.calibration_noise_floor(confidence, draws=0)


def sampled_labels(logits, temperature, seed=0):
    cumulative = metrics.softmax(logits, temperature=temperature).cumsum(axis=1)
    return (np.random.default_rng(seed).random((len(logits), 1)) > cumulative[:, :-1]).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 8.0])
def test_temperature_scaling_recovers_the_true_temperature(temperature):
    logits = np.random.default_rng(1).normal(scale=3 * temperature, size=(20_000, 10))
    labels = sampled_labels(logits, temperature)
    fitted = metrics.fit_temperature(logits, labels)
    assert fitted == pytest.approx(temperature, rel=0.03)
    before, after = (
        metrics.confidence_and_correct(metrics.softmax(logits, temperature=t), labels) for t in (1, fitted)
    )
    assert metrics.calibration_error(*after) < 0.01
    assert temperature == 1 or metrics.calibration_error(*before) > 0.05


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
@settings(deadline=None, max_examples=30)
def test_the_fitted_temperature_is_the_minimum(seed, temperature):
    logits = np.random.default_rng(seed).normal(scale=3, size=(200, 4))
    labels = sampled_labels(logits, temperature, seed)
    fitted = metrics.fit_temperature(logits, labels)

    def loss(log_t):
        return metrics.nll_from_logits(logits, labels, temperature=math.exp(log_t))

    searched = scipy.optimize.minimize_scalar(loss, bounds=(math.log(0.05), math.log(20)), method="bounded")
    assert loss(math.log(fitted)) <= searched.fun + 1e-12
    assert math.log(fitted) == pytest.approx(searched.x, abs=1e-3)


def test_scale_and_shift_of_the_logits():
    logits = np.random.default_rng(2).integers(-64, 64, size=(500, 5)) / 16  # exact in float64 after the shift
    labels = sampled_labels(logits, 1.5)
    fitted = metrics.fit_temperature(logits, labels)
    for factor in (0.5, 2, 4):
        assert metrics.fit_temperature(factor * logits, labels) == pytest.approx(factor * fitted, rel=1e-9)
    for shift in (1e6, -1e6):
        assert metrics.fit_temperature(logits + shift, labels) == fitted
    rows = np.random.default_rng(3).permutation(500)
    assert metrics.fit_temperature(logits[rows], labels[rows]) == pytest.approx(fitted, rel=1e-9)


def test_a_best_temperature_beyond_the_bounds_gives_the_bound():
    separated = np.array([[4.0, 0.0], [0.0, 3.0], [5.0, 1.0]])
    assert metrics.fit_temperature(separated, [0, 1, 0]) == pytest.approx(0.05, rel=1e-9)  # all right: colder is better
    assert metrics.fit_temperature(separated, [1, 0, 1]) == pytest.approx(20, rel=1e-9)  # all wrong: hotter is better
    assert metrics.fit_temperature(1e6 * separated, [1, 0, 1]) == pytest.approx(20, rel=1e-9)
    assert metrics.fit_temperature(separated, [1, 0, 1], bounds=(0.2, 5)) == pytest.approx(5, rel=1e-9)
    assert metrics.fit_temperature([[7.0, 7.0], [1.0, 1.0]], [0, 1]) == 1  # constant rows: any temperature does
    for bounds in ((0, 1), (2, 1), (1, math.inf)):
        with pytest.raises(ValueError, match="bounds must be"):
            metrics.fit_temperature(separated, [0, 1, 0], bounds=bounds)


def test_wrong_use_is_explained():
    with pytest.raises(ValueError, match="belongs to binning='adaptive'"):
        metrics.calibration_error([0.5], [1], definition="dropped_bin")
    with pytest.raises(ValueError, match="bin_size belongs to binning='adaptive'"):
        metrics.calibration_error([0.5], [1], bin_size=100)
    for wrong in (
        {"bins": 0},
        {"bins": 2.5},
        {"binning": "adaptive", "bin_size": 0},
        {"binning": "adaptive", "bin_size": -1},
    ):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            metrics.calibration_error([0.5], [1], **wrong)


def test_a_million_answers_keep_their_precision():
    """More answers than are binned at once: the sum over pieces is the sum over all."""
    confidence, correct = distinct(1_000_000)
    index = np.minimum((confidence * 15).astype(int), 14)  # no confidence lies on a border
    gaps = [abs(confidence[index == b].sum() - correct[index == b].sum()) for b in range(15)]
    assert metrics.calibration_error(confidence, correct) == pytest.approx(sum(gaps) / 1e6, abs=1e-12)
