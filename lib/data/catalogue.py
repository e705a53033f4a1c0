"""The facts about every set that can be loaded by name: shape, classes, counts, size, and how to get it."""

from dataclasses import dataclass

from lib.data.cifar import CIFAR10_CLASSES, CIFAR100_CLASSES
from lib.data.mnist import DIGITS

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Facts:
    """What is known about a set before it is on the disk.

    Attributes:
        shape: of one image, (channels, height, width).
        classes: names in label order; empty where the set has no labels.
        train: images in "train" (= "fit" + "validation").
        validation: images of those in "validation".
        test: images in "test".
        dtype: "uint8" or "float32".
        size: bytes to download, 0 for what needs no download.
        by_hand: where it cannot be fetched by a command, what the user has to do.
        source: authors, year and terms of use.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: int
    validation: int
    test: int
    dtype: str = "uint8"
    size: int = 0
    by_hand: str = ""
    source: str = ""


_SMALL = (1, 8, 8)

FACTS: dict[str, Facts] = {
    "digits": Facts(_SMALL, DIGITS, 1_297, 200, 500, "float32", source="UCI optical digits, in scikit-learn"),
    "gaussian": Facts(_SMALL, (), 1_200, 200, 1_000, "float32", source="drawn: N(0.5, 0.25^2), clipped"),
    "uniform": Facts(_SMALL, (), 1_200, 200, 1_000, "float32", source="drawn: uniform on [0, 1)"),
    "rademacher": Facts(_SMALL, (), 1_200, 200, 1_000, "float32", source="drawn: 0 or 1"),
    "blobs": Facts(_SMALL, (), 1_200, 200, 1_000, "float32", source="drawn: blurred and cut Bernoulli noise"),
    "mixture": Facts(
        _SMALL,
        tuple(f"component {index}" for index in range(10)),
        *(1_200, 200, 1_000),
        dtype="float32",
        source="drawn: ten Gaussian components",
    ),
    "cifar10": Facts(
        (3, 32, 32),
        CIFAR10_CLASSES,
        50_000,
        5_000,
        10_000,
        size=170_498_071,
        source="Krizhevsky 2009; no licence stated",
    ),
    "cifar100": Facts(
        (3, 32, 32),
        CIFAR100_CLASSES,
        50_000,
        5_000,
        10_000,
        size=169_001_437,
        source="Krizhevsky 2009; no licence stated",
    ),
    "mnist": Facts(
        (1, 28, 28), DIGITS, 60_000, 5_000, 10_000, size=11_594_722, source="LeCun et al. 1998; commonly CC BY-SA 3.0"
    ),
}


def advice(name: str) -> str:
    """One sentence on how to get a set, and how large it is."""
    facts = FACTS[name]
    if facts.by_hand:
        return f"It has to be placed by hand: {facts.by_hand}"
    return f"It is {readable_size(facts.size)} to download; get it with: python -m lib.data get {name}"


def readable_size(size: int) -> str:
    """A size in bytes as text, e.g. "170 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / MEGABYTE, 0.1):.{0 if size >= 1e7 else 1}f} MB"
