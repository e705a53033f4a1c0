"""Detection metrics against scikit-learn, against counting by hand, and against the definitions of the papers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from lib import metrics
from lib.metrics.detection import Positive

# Whole numbers from a narrow range: nearly every score ties with another, of its own set or of the other.
tied = st.lists(st.integers(-4, 4), min_size=1, max_size=12)
spread = st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=30)
two_sets = st.one_of(st.tuples(tied, tied), st.tuples(spread, spread))
POSITIVES: tuple[Positive, ...] = ("id", "ood")
METRICS = {
    "auroc": lambda *sets: metrics.auroc(*sets),
    "detection_accuracy": lambda *sets: metrics.detection_accuracy(*sets),
    **{
        f"aupr {p} {d}": lambda *sets, p=p, d=d: metrics.aupr(*sets, positive=p, definition=d)
        for p in POSITIVES
        for d in ("average_precision", "balanced_rates")
    },
    **{
        f"fpr {p} {d}": lambda *sets, p=p, d=d: metrics.fpr_at_tpr(*sets, positive=p, definition=d)
        for p in POSITIVES
        for d in ("exact", "nearest")
    },
}
quick = settings(deadline=None, max_examples=30)


def as_labelled(id_scores, ood_scores, *, positive):
    """Labels and scores in scikit-learn's sense: the positive set is labelled 1 and has high scores."""
    sign = 1 if positive == "id" else -1
    labels = np.repeat([1, 0] if positive == "id" else [0, 1], [len(id_scores), len(ood_scores)])
    return labels, sign * np.concatenate([id_scores, ood_scores]).astype(float)


def values_of_all_metrics(id_scores, ood_scores):
    return {name: metric(id_scores, ood_scores) for name, metric in METRICS.items()}


def thresholds_by_hand(id_scores, ood_scores, *, positive):
    """(TPR, FPR) at every distinct score, from the strictest threshold on, counted one by one."""
    labels, scores = as_labelled(id_scores, ood_scores, positive=positive)
    for threshold in sorted(set(scores), reverse=True):
        taken = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        yield sum(taken) / sum(labels), (len(taken) - sum(taken)) / (len(labels) - sum(labels))


@given(two_sets)
@quick
def test_auroc_is_the_share_of_pairs_in_the_right_order(sets):
    id_scores, ood_scores = sets
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(id_scores, ood_scores)]
    assert metrics.auroc(id_scores, ood_scores) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)
    assert metrics.auroc(id_scores, ood_scores) == pytest.approx(
        roc_auc_score(*as_labelled(id_scores, ood_scores, positive="id")), abs=1e-12
    )


@pytest.mark.parametrize("positive", POSITIVES)
@given(two_sets)
@quick
def test_average_precision_equals_scikit_learn(positive, sets):
    labels, scores = as_labelled(*sets, positive=positive)
    expected = average_precision_score(labels, scores)
    assert metrics.aupr(*sets, positive=positive) == pytest.approx(expected, abs=1e-12)
    weights = np.where(labels == 1, 1 / labels.sum(), 1 / (1 - labels).sum())  # both sets weigh the same
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert metrics.aupr(*sets, positive=positive, definition="balanced_rates") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("positive", POSITIVES)
@given(two_sets, st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95, 1.0]))
@quick
def test_fpr_at_tpr_equals_counting(positive, sets, tpr):
    rates = list(thresholds_by_hand(*sets, positive=positive))
    exact = next(false for true, false in rates if true >= tpr)
    assert metrics.fpr_at_tpr(*sets, positive=positive, tpr=tpr) == pytest.approx(exact, abs=1e-12)
    false_rates, true_rates, _ = roc_curve(*as_labelled(*sets, positive=positive), drop_intermediate=False)
    assert exact == pytest.approx(false_rates[np.argmax(true_rates >= tpr)], abs=1e-12)

    first_full = next(i for i, (true, _) in enumerate(rates) if true == 1)
    nearest = min(reversed(rates[: first_full + 1]), key=lambda rate: abs(rate[0] - tpr))[1]
    found = metrics.fpr_at_tpr(*sets, positive=positive, tpr=tpr, definition="nearest")
    assert found == pytest.approx(nearest, abs=1e-12)


@given(two_sets)
@quick
def test_detection_accuracy_equals_trying_every_threshold(sets):
    id_scores, ood_scores = (np.array(scores) for scores in sets)
    tried = [((id_scores >= t).mean() + (ood_scores < t).mean()) / 2 for t in [*id_scores, *ood_scores, np.inf]]
    assert metrics.detection_accuracy(id_scores, ood_scores) == pytest.approx(max(tried), abs=1e-12)


@given(two_sets)
@quick
def test_one_curve_serves_all_metrics(sets):
    curve = metrics.curve(*sets)
    assert {name: metric(curve) for name, metric in METRICS.items()} == values_of_all_metrics(*sets)


@given(st.tuples(tied, tied), st.randoms(use_true_random=False))
@quick
def test_only_the_order_of_the_scores_matters(sets, random):
    expected = values_of_all_metrics(*sets)
    rising = (np.exp, np.arctan, lambda s: s**3 + 5 * s, lambda s: s + 1e6, lambda s: s - 1e6, lambda s: 1e6 * s)
    for transform in rising:
        assert values_of_all_metrics(*(transform(np.array(scores, dtype=float)) for scores in sets)) == expected
    assert values_of_all_metrics(*(random.sample(scores, len(scores)) for scores in sets)) == expected


@given(two_sets)
@quick
def test_exchanging_the_sets_mirrors_every_metric(sets):
    id_scores, ood_scores = (np.array(scores, dtype=float) for scores in sets)
    assert metrics.auroc(ood_scores, id_scores) == pytest.approx(1 - metrics.auroc(id_scores, ood_scores), abs=1e-12)
    for scale in (-1.0, -(2.0**20)):  # powers of two: no two scores are rounded to one
        mirrored = scale * ood_scores, scale * id_scores
        assert metrics.auroc(*mirrored) == metrics.auroc(id_scores, ood_scores)
        assert metrics.detection_accuracy(*mirrored) == pytest.approx(
            metrics.detection_accuracy(id_scores, ood_scores), abs=1e-12
        )
        for name in METRICS:
            if " id " in name:
                assert METRICS[name](*mirrored) == METRICS[name.replace(" id ", " ood ")](id_scores, ood_scores)


@given(two_sets)
@quick
def test_a_mirrored_curve_is_the_curve_of_the_mirrored_scores(sets):
    id_scores, ood_scores = (np.array(scores, dtype=float) for scores in sets)
    ours, expected = metrics.curve(id_scores, ood_scores).mirrored(), metrics.curve(-ood_scores, -id_scores)
    for attribute in ("scores", "id_below", "ood_below"):
        assert getattr(ours, attribute).tolist() == getattr(expected, attribute).tolist()


@given(two_sets)
@quick
def test_the_area_is_at_least_what_the_best_threshold_gives(sets):
    """The ROC never falls: right of its best point lies an area of TPR (1 - FPR), at least TPR - FPR."""
    assert metrics.auroc(*sets) >= 2 * metrics.detection_accuracy(*sets) - 1 - 1e-12


@pytest.mark.parametrize(
    ("id_score", "ood_score", "auroc", "accuracy"), [(1, 0, 1, 1), (0, 0, 0.5, 0.5), (0, 1, 0, 0.5)]
)
def test_one_score_in_each_set(id_score, ood_score, auroc, accuracy):
    sets = [id_score], [ood_score]
    assert metrics.auroc(*sets) == auroc
    assert metrics.detection_accuracy(*sets) == accuracy
    for positive in POSITIVES:
        assert metrics.aupr(*sets, positive=positive) == (1 if auroc == 1 else 0.5)
        assert metrics.fpr_at_tpr(*sets, positive=positive) == (0 if auroc == 1 else 1)


def test_scores_that_a_sigmoid_would_saturate():
    """Unnormalised log densities lie far from [0, 1]; a library that squashes them first returns 0.5 here."""
    rng = np.random.default_rng(0)
    id_scores, ood_scores = rng.integers(-400, 800, 500) / 256, rng.integers(-800, 400, 500) / 256
    expected = metrics.auroc(id_scores, ood_scores)
    assert 0.7 < expected < 0.9
    assert {metrics.auroc(id_scores + shift, ood_scores + shift) for shift in (20, 1000, -200, 1e6, -1e6)} == {expected}


def test_average_precision_depends_on_the_mix_and_balanced_rates_do_not():
    rng = np.random.default_rng(1)
    id_scores, ood_scores = rng.normal(1, 1, 300), rng.normal(0, 1, 300)
    more = np.repeat(ood_scores, 5)  # five times as many OOD inputs, distributed alike
    assert metrics.aupr(id_scores, more, positive="id") < metrics.aupr(id_scores, ood_scores, positive="id") - 0.2
    for positive in POSITIVES:
        balanced = [
            metrics.aupr(id_scores, o, positive=positive, definition="balanced_rates") for o in (ood_scores, more)
        ]
        assert balanced[0] == pytest.approx(balanced[1], abs=1e-12)
        assert balanced[0] == pytest.approx(metrics.aupr(id_scores, ood_scores, positive=positive), abs=1e-12)


def test_hand_computed_areas():
    """ID at 3 and 1, OOD at 2, 0, 0, 0; from the top: ID, OOD, ID, then three OOD."""
    id_scores, ood_scores = [3, 1], [2, 0, 0, 0]
    assert metrics.auroc(id_scores, ood_scores) == (4 + 3) / 8
    assert metrics.detection_accuracy(id_scores, ood_scores) == (1 + 1 - 1 / 4) / 2
    # ID positive. Precision 1/1 when recall reaches 1/2, 2/3 when it reaches 1.
    assert metrics.aupr(id_scores, ood_scores, positive="id") == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, abs=1e-15)
    # OOD positive (the pre-training paper). From the bottom: three OOD at once, an ID, an OOD.
    assert metrics.aupr(id_scores, ood_scores, positive="ood") == pytest.approx(3 / 4 * 1 + 1 / 4 * 4 / 5, abs=1e-15)
    # Rates (the confidence-calibrated paper). At recall 1 the rates are 1 and 1/4: precision 1 / 1.25.
    balanced = metrics.aupr(id_scores, ood_scores, positive="id", definition="balanced_rates")
    assert balanced == pytest.approx(1 / 2 * 1 + 1 / 2 * 0.8, abs=1e-15)


def test_three_definitions_of_fpr95_on_one_hand_computed_case():
    """ID scores 1 .. 100, ten OOD scores. TPR is 0.95 for thresholds in (5, 6]."""
    id_scores = list(range(1, 101))
    ood_scores = [4.5] * 4 + [5.5] * 2 + [6.5] * 2 + [50] * 2
    # exact: the strictest threshold with TPR >= 0.95 is 6; above it lie 6.5, 6.5, 50, 50.
    assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="id") == 0.4
    # nearest: TPR is 0.95 at the scores 6 and 5.5; the code takes the lower one, which lets in two more.
    assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="id", definition="nearest") == 0.6
    # window: TPR is within 0.94 .. 0.96 for thresholds in (4, 7]; FPR falls 1 -> 0.6 -> 0.4 -> 0.2 at 4.5, 5.5 and 6.5.
    window = metrics.fpr_at_tpr(id_scores, ood_scores, positive="id", definition="window")
    assert window == pytest.approx((0.5 * 1 + 1 * 0.6 + 1 * 0.4 + 0.5 * 0.2) / 3, abs=1e-3)
    mirrored = metrics.fpr_at_tpr(np.negative(ood_scores), np.negative(id_scores), positive="ood", definition="window")
    assert mirrored == pytest.approx(window, abs=1e-3)
    # The other set positive: 95 % of ten OOD scores are all ten, up to 50, where 50 ID scores are flagged as well.
    assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="ood") == 0.5


def test_nearest_prefers_the_higher_tpr_when_two_are_equally_near():
    """Four OOD scores (positive), tpr 0.625: recalls 0.5 and 0.75 are equally near (1/8, exact in binary)."""
    id_scores, ood_scores = [2.5, 9], [1, 2, 3, 4]
    assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="ood", tpr=0.625, definition="nearest") == 0.5
    assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="ood", tpr=0.5, definition="nearest") == 0.5
    assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="ood", tpr=0.5, definition="exact") == 0


def test_the_quotient_decides_exactly_at_the_boundary():
    """19 of 20 is 95 %, not a little less or more, for every size of the set where 95 % is a whole number."""
    for n in range(20, 2001, 20):
        id_scores = np.arange(n)
        ood_scores = id_scores - 0.5  # one OOD score just below each ID score
        k = round(0.95 * n)  # thresholds at the k-th highest ID score: k - 1 OOD scores lie above
        assert metrics.fpr_at_tpr(id_scores, ood_scores, positive="id") == (k - 1) / n


def sweep_by_hand(id_scores, ood_scores, *, steps):
    """The 2018 evaluator's loop over equally spaced thresholds, step by step."""
    x, y = np.array(id_scores, dtype=float), np.array(ood_scores, dtype=float)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    gap = (high - low) / steps
    window, auroc, error, last_fpr, aupr_in, last_in = [], 0.0, 1.0, 1.0, 0.0, 1.0
    for t in np.arange(low, high, gap):
        tpr, above, reached, under = (x >= t).mean(), (y > t).mean(), (y >= t).mean(), (x < t).mean()
        window += [above] if 0.94 <= tpr <= 0.96 else []
        auroc += (last_fpr - above) * tpr
        error = min(error, (under + above) / 2)
        precision_in = tpr / (tpr + reached) if tpr + reached else 0.0
        aupr_in += (last_in - tpr) * precision_in
        last_fpr, last_in = above, tpr
    aupr_out, last_out, precision_out = 0.0, 1.0, 0.0
    for t in np.arange(high, low, -gap):
        tp, fp = (y < t).mean(), (x < t).mean()
        precision_out = tp / (tp + fp) if tp + fp else 0.0
        aupr_out += (last_out - tp) * precision_out
        last_out = tp
    tnr = 1 - (np.mean(window) if window else 1.0)
    return tnr, auroc, 1 - error, aupr_in + last_in * precision_in, aupr_out + last_out * precision_out


@given(two_sets.filter(lambda sets: len({*sets[0], *sets[1]}) > 1), st.integers(1, 40))
@quick
def test_the_sweep_equals_the_loop(sets, steps):
    assert metrics.sweep_2018(*sets, steps=steps) == pytest.approx(sweep_by_hand(*sets, steps=steps), abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_the_sweep_equals_the_loop_on_many_scores(seed):
    rng = np.random.default_rng(seed)
    sets = rng.normal(2, 1, 400), rng.normal(0, 1, 300)
    swept = metrics.sweep_2018(*sets, steps=300)
    assert swept == pytest.approx(sweep_by_hand(*sets, steps=300), abs=1e-12)
    assert swept.tnr_at_tpr95 > 0  # the window was not empty


def test_hand_computed_sweep():
    """ID 1, 1, 1, 0.5; OOD 1, 1, 0, 0; two steps, so thresholds 0 and 0.5: the OOD scores at 1 are never below one."""
    swept = metrics.sweep_2018([1, 1, 1, 0.5], [1, 1, 0, 0], steps=2)
    # TPR is 1 at both thresholds, FPR = P(s_ood > t) is 1/2 at both: the one step 1 -> 1/2 has height 1.
    assert swept.auroc == 0.5
    assert metrics.auroc([1, 1, 1, 0.5], [1, 1, 0, 0]) == 11 / 16  # 3 x (1/2 + 1/2 + 1 + 1) + (1 + 1) of 16 pairs
    assert swept.tnr_at_tpr95 == 0  # no TPR between 0.94 and 0.96: the evaluator reports FPR 1
    assert swept.detection_accuracy == 1 - (0 + 1 / 2) / 2
    # in: precision 1 / (1 + 1) then 1 / (1 + 1/2), recall stays 1: the closing rectangle 1 x 2/3.
    assert swept.aupr_in == pytest.approx(2 / 3, abs=1e-15)
    # out, from t = 1 down: recall 1/2 with precision (1/2) / (1/2 + 1/4), then recall 1/2 with precision 1.
    assert swept.aupr_out == pytest.approx(1 / 2 * 2 / 3 + 1 / 2 * 1, abs=1e-15)


def test_the_sweep_has_as_many_thresholds_as_numpy_makes():
    """(max - min) / gap rounds up in about one range of fifteen; the one threshold more lies near the maximum."""
    generator = np.random.default_rng(1)
    for _ in range(400):
        low, high = np.sort(generator.normal(size=2))
        if len(np.arange(low, high, (high - low) / 100)) == 101:
            break
    last = np.arange(low, high, (high - low) / 100)[-1]
    of_id, of_ood = [high] * 3 + [low] * 2, [low] * 4 + [min(last, high)]
    assert metrics.sweep_2018(of_id, of_ood, steps=100) == pytest.approx(
        sweep_by_hand(of_id, of_ood, steps=100), abs=1e-12
    )
    counted = metrics.detection._swept_rates(metrics.curve(of_id, of_ood), 100)[0]
    assert len(counted) == 101


def test_a_saturated_softmax_loses_area_in_the_sweep_only():
    """Over-confident scores pile up in the last step, where the sweep does not look; exact AUROC does not care."""
    rng = np.random.default_rng(0)
    logit_in, logit_out = rng.normal(20, 6, 4000), rng.normal(12, 6, 4000)
    exact = metrics.auroc(logit_in, logit_out)
    sharp = metrics.curve(1 / (1 + np.exp(-logit_in)), 1 / (1 + np.exp(-logit_out)))
    mild = metrics.curve(1 / (1 + np.exp(-logit_in / 20)), 1 / (1 + np.exp(-logit_out / 20)))
    assert metrics.auroc(sharp) == pytest.approx(exact, abs=1e-3)
    assert metrics.auroc(sharp, definition="saturating_sum") < exact - 0.1
    assert metrics.auroc(mild, definition="saturating_sum") == pytest.approx(exact, abs=1e-3)
    assert metrics.sweep_2018(sharp).auroc < metrics.sweep_2018(sharp).detection_accuracy  # no concave ROC does that


@pytest.mark.parametrize("shift", [1e6, -1e6])
def test_a_shift_leaves_the_sweep_as_it_is(shift):
    rng = np.random.default_rng(0)
    sets = rng.normal(2, 1, 1000), rng.normal(0, 1, 1000)
    shifted = (scores + shift for scores in sets)
    assert metrics.sweep_2018(*shifted) == pytest.approx(metrics.sweep_2018(*sets), abs=1e-3)


def test_the_window_without_any_threshold_reports_the_worst():
    assert metrics.fpr_at_tpr([1, 2], [-1, 0], positive="id", definition="window") == 1
    assert metrics.fpr_at_tpr([1, 2], [-1, 0], positive="id", definition="exact") == 0


def test_wrong_use_is_explained():
    with pytest.raises(ValueError, match="all scores equal 3"):
        metrics.sweep_2018([3, 3], [3])
    with pytest.raises(ValueError, match="all scores equal"):
        metrics.fpr_at_tpr([3, 3], [3], positive="id", definition="window")
    with pytest.raises(ValueError, match="steps must be at least 1"):
        metrics.sweep_2018([3, 4], [3], steps=0)
    with pytest.raises(ValueError, match="ood_scores is missing"):
        metrics.auroc([1.0, 2.0])
    with pytest.raises(ValueError, match="already holds both"):
        metrics.auroc(metrics.curve([1.0], [2.0]), [1.0])
    for tpr in (0.0, -0.1, 1.5, 95, math.nan):
        with pytest.raises(ValueError, match="tpr must be a fraction"):
            metrics.fpr_at_tpr([1.0], [2.0], positive="id", tpr=tpr)


def test_a_million_scores_keep_their_precision():
    rng = np.random.default_rng(0)
    id_scores, ood_scores = rng.normal(1, 1, 500_000), rng.normal(0, 1, 500_000)
    c = metrics.curve(id_scores, ood_scores)
    labels, scores = as_labelled(id_scores, ood_scores, positive="id")
    assert metrics.auroc(c) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert metrics.aupr(c, positive="id") == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    threshold = np.sort(id_scores)[25_000]
    assert metrics.fpr_at_tpr(c, positive="id") == (ood_scores >= threshold).mean()
