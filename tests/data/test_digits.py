import sys

import pytest
import torch

from lib.data import digits as module
from lib.data.files import DamagedData


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    expected = load_digits()
    images = module.digits()
    assert torch.equal(images.images[:, 0], torch.from_numpy(expected.images / 16).float())
    assert images.labels.tolist() == expected.target.tolist()
    assert (images.images.min(), images.images.max()) == (0, 1)


def test_digits_are_read_through_scikit_learn_where_its_file_has_moved(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "scikit_learn_folder", lambda: tmp_path)
    assert len(module.digits()) == 1797
    assert "sklearn" in sys.modules


def test_other_digits_are_refused(monkeypatch):
    table = module.read_table()
    table[3, 7] += 1
    monkeypatch.setattr(module, "read_table", lambda: table)
    with pytest.raises(DamagedData, match="reinstall scikit-learn"):
        module.digits()
