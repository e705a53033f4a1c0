"""What a JEM step is said to cost: passes by count, seconds by a clock that the test turns."""

import pytest
import torch

from lib.experiments.jem import training_cost

TASK = {
    "pooling": 1, "sizes": [100, 50, 50, 100],
    "protocol": {"net": "mlp 2x256", "steps": 4, "batch_size": 16, "buffer_size": 40},
}  # fmt: skip


def test_passes_of_a_step_over_a_classifiers(monkeypatch):
    """A classifier's step is 3 passes, JEM's 2 K + 6 in one batch and 2 K + 9 in the released code's three."""
    monkeypatch.setattr(training_cost, "ROUNDS", 1)
    found = training_cost.step_cost(0, "digits", TASK, chain_lengths=[1, 5], device="cpu")
    assert found["K = 1"]["passes over a classifier's"] == pytest.approx(8 / 3)
    assert found["K = 5"]["passes over a classifier's"] == pytest.approx(16 / 3)
    assert found["K = 5"]["passes, separate batches"] == pytest.approx(19 / 3)
    assert found["K = 5"]["seconds over a classifier's"] > 1


def test_seconds_are_taken_in_turn_and_the_first_round_does_not_count(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(training_cost.time, "process_time", lambda: clock[0])
    spent = {"a": iter([99.0, *[1.0] * 7]), "b": iter([99.0, *[3.0] * 7])}

    def side(name):
        def call():
            clock[0] += next(spent[name])

        return call

    seconds = training_cost.in_turn({name: side(name) for name in spent}, "cpu")
    assert seconds == {"a": [1.0] * 7, "b": [3.0] * 7}
    assert training_cost.ratio(seconds["b"], seconds["a"]) == 3.0


def test_a_graph_keeps_what_the_backward_pass_reads():
    x = torch.ones(1000, requires_grad=True)
    assert training_cost.kept_for_backward(lambda: (x * 2).exp()) == 4000  # exp keeps its result
