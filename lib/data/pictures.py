"""Sets that are folders of picture files: decoding, and a cache of the decoded pixels in the output root."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lib.data.files import DamagedData, set_aside
from lib.roots import output_root

Decoder = Callable[[Image.Image], np.ndarray]
Named = tuple[str, Path]  # a picture's name inside its set, and where it lies


def decode_all(
    name: str, files: Sequence[Named], decoder: Decoder, recipe: str, digest: str = ""
) -> tuple[Tensor, str]:
    """All pictures of a set, decoded once and then read from the output root.

    Args:
        name: of the set.
        files: pictures with their names inside the set, in order.
        decoder: turns a picture into pixels (H, W) or (H, W, C), uint8, of the same shape for all.
        recipe: what the decoder does, in words; another recipe is decoded anew.
        digest: sha256 over names and contents as `contents_digest` makes it, where it is known.

    Returns:
        Images (N, C, H, W) uint8 and a checksum of file contents and recipe.
    """
    listing = listing_digest(files, recipe)
    cache = output_root() / "decoded" / f"{name}.safetensors"
    cached = read_cache(cache, listing)
    if cached is not None:
        return cached
    found = contents_digest(files)
    if digest and found != digest:
        folder = files[0][1].parent.parent
        raise DamagedData(
            f"{name}: the {len(files)} files below {folder} are not the published ones (sha256 of names and contents "
            f"{found}, expected {digest}). Delete them and get the set again."
        )
    pixels = np.stack([decode(path, decoder) for _, path in files])
    images = torch.from_numpy(pixels.reshape(*pixels.shape[:3], -1)).permute(0, 3, 1, 2).contiguous()
    checksum = hashlib.sha256(f"{recipe} {found}".encode()).hexdigest()
    write_cache(cache, images, {"listing": listing, "checksum": checksum})
    return images, checksum


def decode(path: Path, decoder: Decoder) -> np.ndarray:
    """The pixels of one picture; a file that is no picture is moved aside and named."""
    try:
        with Image.open(path) as picture:
            return decoder(picture)
    except (UnidentifiedImageError, OSError, SyntaxError) as fault:
        raise DamagedData(f"cannot decode a picture ({fault}). {set_aside(path)}") from fault


def centre_square(size: int) -> Decoder:
    """A decoder to RGB: shorter side to `size` (bilinear, antialiased), then the middle size x size pixels."""

    def decoder(picture: Image.Image) -> np.ndarray:
        width, height = picture.size
        scale = size / min(width, height)
        width, height = max(size, int(width * scale)), max(size, int(height * scale))
        pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        top, left = (height - size) // 2, (width - size) // 2
        return pixels[top : top + size, left : left + size]

    return decoder


def rgb(picture: Image.Image) -> np.ndarray:
    """The picture as it is, (H, W, 3)."""
    return np.asarray(picture.convert("RGB"))


def half_rgb(picture: Image.Image) -> np.ndarray:
    """The picture at half its size, (H/2, W/2, 3), each pixel the rounded mean of a 2 x 2 block (a box filter)."""
    wide = rgb(picture).astype(np.uint16)
    return ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2] + 2) // 4).astype(np.uint8)


def contents_digest(files: Sequence[Named]) -> str:
    """The sha256 (hex) over the names and contents of files, whatever folder they lie in."""
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def listing_digest(files: Sequence[Named], recipe: str) -> str:
    """The sha256 (hex) over recipe, names, sizes and times of change: quick to make, and different after any change."""
    digest = hashlib.sha256(recipe.encode())
    for name, path in files:
        status = path.stat()
        digest.update(f"{name} {path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_cache(cache: Path, listing: str) -> tuple[Tensor, str] | None:
    """Decoded images and their checksum, or None where there are none, or not of these files, or damaged ones."""
    try:
        with safe_open(cache, "pt") as stored:
            notes = stored.metadata() or {}
            if notes.get("listing") != listing:
                return None
            images = stored.get_tensor("images")
    except (OSError, SafetensorError, KeyError):
        return None
    return (images, notes["checksum"]) if pixels_digest(images) == notes.get("pixels") else None


def write_cache(cache: Path, images: Tensor, notes: dict[str, str]) -> None:
    """Keep decoded images by an atomic rename; without a writable output root they are decoded again next time."""
    part = cache.with_name(f"{cache.name}.{os.getpid()}.part")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        save_file({"images": images}, part, {**notes, "pixels": pixels_digest(images)})
        part.replace(cache)
    except (OSError, SafetensorError):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def pixels_digest(images: Tensor) -> str:
    """The sha256 (hex) of the bytes of a tensor."""
    return hashlib.sha256(images.numpy().data).hexdigest()
