import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.training.schedules import constant, cosine, exponential, linear, step_decay, trapezoid


def values(schedule, steps):
    return [schedule(step) for step in range(steps)]


def test_constant():
    assert values(constant(), 3) == [1, 1, 1]


def test_linear_by_hand():
    # 10 steps, 2 of them up: 1/2, 1, then 8/8 down to 1/8; step number 10 would be 0.
    assert values(linear(10, warmup=0.2), 11) == pytest.approx([0.5, 1, *[k / 8 for k in range(8, -1, -1)]])


def test_trapezoid_by_hand():
    assert values(trapezoid(10, warmup=0.2, decay=0.4, floor=0.2), 11) == pytest.approx(
        [0.5, 1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]
    )


def test_trapezoid_refuses_ramps_longer_than_the_run():
    with pytest.raises(ValueError, match=r"0\.6 and 0\.5"):
        trapezoid(10, warmup=0.6, decay=0.5)


def test_cosine_by_hand():
    expected = [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0, 0]
    assert values(cosine(4), 6) == pytest.approx(expected)
    assert values(cosine(6, warmup=2, floor=0.5), 7) == pytest.approx(
        [0.5, 1, *[0.5 + e / 2 for e in expected[:5]]][:7]
    )


def test_exponential_is_zhangs():
    schedule = exponential()
    assert [schedule(s) for s in (0, 390, 391, 781, 782)] == pytest.approx([1, 1, 0.95, 0.95, 0.9025])
    smooth = exponential(staircase=False)
    assert smooth(391) == pytest.approx(0.95) and smooth(782) == pytest.approx(0.9025)
    assert smooth(1) == pytest.approx(0.95 ** (1 / 391))


def test_step_decay_by_hand():
    assert values(step_decay((2, 4), 0.1), 6) == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert values(step_decay((3,), 0.5, warmup=2), 4) == pytest.approx([0.5, 1, 1, 0.5])


@settings(deadline=None, max_examples=60)
@given(steps=st.integers(1, 200), warmup=st.floats(0, 1), share=st.floats(0, 1), floor=st.floats(0, 1))
def test_ramps_stay_in_range_and_reach_one_and_the_floor(steps, warmup, share, floor):
    decay = share * (1 - warmup)
    seen = values(trapezoid(steps, warmup, decay, floor), steps)
    assert all(0 < value <= 1 or value == floor for value in seen)
    assert max(seen) == pytest.approx(1) or round(warmup * steps) == 0
    if round(decay * steps) > 0:
        assert trapezoid(steps, warmup, decay, floor)(steps) == pytest.approx(floor)
