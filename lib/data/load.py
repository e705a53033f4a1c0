"""Every data set by its name: `load("cifar10", "test")`."""

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lib.data.catalogue import FACTS, advice
from lib.data.cifar import cifar10, cifar100
from lib.data.digits import digits
from lib.data.fake import FAKE_VALIDATION, fake
from lib.data.image_set import ImageSet, concatenate
from lib.data.mnist import mnist
from lib.data.noise_sets import mixture, noise
from lib.data.splits import divide, hold_out
from lib.roots import data_root

SPLITS = ("train", "fit", "validation", "test", "all")

# Sets whose publisher fixed a training and a test part: (root, "train" or "test", advice) -> that part.
PUBLISHED: dict[str, Callable[[Path, str, str], ImageSet]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "mnist": mnist,
}


def _digits(root: Path, advice: str) -> ImageSet:
    return digits()


# Sets that come in one piece: (root, advice) -> the whole; we fix the division.
POOLS: dict[str, Callable[[Path, str], ImageSet]] = {
    "digits": _digits,
}


def _noise(kind: str, split: str) -> ImageSet:
    count, generator = _drawn_count(kind, split)
    return noise(kind, count, FACTS[kind].shape, generator, split)


def _mixture(split: str) -> ImageSet:
    count, generator = _drawn_count("mixture", split)
    return mixture(count, FACTS["mixture"].shape, len(FACTS["mixture"].classes), generator)


def _drawn_count(name: str, split: str) -> tuple[int, torch.Generator]:
    """How many images of a drawn set a split has, and the generator that draws them."""
    facts = FACTS[name]
    counts = {"fit": facts.train - facts.validation, "validation": facts.validation, "test": facts.test}
    return counts[split], torch.Generator().manual_seed(list(counts).index(split))


# Sets that are drawn by chance: "fit", "validation" or "test" -> that split; "train" joins the first two.
DRAWN: dict[str, Callable[[str], ImageSet]] = {
    **{kind: partial(_noise, kind) for kind in ("gaussian", "uniform", "rademacher", "blobs")},
    "mixture": _mixture,
}


def load(name: str, split: str = "train", *, root: Path | str | None = None) -> ImageSet:
    """Load a data set by name.

    Splits: "train" is everything that may be learnt from (all 50,000 images of CIFAR-10, say); "fit" and "validation"
    partition it, so take "fit" in place of "train" where something is selected on "validation"; "test" is disjoint
    from all of these. Sets published in one piece also have "all" = "train" + "test".

    Args:
        name: one of `names()`, or "fake:" and such a name: random images of that set's shape, classes and type, 256
            for "train" and 128 for "test", without touching the disk.
        split: "train", "fit", "validation", "test" or "all".
        root: folder of the data sets; by default `REPLICATION_DATA` or `data/`.

    Raises:
        ValueError: unknown name or split.
        MissingData: the files are not there; the message says how to get them.
        DamagedData: a file is not the published one; it has been moved aside.
    """
    known = name.removeprefix("fake:")
    check_request(known, split)
    folder = Path(root).expanduser() if root is not None else data_root()
    if split in ("fit", "validation") and known in DRAWN and known == name:
        return DRAWN[name](split)
    if split in ("fit", "validation"):
        count = FACTS[name].validation if known == name else FAKE_VALIDATION
        return hold_out(load(name, "train", root=folder), count, split)
    if known != name:
        return load_fake(known, split)
    return load_real(name, split, folder)


def load_real(name: str, split: str, root: Path) -> ImageSet:
    """The "train", "test" or "all" part of a set that is not fake."""
    if name in PUBLISHED:
        return PUBLISHED[name](root, split, advice(name))
    if name in POOLS:
        pool = POOLS[name](root, advice(name))
        return pool if split == "all" else divide(pool, FACTS[name].test, split)
    if split == "test":
        return DRAWN[name]("test")
    train = concatenate(DRAWN[name]("fit"), DRAWN[name]("validation"), "train")
    return train if split == "train" else concatenate(train, DRAWN[name]("test"), "all")


def load_fake(name: str, split: str) -> ImageSet:
    """The "train", "test" or "all" part of the random stand-in for `name`."""
    if split == "all":
        return concatenate(fake(name, FACTS[name], "train"), fake(name, FACTS[name], "test"), "all")
    return fake(name, FACTS[name], split)


def names() -> list[str]:
    """All names that `load` knows, without the "fake:" stand-ins."""
    return [*DRAWN, *POOLS, *PUBLISHED]


def check_request(name: str, split: str) -> None:
    """Raise unless the set and the split exist, naming the nearest that does."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(names())}"
        raise ValueError(f'no data set called "{name}"; {hint}')
    if split not in SPLITS:
        raise ValueError(f'{name}: no split called "{split}"; there are: {", ".join(SPLITS)}')
    if split == "all" and name in PUBLISHED:
        raise ValueError(f'{name}: the publisher divided it; "all" would mix its training and test part')
