import pytest
import torch
from torch import Tensor, nn

from tests.attacks import nets


@pytest.fixture(autouse=True)
def one_thread():
    """Small nets are fastest on one thread, and their rounding is then the same everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def plain_net() -> nn.Module:
    return nets.train(epochs=5)


@pytest.fixture(scope="session")
def robust_net() -> nn.Module:
    return nets.train(eps=0.15, epochs=8)


@pytest.fixture
def digits() -> tuple[Tensor, Tensor]:
    return nets.digits()
