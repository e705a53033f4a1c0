import io

import pytest
import torch
from torch import nn

from lib.training.device import prepare
from lib.training.history import History, Run
from lib.training.hooks import every
from lib.training.keep_best import KeepBest
from lib.training.progress import describe, progress_line


def a_run(steps=100):
    model = nn.Linear(2, 2)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    return Run(model, optimiser, History(torch.arange(float(steps))), torch.Generator(), prepare("cpu"), steps)


def test_every_passes_the_answer_on():
    run = a_run()
    hook = every(3, lambda run: run.step)
    answers = []
    for run.step in range(1, 8):
        answers.append(hook(run))
    assert answers == [None, None, 3, None, None, 6, None]
    with pytest.raises(ValueError, match="found 0"):
        every(0, print)


def test_keep_best_keeps_the_first_of_the_best():
    run = a_run()
    scores = iter([1.0, 3.0, 3.0, 2.0])
    best = KeepBest(lambda model: next(scores))
    for run.step in range(1, 5):
        nn.init.constant_(run.model.weight, run.step)
        best(run)
    assert (best.best, best.step) == (3.0, 2)
    assert best.weights["weight"].unique().tolist() == [2]
    other = KeepBest(lambda model: 0.0)
    other.load_state_dict(best.state_dict())
    assert (other.best, other.step) == (3.0, 2) and torch.equal(other.weights["weight"], best.weights["weight"])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_silent_where_nobody_watches():
    stream, run = io.StringIO(), a_run()
    show = progress_line(0.0, stream)
    for run.step in range(1, 5):
        show(run)
    assert stream.getvalue() == ""


def test_progress_writes_at_most_one_line_every_few_seconds(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("lib.training.progress.time.monotonic", lambda: clock[0])
    stream, run = Terminal(), a_run()
    show = progress_line(5.0, stream)
    for run.step in range(1, 31):
        clock[0] = float(run.step)
        show(run)
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        f"step {k} of 100" for k in range(5, 31, 5)
    ]


def test_describe_says_loss_speed_and_remaining_time():
    run = a_run(2000)
    run.step = 1000
    run.history.images, run.history.seconds, run.history.hook_seconds = 128_000, 64.0, 16.0
    # Mean of losses 950 .. 999; 80 s for half of the steps leave 80 s.
    assert describe(run) == "step 1,000 of 2,000, loss 974.500, 2,000 images/s, 1:20 left"
