"""Writes CIFAR batches the way Python 2 wrote them: protocol 2, text as bytes, NumPy's old module name."""

import struct

import numpy as np


def python2_batch(pixels: np.ndarray, **columns: list[int]) -> bytes:
    """A pickled dictionary with `data` (N, M) uint8 and lists of small integers."""
    items = [text("data") + array(pixels)]
    items += [text(name) + numbers(values) for name, values in columns.items()]
    return b"\x80\x02}(" + b"".join(items) + b"u."


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return b"T" + struct.pack("<i", len(raw)) + raw  # BINSTRING


def numbers(values: list[int]) -> bytes:
    return b"](" + b"".join(b"M" + struct.pack("<H", value) for value in values) + b"e"


def array(pixels: np.ndarray) -> bytes:
    """What ndarray.__reduce__ gave: _reconstruct(ndarray, (0,), 'b') and its state."""
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    rows, columns = pixels.shape
    shape = b"M" + struct.pack("<H", rows) + b"M" + struct.pack("<H", columns) + b"\x86"
    return start + b"(K\x01" + shape + dtype + b"\x89" + text(pixels.tobytes()) + b"tb"
