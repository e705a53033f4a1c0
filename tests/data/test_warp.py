"""The augmentation of small digits."""

import torch

from lib.data import warp
from lib.data.warp import small_warp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_type_and_shape_are_kept_and_the_seed_decides():
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=seeded())
    first, again, other = (small_warp(images, seeded(seed)) for seed in (1, 1, 2))
    assert first.shape == images.shape and first.dtype == torch.uint8
    assert torch.equal(first, again) and not torch.equal(first, other) and not torch.equal(first, images)
    assert small_warp(images / 255, seeded()).dtype == torch.float32


def test_without_amounts_nothing_changes(monkeypatch):
    for name in ("DEGREES", "SCALE", "SHIFT"):
        monkeypatch.setattr(warp, name, 0.0)
    images = torch.rand(3, 1, 8, 8, generator=seeded())
    assert torch.allclose(small_warp(images, seeded()), images, atol=1e-5)


def test_a_shift_alone_moves_by_at_most_half_a_pixel(monkeypatch):
    """An eighth of half of eight pixels."""
    for name in ("DEGREES", "SCALE"):
        monkeypatch.setattr(warp, name, 0.0)
    images = torch.zeros(200, 1, 8, 8)
    images[:, :, 3, 3] = 1.0
    moved = small_warp(images, seeded())
    columns = (moved.sum((1, 2)) * torch.arange(8)).sum(1) / moved.sum((1, 2, 3))
    assert (columns - 3).abs().max() <= 0.5 + 1e-5 and (columns - 3).abs().max() > 0.4
