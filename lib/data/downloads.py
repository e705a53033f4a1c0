"""Fetching published files: to a `.part` file first, then checksum, then rename or safe unpacking."""

import errno
import gzip
import http.client
import os
import shutil
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from lib.data.files import digest_of

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60


class DownloadFailed(OSError):
    """A file could not be fetched, or what came was not the published file."""


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Attributes:
        url: where it is published.
        path: where it goes, relative to the data root.
        digest: "md5:..." or "sha256:..." as published; "" where nobody published one (then the first bytes are looked
            at, and the reader checks contents).
        into: for an archive the folder to unpack to, relative to the data root; "" keeps the file as it is.
    """

    url: str
    path: str
    digest: str = ""
    into: str = ""


_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
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
    return Download(f"{_MNIST_URL}/{name}.gz", f"MNIST/raw/{name}.gz", f"md5:{md5}", into="MNIST/raw")


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
        DownloadFailed: no connection or one that broke, a web page instead of a file, a wrong checksum, a full disk;
            nothing is left behind.
    """
    for download in DOWNLOADS[name]:
        path = root / download.path
        if not (path.is_file() and (digest_matches(path, download.digest) if download.digest else begins_right(path))):
            fetch(download.url, path, download.digest)
        if download.into:
            unpack(path, root / download.into)
            path.unlink()


def fetch(url: str, path: Path, digest: str) -> None:
    """Fetch one file: written under a name of this process's own that ends in `.part`, verified, then renamed.

    Raises:
        DownloadFailed: see `get`.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, part.open("wb") as stream:
            expected = int(response.headers.get("Content-Length") or 0)
            copy(response, stream, expected, path.name)
        refuse_wrong_file(url, part, expected, digest)
        part.replace(path)
    except DownloadFailed:
        raise
    except http.client.HTTPException as fault:
        raise DownloadFailed(f"{url}: the connection broke ({fault!r}); try again") from fault
    except (urllib.error.URLError, TimeoutError, ConnectionError) as fault:
        reason = getattr(fault, "reason", fault)
        raise DownloadFailed(
            f"{url} cannot be reached ({reason}). Without a network: fetch it elsewhere, place it as {path}, and run "
            "the same command again."
        ) from fault
    except OSError as fault:
        raise DownloadFailed(f"{path} cannot be written: {in_words(fault)}") from fault
    finally:
        part.unlink(missing_ok=True)


def copy(source: BinaryIO, target: BinaryIO, expected: int, name: str) -> None:
    """Copy a stream in pieces, with a progress bar on a terminal."""
    with tqdm(total=expected or None, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        while piece := source.read(CHUNK):
            target.write(piece)
            bar.update(len(piece))


def refuse_wrong_file(url: str, part: Path, expected: int, digest: str) -> None:
    """Raise unless what was fetched is complete, no web page, and has the published checksum."""
    size = part.stat().st_size
    if expected and size != expected:
        raise DownloadFailed(f"{url}: the connection broke after {size:,} of {expected:,} bytes; try again")
    if is_html(part):
        raise DownloadFailed(f"{url} gave a web page instead of the file; open it in a browser to see what it says")
    if not digest and not begins_right(part, Path(url).suffix):
        raise DownloadFailed(
            f"{url} gave {size:,} bytes that are no {Path(url).suffix} file; open it in a browser to see what it says"
        )
    if digest and not digest_matches(part, digest):
        algorithm = digest.partition(":")[0]
        raise DownloadFailed(f"{url}: checksum is {digest_of(part, algorithm)}, the published one is {digest}")


def digest_matches(path: Path, digest: str) -> bool:
    """Whether a file has the given checksum."""
    return digest_of(path, digest.partition(":")[0]) == digest


def is_html(path: Path) -> bool:
    """Whether a file begins like a web page, or like any other page of marks."""
    with path.open("rb") as stream:
        head = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<?xml"))


FIRST_BYTES = {".npy": b"\x93NUMPY", ".npz": b"PK\x03\x04", ".zip": b"PK\x03\x04", ".gz": b"\x1f\x8b"}


def begins_right(path: Path, suffix: str | None = None) -> bool:
    """Whether a file is not empty and has the first bytes of its kind, by its own suffix unless one is given."""
    wanted = FIRST_BYTES.get(path.suffix if suffix is None else suffix, b"")
    with path.open("rb") as stream:
        head = stream.read(max(len(wanted), 1))
    return head != b"" and head.startswith(wanted)


def in_words(fault: OSError) -> str:
    """What to do about a file that the system would not write."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{fault.strerror}. Free some space, or set REPLICATION_DATA to another disk; nothing there has changed"
    return f"{fault.strerror or fault}"


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
