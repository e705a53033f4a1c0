import pytest

from lib.data import torchvision_import
from lib.data.torchvision_import import torchvision


@pytest.mark.slow
def test_torchvision_is_imported_on_the_torch_that_is_here():
    assert torchvision("datasets").CIFAR10.tgz_md5 == "c58f30108f718f92721af3b95e74349a"
    assert torchvision("ops").StochasticDepth(0.5, "row").p == 0.5
    assert torchvision().__name__ == "torchvision"  # a second time, with the operators declared


def test_without_torchvision_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install torchvision"):
        torchvision_import.torchvision()
