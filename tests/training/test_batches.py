import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.training.batches import Batches, epoch_order

CPU = torch.device("cpu")


def batches(count=10, batch_size=4, seed=0, **options):
    images = torch.arange(count * 12, dtype=torch.uint8).reshape(count, 3, 2, 2)
    return Batches(images, torch.arange(count), batch_size, seed, CPU, **options), images


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 5))
def test_every_epoch_is_a_permutation(count, batch_size, seed, epoch):
    some, _ = batches(count, batch_size, seed)
    steps = range(epoch * some.per_epoch, (epoch + 1) * some.per_epoch)
    parts = [some.indices(step) for step in steps]
    assert sorted(torch.cat(parts).tolist()) == list(range(count))
    assert all(len(part) == min(batch_size, count) for part in parts[:-1])


def test_epochs_and_seeds_differ_and_steps_can_be_asked_in_any_order():
    orders = [tuple(epoch_order(50, seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4
    some, _ = batches()
    epochs = [tuple(torch.cat([some.indices(3 * epoch + k) for k in range(3)]).tolist()) for epoch in range(4)]
    assert len(set(epochs)) == 4
    forward = [some.indices(step) for step in range(7)]
    backward = [some.indices(step) for step in reversed(range(7))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forward, backward, strict=True))


def test_drop_last():
    some, _ = batches(drop_last=True)
    assert some.per_epoch == 2 and all(len(some.indices(step)) == 4 for step in range(8))
    whole, _ = batches()
    assert whole.per_epoch == 3 and len(whole.indices(2)) == 2


def test_images_labels_and_indices_belong_together():
    some, images = batches()
    generator = torch.Generator()
    batch = some.at(5, generator)
    assert torch.equal(batch.images, images[batch.indices]) and batch.images.dtype == torch.uint8
    assert torch.equal(batch.labels, batch.indices) and batch.step == 5 and batch.generator is generator
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_vectors_and_soft_targets():
    vectors, targets = torch.randn(6, 2), torch.rand(6, 3)
    batch = Batches(vectors, targets, 6, 0, CPU).at(0, torch.Generator())
    assert torch.equal(batch.images, vectors[batch.indices]) and torch.equal(batch.labels, targets[batch.indices])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), "4 images and 3 labels"),
        (torch.zeros(4, dtype=torch.int32), "int64, found torch.int32"),
        (torch.zeros(4, 3, dtype=torch.int64), "floating point, found torch.int64"),
        (torch.zeros(4, 3, 2), r"shape \(4, 3, 2\)"),
    ],
)
def test_labels_of_the_wrong_kind(labels, message):
    with pytest.raises(ValueError, match=message):
        Batches(torch.rand(4, 1, 2, 2), labels, 2, 0, CPU)


def test_no_images_and_no_batch():
    with pytest.raises(ValueError, match="0 images"):
        Batches(torch.rand(0, 1, 2, 2), torch.zeros(0, dtype=torch.int64), 2, 0, CPU)
    with pytest.raises(ValueError, match="at least 1, found 0"):
        batches(batch_size=0)
