"""Ctrl-C between two steps instead of in the middle of one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def between_steps(active: bool = True) -> Iterator[Callable[[], bool]]:
    """Hold back KeyboardInterrupt; the function it gives says whether one has come. A second Ctrl-C acts at once.

    Outside the main thread, where Python delivers no signals, and with `active=False` nothing is held back.
    """
    if not active or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []
    previous = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, previous)
