"""What every test may rely on."""

# isort: off
import lib  # noqa: F401  (before torch, whose instruction set it holds)
# isort: on

import signal
from collections.abc import Iterator

import pytest
import torch

from tests.pretended_device import pretended_gpu


def pytest_configure() -> None:
    """Ctrl-C works, also where the tests run in the background, which starts processes that ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--device cuda`: where the tests named `on_device` compute; without it on a pretended GPU."""
    parser.addoption("--device", default=None, help="cpu, cuda or cuda:1; a pretended GPU where it is not given")


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The device that `--device` names, or a GPU that is pretended, which finds what a real one would refuse."""
    if asked := request.config.getoption("--device"):
        yield torch.device(asked)
        return
    with pretended_gpu():
        yield torch.device("cuda", 0)
