"""Omniglot (Lake et al. 2015), the first of its two small background sets: handwritten characters."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lib.data.files import DamagedData, MissingData, missing_message
from lib.data.image_set import ImageSet
from lib.data.pictures import decode_all

FOLDER = "omniglot-py/images_background_small1"
OMNIGLOT_COUNT = 2_720
OMNIGLOT_DIGEST = "1095d37e7d81630486338fe3db03ae43bd1e72fe648e0783a7f26f6b8982f13b"
RECIPE = "inverted, area average to 28 x 28"


def omniglot_small(root: Path, advice: str) -> ImageSet:
    """136 characters of 5 alphabets by 20 writers: (2720, 1, 28, 28) uint8, white on black like MNIST.

    A class is named "Alphabet/character01". The strokes are thinner than MNIST's.
    """
    folder = root / FOLDER
    paths = sorted(folder.glob("*/*/*.png"))
    if not paths:
        raise MissingData(missing_message("omniglot-small", [FOLDER], root, advice))
    if len(paths) != OMNIGLOT_COUNT:
        raise DamagedData(f"omniglot-small: {len(paths)} of {OMNIGLOT_COUNT} drawings found in {folder}. {advice}")
    files = [(path.relative_to(folder).as_posix(), path) for path in paths]
    images, checksum = decode_all("omniglot-small", files, inverted, RECIPE, OMNIGLOT_DIGEST)
    classes = [name.rpartition("/")[0] for name, _ in files]
    names = tuple(sorted(set(classes)))
    label = {name: index for index, name in enumerate(names)}
    return ImageSet(images, torch.tensor([label[name] for name in classes]), names, "omniglot-small", checksum, "all")


def inverted(picture: Image.Image) -> np.ndarray:
    """A black-on-white drawing (105, 105) as white on black (28, 28)."""
    return 255 - np.asarray(picture.convert("L").resize((28, 28), Image.Resampling.BOX))
