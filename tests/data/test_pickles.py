import pickle

import numpy as np
import pytest

from lib.data.pickles import read_batch
from tests.data.python2 import python2_batch


def test_a_python_2_batch_is_read(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    raw = python2_batch(pixels, labels=[1, 2, 300])
    (tmp_path / "batch").write_bytes(raw)
    batch = read_batch(tmp_path / "batch")
    assert list(batch) == ["data", "labels"]
    assert batch["labels"] == [1, 2, 300]
    assert np.array_equal(batch["data"], pixels)
    assert np.array_equal(pickle.loads(raw, encoding="bytes")[b"data"], pixels)


class Evil:
    def __reduce__(self):
        return (print, ("run by a pickle",))


@pytest.mark.parametrize("content", [Evil(), {"data": Evil()}, [np.random.RandomState(0)], {"f": print}])
def test_anything_else_is_refused_before_it_runs(tmp_path, capsys, content):
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="holds arrays only"):
        read_batch(tmp_path / "batch")
    assert capsys.readouterr().out == ""
