"""Every reader on a small copy of the published layout, made here, with the checksums of that copy."""

import hashlib
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from lib.data import cifar, cifar_variants, imagenet32, mnist, omniglot, scenes, stl10, svhn, textures, tiny_imagenet
from lib.data.arrays import array_digest
from lib.data.files import DamagedData, MissingData, SourceFile
from lib.data.pictures import contents_digest
from lib.data.textures import TEXTURES
from tests.data.python2 import python2_batch


@pytest.fixture
def random():
    return np.random.RandomState(0)


def place(root, path, content):
    """Write a file below the root and state it with its size and checksum."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return SourceFile(path, f"md5:{hashlib.md5(content).hexdigest()}", len(content))


def place_picture(root, path, pixels):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / path, quality=95)


def test_cifar10_joins_its_batches_in_order(root, random, monkeypatch):
    pixels = random.randint(0, 256, (6, 3072), dtype=np.uint8)
    files = tuple(
        place(root, f"cifar-10-batches-py/data_batch_{part + 1}", python2_batch(pixels[rows], labels=labels))
        for part, (rows, labels) in enumerate([(slice(0, 4), [1, 2, 3, 9]), (slice(4, 6), [0, 5])])
    )
    monkeypatch.setattr(cifar, "CIFAR10_TRAIN", files)
    images = cifar.cifar10(root, "train", "Get it.")
    assert torch.equal(images.images, torch.from_numpy(pixels.reshape(6, 3, 32, 32)))
    assert images.labels.tolist() == [1, 2, 3, 9, 0, 5]
    assert images.classes[9] == "truck"
    (root / files[1].path).write_bytes(b"")
    with pytest.raises(DamagedData, match=r"data_batch_2\.damaged.*Get it"):
        cifar.cifar10(root, "train", "Get it.")


def test_cifar100_takes_the_fine_labels(root, random, monkeypatch):
    pixels = random.randint(0, 256, (2, 3072), dtype=np.uint8)
    content = python2_batch(pixels, fine_labels=[7, 99], coarse_labels=[1, 2])
    monkeypatch.setattr(cifar, "CIFAR100_TEST", (place(root, "cifar-100-python/test", content),))
    images = cifar.cifar100(root, "test", "")
    assert (images.labels.tolist(), images.name, images.split) == ([7, 99], "cifar100", "test")


def test_mnist_reads_idx_files(root, random, monkeypatch):
    pixels = random.randint(0, 256, (3, 28, 28), dtype=np.uint8)
    files = (
        place(root, "MNIST/raw/images", struct.pack(">4i", 2051, 3, 28, 28) + pixels.tobytes()),
        place(root, "MNIST/raw/labels", struct.pack(">2i", 2049, 3) + bytes([4, 0, 9])),
    )
    monkeypatch.setitem(mnist.MNIST_FILES, "test", files)
    images = mnist.mnist(root, "test", "")
    assert torch.equal(images.images[:, 0], torch.from_numpy(pixels))
    assert images.labels.tolist() == [4, 0, 9]


def test_svhn_turns_columns_and_the_label_ten(root, random, monkeypatch):
    pixels = random.randint(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    savemat(root / "made.mat", {"X": pixels, "y": np.array([[10], [1], [9], [10]], dtype=np.uint8)})
    monkeypatch.setitem(svhn.SVHN_FILES, "train", place(root, "made.mat", (root / "made.mat").read_bytes()))
    images = svhn.svhn(root, "train", "")
    assert images.labels.tolist() == [0, 1, 9, 0]
    assert images.images[2, 1, 5, 7] == pixels[5, 7, 1, 2]


def test_the_svhn_sample_is_the_same_from_its_file_and_from_the_whole(root, random, monkeypatch):
    pixels = random.randint(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    savemat(root / "made.mat", {"X": pixels, "y": np.ones((5, 1), dtype=np.uint8)})
    monkeypatch.setitem(svhn.SVHN_FILES, "train", place(root, "made.mat", (root / "made.mat").read_bytes()))
    monkeypatch.setattr(svhn, "SVHN_SAMPLE_COUNT", 3)
    derived = svhn.svhn_sample(root, "")
    sample = pixels.transpose(3, 0, 1, 2)[:3]
    (root / "samples").mkdir()
    np.savez(root / svhn.SVHN_SAMPLE, images=sample)
    monkeypatch.setattr(svhn, "SVHN_SAMPLE_DIGEST", array_digest(np.ascontiguousarray(sample)))
    read = svhn.svhn_sample(root, "")
    assert torch.equal(read.images, derived.images)
    assert read.checksum == derived.checksum
    assert read.labels.tolist() == [-1, -1, -1]


def test_stl10_is_stored_column_by_column(root, random, monkeypatch):
    pixels = random.randint(0, 256, (2, 3, 96, 96), dtype=np.uint8)
    files = (
        place(root, "stl10_binary/X", pixels.transpose(0, 1, 3, 2).tobytes()),
        place(root, "stl10_binary/y", bytes([1, 10])),
    )
    monkeypatch.setitem(stl10.STL10_FILES, "test", files)
    images = stl10.stl10(root, "test", "")
    assert torch.equal(images.images, torch.from_numpy(pixels))
    assert images.labels.tolist() == [0, 9]


def test_textures_follow_their_lists(root, random):
    for name in TEXTURES[:2]:
        for index in range(3):
            colour = random.randint(0, 256, 3, dtype=np.uint8)
            place_picture(root, f"dtd/dtd/images/{name}/{name}_{index}.jpg", np.tile(colour, (40, 60, 1)))
    (root / "dtd" / "dtd" / "labels").mkdir()
    for part, index in (("train1", 0), ("val1", 1), ("test1", 2)):
        lines = [f"{name}/{name}_{index}.jpg\n" for name in TEXTURES[:2]]
        (root / "dtd" / "dtd" / "labels" / f"{part}.txt").write_text("".join(lines))
    train, test = textures.textures(root, "train", ""), textures.textures(root, "test", "")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 0, 1, 1], [0, 1])
    assert train.shape == (3, 32, 32)
    pool = textures.textures_sample(root, "")
    assert pool.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(pool.images[[2, 5]], test.images)


def test_omniglot_is_inverted_and_labelled_by_character(root, monkeypatch):
    for name in ("Greek/character01/0001_01", "Greek/character02/0001_01", "Latin/character01/0001_01"):
        drawing = np.full((105, 105), 255, np.uint8)
        drawing[:, :15] = 0
        place_picture(root, f"{omniglot.FOLDER}/{name}.png", drawing)
    monkeypatch.setattr(omniglot, "OMNIGLOT_COUNT", 3)
    monkeypatch.setattr(omniglot, "OMNIGLOT_DIGEST", "")
    images = omniglot.omniglot_small(root, "")
    assert images.classes == ("Greek/character01", "Greek/character02", "Latin/character01")
    assert images.shape == (1, 28, 28)
    assert (images.images[..., :3].min(), images.images[..., 5:].max()) == (255, 0)
    monkeypatch.setattr(omniglot, "OMNIGLOT_COUNT", 4)
    with pytest.raises(DamagedData, match="3 of 4"):
        omniglot.omniglot_small(root, "")


def test_places_and_lsun_are_unlabelled_pictures(root, random, monkeypatch):
    monkeypatch.setattr(scenes, "PLACES_COUNT", 2)
    monkeypatch.setattr(scenes, "LSUN_COUNT", 1)
    for index in range(2):
        pixels = random.randint(0, 256, (64, 80, 3), dtype=np.uint8)
        place_picture(root, f"places365/val_256/{index}.jpg", pixels)
    place_picture(root, "LSUN_resize/LSUN_resize/0.png", random.randint(0, 256, (32, 32, 3), dtype=np.uint8))
    assert scenes.places365(root, "").images.shape == (2, 3, 32, 32)
    images = scenes.lsun(root, "test", "")
    assert (len(images), images.split, images.labels.tolist()) == (1, "test", [-1])


def test_imagenet32_counts_labels_from_one(root, random, monkeypatch):
    pixels = random.randint(0, 256, (3, 3072), dtype=np.uint8)
    (root / "imagenet32").mkdir()
    np.savez(root / "imagenet32" / "made.npz", data=pixels, labels=np.array([1, 1000, 5]), mean=np.zeros(3072))
    file = place(root, "imagenet32/made.npz", (root / "imagenet32" / "made.npz").read_bytes())
    monkeypatch.setitem(imagenet32.IMAGENET32_FILES, "train", (file,))
    images = imagenet32.imagenet32(root, "train", "")
    assert torch.equal(images.images, torch.from_numpy(pixels.reshape(3, 3, 32, 32)))
    assert images.labels.tolist() == [0, 999, 4]


@pytest.fixture
def tiny_release(root, random, monkeypatch):
    """Tiny ImageNet with three classes: one of CIFAR-10's (goose) and two others."""
    wnids = ("n01855672", "n02000001", "n02000002")
    folder = tiny_imagenet.RELEASE
    for wnid in wnids:
        for index in range(12):  # more than ten, so that the order of names and of numbers differ
            pixels = random.randint(0, 256, (64, 64, 3), dtype=np.uint8)
            place_picture(root, f"{folder}/train/{wnid}/images/{wnid}_{index}.JPEG", pixels)
    lines = []
    for index in range(6):
        pixels = random.randint(0, 256, (64, 64, 3), dtype=np.uint8)
        place_picture(root, f"{folder}/val/images/val_{index}.JPEG", pixels)
        lines.append(f"val_{index}.JPEG\t{wnids[index % 3]}\t0\t0\t62\t62\n")
    (root / folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / folder / "words.txt").write_text("n01855672\tgoose\nn02000001\tfirst thing, thing\nn02000002\tsecond\n")
    for name in ("SHIFT_DIGEST", "PRETRAIN_DIGEST", "VALIDATION_DIGEST"):
        monkeypatch.setattr(tiny_imagenet, name, "")
    monkeypatch.setattr(tiny_imagenet, "check_count", lambda *arguments: None)
    monkeypatch.setattr(tiny_imagenet, "PRETRAIN_CLASSES", wnids[1:])
    monkeypatch.setattr(tiny_imagenet, "PRETRAIN_PER_CLASS", 11)
    monkeypatch.setattr(tiny_imagenet, "CIFAR10_SHIFT", {"2_bird": (11, wnids[:1])})
    return root / folder


def test_tiny_imagenet_in_both_sizes(root, tiny_release):
    train, test = tiny_imagenet.tiny_imagenet(root, "train", ""), tiny_imagenet.tiny_imagenet(root, "test", "")
    assert train.classes == ("goose", "first thing", "second")
    assert train.labels.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    picture = np.array(Image.open(tiny_release / "train" / "n02000001" / "images" / "n02000001_2.JPEG"))
    assert np.array_equal(train.images[14].permute(1, 2, 0).numpy(), picture)
    small = tiny_imagenet.tiny_imagenet_32(root, "train", "")
    means = train.images.float().unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean((-1, -3))
    assert (small.images.float() - means).abs().max() <= 0.5
    assert small.name == "tiny-imagenet-32" and small.checksum != train.checksum


def test_the_selections_of_tiny_imagenet_come_from_their_folders_or_from_the_release(root, tiny_release):
    derived = {
        make: make(root, "") for make in (tiny_imagenet.pretrain, tiny_imagenet.validation, tiny_imagenet.cifar10_shift)
    }
    copies = [
        ("tin_pretrain/{wnid}", "n0200000[12]/images/*_?.JPEG"),
        ("tin_pretrain/{wnid}", "n0200000[12]/images/*_10.JPEG"),
    ]
    copies += [
        ("tin_cifar10_shift/2_bird", "n01855672/images/*_?.JPEG"),
        ("tin_cifar10_shift/2_bird", "n01855672/images/*_10.JPEG"),
    ]
    for target, pattern in copies:
        for path in (tiny_release / "train").glob(pattern):
            copy = root / "tiny-imagenet" / target.format(wnid=path.parts[-3]) / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    for line in (tiny_release / "val" / "val_annotations.txt").read_text().splitlines():
        file, wnid, *_ = line.split("\t")
        copy = root / "tiny-imagenet" / "tin_val" / wnid / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((tiny_release / "val" / "images" / file).read_bytes())
    for folder in ("tin_val", "tin_pretrain"):
        (root / "tiny-imagenet" / folder / "classes.tsv").write_text((tiny_release / "words.txt").read_text())
    for path in tiny_release.rglob("*.JPEG"):
        path.unlink()
    for make, expected in derived.items():
        images = make(root, "")
        assert torch.equal(images.images, expected.images)
        assert (images.classes, images.labels.tolist(), images.checksum) == (
            *(expected.classes, expected.labels.tolist(), expected.checksum),
        )
    assert derived[tiny_imagenet.pretrain].labels.bincount().tolist() == [11, 11]
    assert derived[tiny_imagenet.cifar10_shift].labels.tolist() == [2] * 11


def test_the_validation_split_leaves_out_what_cifar10_has(root, tiny_release, monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "SHARED_WITH_CIFAR10", frozenset(["n01855672"]))
    images = tiny_imagenet.validation(root, "")
    assert images.classes == ("first thing", "second")
    assert len(images) == 4


def test_a_wrong_number_of_pictures_is_noticed(root):
    files = [("a/b_0.JPEG", root / "b_0.JPEG")]
    with pytest.raises(DamagedData, match=r"1 pictures found in .* where 5 belong"):
        tiny_imagenet.check_count("made", files, 5, root, "")
    with pytest.raises(MissingData, match="5 pictures"):
        tiny_imagenet.check_count("made", [], 5, root, "Get it.")


def test_other_pictures_than_the_published_are_noticed(root, tiny_release, monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "PRETRAIN_DIGEST", "0" * 64)
    with pytest.raises(DamagedData, match="not the published ones"):
        tiny_imagenet.pretrain(root, "")
    files = tiny_imagenet.first_of_release(root, tiny_imagenet.PRETRAIN_CLASSES, 11)
    monkeypatch.setattr(tiny_imagenet, "PRETRAIN_DIGEST", contents_digest(files))
    assert len(tiny_imagenet.pretrain(root, "")) == 22


def test_cifar10_1_turns_its_axes(root, random, monkeypatch):
    pixels = random.randint(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    np.save(root / "data.npy", pixels)
    np.save(root / "labels.npy", np.array([3, 4], dtype=np.int32))
    files = tuple(place(root, name, (root / name).read_bytes()) for name in ("data.npy", "labels.npy"))
    monkeypatch.setattr(cifar_variants, "CIFAR10_1_FILES", files)
    images = cifar_variants.cifar10_1(root, "test", "")
    assert images.images[1, 2, 3, 4] == pixels[1, 3, 4, 2]
    assert images.labels.tolist() == [3, 4]


def test_cifar10_n_replaces_the_training_labels_only(root, random, monkeypatch):
    pixels = random.randint(0, 256, (3, 3072), dtype=np.uint8)
    for part in ("TRAIN", "TEST"):
        content = python2_batch(pixels, labels=[1, 2, 3])
        monkeypatch.setattr(cifar, f"CIFAR10_{part}", (place(root, f"cifar-10-batches-py/{part}", content),))
    with pytest.raises(MissingData, match=r"cifar10n\.npz"):
        cifar_variants.cifar10_n("worse", root, "train", "")
    human = np.array([1, 5, 0], dtype=np.uint8)
    np.savez(root / cifar_variants.HUMAN_LABELS, worse_label=human)
    monkeypatch.setitem(cifar_variants.HUMAN_LABEL_DIGESTS, "worse_label", array_digest(human))
    train = cifar_variants.cifar10_n("worse", root, "train", "")
    test = cifar_variants.cifar10_n("worse", root, "test", "")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 5, 0], [1, 2, 3])
    assert train.name == test.name == "cifar10n-worse"


@pytest.mark.parametrize("published", [True, False])
def test_cifar10_h_reads_both_forms(root, random, monkeypatch, published):
    counts = random.randint(0, 60, (10, 10))
    (root / "cifar-10-batches-py").mkdir()
    with pytest.raises(MissingData, match="get cifar10h"):
        cifar_variants.cifar10_h(root)
    if published:
        np.save(root / cifar_variants.HUMAN_COUNTS[1], counts)
    else:
        np.savez(root / cifar_variants.HUMAN_COUNTS[0], counts=counts.astype(np.uint8))
    monkeypatch.setattr(cifar_variants, "HUMAN_COUNTS_DIGEST", array_digest(counts.astype(np.uint8)))
    assert torch.equal(cifar_variants.cifar10_h(root), torch.from_numpy(counts).float())
    monkeypatch.setattr(cifar_variants, "HUMAN_COUNTS_DIGEST", "0" * 64)
    with pytest.raises(DamagedData, match="damaged"):
        cifar_variants.cifar10_h(root)


@pytest.mark.parametrize("content", [b'{"message": "gone"}', b"", b"\x93NUMPY\x01\x00v\x00"])
def test_counts_that_are_no_array_are_set_aside(root, content):
    path = root / cifar_variants.HUMAN_COUNTS[1]
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DamagedData, match=r"no whole \.npy file.*moved to .*\.damaged.*get cifar10h"):
        cifar_variants.cifar10_h(root)
    assert not path.exists()


@pytest.mark.parametrize("which", ["fog.npy", "labels.npy"])
def test_half_a_file_of_cifar10_c_is_set_aside(root, random, monkeypatch, which):
    monkeypatch.setattr(cifar_variants, "PER_SEVERITY", 4)
    folder = root / "CIFAR-10-C"
    folder.mkdir()
    np.save(folder / "fog.npy", random.randint(0, 256, (20, 32, 32, 3), dtype=np.uint8))
    np.save(folder / "labels.npy", np.arange(20) % 10)
    (folder / which).write_bytes((folder / which).read_bytes()[:-60])
    with pytest.raises(DamagedData, match=rf"{which} is no whole \.npy file.*get cifar10-c"):
        cifar_variants.cifar10_c("fog", 1, root)
    assert (folder / f"{which}.damaged").exists()
    np.save(folder / "fog.npy", random.randint(0, 256, (20, 32, 32, 3), dtype=np.uint8))
    np.save(folder / "labels.npy", np.arange(20))
    with pytest.raises(DamagedData, match=r"labels\.npy is not"):
        cifar_variants.cifar10_c("fog", 5, root)


def test_cifar10_c_takes_one_severity(root, random, monkeypatch):
    monkeypatch.setattr(cifar_variants, "PER_SEVERITY", 4)
    pixels = random.randint(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    (root / "CIFAR-10-C").mkdir()
    np.save(root / "CIFAR-10-C" / "fog.npy", pixels)
    np.save(root / "CIFAR-10-C" / "labels.npy", np.arange(20) % 10)
    images = cifar_variants.cifar10_c("fog", 3, root)
    assert torch.equal(images.images, torch.from_numpy(pixels[8:12]).permute(0, 3, 1, 2))
    assert images.labels.tolist() == [8, 9, 0, 1]
    assert images.name == "cifar10-c fog 3"
    with pytest.raises(MissingData, match=r"frost\.npy.*get cifar10-c.*There: fog"):
        cifar_variants.cifar10_c("frost", 1, root)
    with pytest.raises(ValueError, match="1 to 5"):
        cifar_variants.cifar10_c("fog", 6, root)
    np.save(root / "CIFAR-10-C" / "fog.npy", pixels[:10])
    with pytest.raises(DamagedData, match=r"fog\.npy\.damaged"):
        cifar_variants.cifar10_c("fog", 5, root)
