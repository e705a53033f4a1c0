import pytest
import torch

from lib.data.rotations import random_rotation, rotate


def pictures(dtype=torch.uint8, height=7, width=7):
    return torch.randint(0, 256, (4, 3, height, width), generator=torch.Generator().manual_seed(2)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_are_exact_and_counter_clockwise(dtype, quarters):
    images = pictures(dtype)
    turned = rotate(images, torch.full((4,), 90.0 * quarters))
    assert turned.dtype == dtype
    assert torch.allclose(turned.float(), torch.rot90(images, quarters, (2, 3)).float(), atol=1e-2)


def test_half_a_turn_of_images_that_are_not_square():
    images = pictures(torch.float32, 6, 10)
    assert torch.allclose(rotate(images, torch.full((4,), 180.0)), images.flip(2, 3), atol=1e-2)


@pytest.mark.parametrize("size", [(9, 9), (8, 12)])
def test_against_scipy_away_from_the_border(size):
    from scipy.ndimage import rotate as theirs

    images, angles = pictures(torch.float32, *size), torch.tensor([-25.0, -7.0, 3.0, 20.0])
    ours = rotate(images, angles)
    for image, angle, turned in zip(images, angles.tolist(), ours, strict=True):
        expected = torch.from_numpy(theirs(image.numpy(), angle, axes=(2, 1), reshape=False, order=1))
        inner = (slice(None), slice(3, -3), slice(3, -3))
        assert torch.allclose(turned[inner], expected[inner], atol=0.05)


def test_angles_are_drawn_image_by_image_within_the_bound():
    line = torch.zeros(400, 1, 41, 41)
    line[:, 0, 20, 20:] = 1.0  # a hand that points to the right
    turned = random_rotation(line, 25.0, torch.Generator().manual_seed(0))
    again = random_rotation(line, 25.0, torch.Generator().manual_seed(0))
    assert torch.equal(turned, again)
    heights = torch.arange(41.0)[:, None] * turned[:, 0, :, 36:37]  # where the hand is, 16 pixels from the centre
    offset = 20 - heights.sum((1, 2)) / turned[:, 0, :, 36].sum(1)
    angles = torch.rad2deg(torch.atan2(offset, torch.tensor(16.0)))
    assert angles.abs().max() < 26 and angles.max() > 22 and angles.min() < -22
    assert angles.mean().abs() < 2
