"""Parts of a seed, of sets divided by their publisher and of others."""

import pytest

from lib.data.parts import parts


@pytest.mark.parametrize("name", ["digits", "fake:cifar10"])
def test_parts_have_their_sizes_and_no_image_in_common(name):
    sizes = (120, 40, 20)
    divided = parts(name, sizes, 0)
    assert tuple(map(len, divided)) == sizes
    pixels = [{image.numpy().tobytes() for image in part.images} for part in divided]
    assert not pixels[0] & pixels[1] and not (pixels[0] | pixels[1]) & pixels[2]
    again, other = parts(name, sizes, 0), parts(name, sizes, 1)
    assert again[0].images.equal(divided[0].images) and not other[0].images.equal(divided[0].images)


def test_test_images_are_the_publishers():
    *_, test = parts("fake:cifar10", (50, 20, 20), 0)
    assert test.split == "test"


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError):
        parts("digits", (1700, 90, 90), 0)
