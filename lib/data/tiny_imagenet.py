"""Tiny ImageNet (Stanford CS231n; images from ImageNet) and three selections of it.

The selections are read from their own folders, `tiny-imagenet/tin_*`, or, where the whole release has been unpacked to
`tiny-imagenet-200`, from there: the files are the same.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lib.data.cifar import CIFAR10_CLASSES
from lib.data.files import DamagedData, MissingData, missing_message
from lib.data.image_set import ImageSet
from lib.data.pictures import Decoder, Named, decode_all, half_rgb, rgb

RELEASE = "tiny-imagenet-200"
HALF = "RGB, mean of 2 x 2 pixels"

# Classes of Tiny ImageNet that CIFAR-10 has as well: label, then images of each class in the distribution shift.
CIFAR10_SHIFT = {
    "1_automobile": (75, ("n02814533", "n03100240", "n03670208", "n04285008")),
    "2_bird": (75, ("n01855672", "n02002724", "n02056570", "n02058221")),
    "3_cat": (100, ("n02123045", "n02123394", "n02124075")),
    "5_dog": (50, ("n02085620", "n02094433", "n02099601", "n02099712", "n02106662", "n02113799")),
    "6_frog": (150, ("n01641577", "n01644900")),
    "8_ship": (300, ("n03662601",)),
    "9_truck": (300, ("n03796401",)),
}
SHARED_WITH_CIFAR10 = frozenset(wnid for _, wnids in CIFAR10_SHIFT.values() for wnid in wnids)  # 21 classes

# The 100 classes of `tiny-imagenet-pretrain`: none is related to a class of CIFAR-10.
_PRETRAIN_WNIDS = """
n01629819 n01768244 n01770393 n01882714 n01910747 n01917289 n01945685 n02190166 n02226429 n02231487 n02236044 n02321529
n02395406 n02486410 n02509815 n02666196 n02699494 n02730930 n02769748 n02788148 n02793495 n02795169 n02802426 n02808440
n02815834 n02837789 n02841315 n02843684 n02892201 n02906734 n02909870 n02927161 n02948072 n02963159 n02977058 n02988304
n02999410 n03026506 n03042490 n03089624 n03126707 n03250847 n03255030 n03355925 n03388043 n03400231 n03424325 n03544143
n03584254 n03617480 n03733131 n03763968 n03770439 n03804744 n03837869 n03838899 n03854065 n03891332 n03930313 n03976657
n03980874 n03992509 n04023962 n04070727 n04074963 n04118538 n04133789 n04179913 n04251144 n04254777 n04259630 n04265275
n04356056 n04371430 n04376876 n04398044 n04417672 n04456115 n04486054 n04501370 n04532106 n04540053 n04560804 n04562935
n04597913 n06596364 n07583066 n07614500 n07615774 n07711569 n07715103 n07749582 n07753592 n07871810 n07873807 n07875152
n07920052 n09256479 n09332890 n12267677
"""
PRETRAIN_CLASSES = tuple(_PRETRAIN_WNIDS.split())
PRETRAIN_PER_CLASS = 125

# The sha256 over names and contents of the files of each selection, in the order they are read.
SHIFT_DIGEST = "f2a3f46f7f342c4ac6c0601a3a18dec377267339b227197292f7af07434ed54c"
PRETRAIN_DIGEST = "bdcfd48f50341669792fccbd81700671bc11742b900b39aeeb4092603f84e62c"
VALIDATION_DIGEST = "775f7a0dc2823b9d2198c251c434b873d40ce48c04ca96bb27e6d82640b662a2"


def tiny_imagenet(root: Path, part: str, advice: str) -> ImageSet:
    """All 100,000 "train" images, or the 10,000 of the validation split as "test": (N, 3, 64, 64) uint8."""
    return whole("tiny-imagenet", rgb, "RGB", root, part, advice)


def tiny_imagenet_32(root: Path, part: str, advice: str) -> ImageSet:
    """The same at 32 x 32, each pixel the mean of a 2 x 2 block."""
    return whole("tiny-imagenet-32", half_rgb, HALF, root, part, advice)


def whole(name: str, decoder: Decoder, recipe: str, root: Path, part: str, advice: str) -> ImageSet:
    """The training or the validation split of the release."""
    words = class_words(root / RELEASE / "words.txt", name, root, advice)
    files = release_files(root, part)
    check_count(name, files, {"train": 100_000, "test": 10_000}[part], root, advice)
    images, checksum = decode_all(f"{name}-{part}", files, decoder, recipe)
    return labelled(name, images, files, words, part, checksum)


def pretrain(root: Path, advice: str) -> ImageSet:
    """12,500 training images of 100 classes, none related to CIFAR-10's: (N, 3, 32, 32) uint8, halved from 64."""
    name, folder = "tiny-imagenet-pretrain", root / "tiny-imagenet" / "tin_pretrain"
    if folder.is_dir():
        files = class_files(folder, sorted(path.name for path in folder.iterdir() if path.is_dir()))
        words = class_words(folder / "classes.tsv", name, root, advice)
    else:
        words = class_words(root / RELEASE / "words.txt", name, root, advice)
        files = first_of_release(root, PRETRAIN_CLASSES, PRETRAIN_PER_CLASS)
    check_count(name, files, len(PRETRAIN_CLASSES) * PRETRAIN_PER_CLASS, root, advice)
    images, checksum = decode_all(name, files, half_rgb, HALF, PRETRAIN_DIGEST)
    return labelled(name, images, files, words, "all", checksum)


def validation(root: Path, advice: str) -> ImageSet:
    """The validation split without the 21 classes shared with CIFAR-10: 8,950 images, (N, 3, 32, 32) uint8, halved."""
    name, folder = "tiny-imagenet-val", root / "tiny-imagenet" / "tin_val"
    if folder.is_dir():
        files = class_files(folder, sorted(path.name for path in folder.iterdir() if path.is_dir()))
        words = class_words(folder / "classes.tsv", name, root, advice)
    else:
        words = class_words(root / RELEASE / "words.txt", name, root, advice)
        files = release_files(root, "test")
    check_count(name, files, 10_000, root, advice)
    kept = [file for file in files if wnid_of(file) not in SHARED_WITH_CIFAR10]
    images, checksum = decode_all(name, kept, half_rgb, HALF, VALIDATION_DIGEST)
    return labelled(name, images, kept, words, "all", checksum)


def cifar10_shift(root: Path, advice: str) -> ImageSet:
    """2,100 images, 300 of each of seven CIFAR-10 classes: a natural shift; (N, 3, 32, 32) uint8, CIFAR-10 labels.

    Airplane, deer and horse do not occur.
    """
    name, folder = "tiny-imagenet-cifar10-shift", root / "tiny-imagenet" / "tin_cifar10_shift"
    files: list[Named] = []
    for group, (count, wnids) in CIFAR10_SHIFT.items():
        unpacked = sorted((folder / group).glob("*.JPEG"), key=number_in)
        found = unpacked or [path for _, path in first_of_release(root, wnids, count)]
        files += [(f"{group}/{path.name}", path) for path in found]
    check_count(name, files, 2_100, root, advice)
    images, checksum = decode_all(name, files, half_rgb, HALF, SHIFT_DIGEST)
    labels = torch.tensor([int(group.partition("_")[0]) for group, _ in files])
    return ImageSet(images, labels, CIFAR10_CLASSES, name, checksum, "all")


def labelled(
    name: str, images: Tensor, files: Sequence[Named], words: dict[str, str], split: str, checksum: str
) -> ImageSet:
    """Images as a set of the classes that occur among `files`, in the order of their identifiers."""
    wnids = sorted({wnid_of(file) for file in files})
    label = {wnid: index for index, wnid in enumerate(wnids)}
    labels = torch.tensor([label[wnid_of(file)] for file in files])
    return ImageSet(images, labels, tuple(words[wnid] for wnid in wnids), name, checksum, split)


def release_files(root: Path, part: str) -> list[Named]:
    """The pictures of the unpacked release: "train", or its validation split as "test"; named wnid/file."""
    folder = root / RELEASE
    if part == "train":
        pictures = folder.glob("train/n*/images/*.JPEG")
        return sorted(((f"{path.parts[-3]}/{path.name}", path) for path in pictures), key=by_class_and_number)
    listing = folder / "val" / "val_annotations.txt"
    lines = listing.read_text().splitlines() if listing.is_file() else []
    fields = [line.split("\t") for line in lines]  # file name, wnid, bounding box
    listed = [(f"{wnid}/{file}", folder / "val" / "images" / file) for file, wnid, *_ in fields]
    return sorted(listed, key=by_class_and_number)


def first_of_release(root: Path, wnids: Sequence[str], count: int) -> list[Named]:
    """The first `count` training pictures of some classes of the unpacked release."""
    folder = root / RELEASE / "train"
    names = [(wnid, f"{wnid}_{index}.JPEG") for wnid in wnids for index in range(count)]
    files = [(f"{wnid}/{file}", folder / wnid / "images" / file) for wnid, file in names]
    return [file for file in files if file[1].is_file()]


def class_files(folder: Path, classes: Sequence[str]) -> list[Named]:
    """The pictures below folder/<class>/, in order of class and number."""
    files = [(f"{name}/{path.name}", path) for name in classes for path in (folder / name).glob("*.JPEG")]
    return sorted(files, key=by_class_and_number)


def by_class_and_number(file: Named) -> tuple[str, str, int]:
    """Sort key of a picture."""
    return wnid_of(file), *number_in(file[1])


def wnid_of(file: Named) -> str:
    """WordNet identifier of a picture's class."""
    return file[0].partition("/")[0]


def number_in(path: Path) -> tuple[str, int]:
    """Sort key of a file name like n02814533_74.JPEG: what stands before the last underscore, and the number."""
    stem, _, number = path.stem.rpartition("_")
    return stem, int(number)


def class_words(path: Path, name: str, root: Path, advice: str) -> dict[str, str]:
    """For each WordNet identifier the first of its words."""
    if not path.is_file():
        raise MissingData(missing_message(name, [str(path.relative_to(root))], root, advice))
    pairs = (line.split("\t") for line in path.read_text().splitlines())
    return {wnid: words.split(",")[0] for wnid, words, *_ in pairs}


def check_count(name: str, files: Sequence[Named], expected: int, root: Path, advice: str) -> None:
    """Raise unless exactly the expected number of pictures was found."""
    if not files:
        raise MissingData(missing_message(name, [f"{expected:,} pictures"], root, advice))
    if len(files) != expected:
        raise DamagedData(
            f"{name}: {len(files):,} pictures found in {root} where {expected:,} belong; unpack it again. {advice}"
        )
