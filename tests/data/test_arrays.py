import numpy as np
import pytest

from lib.data.arrays import array_digest, read_npz
from lib.data.files import DamagedData

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "set.npz", images=PIXELS)
    return tmp_path / "set.npz"


def test_arrays_with_the_known_contents_are_read(path):
    assert np.array_equal(read_npz(path, {"images": array_digest(PIXELS)})["images"], PIXELS)


def test_the_digest_sees_shape_type_and_values():
    changed = PIXELS.copy()
    changed[1, 2, 3] += 1
    variants = (PIXELS, changed, PIXELS.reshape(3, 2, 4), PIXELS.view(np.int8))
    assert len({array_digest(array) for array in variants}) == 4
    assert array_digest(np.asfortranarray(PIXELS)) == array_digest(PIXELS)


@pytest.mark.parametrize("damage", ["other", "truncated", "empty", "nameless"])
def test_a_damaged_file_is_moved_aside(path, damage):
    whole = path.read_bytes()
    if damage == "other":
        np.savez(path, images=PIXELS + 1)
    elif damage == "nameless":
        np.savez(path, pixels=PIXELS)
    else:
        path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"")
    with pytest.raises(DamagedData, match=r"set\.npz\.damaged"):
        read_npz(path, {"images": array_digest(PIXELS)})
    assert not path.exists()


def test_pickled_objects_are_never_loaded(path):
    np.savez(path, images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DamagedData):
        read_npz(path, {"images": "0" * 64})
