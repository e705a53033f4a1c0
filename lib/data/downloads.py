"""Where the published files lie, their checksums, and how each is put into its place, archives unpacked safely."""

import gzip
import shutil
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lib.data.fetching import DownloadFailed, begins_right, digest_matches, fetch, in_words
from lib.files import locked


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Attributes:
        url: where it is published.
        path: where it goes, relative to the data root.
        digest: "md5:..." or "sha256:..." as published; "" where nobody published one (then the first bytes are looked
            at, and the reader checks contents).
        into: for an archive the folder to unpack to, relative to the data root; "" keeps the file as it is.
        mirrors: other addresses of the same file, asked in turn where the first does not give it.
    """

    url: str
    path: str
    digest: str = ""
    into: str = ""
    mirrors: tuple[str, ...] = ()


_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
_MNIST_MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist"
_SVHN_URL = "http://ufldl.stanford.edu/housenumbers"
_CIFAR_URL = "https://www.cs.toronto.edu/~kriz"
_CIFAR10_1_URL = "https://github.com/modestyachts/CIFAR-10.1/raw/master/datasets"

_SVHN_TRAIN = Download(f"{_SVHN_URL}/train_32x32.mat", "svhn/train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373")
_SVHN_TEST = Download(f"{_SVHN_URL}/test_32x32.mat", "svhn/test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3")
_TEXTURES = Download(
    "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
    "dtd/dtd-r1.0.1.tar.gz",
    "md5:fff73e5086ae6bdbea199a49dfb8a4c1",
    into="dtd",
)
_TINY_IMAGENET = Download(
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    "tiny-imagenet-200.zip",
    "md5:90528d7ca1a48142e341f4ef8d21d0de",
    into=".",
)


def _mnist(name: str, md5: str) -> Download:
    place, mirrors = f"MNIST/raw/{name}.gz", (f"{_MNIST_MIRROR}/{name}.gz",)
    return Download(f"{_MNIST_URL}/{name}.gz", place, f"md5:{md5}", into="MNIST/raw", mirrors=mirrors)


DOWNLOADS: dict[str, tuple[Download, ...]] = {
    "cifar10": (
        Download(
            f"{_CIFAR_URL}/cifar-10-python.tar.gz",
            "cifar-10-python.tar.gz",
            "md5:c58f30108f718f92721af3b95e74349a",
            into=".",
        ),
    ),
    "cifar100": (
        Download(
            f"{_CIFAR_URL}/cifar-100-python.tar.gz",
            "cifar-100-python.tar.gz",
            "md5:eb9058c3a382ffc7106e4002c42a8d85",
            into=".",
        ),
    ),
    "mnist": (
        _mnist("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        _mnist("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432"),
        _mnist("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3"),
        _mnist("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    "svhn": (_SVHN_TRAIN, _SVHN_TEST),
    "svhn-sample": (_SVHN_TRAIN,),
    "stl10": (
        Download(
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            "stl10_binary.tar.gz",
            "md5:91f7769df0f17e558f3565bffb0c7dfb",
            into=".",
        ),
    ),
    "textures": (_TEXTURES,),
    "textures-sample": (_TEXTURES,),
    "tiny-imagenet": (_TINY_IMAGENET,),
    "tiny-imagenet-32": (_TINY_IMAGENET,),
    "tiny-imagenet-pretrain": (_TINY_IMAGENET,),
    "tiny-imagenet-val": (_TINY_IMAGENET,),
    "tiny-imagenet-cifar10-shift": (_TINY_IMAGENET,),
    "omniglot-small": (
        Download(
            "https://github.com/brendenlake/omniglot/raw/master/python/images_background_small1.zip",
            "omniglot-py/images_background_small1.zip",
            "sha256:f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
            into="omniglot-py",
        ),
    ),
    "places365": (
        Download(
            "http://data.csail.mit.edu/places/places365/val_256.tar",
            "places365/val_256.tar",
            "md5:e27b17d8d44f4af9a78502beb927f808",
            into="places365",
        ),
    ),
    "lsun": (
        Download(
            "https://www.dropbox.com/s/moqh2wh8696c3yl/LSUN_resize.tar.gz?dl=1",
            "LSUN_resize.tar.gz",
            "md5:278b7b31c8cb7e804a1465a8ce03a2dc",
            into="LSUN_resize",
        ),
    ),
    "cifar10.1": (
        Download(
            f"{_CIFAR10_1_URL}/cifar10.1_v6_data.npy",
            "CIFAR-10.1/cifar10.1_v6_data.npy",
            "sha256:2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6",
        ),
        Download(
            f"{_CIFAR10_1_URL}/cifar10.1_v6_labels.npy",
            "CIFAR-10.1/cifar10.1_v6_labels.npy",
            "sha256:ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448",
        ),
    ),
    "cifar10-c": (
        Download(
            "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar?download=1",
            "CIFAR-10-C.tar",
            "sha256:c72763e101c723b7c507b96205f7e938912a5d587376173b825850cf3cb876a7",
            into=".",
        ),
    ),
    "cifar10h": (
        Download(
            "https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data/cifar10h-counts.npy",
            "cifar-10-batches-py/cifar10h-counts.npy",
        ),
    ),
}


def get(name: str, root: Path) -> None:
    """Fetch a set into the data root; archives are removed once they are unpacked.

    Raises:
        DownloadFailed: no connection or one that keeps breaking, a web page instead of a file, a wrong checksum, a full
            disk; of a connection that broke the next call makes use, nothing else is left behind.
    """
    with locked(root / ".fetching"):  # one process at a time: two would write into one `.part` file
        for download in DOWNLOADS[name]:
            path = root / download.path
            if not (path.is_file() and is_right(path, download.digest)):
                fetch([download.url, *download.mirrors], path, download.digest)
            if download.into:
                unpack(path, root / download.into)
                path.unlink()


def is_right(path: Path, digest: str) -> bool:
    """Whether a file has its checksum, or at least the first bytes of its kind."""
    return digest_matches(path, digest) if digest else begins_right(path)


def unpack(archive: Path, target: Path) -> None:
    """Unpack a .tar, .tar.gz, .zip or .gz file; nothing can be written outside of `target`.

    Everything is unpacked to a temporary folder beside the target and then moved file by file, so that an archive that
    breaks off or is refused leaves nothing behind.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target) as folder:
        try:
            extract(archive, Path(folder))
        except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError) as fault:
            raise DownloadFailed(f"{archive.name} cannot be unpacked safely: {fault}") from fault
        except OSError as fault:
            raise DownloadFailed(f"{archive.name} cannot be unpacked to {target}: {in_words(fault)}") from fault
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                final = target / path.relative_to(folder)
                final.parent.mkdir(parents=True, exist_ok=True)
                path.replace(final)


def extract(archive: Path, folder: Path) -> None:
    """Extract an archive into an empty folder; members that point outside, and links, are refused."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as members:
            for name in members.namelist():
                if not within(folder, name):
                    raise zipfile.BadZipFile(f'member "{name}" points outside of the folder')
            members.extractall(folder)
    elif ".tar" in archive.suffixes:
        with tarfile.open(archive) as members:  # file by file: the filters of extractall began with Python 3.11.4
            for member in members:
                extract_member(members, member, folder)
    else:
        with gzip.open(archive) as source, (folder / archive.stem).open("wb") as stream:
            shutil.copyfileobj(source, stream)


def extract_member(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one regular file of a .tar into the folder; its folders are made as files need them."""
    if member.isdir():
        return
    if not member.isfile() or not within(folder, member.name):
        raise tarfile.ExtractError(f'member "{member.name}" is no regular file, or points outside of the folder')
    place, source = folder / member.name, members.extractfile(member)
    place.parent.mkdir(parents=True, exist_ok=True)
    assert source is not None  # a regular file has content
    with source, place.open("wb") as stream:
        shutil.copyfileobj(source, stream)


def within(folder: Path, name: str) -> bool:
    """Whether a member of that name would be written into the folder."""
    return (folder / name).resolve().is_relative_to(folder.resolve())
