"""Training, held-out and test images of one seed, of a set that its publisher divided or not."""

from lib.data.image_set import ImageSet
from lib.data.load import is_published, load
from lib.data.splits import split


def parts(name: str, sizes: tuple[int, int, int], seed: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """So many images of each part, drawn by the seed, classes in proportion; no image is in two of them.

    Test images are the publisher's; a set that nobody divided is divided anew.

    Raises:
        ValueError: a part has fewer images than are asked for.
    """
    if is_published(name):
        fit, held_out = split(load(name), sizes[:2], seed)
        (test,) = split(load(name, "test"), sizes[2:], seed)
    else:
        fit, held_out, test = split(load(name, "all"), sizes, seed)
    return fit, held_out, test
