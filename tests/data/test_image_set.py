import pytest
import torch

from lib.data.image_set import ImageSet, concatenate, pixel_checksum, to_float


def make(count=6, classes=("a", "b", "c"), dtype=torch.uint8):
    images = torch.arange(count * 12).reshape(count, 3, 2, 2).to(dtype)
    return ImageSet(images, torch.arange(count) % len(classes), classes, "made", "0" * 64)


def test_take_selects_images_and_labels_in_order():
    taken = make().take(torch.tensor([4, 0]), "test")
    assert taken.images[:, 0, 0, 0].tolist() == [48, 0]
    assert taken.labels.tolist() == [1, 0]
    assert (len(taken), taken.shape, taken.split) == (2, (3, 2, 2), "test")


def test_take_accepts_a_mask():
    images = make()
    assert torch.equal(images.take(images.labels == 2).images, images.images[[2, 5]])


def test_take_changes_the_checksum_with_the_indices():
    images = make()
    first, again, other = (images.take(torch.tensor(indices)).checksum for indices in ([0, 1], [0, 1], [1, 0]))
    assert first == again
    assert len({first, other, images.checksum}) == 3


def test_with_labels_keeps_images_and_changes_the_checksum():
    images = make()
    noisy = images.with_labels(torch.zeros(6, dtype=torch.int64))
    assert noisy.images is images.images
    assert noisy.checksum != images.checksum


def test_float_images_are_in_the_unit_interval():
    images = ImageSet(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), torch.tensor([0]), ("a",), "made", "")
    assert torch.allclose(images.float_images(), torch.tensor([[[[0.0, 0.2, 1.0]]]]))


def test_to_float_leaves_float_images_as_they_are_and_refuses_others():
    images = torch.rand(2, 1, 3, 3)
    assert to_float(images) is images
    with pytest.raises(TypeError, match="uint8 or float32"):
        to_float(torch.zeros(1, 1, 2, 2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("images", "labels", "classes", "message"),
    [
        (torch.zeros(2, 4, 4), torch.zeros(2).long(), ("a",), "N, C, H, W"),
        (torch.zeros(2, 1, 4, 4).double(), torch.zeros(2).long(), ("a",), "float64"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(3).long(), ("a",), "one for each of 2 images"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2), ("a",), "int64"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ("a",), r"0\.\.0"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, -1]), ("a",), r"found -1\.\.0"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, 0]), (), "-1 only"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(images, labels, classes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ImageSet(images, labels, classes, "made", "")


def test_a_set_without_labels_holds_minus_one():
    images = ImageSet(torch.zeros(2, 1, 4, 4), torch.full((2,), -1), (), "made", "")
    assert images.take(torch.tensor([1])).labels.tolist() == [-1]


def test_concatenate_joins_and_refuses_other_shapes():
    joined = concatenate(make(), make(3), "train")
    assert (len(joined), joined.split) == (9, "train")
    assert torch.equal(joined.images[6:], make(3).images)
    with pytest.raises(ValueError, match="shapes or classes differ"):
        concatenate(make(), make(classes=("x",)), "train")


def test_pixel_checksum_sees_every_change():
    images, labels = make().images, make().labels
    changed = images.clone()
    changed[5, 2, 1, 1] ^= 1
    sums = [
        pixel_checksum(images, labels),
        pixel_checksum(changed, labels),
        pixel_checksum(images, labels.flip(0)),
        pixel_checksum(images.view(6, 3, 4, 1), labels),
        pixel_checksum(images.view(torch.int8), labels),
    ]
    assert len(set(sums)) == 5
    assert sums[0] == pixel_checksum(images.transpose(2, 3).contiguous().transpose(2, 3), labels)


def test_to_moves_both_tensors():
    moved = make().to("meta")
    assert moved.images.device.type == moved.labels.device.type == "meta"
