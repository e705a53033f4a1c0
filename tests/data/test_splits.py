import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.image_set import ImageSet
from lib.data.splits import divide, hold_out, split, stratified_order, train_test


def numbered(count, classes=3):
    """Images whose single pixel is their index."""
    images = torch.arange(count).float().view(-1, 1, 1, 1)
    names = tuple(f"class {index}" for index in range(classes))
    labels = torch.arange(count) % classes if classes else torch.full((count,), -1)
    return ImageSet(images, labels, names, "numbered", "0" * 64)


def members(images):
    return images.images.flatten().int().tolist()


def test_fit_and_validation_partition_the_training_set():
    images = numbered(100)
    fit, validation = hold_out(images, 20, "fit"), hold_out(images, 20, "validation")
    assert (len(fit), len(validation)) == (80, 20)
    assert sorted(members(fit) + members(validation)) == list(range(100))
    assert members(fit) == sorted(members(fit))
    assert (fit.split, validation.split) == ("fit", "validation")


def test_the_held_out_part_never_changes():
    assert members(hold_out(numbered(30), 5, "validation")) == [11, 18, 19, 22, 29]


@pytest.mark.parametrize("classes", [3, 0])
def test_divide_partitions_a_pool(classes):
    images = numbered(100, classes)
    train, test = divide(images, 30, "train"), divide(images, 30, "test")
    assert sorted(members(train) + members(test)) == list(range(100))
    assert len(test) == 30


def test_divide_is_stratified_with_labels_and_contiguous_without():
    assert divide(numbered(90), 30, "test").labels.bincount().tolist() == [10, 10, 10]
    assert members(divide(numbered(100, 0), 30, "test")) == list(range(70, 100))


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    fractions=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    seed=st.integers(0, 2**31),
)
def test_split_draws_disjoint_stratified_parts_of_the_sizes_asked_for(counts, fractions, seed):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    total = len(labels)
    sizes = [int(fraction * total / len(fractions)) for fraction in fractions]
    names = tuple(map(str, range(len(counts))))
    images = ImageSet(torch.arange(total).float().view(-1, 1, 1, 1), labels, names, "made", "")
    parts = split(images, sizes, seed)
    assert [len(part) for part in parts] == sizes
    drawn = [index for part in parts for index in members(part)]
    assert len(set(drawn)) == len(drawn)
    for part in parts:
        expected = np.array(counts) * len(part) / total
        assert (np.abs(part.labels.bincount(minlength=len(counts)).numpy() - expected) < len(counts) + 1).all()


def test_split_follows_the_seed():
    images = numbered(60)
    same, again, other = (members(split(images, (20,), seed)[0]) for seed in (1, 1, 2))
    assert same == again
    assert same != other


def test_split_refuses_more_images_than_there_are():
    with pytest.raises(ValueError, match="cannot draw parts"):
        split(numbered(10), (6, 5), 0)


def test_train_test_uses_every_image_once():
    train, test = train_test(numbered(101), 0.3, 0)
    assert (len(test), train.split, test.split) == (30, "train", "test")
    assert sorted(members(train) + members(test)) == list(range(101))
    with pytest.raises(ValueError, match="test_fraction"):
        train_test(numbered(10), 3, 0)


def test_every_stretch_of_a_stratified_order_holds_the_classes_in_proportion():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    ordered = labels[stratified_order(labels, 0)]
    for start in range(0, 100, 10):
        counts = ordered[start : start + 10].bincount(minlength=3)
        assert (counts - torch.tensor([6, 3, 1])).abs().max() <= 1


def test_each_image_is_equally_likely_to_be_drawn():
    images = numbered(30)
    drawn = torch.zeros(30)
    for seed in range(300):
        drawn[members(split(images, (10,), seed)[0])] += 1
    # 300 draws with probability 1/3: mean 100, standard deviation 8.2
    assert (drawn - 100).abs().max() < 4.5 * 8.2
