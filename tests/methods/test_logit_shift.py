"""The logit shift: cases by hand, rounding against exact fractions, softmax against SciPy's."""

from fractions import Fraction

import pytest
import scipy.special
import torch

from lib.methods.logit_shift import effect_of_shift, gates, rounding, softmax_as_written

LOGITS = torch.tensor([[0.0, 1.0, 3.0], [-2.5, 0.25, 0.5]])


def test_exact_sums_leave_every_bit_of_softmax():
    effect = effect_of_shift(LOGITS.double(), torch.tensor([1024.0, -77.5], dtype=torch.float64))
    assert effect["sums without rounding"] == effect["p(y|x) same to the last bit"] == 1
    assert effect["change of p(y|x)"] == effect["class changed"] == 0
    assert effect["change of log p(x) minus the shift"] < 2e-13  # half a unit in the last place of 1,024


def test_a_shift_that_swallows_the_logits_makes_all_classes_alike():
    """2^24 in float32 has a spacing of 2: logits 0, 1, 3 become 0, 0, 4 (halves to even), by hand."""
    effect = effect_of_shift(LOGITS[:1], torch.tensor([2.0**24]))
    assert effect["sums without rounding"] == 0
    moved = torch.tensor([0.0, 0.0, 4.0]).softmax(0)
    assert effect["change of p(y|x)"] == pytest.approx((moved - LOGITS[0].softmax(0)).abs().max().item(), rel=1e-6)
    swallowed = effect_of_shift(LOGITS[:1].flip(1), torch.tensor([2.0**40]))
    assert swallowed["class changed"] == 0  # of equal logits the first counts, and it was the largest
    assert effect_of_shift(LOGITS[:1], torch.tensor([2.0**40]))["class changed"] == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_rounding_is_what_the_sum_lost_exactly(dtype):
    random = torch.Generator().manual_seed(0)
    a, b = ((torch.randn(200, generator=random, dtype=torch.float64) * size).to(dtype) for size in (3.0, 1e4))
    lost = [
        Fraction(x) + Fraction(y) - Fraction(s)
        for x, y, s in zip(a.tolist(), b.tolist(), (a + b).tolist(), strict=True)
    ]
    assert rounding(a, b).tolist() == [float(value) for value in lost]
    assert any(lost)


def test_softmax_as_written_is_softmax_until_it_overflows():
    assert torch.allclose(softmax_as_written(LOGITS.double()), LOGITS.double().softmax(1))
    scipys = scipy.special.softmax((LOGITS.double() + 1000).numpy(), axis=1)
    assert torch.allclose((LOGITS.double() + 1000).softmax(1), torch.from_numpy(scipys), atol=1e-15)
    assert softmax_as_written(LOGITS + 100).isnan().any(1).all()
    assert not softmax_as_written(LOGITS + 80).isnan().any()


def test_the_gates_see_what_the_identity_does_not():
    shift = torch.tensor([50.0, -10.0], dtype=torch.float64)
    one_logit, spread = gates(LOGITS.double(), shift)
    assert one_logit > 0.9  # the least likely class becomes the answer of both images
    assert spread == pytest.approx(60 / 2**0.5)  # the deviation of 50 and -10
    assert gates(LOGITS.double(), torch.full((2,), 7.0, dtype=torch.float64)).spread == pytest.approx(0, abs=1e-12)
