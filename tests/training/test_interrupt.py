import signal
import threading

import pytest

from lib.training.interrupt import between_steps


def test_the_first_interrupt_is_held_back_and_the_second_is_not():
    before = signal.getsignal(signal.SIGINT)
    with between_steps() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_inactive_holds_nothing_back():
    with between_steps(active=False) as interrupted, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not interrupted()


def test_other_threads_are_left_alone():
    answers = []

    def work():
        with between_steps() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
