"""Every data set by its name: `load("cifar10", "test")`."""

import difflib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch

from lib.data.catalogue import FACTS, PUBLISHED_SETS, advice
from lib.data.cifar import cifar10, cifar100
from lib.data.cifar_variants import HUMAN_LABEL_COLUMNS, cifar10_1, cifar10_n
from lib.data.digits import digits
from lib.data.fake import FAKE_VALIDATION, fake
from lib.data.image_set import ImageSet, concatenate
from lib.data.imagenet32 import imagenet32
from lib.data.letters import LETTERS, letters
from lib.data.mnist import mnist
from lib.data.noise_sets import NOISES, mixture, noise
from lib.data.omniglot import omniglot_small
from lib.data.patches import patches, patches_rgb
from lib.data.scenes import lsun, places365
from lib.data.splits import divide, hold_out
from lib.data.stl10 import stl10
from lib.data.svhn import svhn, svhn_sample
from lib.data.textures import textures, textures_sample
from lib.data.tiny_imagenet import cifar10_shift, pretrain, tiny_imagenet, tiny_imagenet_32, validation
from lib.roots import data_root

SPLITS = ("train", "fit", "validation", "test", "all")

# Apart from the seeds of experiments, so that no experiment draws the images of these splits again.
DRAWN_SEEDS = {"fit": 1_000_001, "validation": 1_000_002, "test": 1_000_003}


def seeded(split: str) -> torch.Generator:
    """The generator that draws a split."""
    return torch.Generator().manual_seed(DRAWN_SEEDS[split])


def drawn_noise(kind: str, count: int, split: str) -> ImageSet:
    """A split of a noise set in the shape of the digits."""
    return noise(kind, count, FACTS[kind].shape, seeded(split), split)


# Sets whose publisher fixed a training and a test part: (root, "train" or "test", advice) -> that part.
PUBLISHED: dict[str, Callable[[Path, str, str], ImageSet]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "mnist": mnist,
    "svhn": svhn,
    "stl10": stl10,
    "textures": textures,
    "tiny-imagenet": tiny_imagenet,
    "tiny-imagenet-32": tiny_imagenet_32,
    "imagenet32": imagenet32,
    "lsun": lsun,
    "cifar10.1": cifar10_1,
    **{f"cifar10n-{kind}": partial(cifar10_n, kind) for kind in HUMAN_LABEL_COLUMNS},
}

# Sets that come in one piece: (root, advice) -> the whole; we fix the division.
POOLS: dict[str, Callable[[Path, str], ImageSet]] = {
    "digits": lambda root, advice: digits(),
    "svhn-sample": svhn_sample,
    "textures-sample": textures_sample,
    "tiny-imagenet-pretrain": pretrain,
    "tiny-imagenet-val": validation,
    "tiny-imagenet-cifar10-shift": cifar10_shift,
    "omniglot-small": omniglot_small,
    "places365": places365,
}

# Sets that are drawn by chance: (count, "fit", "validation" or "test") -> that split; "train" joins the first two.
DRAWN: dict[str, Callable[[int, str], ImageSet]] = {
    **{kind: partial(drawn_noise, kind) for kind in NOISES},
    "mixture": lambda count, split: mixture(count, FACTS["mixture"].shape, 10, seeded(split)),
    "letters": lambda count, split: letters(count // len(LETTERS), DRAWN_SEEDS[split]),
    "patches": patches,
    "patches-rgb": patches_rgb,
}


def load(name: str, split: str = "train", *, root: Path | str | None = None) -> ImageSet:
    """Load a data set by name.

    Splits: "train" is everything that may be learnt from (all 50,000 images of CIFAR-10, say); "fit" and "validation"
    partition it, so take "fit" in place of "train" where something is selected on "validation"; "test" is disjoint
    from all of these. Sets that no publisher divided also have "all" = "train" and "test". A few sets are test only.

    Args:
        name: one of `names()`, or "fake:" and such a name: random images of that set's shape, classes and type, 256
            for "train" and 40 for "test", without touching the disk.
        split: "train", "fit", "validation", "test" or "all".
        root: folder of the data sets; by default `REPLICATION_DATA` or `data/`.

    Raises:
        ValueError: unknown name or split.
        MissingData: the files are not there; the message says how to get them.
        DamagedData: a file is not the published one; it has been moved aside.
    """
    known = name.removeprefix("fake:")
    check_request(known, split)
    if known != name:
        return load_fake(known, split)
    if known in DRAWN:
        return load_drawn(known, split)
    folder = Path(root).expanduser() if root is not None else data_root()
    part = "train" if split in ("fit", "validation") else split
    if known in PUBLISHED:
        images = PUBLISHED[known](folder, part, advice(known))
    else:
        images = POOLS[known](folder, advice(known))
        images = images if split == "all" else divide(images, FACTS[known].test, part)
    return images if split == part else hold_out(images, FACTS[known].validation, split)


def load_drawn(name: str, split: str) -> ImageSet:
    """A split of a set that is drawn by chance, each of "fit", "validation" and "test" on its own."""
    if split == "train":
        return concatenate(load_drawn(name, "fit"), load_drawn(name, "validation"), "train")
    if split == "all":
        return concatenate(load_drawn(name, "train"), load_drawn(name, "test"), "all")
    facts = FACTS[name]
    counts = {"fit": facts.train - facts.validation, "validation": facts.validation, "test": facts.test}
    images = drawn_once(name, counts[split], split)
    return images.take(torch.arange(len(images)), split)  # a copy: who writes into it changes no other's


@cache
def drawn_once(name: str, count: int, split: str) -> ImageSet:
    """Letters take a second to draw, and every arm of every seed asks for the same ones."""
    return DRAWN[name](count, split)


def load_fake(name: str, split: str) -> ImageSet:
    """A split of the random stand-in for `name`."""
    if split == "all":
        return concatenate(fake(name, FACTS[name], "train"), fake(name, FACTS[name], "test"), "all")
    if split in ("fit", "validation"):
        return hold_out(fake(name, FACTS[name], "train"), FAKE_VALIDATION, split)
    return fake(name, FACTS[name], split)


def splits_of(name: str) -> tuple[str, ...]:
    """The splits that a set has: a test set one, a set that its publisher divided no "all"."""
    known = name.removeprefix("fake:")
    if not FACTS[known].train:
        return ("test",)
    return tuple(split for split in SPLITS if split != "all" or not is_published(known))


def is_published(name: str) -> bool:
    """Whether a publisher fixed the training and the test part of a set."""
    return name.removeprefix("fake:") in PUBLISHED_SETS


def is_pool(name: str) -> bool:
    """Whether a set comes in one piece that an experiment may divide as it likes."""
    return name in POOLS


def names() -> list[str]:
    """All names that `load` knows, without the "fake:" stand-ins."""
    return list(FACTS)


def check_request(name: str, split: str) -> None:
    """Raise unless the set and the split exist, naming the nearest that does."""
    if name not in FACTS:
        near = difflib.get_close_matches(name, FACTS, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(FACTS)}"
        raise ValueError(f'no data set called "{name}"; {hint}')
    if split not in SPLITS:
        raise ValueError(f'{name}: no split called "{split}"; there are: {", ".join(SPLITS)}')
    if split == "all" and name in PUBLISHED_SETS:
        raise ValueError(f'{name}: the publisher divided it; "all" would mix its training and test part')
    if split != "test" and not FACTS[name].train:
        raise ValueError(f'{name} is a test set; the only split is "test", not "{split}"')
