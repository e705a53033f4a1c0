"""The peak of resident memory within a block."""

import torch

from lib.training.memory import PeakMemory

MEGABYTE = 2**20


def test_a_large_tensor_shows_in_the_peak_though_it_is_gone_at_the_end():
    with PeakMemory("cpu") as small:
        torch.ones(MEGABYTE // 4)
    with PeakMemory("cpu") as large:
        kept = torch.ones(64 * MEGABYTE)  # 256 MB, every page written
        total = kept.sum().item()
        del kept
    assert total == 64 * MEGABYTE
    assert large.bytes - small.bytes > 200 * MEGABYTE


def test_an_error_within_is_not_swallowed():
    try:
        with PeakMemory("cpu") as peak:
            raise KeyError("within")
    except KeyError:
        assert peak.bytes > MEGABYTE
    else:
        raise AssertionError("the error is gone")
