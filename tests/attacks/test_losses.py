import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.attacks.losses import Goal, cross_entropy, dlr, find_loss, margin, targeted_dlr

LOGITS = torch.tensor([[5.0, 1.0, 3.0, 2.0], [0.0, 4.0, -2.0, 1.0]], dtype=torch.float64)
LABELS, TARGETS = torch.tensor([0, 3]), torch.tensor([2, 0])


def test_margin_by_hand():
    assert margin(LOGITS, LABELS).tolist() == [3 - 5, 4 - 1]


def test_dlr_by_hand():
    # (max of the others - own) / (largest - third largest)
    torch.testing.assert_close(dlr(LOGITS, LABELS), torch.tensor([-2 / 3, 3 / 4], dtype=torch.float64))


def test_targeted_dlr_by_hand():
    # (target - own) / (largest - mean of third and fourth)
    expected = torch.tensor([(3 - 5) / (5 - 1.5), (0 - 1) / (4 - (0 - 2) / 2)], dtype=torch.float64)
    torch.testing.assert_close(targeted_dlr(LOGITS, LABELS, TARGETS), expected)


def test_cross_entropy_by_hand():
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS), -LOGITS.log_softmax(1)[torch.arange(2), LABELS])


@settings(deadline=None, max_examples=40)
@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100), seed=st.integers(0, 2**31))
def test_dlr_does_not_see_scale_and_shift(scale, shift, seed):
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    labels, targets = torch.arange(6) % 5, torch.arange(6).add(2) % 5
    torch.testing.assert_close(dlr(scale * logits + shift, labels), dlr(logits, labels), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        targeted_dlr(scale * logits + shift, labels, targets),
        targeted_dlr(logits, labels, targets),
        rtol=1e-6,
        atol=1e-6,
    )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31))
def test_margin_and_dlr_are_positive_exactly_where_the_answer_is_wrong(seed):
    logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    labels = torch.arange(20) % 4
    wrong = logits.argmax(1) != labels
    assert torch.equal(margin(logits, labels) > 0, wrong)
    assert torch.equal(dlr(logits, labels) > 0, wrong)


def test_goal_turns_the_sign_for_a_target():
    away, towards = Goal(cross_entropy, targeted=False), Goal(cross_entropy, targeted=True)
    assert torch.equal(away.value(LOGITS, LABELS), -towards.value(LOGITS, LABELS))
    assert away.reached(LOGITS, LABELS).tolist() == [False, True]
    assert towards.reached(LOGITS, torch.tensor([0, 1])).tolist() == [True, True]


def test_equal_logits_give_a_finite_dlr():
    assert dlr(torch.zeros(1, 3), torch.tensor([0])).isfinite().all()


@pytest.mark.parametrize(
    ("loss", "classes", "least"), [(dlr, 2, "at least 3"), (lambda z, y: targeted_dlr(z, y, y), 3, "at least 4")]
)
def test_too_few_classes_are_refused_with_the_remedy(loss, classes, least):
    with pytest.raises(ValueError, match=f"{least} classes and the model has {classes}.*custom.*fab-t"):
        loss(torch.zeros(1, classes), torch.tensor([0]))


def test_an_unknown_loss_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"'cw'.*ce, margin, dlr"):
        find_loss("cw")
