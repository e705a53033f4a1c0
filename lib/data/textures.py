"""Describable Textures (Cimpoi et al. 2014), resized to 32 x 32 RGB."""

from pathlib import Path

import torch

from lib.data.arrays import read_npz
from lib.data.files import MissingData, missing_message
from lib.data.image_set import ImageSet, pixel_checksum
from lib.data.pictures import Named, centre_square, decode_all

_TEXTURE_NAMES = """
banded blotchy braided bubbly bumpy chequered cobwebbed cracked crosshatched crystalline dotted fibrous flecked freckled
frilly gauzy grid grooved honeycombed interlaced knitted lacelike lined marbled matted meshed paisley perforated pitted
pleated polka-dotted porous potholed scaly smeared spiralled sprinkled stained stratified striped studded swirly veined
waffled woven wrinkled zigzagged
"""
TEXTURES = tuple(_TEXTURE_NAMES.split())  # 47
TEXTURES_SAMPLE = "samples/textures_10classes_32x32.npz"
TEXTURES_SAMPLE_DIGESTS = {
    "images": "8a275566754e811fe67248cfc7d5a9865991c67a786219e8fd2570ccde5a48a1",
    "labels": "309464838e24f5c5921f8ffb817f0c25888290c5fefad3f322cf8293895dc356",
}
LISTS = {"train": ("train1.txt", "val1.txt"), "test": ("test1.txt",)}
RECIPE = "RGB, shorter side to 32 (bilinear, antialiased), middle 32 x 32"


def textures(root: Path, part: str, advice: str) -> ImageSet:
    """The first published division: 3,760 "train" (train and val) or 1,880 "test" images, (N, 3, 32, 32) uint8."""
    folder = root / "dtd" / "dtd"
    lists = [folder / "labels" / name for name in LISTS[part]]
    missing = [str(path.relative_to(root)) for path in lists if not path.is_file()]
    if missing:
        raise MissingData(missing_message("textures", missing, root, advice))
    names = [line.strip() for path in lists for line in path.read_text().splitlines() if line.strip()]
    return texture_set("textures", [(name, folder / "images" / name) for name in sorted(names)], part, root, advice)


def textures_sample(root: Path, advice: str) -> ImageSet:
    """The 1,200 images of the first ten classes, (1200, 3, 32, 32) uint8, from `samples/` or the whole set."""
    path = root / TEXTURES_SAMPLE
    if not path.is_file():
        folder = root / "dtd" / "dtd" / "images"
        files = [
            (f"{name}/{file.name}", file) for name in TEXTURES[:10] for file in sorted((folder / name).glob("*.jpg"))
        ]
        return texture_set("textures-sample", files, "all", root, advice)
    arrays = read_npz(path, TEXTURES_SAMPLE_DIGESTS)
    images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(arrays["labels"])
    return ImageSet(images, labels, TEXTURES[:10], "textures-sample", pixel_checksum(images, labels), "all")


def texture_set(name: str, files: list[Named], part: str, root: Path, advice: str) -> ImageSet:
    """Pictures named class/file as a set of the classes in alphabetical order."""
    missing = [str(path.relative_to(root)) for _, path in files if not path.is_file()]
    if missing or not files:
        raise MissingData(missing_message(name, missing or ["dtd/dtd/images"], root, advice))
    images, checksum = decode_all(f"{name}-{part}", files, centre_square(32), RECIPE)
    classes = [file.partition("/")[0] for file, _ in files]
    names = tuple(sorted(set(classes)))
    return ImageSet(images, torch.tensor([names.index(name) for name in classes]), names, name, checksum, part)
