import pytest
import torch

from lib.data import files
from tests.data.web import Server


@pytest.fixture(autouse=True)
def own_roots(tmp_path, monkeypatch):
    """Every test has its own empty data root and output root, and nothing counts as verified."""
    monkeypatch.setenv("REPLICATION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setattr(files, "_verified", {})
    (tmp_path / "data").mkdir()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def server():
    serving = Server()
    yield serving
    serving.close()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
