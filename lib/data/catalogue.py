"""The facts about every set that can be loaded by name: shape, classes, counts, size, source, and how to get it."""

from dataclasses import dataclass
from pathlib import Path

from lib.data.cifar import CIFAR10_CLASSES, CIFAR10_TEST, CIFAR10_TRAIN, CIFAR100_CLASSES, CIFAR100_TEST, CIFAR100_TRAIN
from lib.data.imagenet32 import IMAGENET32_FILES, IMAGENET_CLASSES
from lib.data.letters import LETTERS
from lib.data.mnist import DIGITS, MNIST_FILES
from lib.data.stl10 import STL10_CLASSES, STL10_FILES
from lib.data.svhn import SVHN_FILES, SVHN_SAMPLE
from lib.data.textures import TEXTURES, TEXTURES_SAMPLE
from lib.data.tiny_imagenet import PRETRAIN_CLASSES, SHARED_WITH_CIFAR10

Counts = tuple[int, int, int]


@dataclass(frozen=True)
class Facts:
    """What is known about a set before it is on the disk.

    Attributes:
        shape: of one image, (channels, height, width).
        classes: names in label order, or placeholders where the files have the names; empty for sets without labels.
        counts: images in "train" (= "fit" + "validation"), of those in "validation", and in "test".
        source: authors, year and terms of use.
        dtype: "uint8" or "float32".
        size: bytes to download, 0 for what needs no download.
        paths: what has to be below the data root; empty for embedded and drawn sets.
        or_paths: what serves in place of `paths`.
        by_hand: where no command fetches it, what the user has to do.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    counts: Counts
    source: str
    dtype: str = "uint8"
    size: int = 0
    paths: tuple[str, ...] = ()
    or_paths: tuple[str, ...] = ()
    by_hand: str = ""

    @property
    def train(self) -> int:
        """Number of images in "train"."""
        return self.counts[0]

    @property
    def validation(self) -> int:
        """Number of images of "train" that are held out as "validation"."""
        return self.counts[1]

    @property
    def test(self) -> int:
        """Number of images in "test"."""
        return self.counts[2]

    def is_there(self, root: Path) -> bool:
        """Whether all files exist below `root`; their checksums are looked at when they are loaded."""
        alternatives = [paths for paths in (self.paths, self.or_paths) if paths]
        return not alternatives or any(all((root / path).exists() for path in paths) for paths in alternatives)


def placeholders(word: str, count: int) -> tuple[str, ...]:
    """Names like "class 0", "class 1", ..."""
    return tuple(f"{word} {index}" for index in range(count))


SMALL, MEDIUM = (1, 8, 8), (3, 32, 32)
DRAWN_COUNTS = (1_200, 200, 1_000)

DRAWN_SETS = {
    "gaussian": Facts(SMALL, (), DRAWN_COUNTS, "drawn: N(0.5, 0.25^2), clipped to [0, 1]", "float32"),
    "uniform": Facts(SMALL, (), DRAWN_COUNTS, "drawn: uniform on [0, 1)", "float32"),
    "rademacher": Facts(SMALL, (), DRAWN_COUNTS, "drawn: 0 or 1", "float32"),
    "blobs": Facts(SMALL, (), DRAWN_COUNTS, "drawn: blurred and cut Bernoulli noise", "float32"),
    "blobs-as-coded": Facts(SMALL, (), DRAWN_COUNTS, "drawn: the same, blurred across colours too", "float32"),
    "mixture": Facts(SMALL, placeholders("component", 10), DRAWN_COUNTS, "drawn: ten Gaussian components", "float32"),
    "letters": Facts(SMALL, LETTERS, (6_240, 1_040, 1_040), "drawn from glyphs of free fonts", "float32"),
    "patches": Facts(SMALL, (), DRAWN_COUNTS, "cut from scikit-learn's two photographs, CC BY", "float32"),
    "patches-rgb": Facts(MEDIUM, (), DRAWN_COUNTS, "cut from scikit-learn's two photographs, CC BY"),
}

POOL_SETS = {
    "digits": Facts(SMALL, DIGITS, (1_297, 200, 500), "UCI optical digits in scikit-learn, CC BY 4.0", "float32"),
    "svhn-sample": Facts(
        *(MEDIUM, (), (583, 100, 500), "Netzer et al. 2011; non-commercial"),
        size=182_040_794,
        paths=(SVHN_SAMPLE,),
        or_paths=(SVHN_FILES["train"].path,),
    ),
    "textures-sample": Facts(
        *(MEDIUM, TEXTURES[:10], (700, 100, 500), "Cimpoi et al. 2014; research"),
        size=625_239_812,
        paths=(TEXTURES_SAMPLE,),
        or_paths=("dtd/dtd/images",),
    ),
    "tiny-imagenet-pretrain": Facts(
        *(MEDIUM, placeholders("class", len(PRETRAIN_CLASSES)), (10_000, 1_000, 2_500)),
        source="Deng et al. 2009, CS231n; non-commercial",
        size=248_100_043,
        paths=("tiny-imagenet/tin_pretrain",),
        or_paths=("tiny-imagenet-200/train",),
    ),
    "tiny-imagenet-val": Facts(
        *(MEDIUM, placeholders("class", 200 - len(SHARED_WITH_CIFAR10)), (6_950, 1_000, 2_000)),
        source="Deng et al. 2009, CS231n; non-commercial",
        size=248_100_043,
        paths=("tiny-imagenet/tin_val",),
        or_paths=("tiny-imagenet-200/val",),
    ),
    "tiny-imagenet-cifar10-shift": Facts(
        *(MEDIUM, CIFAR10_CLASSES, (1_100, 100, 1_000), "Deng et al. 2009, CS231n; non-commercial"),
        size=248_100_043,
        paths=("tiny-imagenet/tin_cifar10_shift",),
        or_paths=("tiny-imagenet-200/train",),
    ),
    "omniglot-small": Facts(
        *((1, 28, 28), placeholders("character", 136), (1_720, 200, 1_000), "Lake et al. 2015; MIT"),
        size=1_319_022,
        paths=("omniglot-py/images_background_small1",),
    ),
    "places365": Facts(
        *(MEDIUM, (), (26_500, 5_000, 10_000), "Zhou et al. 2018; terms on its site"),
        size=525_158_400,
        paths=("places365/val_256",),
    ),
}

_CIFAR10_PATHS = tuple(file.path for file in CIFAR10_TRAIN + CIFAR10_TEST)
_CIFAR_COUNTS = (50_000, 5_000, 10_000)
_HUMAN = Facts(
    *(MEDIUM, CIFAR10_CLASSES, _CIFAR_COUNTS, "Wei et al. 2022; CC BY-NC 4.0"),
    size=149_520,
    paths=(*_CIFAR10_PATHS, "cifar-10-batches-py/cifar10n.npz"),
    by_hand="take CIFAR-10_human.pt from github.com/UCSC-REAL/cifar-10-100n and save its arrays with np.savez as "
    "cifar-10-batches-py/cifar10n.npz (uint8, the same names); for CIFAR-10 itself: python -m lib.data get cifar10",
)

PUBLISHED_SETS = {
    "cifar10": Facts(
        *(MEDIUM, CIFAR10_CLASSES, _CIFAR_COUNTS, "Krizhevsky 2009; no licence stated"),
        size=170_498_071,
        paths=_CIFAR10_PATHS,
    ),
    "cifar100": Facts(
        *(MEDIUM, CIFAR100_CLASSES, _CIFAR_COUNTS, "Krizhevsky 2009; no licence stated"),
        size=169_001_437,
        paths=tuple(file.path for file in CIFAR100_TRAIN + CIFAR100_TEST),
    ),
    "mnist": Facts(
        *((1, 28, 28), DIGITS, (60_000, 5_000, 10_000), "LeCun et al. 1998; commonly CC BY-SA 3.0"),
        size=11_594_722,
        paths=tuple(file.path for part in ("train", "test") for file in MNIST_FILES[part]),
    ),
    "svhn": Facts(
        *(MEDIUM, DIGITS, (73_257, 5_000, 26_032), "Netzer et al. 2011; non-commercial"),
        size=246_316_178,
        paths=tuple(file.path for file in SVHN_FILES.values()),
    ),
    "stl10": Facts(
        *((3, 96, 96), STL10_CLASSES, (5_000, 500, 8_000), "Coates et al. 2011; no licence stated"),
        size=2_640_397_119,
        paths=tuple(file.path for part in ("train", "test") for file in STL10_FILES[part]),
    ),
    "textures": Facts(
        *(MEDIUM, TEXTURES, (3_760, 400, 1_880), "Cimpoi et al. 2014; research"),
        size=625_239_812,
        paths=("dtd/dtd/images", "dtd/dtd/labels"),
    ),
    "tiny-imagenet": Facts(
        *((3, 64, 64), placeholders("class", 200), (100_000, 5_000, 10_000)),
        source="Deng et al. 2009, CS231n; non-commercial",
        size=248_100_043,
        paths=("tiny-imagenet-200/train", "tiny-imagenet-200/val"),
    ),
    "tiny-imagenet-32": Facts(
        *(MEDIUM, placeholders("class", 200), (100_000, 5_000, 10_000), "Deng et al. 2009, CS231n; non-commercial"),
        size=248_100_043,
        paths=("tiny-imagenet-200/train", "tiny-imagenet-200/val"),
    ),
    "imagenet32": Facts(
        *(MEDIUM, IMAGENET_CLASSES, (1_281_167, 10_000, 50_000), "Deng et al. 2009, Chrabaszcz et al. 2017"),
        paths=tuple(file.path for part in ("train", "test") for file in IMAGENET32_FILES[part]),
        by_hand="register at image-net.org, take Imagenet32_train_npz.zip and Imagenet32_val_npz.zip (about 4 GB) from "
        "its page of downsampled images, and unpack the eleven .npz files into imagenet32/",
    ),
    "lsun": Facts(
        *(MEDIUM, (), (0, 0, 10_000), "Yu et al. 2015, resized for ODIN (Liang et al. 2018)"),
        paths=("LSUN_resize",),
    ),
    "cifar10.1": Facts(
        *(MEDIUM, CIFAR10_CLASSES, (0, 0, 2_000), "Recht et al. 2018; MIT"),
        size=6_152_256,
        paths=("CIFAR-10.1/cifar10.1_v6_data.npy", "CIFAR-10.1/cifar10.1_v6_labels.npy"),
    ),
    "cifar10n-aggregate": _HUMAN,
    "cifar10n-random1": _HUMAN,
    "cifar10n-random2": _HUMAN,
    "cifar10n-random3": _HUMAN,
    "cifar10n-worse": _HUMAN,
}

FACTS: dict[str, Facts] = DRAWN_SETS | POOL_SETS | PUBLISHED_SETS

# Files that a function of their own reads: `cifar_variants.cifar10_c` and `cifar_variants.cifar10_h`.
EXTRA_FILES = {
    "cifar10-c": Facts(
        *(MEDIUM, CIFAR10_CLASSES, (0, 0, 50_000), "Hendrycks and Dietterich 2019; CC BY 4.0"),
        size=2_918_471_680,
        paths=("CIFAR-10-C/labels.npy",),
    ),
    "cifar10h": Facts(
        *(MEDIUM, CIFAR10_CLASSES, (0, 0, 10_000), "Peterson et al. 2019; CC BY-NC-SA 4.0"),
        paths=("cifar-10-batches-py/cifar10h.npz",),
        or_paths=("cifar-10-batches-py/cifar10h-counts.npy",),
    ),
}


def advice(name: str) -> str:
    """One sentence on how to get a set, and how large it is."""
    facts = {**FACTS, **EXTRA_FILES}[name]
    size = f"{readable_size(facts.size)} to download" if facts.size else "of unknown size"
    if facts.by_hand:
        return f"It is {size} and has to be placed by hand: {facts.by_hand}."
    return f"It is {size}; get it with: python -m lib.data get {name}"


def readable_size(size: int) -> str:
    """A size in bytes as text, e.g. "170 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.{0 if size >= 1e7 else 1}f} MB"
