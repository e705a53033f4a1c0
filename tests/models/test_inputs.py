import numpy as np
import pytest
import torch

from lib.models.inputs import CentreCrop, PerImageWhitening, Standardise, whitened_crop


def test_standardise_by_hand():
    images = torch.tensor([[0, 255], [51, 102]], dtype=torch.uint8).reshape(1, 2, 1, 2)
    out = Standardise((0.5, 0.2), (0.5, 0.1))(images)
    torch.testing.assert_close(out.flatten(), torch.tensor([-1.0, 1.0, 0.0, 2.0]))


def test_default_maps_the_unit_range_to_plus_minus_one():
    assert Standardise()(torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)).flatten().tolist() == [-1, 0, 1]


def test_standardise_refuses_grey_images_with_colour_constants():
    with pytest.raises(ValueError, match="3 channels, the images 1"):
        Standardise((0.1, 0.2, 0.3), 1.0)(torch.rand(2, 1, 4, 4))


def test_standardise_refuses_a_std_of_zero():
    with pytest.raises(ValueError, match="positive"):
        Standardise(0.0, (1.0, 0.0, 1.0))


def test_scaling_travels_with_the_weights():
    other = Standardise()
    other.load_state_dict(Standardise(0.25, 0.75).state_dict())
    assert other.mean.item() == 0.25 and other.std.item() == 0.75


def test_whitening_agrees_with_numpy():
    images = torch.rand(5, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    expected = np.stack([(x - x.mean()) / max(x.std(), 1 / np.sqrt(x.size)) for x in images.double().numpy()])
    np.testing.assert_allclose(PerImageWhitening()(images).numpy(), expected, atol=2e-6)


def test_whitening_has_tensorflows_floor():
    # deviation 0.001, floor 1 / sqrt(16) = 0.25
    image = torch.tensor([0.499, 0.501]).repeat(8).reshape(1, 1, 4, 4)
    torch.testing.assert_close(PerImageWhitening()(image), (image - 0.5) * 4)


def test_whitening_of_one_colour_is_zero_with_a_finite_gradient():
    image = torch.full((1, 3, 4, 4), 0.3, requires_grad=True)
    out = PerImageWhitening()(image)
    out.square().sum().backward()
    assert out.abs().max() < 1e-5
    assert image.grad is not None and image.grad.isfinite().all()


def test_centre_crop_takes_the_middle_and_keeps_bytes():
    images = torch.arange(36, dtype=torch.uint8).reshape(1, 1, 6, 6)
    assert CentreCrop(2, 4)(images).tolist() == [[[[13, 14, 15, 16], [19, 20, 21, 22]]]]
    assert torch.equal(CentreCrop(6, 6)(images), images)


def test_centre_crop_refuses_small_images():
    with pytest.raises(ValueError, match="at least 28 x 28 pixels, found \\(8, 8\\)"):
        CentreCrop(28, 28)(torch.rand(1, 1, 8, 8))


def test_whitening_sees_only_the_crop():
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    other = images.clone()
    other[:, :, :2] = 1.0
    assert torch.equal(whitened_crop(28, 28)(images), whitened_crop(28, 28)(other))
