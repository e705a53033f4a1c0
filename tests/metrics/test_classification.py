"""Accuracy, NLL and Brier score against scikit-learn and hand-computed cases."""

import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from lib import metrics

# Three answers: right with 0.7, wrong with 0.2 on the label, right with 0.5 (a tie, of which the first class counts).
PROBABILITIES = [[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.5, 0.5, 0.0]]
LABELS = [0, 2, 0]


def random_answers(seed, n=40, classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=3, size=(n, classes)), rng.integers(classes, size=n)


def test_hand_computed_case():
    assert metrics.accuracy(PROBABILITIES, LABELS) == 2 / 3
    assert metrics.nll(PROBABILITIES, LABELS) == pytest.approx(-(math.log(0.7) + math.log(0.2) + math.log(0.5)) / 3)
    squares = [0.3**2 + 0.2**2 + 0.1**2, 0.2**2 + 0.6**2 + 0.8**2, 0.5**2 + 0.5**2 + 0.0**2]
    assert metrics.brier(PROBABILITIES, LABELS) == pytest.approx(sum(squares) / 3, abs=1e-15)
    confidence, correct = metrics.confidence_and_correct(PROBABILITIES, LABELS)
    assert confidence.tolist() == [0.7, 0.6, 0.5] and correct.tolist() == [True, False, True]


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_equal_to_scikit_learn(seed):
    logits, labels = random_answers(seed)
    probabilities = metrics.softmax(logits)
    assert probabilities == pytest.approx(scipy.special.softmax(logits, axis=1), abs=1e-14)
    assert metrics.accuracy(logits, labels) == accuracy_score(labels, logits.argmax(axis=1))
    reference = log_loss(labels, probabilities, labels=range(4))
    assert metrics.nll(probabilities, labels) == pytest.approx(reference, abs=1e-12)
    assert metrics.nll_from_logits(logits, labels) == pytest.approx(reference, abs=1e-12)
    squares = [(p - (k == y)) ** 2 for row, y in zip(probabilities, labels, strict=True) for k, p in enumerate(row)]
    assert metrics.brier(probabilities, labels) == pytest.approx(sum(squares) / 40, abs=1e-12)


@pytest.mark.parametrize("shift", [1e6, -1e6])
def test_a_shift_of_the_logits_changes_nothing(shift):
    logits = np.random.default_rng(0).integers(-40, 40, size=(50, 5)) / 8  # exact in float64 after the shift
    labels = np.random.default_rng(1).integers(5, size=50)
    assert (metrics.softmax(logits + shift) == metrics.softmax(logits)).all()
    assert metrics.nll_from_logits(logits + shift, labels) == metrics.nll_from_logits(logits, labels)
    assert metrics.accuracy(logits + shift, labels) == metrics.accuracy(logits, labels)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_the_order_of_answers_and_the_names_of_classes_do_not_matter(seed):
    logits, labels = random_answers(seed)
    rng = np.random.default_rng(seed)
    rows, classes = rng.permutation(40), rng.permutation(4)
    moved, renamed = logits[rows][:, classes], np.argsort(classes)[labels[rows]]
    assert metrics.accuracy(moved, renamed) == metrics.accuracy(logits, labels)
    assert metrics.nll_from_logits(moved, renamed) == pytest.approx(metrics.nll_from_logits(logits, labels), abs=1e-12)
    assert metrics.brier(metrics.softmax(moved), renamed) == pytest.approx(
        metrics.brier(metrics.softmax(logits), labels), abs=1e-12
    )


def test_one_answer_and_the_ends_of_the_range():
    assert metrics.accuracy([[1.0, 0.0]], [0]) == 1 and metrics.accuracy([[1.0, 0.0]], [1]) == 0
    assert metrics.nll([[1.0, 0.0]], [0]) == 0 and math.copysign(1, metrics.nll([[1.0, 0.0]], [0])) == 1
    assert metrics.nll([[1.0, 0.0]], [1]) == math.inf
    assert metrics.brier([[1.0, 0.0]], [0]) == 0 and metrics.brier([[1.0, 0.0]], [1]) == 2
    assert metrics.brier([[0.25] * 4], [2]) == 0.75  # K equal guesses: 1 - 1/K


def test_extreme_logits_stay_finite():
    assert metrics.nll_from_logits([[0.0, 1e6]], [0]) == 1e6
    assert metrics.nll_from_logits([[0.0, 1e300]], [1]) == 0
    assert metrics.softmax([[-1e300, 1e300]]).tolist() == [[0.0, 1.0]]


def test_temperature_divides_the_logits():
    logits, labels = random_answers(3)
    assert metrics.softmax(logits, temperature=4.0) == pytest.approx(metrics.softmax(logits / 4), abs=1e-15)
    halved = metrics.nll_from_logits(logits, labels, temperature=2.0)
    assert halved == pytest.approx(metrics.nll_from_logits(logits / 2, labels), abs=1e-12)
    for temperature in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="temperature must be positive"):
            metrics.softmax(logits, temperature=temperature)
