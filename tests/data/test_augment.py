import pytest
import torch
import torch.nn.functional as F

from lib.data import augment

DTYPES = [torch.uint8, torch.float32]


def pictures(count=16, channels=3, height=8, width=6, dtype=torch.uint8):
    images = torch.randint(0, 256, (count, channels, height, width), generator=torch.Generator().manual_seed(1))
    return images.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["reflect", "zero"])
@pytest.mark.parametrize("channels", [1, 3])
def test_random_crop_against_a_loop(dtype, mode, channels, generator):
    images = pictures(channels=channels, dtype=dtype)
    result = augment.random_crop(images, 3, mode, torch.Generator().manual_seed(5))
    shifts = torch.randint(7, (2, len(images)), generator=torch.Generator().manual_seed(5))
    for index, (top, left) in enumerate(shifts.T.tolist()):
        padding = {"reflect": "reflect", "zero": "constant"}[mode]
        padded = F.pad(images[index].float(), (3, 3, 3, 3), mode=padding)
        assert torch.equal(result[index].float(), padded[:, top : top + 8, left : left + 6])
    assert result.dtype == dtype


def test_every_shift_is_equally_likely(generator):
    ramp = torch.arange(9.0).expand(9, 9) + 9 * torch.arange(9.0)[:, None]
    images = ramp.expand(81 * 200, 1, 9, 9)
    result = augment.random_crop(images, 2, "reflect", generator)
    centre = result[:, 0, 4, 4].long()  # 40 + 9 dy + dx
    counts = centre.bincount(minlength=81).view(9, 9)[2:7, 2:7].double()
    expected = 81 * 200 / 25
    assert counts.sum() == 81 * 200
    assert ((counts - expected).abs() < 5 * expected**0.5).all()


def test_pad_zero_padding_is_the_identity():
    images = pictures()
    assert torch.equal(augment.random_crop(images, 0), images)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_crop_to_cuts_without_padding(dtype):
    images = pictures(dtype=dtype)
    result = augment.random_crop_to(images, 5, torch.Generator().manual_seed(2))
    source = torch.Generator().manual_seed(2)
    tops, lefts = torch.randint(4, (16,), generator=source), torch.randint(2, (16,), generator=source)
    for index in range(16):
        top, left = int(tops[index]), int(lefts[index])
        assert torch.equal(result[index], images[index, :, top : top + 5, left : left + 5])
    with pytest.raises(ValueError, match="pad them first"):
        augment.random_crop_to(images, 7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_flip_mirrors_whole_images_at_the_right_rate(dtype, generator):
    images = pictures(4000, 1, 2, 3, dtype)
    result = augment.random_flip(images, 0.3, generator)
    mirrored = (result == images.flip(-1)).flatten(1).all(1)
    kept = (result == images).flatten(1).all(1)
    assert (mirrored | kept).all()
    both = mirrored & kept
    rate = (mirrored & ~both).sum().item() / (~both).sum().item()
    assert abs(rate - 0.3) < 5 * (0.3 * 0.7 / 4000) ** 0.5


@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cutout_covers_a_square_around_its_centre(size, dtype):
    images = torch.ones(30, 2, 8, 6, dtype=dtype)
    result = augment.cutout(images, size, 7, torch.Generator().manual_seed(3))
    source = torch.Generator().manual_seed(3)
    rows = torch.randint(8, (30, 1), generator=source).flatten().tolist()
    columns = torch.randint(6, (30, 1), generator=source).flatten().tolist()
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        expected = torch.ones(2, 8, 6, dtype=dtype)
        top, left = row - size // 2, column - size // 2
        expected[:, max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = 7
        assert torch.equal(result[index], expected)


def test_inputs_are_left_alone_and_seeds_respected():
    images = pictures()
    before = images.clone()
    for change in (augment.random_crop, augment.random_flip, lambda x, generator: augment.cutout(x, 3, 0, generator)):
        first, again, other = (change(images, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
    assert torch.equal(images, before)


def test_windows_by_torch_indexing_equal_those_by_numpy():
    images = pictures()
    top, left = torch.randint(4, (16,)), torch.randint(3, (16,))
    by_numpy = augment.windows(images, top, left, (5, 4))
    view = images.unfold(2, 5, 1).unfold(3, 4, 1)  # the branch for other devices
    assert torch.equal(by_numpy, view[torch.arange(16), :, top, left])


def test_channels_last_images_are_cropped_the_same():
    images = pictures()
    last = images.contiguous(memory_format=torch.channels_last)
    crops = [augment.random_crop(x, 2, generator=torch.Generator().manual_seed(0)) for x in (images, last)]
    assert torch.equal(*crops)


def test_bad_padding_is_refused():
    with pytest.raises(ValueError, match='"reflect" or "zero"'):
        augment.random_crop(pictures(), 2, "edge")
    with pytest.raises(ValueError, match="less padding"):
        augment.random_crop(pictures(), 6)


def test_crop_and_flip_is_both_with_one_generator():
    images = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = augment.crop_and_flip(images, torch.Generator().manual_seed(1), padding=2, mode="zero")
    generator = torch.Generator().manual_seed(1)
    apart = augment.random_flip(augment.random_crop(images, 2, "zero", generator), generator=generator)
    assert torch.equal(together, apart) and not torch.equal(together, images)
