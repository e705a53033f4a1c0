"""Runs that are killed in many ways, each in a process of its own; prints as JSON what became of them.

A script, because forking is safe only in a process without threads: `python -m tests.training.killing FOLDER`.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.training.small_run import fingerprint, run

OFTEN = 0.0  # seconds between checkpoints: one after each step
NEVER = 1e9


def kill_self(*_: Any) -> None:
    """End like a crash: no clean-up at all."""
    os.kill(os.getpid(), signal.SIGKILL)


def child(result: Path, prepare: Callable[[], Any], **options: Any) -> int:
    """Fork a process that runs (after `prepare`) and writes its fingerprint to `result`; returns its number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        prepare()
        result.write_text(fingerprint(*run(**options)))
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()  # into the output of the test
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


def ending(number: int) -> int:
    """Exit code of the child; -9 if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def killed_at_random(folder: Path, times: int = 8) -> dict[str, Any]:
    """SIGKILL a random time after some progress, again and again, then let the run come through."""
    chance = random.Random(0)
    result, path = folder / "random", folder / "random.ckpt"
    options: dict[str, Any] = {"checkpoint": path, "checkpoint_seconds": OFTEN}
    endings = []
    for _ in range(times):
        old = modified(path)
        number = child(result, lambda: None, **options)
        while modified(path) == old and os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(number, signal.SIGKILL)  # nothing happens to a child that has ended already
        endings.append(ending(number))
    endings.append(ending(child(result, lambda: None, **options)))
    return {"endings": endings, "fingerprint": result.read_text()}


def modified(path: Path) -> int:
    """When the file was written last, in nanoseconds; 0 if never."""
    return path.stat().st_mtime_ns if path.exists() else 0


def killed_while_writing(folder: Path, function: str) -> dict[str, Any]:
    """Killed in the fifth call of `function` within the writing of a checkpoint, then run again."""

    def sabotage() -> None:
        import lib.files

        module = {"fsync": lib.files.os, "replace": Path}[function]
        original, calls = getattr(module, function), []

        def counted(*arguments: Any) -> Any:
            calls.append(arguments)
            return kill_self() if len(calls) == 5 else original(*arguments)

        setattr(module, function, counted)

    options = {"checkpoint": folder / f"{function}.ckpt", "checkpoint_seconds": OFTEN}
    first = ending(child(folder / function, sabotage, **options))
    before = (folder / function).exists()
    second = ending(child(folder / function, lambda: None, **options))
    return {"endings": [first, second], "early": before, "fingerprint": (folder / function).read_text()}


def interrupted(folder: Path) -> dict[str, Any]:
    """SIGINT in the middle of a step, no other checkpoint than the one it causes, then run again."""

    def interrupt_later(state: Any) -> None:
        if state.step == 23:
            os.kill(os.getpid(), signal.SIGINT)

    options = {"checkpoint": folder / "int.ckpt", "checkpoint_seconds": NEVER}
    first = ending(child(folder / "int", lambda: None, progress=interrupt_later, **options))
    saved = (folder / "int.ckpt").exists()
    second = ending(child(folder / "int", lambda: None, **options))
    return {"endings": [first, second], "saved": saved, "fingerprint": (folder / "int").read_text()}


def main(folder: Path) -> None:
    """All ways, and one undisturbed run to compare with."""
    torch.optim.SGD([torch.zeros(1)], lr=0.1)  # torch loads its compiler now, once, and not in every child
    undisturbed = ending(child(folder / "whole", lambda: None))
    results = {
        "whole": {"endings": [undisturbed], "fingerprint": (folder / "whole").read_text()},
        "random": killed_at_random(folder),
        "fsync": killed_while_writing(folder, "fsync"),
        "replace": killed_while_writing(folder, "replace"),
        "interrupt": interrupted(folder),
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
