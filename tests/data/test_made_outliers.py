import pytest
import torch

from lib.data.made_outliers import made_outliers, means_of_two, mosaics


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def test_means_are_of_an_image_and_another():
    images = torch.tensor([0.0, 0.1, 0.3, 0.7]).view(4, 1, 1, 1).expand(4, 1, 4, 4)
    for seed in range(20):
        partners = 2 * means_of_two(images, source(seed))[:, 0, 0, 0] - images[:, 0, 0, 0]
        assert sorted(partners.tolist()) == pytest.approx([0, 0.1, 0.3, 0.7], abs=1e-6)  # each is a partner once
        assert (partners - images[:, 0, 0, 0]).abs().min() > 0.05  # and never its own
    with pytest.raises(ValueError, match="two images, found 1"):
        means_of_two(images[:1], source())


def test_a_mosaic_has_the_tiles_of_its_image_in_another_order():
    images = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8).float() / 384
    laid = mosaics(images, source())
    assert laid.shape == images.shape

    def tiles(image):
        cut = [image[:, row : row + 2, column : column + 2] for row in range(0, 8, 2) for column in range(0, 8, 2)]
        return [tuple(tile.flatten().tolist()) for tile in cut]

    orders = []
    for before, after in zip(images, laid, strict=True):
        assert sorted(tiles(before)) == sorted(tiles(after))
        orders.append([tiles(before).index(tile) for tile in tiles(after)])
    assert orders[0] != list(range(16)) and orders[0] != orders[1]
    with pytest.raises(ValueError, match="6 x 8 pixels cannot"):
        mosaics(images[:, :, :6], source())


def test_as_many_of_each_kind_the_same_for_the_same_seed():
    images = (255 * torch.rand(6, 3, 8, 8)).byte()
    made = made_outliers(images, source())
    assert list(made) == ["means of two", "mosaics", "blobs"]
    for kind, outliers in made.items():
        assert outliers.shape == images.shape and outliers.dtype == torch.float32
        assert outliers.min() >= 0 and outliers.max() <= 1
        assert torch.equal(outliers, made_outliers(images, source())[kind])
        assert not torch.equal(outliers, made_outliers(images, source(1))[kind])
