"""The tidy frames that the figures of `1-random-labels` draw; what they show is kept with the recorded results."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lib.experiments.rethinking_generalization.random_labels_summary import Run, Runs
from lib.replication.claims import Exhibit


def loss_frame(conditions: Sequence[Mapping[str, Run]], paper: Exhibit, points: int = 60) -> pd.DataFrame:
    """A tidy frame of figure 1a: mean training loss per epoch, ours and the paper's."""
    lines: list[tuple[Any, ...]] = []
    for seed, runs in enumerate(conditions):
        for name, run in runs.items():
            means = run["losses"].double().reshape(-1, run["steps per epoch"]).mean(dim=1)
            kept = range(0, len(means), max(1, len(means) // points))
            lines += [("this run", name, seed, epoch + 1, round(means[epoch].item(), 4)) for epoch in kept]
    lines += [
        ("paper", name, 0, float(epoch), loss)
        for name, losses in paper.values.items()
        for epoch, loss in losses.items()
    ]
    return pd.DataFrame(lines, columns=["source", "condition", "seed", "epoch", "loss"])


def against_p_frame(
    measured: Mapping[str, Mapping[str, Sequence[float]]], paper: Exhibit, quantity: str
) -> pd.DataFrame:
    """A tidy frame of something against p: name -> p -> values per seed, and the paper's curves of that exhibit."""
    lines: list[tuple[Any, ...]] = [
        ("this run", name, seed, float(p), value)
        for name, levels in measured.items()
        for p, values in levels.items()
        for seed, value in enumerate(values)
    ]
    lines += [
        ("paper", name, 0, float(p), value) for name, levels in paper.values.items() for p, value in levels.items()
    ]
    return pd.DataFrame(lines, columns=["source", "name", "seed", "p", quantity])


def curve_frame(labels: Mapping[str, Runs]) -> pd.DataFrame:
    """A tidy frame of every curve: learner, p, seed, epoch, loss, training error and both test errors."""
    names = ("learner", "p", "seed", "epoch", "loss", "train error", "clean test error", "corrupted test error")
    lines = []
    for learner, runs in labels.items():
        for seed, levels in enumerate(runs):
            for p, run in levels.items():
                means = run["losses"].double().reshape(-1, run["steps per epoch"]).mean(dim=1)
                for i, step in enumerate(run["step"]):
                    epoch = step // run["steps per epoch"]
                    errors = (1 - run["train accuracy"][i], *(run[name][i] for name in names[-2:]))
                    numbers = (round(value, 4) for value in (means[epoch - 1].item(), *errors))
                    lines.append((learner, float(p), seed, epoch, *numbers))
    return pd.DataFrame(lines, columns=list(names))
