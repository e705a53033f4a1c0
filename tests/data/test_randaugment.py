"""RandAugment in batches: image by image as torchvision, at 32 x 32 and on digits, in both meanings of a magnitude."""

import pytest
import torch

from lib.data.randaugment import CONVENTIONS, apply, as_bytes, one_operation, randaugment
from lib.data.torchvision_import import torchvision

TEN, THIRTY = "divided by 10", "divided by 30"
NAMES = sorted({*CONVENTIONS[TEN].ranges, *CONVENTIONS[THIRTY].ranges} - {"Cutout", "SolarizeAdd"})


def pictures(channels=3, side=32, count=6):
    """Smooth, noisy, flat and two-level pictures."""
    generator = torch.Generator().manual_seed(side + channels)
    noise = torch.randint(256, (count, channels, side, side), generator=generator, dtype=torch.uint8)
    ramp = torch.linspace(20, 180, side).to(torch.uint8).expand(channels, side, side)
    noise[1], noise[2], noise[3] = ramp, 77, (noise[3] > 200) * 255
    noise[4] //= 3
    return noise


def theirs(image, name, value, fill):
    """One image by torchvision's own operation."""
    module, mode = torchvision("transforms.autoaugment"), torchvision("transforms").InterpolationMode.NEAREST
    told = value - 1 if name in {"Brightness", "Color", "Contrast", "Sharpness"} else value
    return module._apply_op(image, name, told, interpolation=mode, fill=[float(fill)] * len(image))


@pytest.mark.parametrize("channels, side", [(3, 32), (1, 8)])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_torchvisions_image_by_image(name, channels, side):
    images = pictures(channels, side)
    for convention in CONVENTIONS.values():
        if name not in convention.ranges:
            continue
        for strength in (0.1, 0.5, 0.9):
            middle, distance = convention.ranges[name](strength, side)
            values = middle + distance * torch.tensor([1.0, -1, 1, -1, 1, -1], dtype=torch.float64)
            ours = apply(name, images, values, convention.fill)
            for i, image in enumerate(images):
                expected = theirs(image, name, values[i].item(), convention.fill)
                assert torch.equal(ours[i], expected), (strength, i, (ours[i] != expected).sum())


def test_values_are_torchvisions_at_each_of_its_magnitudes():
    space = torchvision("transforms").RandAugment()._augmentation_space(31, (32, 32))
    assert set(space) == set(CONVENTIONS[THIRTY].ranges)
    factors = {"Brightness", "Color", "Contrast", "Sharpness"}
    for name, (values, signed) in space.items():
        for magnitude in range(31):
            middle, distance = CONVENTIONS[THIRTY].ranges[name](magnitude / 30, 32)
            expected = values[magnitude].item() if values.ndim else 0.0
            assert (distance if signed else middle) == pytest.approx(expected, abs=1e-4), (name, magnitude)
            assert middle == (name in factors) or not signed


def test_the_released_codes_values_at_5_and_at_27():
    at = {m: {n: sum(r(m / 10, 32)) for n, r in CONVENTIONS[TEN].ranges.items()} for m in (5, 27)}
    assert at[5]["Brightness"] == pytest.approx(1) and at[27]["Brightness"] == pytest.approx(4.96)
    assert at[5]["Rotate"] == 15 and at[27]["Rotate"] == pytest.approx(81)
    assert at[5]["Posterize"] == 2 and at[27]["Posterize"] == 10
    assert at[5]["Solarize"] == 128 and at[27]["Solarize"] == 691
    assert at[5]["TranslateX"] == 2 and at[5]["SolarizeAdd"] == 55 and len(at[5]) == 16
    images = pictures()
    for name in ("Posterize", "Solarize"):  # beyond what a byte holds nothing changes, in place of anything
        assert torch.equal(one_operation(images, name, 27, TEN), images)
    assert one_operation(images, "Posterize", 0, TEN).max() == 0


def test_operations_that_only_the_code_has():
    image = torch.tensor([0, 100, 127, 128, 255], dtype=torch.uint8).reshape(1, 1, 1, 5)
    assert one_operation(image, "SolarizeAdd", 10, TEN).flatten().tolist() == [110, 210, 237, 128, 255]
    covered = one_operation(torch.zeros(1, 1, 32, 32), "Cutout", 5, TEN, torch.Generator().manual_seed(1))
    assert covered.max() == pytest.approx(128 / 255) and 4 <= (covered > 0).sum() <= 16


def test_nothing_of_the_input_is_written_and_the_draw_is_repeatable():
    images = pictures()
    before = images.clone()
    for convention in CONVENTIONS:
        first, second = (randaugment(images, torch.Generator().manual_seed(3), convention=convention) for _ in "12")
        assert torch.equal(first, second) and first.dtype == torch.uint8 and first.shape == images.shape
        assert not torch.equal(first, randaugment(images, torch.Generator().manual_seed(4), convention=convention))
    assert torch.equal(images, before)
    assert torch.equal(randaugment(images, operations=0), images)


def test_each_image_has_its_own_operations_and_all_are_drawn():
    images = pictures()[:1].expand(2000, -1, -1, -1)
    drawn = randaugment(images, torch.Generator().manual_seed(0), operations=1, magnitude=10, convention=THIRTY)
    kinds = {image.numpy().tobytes() for image in drawn}
    # identity once, five geometric and four factors with two signs each; posterise, solarise, contrast, equalise
    assert 15 <= len(kinds) <= 23
    unchanged = (drawn == images).flatten(1).all(dim=1).double().mean()
    assert 1 / 14 - 0.02 < unchanged < 3 / 14 + 0.03  # noise over the whole range: autocontrast does nothing to it


def test_float_images_are_taken_in_256_levels():
    images = pictures(1, 8)
    drawn = [randaugment(x, torch.Generator().manual_seed(5)) for x in (images, images / 255)]
    assert drawn[1].dtype == torch.float32 and torch.equal(as_bytes(drawn[1]), drawn[0])
    assert drawn[1].min() >= 0 and drawn[1].max() <= 1


def test_speed_is_that_of_batches():
    """A batch of 256 is one call; the same through torchvision would be 256."""
    calls, images = [], pictures(count=16).repeat(16, 1, 1, 1)

    def noting(strength_range):
        def noted(strength, side):
            calls.append(1)
            return strength_range(strength, side)

        return noted

    ranges = {name: noting(strength_range) for name, strength_range in CONVENTIONS[TEN].ranges.items()}
    counted = CONVENTIONS[TEN]._replace(ranges=ranges)
    CONVENTIONS["counted"] = counted
    try:
        randaugment(images, torch.Generator().manual_seed(0), operations=2, convention="counted")
    finally:
        del CONVENTIONS["counted"]
    assert len(calls) <= 2 * len(ranges)
