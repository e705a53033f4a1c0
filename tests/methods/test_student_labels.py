"""Targets, bins by confidence and the released search: cases by hand, and against the balancing that uses it."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from lib.methods import self_training
from lib.methods import student_labels as method

P = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0]])


def test_soft_labels_are_the_teachers_and_a_temperature_sharpens_or_flattens_them():
    assert torch.allclose(method.targets(P), P)
    sharp, flat = method.targets(P, temperature=0.5), method.targets(P, temperature=2.0)
    assert sharp[0].tolist() == pytest.approx([0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38])  # squares over their sum
    assert flat[1].tolist() == pytest.approx([0.1**0.5 / 1.526882, 0.8**0.5 / 1.526882, 0.1**0.5 / 1.526882])
    assert sharp[3].tolist() == flat[3].tolist() == [1, 0, 0]
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    for temperature in (0.5, 3.0):
        asked = method.targets(torch.softmax(logits, 1), temperature=temperature)
        assert torch.allclose(asked, torch.softmax(logits / temperature, 1), atol=1e-6)


def test_hard_labels_are_the_limit_of_low_temperatures_and_smoothed_ones_those_of_cross_entropy():
    assert method.targets(P, "hard").tolist() == [0, 1, 2, 0]
    cold = method.targets(P, temperature=0.01)
    assert torch.allclose(cold, F.one_hot(method.targets(P, "hard"), 3).float(), atol=1e-6)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    smoothed = F.cross_entropy(logits, method.targets(P, "smoothed"))
    assert smoothed == pytest.approx(F.cross_entropy(logits, method.targets(P, "hard"), label_smoothing=0.1).item())


def test_the_gradient_on_the_logits_is_the_students_answer_less_the_target():
    logits = torch.randn(1, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    F.cross_entropy(logits, method.targets(P[:1])).backward()
    assert logits.grad is not None and torch.allclose(logits.grad, torch.softmax(logits, 1) - P[:1], atol=1e-6)


@pytest.mark.parametrize(("kind", "temperature"), [("softer", 1.0), ("soft", 0.0), ("soft", float("nan"))])
def test_other_labels_are_refused(kind, temperature):
    with pytest.raises(ValueError, match="found"):
        method.targets(P, kind, temperature)


def test_bins_hold_equally_many_images_the_least_sure_first():
    assert [places.tolist() for places in method.by_confidence(P, 2)] == [[0, 2], [1, 3]]
    assert [places.tolist() for places in method.by_confidence(P, 3)] == [[0], [2], [1]]
    drawn = torch.softmax(torch.randn(100, 5, generator=torch.Generator().manual_seed(3)), 1)
    bins = method.by_confidence(drawn, 3)
    confidence = drawn.amax(1)
    assert [len(places) for places in bins] == [33] * 3 and len(torch.cat(bins).unique()) == 99
    for lower, upper in pairwise(bins):
        assert confidence[lower].max() <= confidence[upper].min()
    assert [len(places) for places in method.by_confidence(P[:2], 3)] == [1, 1, 1]


def test_a_filter_that_nothing_passes_leaves_the_surest_image():
    assert method.surer_than(P, 0.5).tolist() == [1, 3]
    assert method.surer_than(P[:3], 0.9).tolist() == [1]


def test_evenness_counts_predicted_classes():
    assert method.commonest_over_rarest(P) == 2
    assert method.commonest_over_rarest(P[:1].repeat(5, 1)) == 5  # a class without an image counts one


def test_the_search_takes_the_largest_threshold_that_leaves_enough():
    confidence = torch.tensor([1.0, 1.0, 0.995, 0.72, 0.4], dtype=torch.float64)
    assert method.images_left(confidence, [1.0, 0.99, 0.72, 0.73]) == [2, 3, 4, 3]
    found = {wanted: method.searched_threshold(confidence, wanted) for wanted in range(1, 7)}
    assert found == {1: 1.0, 2: 1.0, 3: 0.99, 4: 0.72, 5: 0.4, 6: 0.3}
    assert method.searched_threshold(confidence, 2, largest=0.99) == 0.99  # one image more than from 1.00
    grid = method.threshold_grid(0.99)
    assert (grid[0], grid[-1], len(grid)) == (0.99, 0.3, 70)


def test_the_balancing_that_students_get_uses_this_search():
    drawn = torch.softmax(3 * torch.randn(400, 4, generator=torch.Generator().manual_seed(4)), 1).double()
    confidence, predicted = drawn.max(1)
    for label in range(4):
        own = confidence[(predicted == label) & (confidence >= 0.3)]
        for wanted in (1, 30, 70, 500):
            assert method.searched_threshold(own, wanted) == self_training._threshold_that_leaves(wanted, own)
