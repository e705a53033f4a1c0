import functools
import hashlib
import pickle

import pytest
import torch

import lib.data
from lib.data.catalogue import DRAWN_SETS, FACTS, POOL_SETS, PUBLISHED_SETS
from lib.data.image_set import pixel_checksum
from lib.data.load import DRAWN, POOLS, PUBLISHED, load, names

EMBEDDED = [*DRAWN_SETS, "digits"]


def expected_count(name, split):
    facts = FACTS[name]
    counts = {"train": facts.train, "validation": facts.validation, "test": facts.test}
    return {**counts, "fit": facts.train - facts.validation, "all": facts.train + facts.test}[split]


embedded = functools.cache(load)  # letters take a second


def rows(images):
    return {hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in images.images}


def test_every_name_has_facts_and_a_loader():
    assert set(DRAWN) == set(DRAWN_SETS)
    assert set(POOLS) == set(POOL_SETS)
    assert set(PUBLISHED) == set(PUBLISHED_SETS)
    assert names() == list(FACTS)
    assert len(DRAWN) + len(POOLS) + len(PUBLISHED) == len(FACTS)


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("split", ["train", "fit", "validation", "test", "all"])
def test_embedded_sets_are_what_the_catalogue_says(name, split):
    images, facts = embedded(name, split), FACTS[name]
    assert (images.name, images.split) == (name, split)
    assert len(images) == expected_count(name, split)
    assert images.shape == facts.shape
    assert str(images.images.dtype) == f"torch.{facts.dtype}"
    assert images.classes == facts.classes


@pytest.mark.parametrize("name", EMBEDDED)
def test_fit_and_validation_partition_train_and_test_is_disjoint(name):
    train, fit, validation, test = (embedded(name, split) for split in ("train", "fit", "validation", "test"))
    joined = torch.cat([fit.images, validation.images]).flatten(1)
    assert torch.equal(joined.sort(0).values, train.images.flatten(1).sort(0).values)
    repeats = len(train) - len(rows(train))  # 8 x 8 letters can coincide by chance, and flat patches do
    common = rows(train) & rows(test) | rows(fit) & rows(validation)
    assert len(common) <= {"letters": 40, "patches": 20}.get(name, 0) + repeats
    assert load(name, "test").checksum == test.checksum != train.checksum


def test_digits_are_stratified():
    for split in ("train", "test"):
        counts = load("digits", split).labels.bincount()
        assert counts.max() - counts.min() <= 9  # the whole set has 174 to 183 of each


@pytest.mark.parametrize("name", list(FACTS))
def test_fake_sets_have_the_shape_of_the_real_ones_and_touch_no_disk(name, monkeypatch):
    test_only = not FACTS[name].train
    splits = {"train": 256, "fit": 236, "validation": 20, "test": 20}
    for split, count in [("test", 20)] if test_only else list(splits.items()):
        with monkeypatch.context() as blind:  # around this alone: pytest asks the disk when a test fails
            blind.setattr("pathlib.Path.open", None)
            blind.setattr("pathlib.Path.exists", None)
            images = load(f"fake:{name}", split)
        assert (len(images), images.name, images.split) == (count, f"fake:{name}", split)
        assert images.shape == FACTS[name].shape
        assert str(images.images.dtype) == f"torch.{FACTS[name].dtype}"
        assert images.classes == FACTS[name].classes
        assert 0 <= images.float_images().min() < 0.01 and 0.99 < images.float_images().max() <= 1


def test_fake_sets_are_the_same_every_time_and_differ_by_name_and_split():
    sums = [
        pixel_checksum(load(name, split).images, load(name, split).labels)
        for name, split in [
            ("fake:cifar10", "train"),
            ("fake:cifar10", "train"),
            ("fake:svhn", "train"),
            ("fake:cifar10", "test"),
        ]
    ]
    assert sums[0] == sums[1]
    assert len(set(sums)) == 3
    assert load("fake:cifar10").labels.bincount().tolist() == [26] * 6 + [25] * 4


def test_fake_fit_and_validation_partition_train():
    train, fit, validation = (load("fake:mnist", split) for split in ("train", "fit", "validation"))
    assert rows(fit) | rows(validation) == rows(train)
    assert not rows(fit) & rows(validation)


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("cifar-10", "train", 'did you mean "cifar10"'),
        ("fake:cifar-10", "train", 'did you mean "cifar10"'),
        ("zzz", "train", "there are: gaussian"),
        ("cifar10", "val", "train, fit, validation, test, all"),
        ("cifar10", "all", "the publisher divided it"),
        ("cifar10.1", "train", 'the only split is "test"'),
    ],
)
def test_bad_requests_are_refused(name, split, message):
    with pytest.raises(ValueError, match=message):
        load(name, split)


@pytest.mark.parametrize("name", [name for name in FACTS if FACTS[name].paths])
def test_missing_sets_say_what_where_how_large_and_how_to_get_them(name, root):
    with pytest.raises(lib.data.MissingData) as fault:
        load(name, "test")
    message = str(fault.value)
    assert str(root) in message
    assert (
        f"python -m lib.data get {name}" in message
        or "python -m lib.data get cifar10" in message
        or ("placed by hand" in message)
    )
    assert "to download" in message or "of unknown size" in message


def test_the_root_can_be_given(tmp_path):
    with pytest.raises(lib.data.MissingData, match="elsewhere"):
        load("mnist", root=tmp_path / "elsewhere")


def test_a_loaded_set_survives_pickling_for_worker_processes():
    images = load("fake:cifar10")
    assert torch.equal(pickle.loads(pickle.dumps(images)).images, images.images)


def test_the_room_exports_what_it_names():
    assert all(hasattr(lib.data, name) for name in lib.data.__all__)
    assert lib.data.load("digits", "test").checksum == load("digits", "test").checksum


@pytest.mark.parametrize("split", ["fit", "train", "test", "all"])
def test_a_set_that_is_drawn_once_is_everybodys_own(split):
    first = load("mixture", split)
    images, labels = first.images.clone(), first.labels.clone()
    first.images.zero_()
    first.labels.fill_(-1)
    again = load("mixture", split)
    assert torch.equal(again.images, images) and torch.equal(again.labels, labels)
