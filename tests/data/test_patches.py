from itertools import pairwise

import pytest
import torch

from lib.data import patches as module
from lib.data.files import DamagedData


def test_patches_have_the_shape_and_range_of_the_digits():
    patches = module.patches(50, "test")
    assert patches.images.shape == (50, 1, 8, 8)
    assert patches.images.dtype == torch.float32
    assert 0 <= patches.images.min() < 0.3 < 0.7 < patches.images.max() <= 1
    assert patches.labels.unique().tolist() == [-1]


def test_colour_patches_are_bytes():
    patches = module.patches_rgb(20, "fit")
    assert patches.images.shape == (20, 3, 32, 32)
    assert patches.images.dtype == torch.uint8


def test_splits_share_no_pixel(monkeypatch):
    """On photographs that show their column, every crop stays in the band of its split."""
    ramp = torch.arange(640.0).expand(3, 427, 640)
    monkeypatch.setattr(module, "photograph", lambda name: ramp)
    bands = sorted(module.BANDS.values())
    assert bands[0][0] == 0 and bands[-1][1] == 640
    assert all(left[1] == right[0] for left, right in pairwise(bands))
    for split, (first, last) in module.BANDS.items():
        crops, _ = module.cut(200, split, (32, 96), 8, seed=0)
        assert first <= crops.min() and crops.max() <= last - 1
        assert crops.max() - crops.min() > 0.8 * (last - first)


def test_area_averaging_against_block_means(monkeypatch):
    picture = torch.rand(3, 427, 640, generator=torch.Generator().manual_seed(0)) * 255
    monkeypatch.setattr(module, "photograph", lambda name: picture)
    crops, _ = module.cut(1, "fit", (32, 32), 8, seed=4)
    size, top, left = module.random_square(427, 256, (32, 32), torch.Generator().manual_seed(4))
    blocks = picture[:, top : top + size, left : left + size].view(3, 8, 4, 8, 4).mean((2, 4))
    assert torch.allclose(crops[0], blocks, atol=1e-3)


def test_seeds_are_respected():
    first, again, other = (module.patches(10, "test", seed).images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_another_photograph_is_refused(tmp_path, monkeypatch):
    (tmp_path / "datasets" / "images").mkdir(parents=True)
    (tmp_path / "datasets" / "images" / "china.jpg").write_bytes(b"no photograph")
    monkeypatch.setattr(module, "scikit_learn_folder", lambda: tmp_path)
    with pytest.raises(DamagedData, match=r"china\.jpg"):
        module.photograph("china.jpg")
