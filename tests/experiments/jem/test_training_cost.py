"""What a JEM step is said to cost: passes by count, seconds by a clock that the test turns."""

import pytest
import torch

from lib.experiments.jem import training_cost
from lib.experiments.jem import training_summary as summary

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


def run(accuracy, gained=0.0, fitted=0.0):
    early = {"accuracy": accuracy - 0.01}
    return {"accuracy": accuracy, "accuracy with noise": 0.0, "gain of the last quarter": gained, "early": early,
            "constants fitted": fitted}  # fmt: skip


def test_what_is_judged_is_taken_from_the_arm_that_its_name_says():
    arms = {
        "joint": [run(0.9, 0.02)], "conditional": [run(0.4, 0.03, fitted=0.8)], "conditional by place": [run(0.1)],
        "same steps": [run(0.85, 0.01)], "same passes": [run(0.86)], "same data noise": [run(0.87)],
    }  # fmt: skip
    recognised = {"JEM, fresh chains": 0.7, "uniform noise": 0.1, "classifier alone, fresh chains": 0.3}
    quality = [{"quality": {name: {"judge agrees": share} for name, share in recognised.items()}}]
    cost = [{"K = 5": {"seconds over a classifier's": 5.2, "passes over a classifier's": 16 / 3}}]
    trial = [{"divergences": [], "restarts that tell": 0, "restarts that got past": 0}]
    trials = {summary.KIT_ON: trial, summary.KIT_OFF: trial}
    values = summary.training_values({"mnist": arms}, quality, trials, cost, 5)
    assert values["accuracy of JEM"] == values["accuracy of JEM/mnist"] == [0.9]
    assert values["accuracy of p(x|y) alone"] == [0.4], "with chains of the labels, not of their places"
    assert values["accuracy of p(x|y) alone with its constants fitted"] == [0.8]
    assert values["gain of JEM in its last quarter/mnist"] == values["gain of JEM in its last quarter"] == [0.02]
    assert values["gain of p(x|y) alone in its last quarter"] == [0.03]
    assert values["gain of the twin in its last quarter/mnist"] == [0.01]
    assert values["accuracy of the twin/mnist"] == [0.85]
    assert values["accuracy of the twin with the same passes/mnist"] == [0.86]
    assert values["accuracy of the twin with the data noise/mnist"] == [0.87]
    assert values["accuracy of the twin stopped early/mnist"] == pytest.approx([0.84])
    assert values["accuracy of the twin with the same passes, stopped early/mnist"] == pytest.approx([0.85])
    assert values["lowest accuracy of a twin"] == [0.85]
    assert values["share recognised of fresh chains"] == [0.7]
    assert values["share recognised of uniform noise"] == [0.1]
    assert values["share recognised of chains of the twin"] == [0.3]
    assert values["seconds of a JEM step over a classifier's"] == [5.2]
    assert values["passes of a JEM step over a classifier's"] == [16 / 3]
