"""What every test may rely on."""

import signal

import lib  # noqa: F401  (before torch, which some tests import first)


def pytest_configure() -> None:
    """Ctrl-C works, also where the tests run in the background, which starts processes that ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
