import importlib.util
import json
from pathlib import Path

import pytest

from lib.data import cifar, mnist, stl10, svhn
from lib.data.catalogue import EXTRA_FILES, FACTS, advice, readable_size
from lib.data.cifar import CIFAR100_CLASSES, CIFAR100_SUPERCLASS
from lib.data.downloads import DOWNLOADS
from lib.data.textures import TEXTURES
from lib.data.tiny_imagenet import CIFAR10_SHIFT, PRETRAIN_CLASSES, SHARED_WITH_CIFAR10

KNOWN = FACTS | EXTRA_FILES


@pytest.mark.parametrize("name", KNOWN)
def test_counts_leave_something_to_fit(name):
    facts = KNOWN[name]
    assert facts.test > 0
    assert 0 < facts.validation < facts.train or facts.train == facts.validation == 0
    assert facts.source


@pytest.mark.parametrize("name", KNOWN)
def test_every_set_is_embedded_or_can_be_got_or_says_how(name):
    facts = KNOWN[name]
    assert bool(facts.paths) == (name in DOWNLOADS or bool(facts.by_hand))
    assert not (name in DOWNLOADS and facts.by_hand)
    if name in DOWNLOADS:
        assert f"python -m lib.data get {name}" in advice(name)


def test_a_set_is_there_when_all_of_its_files_or_of_the_other_kind_are(root):
    facts = FACTS["svhn-sample"]
    assert not facts.is_there(root)
    (root / "svhn").mkdir()
    (root / facts.or_paths[0]).write_bytes(b"")
    assert facts.is_there(root)
    assert not FACTS["svhn"].is_there(root)
    assert FACTS["digits"].is_there(root)


def test_cifar100_has_twenty_superclasses_of_five():
    assert len(CIFAR100_CLASSES) == len(CIFAR100_SUPERCLASS) == 100
    assert list(CIFAR100_CLASSES) == sorted(CIFAR100_CLASSES)
    assert sorted(CIFAR100_SUPERCLASS) == sorted(list(range(20)) * 5)
    people = {name for name, group in zip(CIFAR100_CLASSES, CIFAR100_SUPERCLASS, strict=True) if group == 14}
    assert people == {"baby", "boy", "girl", "man", "woman"}


def test_class_lists_have_their_lengths():
    assert (len(TEXTURES), len(PRETRAIN_CLASSES), len(SHARED_WITH_CIFAR10)) == (47, 100, 21)
    assert not SHARED_WITH_CIFAR10 & set(PRETRAIN_CLASSES)
    assert all(count * len(wnids) == 300 for count, wnids in CIFAR10_SHIFT.values())


def test_checksums_and_addresses_are_those_that_torchvision_publishes():
    specification = importlib.util.find_spec("torchvision")
    assert specification is not None and specification.origin is not None
    folder = Path(specification.origin).parent / "datasets"
    source = "".join(
        (folder / f"{name}.py").read_text() for name in ("cifar", "mnist", "svhn", "stl10", "dtd", "places365")
    )
    files = [*cifar.CIFAR10_TRAIN, *cifar.CIFAR10_TEST, *cifar.CIFAR100_TRAIN, *cifar.CIFAR100_TEST]
    files += [*svhn.SVHN_FILES.values(), *stl10.STL10_FILES["train"], *stl10.STL10_FILES["test"]]
    published = [file.digest for file in files]
    for name in ("cifar10", "cifar100", "mnist", "svhn", "stl10", "textures", "places365"):
        published += [download.digest for download in DOWNLOADS[name]]
    for digest in published:
        assert f'"{digest.removeprefix("md5:")}"' in source
    for name in ("cifar10", "cifar100", "svhn", "stl10", "textures"):
        assert all(download.url in source for download in DOWNLOADS[name])
    assert len(mnist.MNIST_FILES["train"]) == 2


def test_sizes_read_well():
    assert [readable_size(size) for size in (170_498_071, 2_640_397_119, 6_152_256, 149_520)] == [
        *("170 MB", "2.6 GB", "6.2 MB", "0.1 MB")
    ]


def test_facts_are_plain():
    assert json.dumps([facts.counts for facts in KNOWN.values()])
