"""AUPR at a given share of positives: by hand, against scikit-learn's weights, and where it is a known definition."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from lib.metrics.detection import Positive, aupr, curve
from lib.metrics.prevalence import aupr_at_share


def drawn(ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    inside, outside = rng.normal(1, 1, 70), rng.normal(0, 1, 45)
    return (inside.round(), outside.round()) if ties else (inside, outside)


def test_by_hand():
    """Other images 0 and 2, test images 1 and 3: half of the former before any of the latter, the rest after one."""
    share = Fraction(1, 6)
    first, second = Fraction(1), share / (share + (1 - share) / 2)
    found = aupr_at_share(curve([1, 3], [0, 2]), positive="ood", share=1 / 6)
    assert found == pytest.approx(float((first + second) / 2))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("share", [1 / 6, 0.5, 0.9])
def test_against_weights_in_another_library(ties: bool, share: float):
    inside, outside = drawn(ties)
    labels = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    weights = np.r_[np.full(len(inside), (1 - share) / len(inside)), np.full(len(outside), share / len(outside))]
    expected = average_precision_score(labels, -np.r_[inside, outside], sample_weight=weights)
    assert aupr_at_share(curve(inside, outside), positive="ood", share=share) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("positive", ["id", "ood"])
def test_the_known_definitions_are_two_of_its_shares(positive: Positive):
    scores = drawn(ties=True)
    own = 70 / 115 if positive == "id" else 45 / 115
    c = curve(*scores)
    assert aupr_at_share(c, positive=positive, share=own) == pytest.approx(aupr(c, positive=positive))
    balanced = aupr(c, positive=positive, definition="balanced_rates")
    assert aupr_at_share(c, positive=positive, share=0.5) == pytest.approx(balanced)


def test_scores_that_say_nothing_give_the_share_itself():
    assert aupr_at_share(curve([1, 1], [1]), positive="ood", share=1 / 6) == pytest.approx(1 / 6)


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_a_share_of_everything_or_nothing_is_refused(share: float):
    with pytest.raises(ValueError, match="share must be"):
        aupr_at_share(curve([1], [0]), positive="ood", share=share)
