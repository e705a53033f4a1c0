"""What `1-random-labels` derives from the recorded curves: times to fit, rows of its tables, frames, judged quantities.

`labels` is learner -> share of corrupted labels -> one run per seed, and `conditions` a kind of labels or input -> one
run per seed; a run is what `random_labels.follow` returns.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lib.experiments.rethinking_generalization.subjects import NETS
from lib.metrics.intervals import kendall_tau
from lib.models.count import parameter_count
from lib.replication.claims import Exhibit
from lib.replication.rows import Run, Runs, RunsOf, per_seed, rows
from lib.training.recipe import Shape

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[Any]]]

# stopping rule -> (what is watched, its threshold). Figure 1b agrees with a mean loss of 0.05, see paper.yaml.
RULES: dict[str, tuple[str, float]] = {
    "mean loss 1.0": ("loss", 1.0),
    "mean loss 0.1": ("loss", 0.1),
    "mean loss 0.05": ("loss", 0.05),
    "mean loss 0.01": ("loss", 0.01),
    "99 % of the labels": ("accuracy", 0.99),
    "99.9 % of the labels": ("accuracy", 0.999),
    "all labels": ("accuracy", 1.0),
}
RULE = "mean loss 0.05"  # that C6 and C7 are judged by
ORDER_RULE = "mean loss 0.1"  # that C5 is judged by, as figure 1a was read
TRUE, RANDOM = "0.0", "1.0"  # shares of corrupted labels
FIGURE_1A = ("true labels", "shuffled pixels", "gaussian", "random pixels", "random labels")  # from fast to slow
TRAIN, CLEAN = "final train accuracy", "final clean test error"
PAPER_NAMES = {
    "mlp 1x512": "MLP 1x512",
    "mlp 3x512": "MLP 3x512",
    "small inception": "Inception",
    "small alexnet": "AlexNet",
}  # learner -> its name in the paper's tables


def time_to_fit(run: Run, rule: str = RULE) -> tuple[float, bool]:
    """Epochs until a stopping rule is met, and whether it was; the whole run where it was not.

    The mean loss is that over the epoch before each step, so that its time is known to a step. Accuracy is that in
    eval mode on all training images, known at the points of the curve.
    """
    watched, threshold = RULES[rule]
    per_epoch, losses = run["steps per epoch"], run["losses"].double()
    if watched == "loss":
        means = losses.unfold(0, per_epoch, 1).mean(dim=1)  # (steps - per_epoch + 1,)
        there, steps = means <= threshold, torch.arange(per_epoch, len(losses) + 1)
    else:
        there = torch.tensor(run["train accuracy"], dtype=torch.float64) >= threshold - 1e-9
        steps = torch.tensor(run["step"])
    if not there.any():
        return len(losses) / per_epoch, False
    return int(steps[there][0]) / per_epoch, True


def times(runs: Runs, rule: str = RULE) -> list[float]:
    """Epochs until the rule is met, for each seed."""
    return [time_to_fit(run, rule)[0] for run in runs]


def relative_time(runs: Runs, to: Runs, rule: str = RULE) -> list[float]:
    """How much longer runs take than those they are compared with, seed by seed."""
    return [time / base for time, base in zip(times(runs, rule), times(to, rule), strict=True)]


def order(runs_of: RunsOf, rule: str = RULE) -> list[float]:
    """Kendall's tau, for each seed, between the order in which the names of `runs_of` stand and the times to fit."""
    of_each = [times(runs, rule) for runs in runs_of.values()]
    return [kendall_tau(list(of_a_seed)) for of_a_seed in zip(*of_each, strict=True)]


def share_met(runs_of: RunsOf, rule: str = RULE) -> list[float]:
    """Share of the names of `runs_of` whose runs met the rule, for each seed."""
    met = [[time_to_fit(run, rule)[1] for run in runs] for runs in runs_of.values()]
    return [sum(of_a_seed) / len(of_a_seed) for of_a_seed in zip(*met, strict=True)]


def by_level(levels: RunsOf) -> RunsOf:
    """The same in the order of the share of corrupted labels."""
    return {p: levels[p] for p in sorted(levels, key=float)}


def five_conditions(levels: RunsOf, inputs: RunsOf) -> RunsOf:
    """The runs of figure 1a under its names, from fast to slow in the paper; nothing without random labels."""
    if RANDOM not in levels:
        return {}
    joined = {"true labels": levels[TRUE], "random labels": levels[RANDOM], **inputs}
    return {name: joined[name] for name in FIGURE_1A if name in joined}


def with_random(labels: Mapping[str, RunsOf]) -> dict[str, RunsOf]:
    """The learners that were also trained on random labels."""
    return {learner: levels for learner, levels in labels.items() if RANDOM in levels}


def fit_rows(labels: Mapping[str, RunsOf]) -> Rows:
    """Rows of table 1: training and test accuracy of every learner on true and on random labels, after equal steps."""
    ends = {
        named(learner) + ending: levels[level]
        for learner, levels in labels.items()
        for level, ending in ((TRUE, ""), (RANDOM, ", random labels"))
        if level in levels
    }
    return {row: {"train": per_seed(runs, TRAIN), "test": test_accuracy(runs)} for row, runs in ends.items()}


def test_accuracy(runs: Runs) -> list[float]:
    """On true labels, at the end."""
    return [1 - error for error in per_seed(runs, CLEAN)]


def named(learner: str) -> str:
    """As the paper's tables call a learner."""
    return PAPER_NAMES.get(learner, learner)


def memorisation_rows(labels: Mapping[str, RunsOf], shape: Shape, classes: int, n_images: Mapping[str, int]) -> Rows:
    """(k acc - 1) / (k - 1) on random labels, with the parameters of each learner and those per training image."""
    found: Rows = {}
    for learner, levels in with_random(labels).items():
        parameters = parameter_count(NETS[learner].build(shape, classes))
        found[named(learner)] = {
            "score": [(classes * accuracy - 1) / (classes - 1) for accuracy in per_seed(levels[RANDOM], TRAIN)],
            "parameters": [parameters],
            "parameters per image": [parameters / n_images[learner]],
        }
    return found


def error_rows(labels: Mapping[str, RunsOf]) -> Rows:
    """Error against p on clean labels, on labels corrupted alike, and what the first makes one expect of the second."""
    found: Rows = {}
    for learner, levels in labels.items():
        clean = {p: per_seed(runs, CLEAN) for p, runs in levels.items()}
        corrupted = {p: per_seed(runs, "final corrupted test error") for p, runs in levels.items()}
        found[named(learner)] = clean
        found[f"{named(learner)}, corrupted test labels"] = corrupted
        found[f"{named(learner)}, expected on corrupted"] = {
            p: [1 - ((1 - float(p)) * (1 - error) + float(p) / 10) for error in errors] for p, errors in clean.items()
        }
    return found


def time_rows(conditions: RunsOf) -> Rows:
    """Thousand steps until the losses of figure 1a, per condition."""
    return {
        name: {
            f"loss {loss}": [
                time * run["steps per epoch"] / 1000
                for time, run in zip(times(runs, f"mean loss {loss}"), runs, strict=True)
            ]
            for loss in ("1.0", "0.1", "0.01")
        }
        for name, runs in conditions.items()
    }


def rule_rows(labels: Mapping[str, RunsOf], conditions: RunsOf) -> Rows:
    """The factor of C6 and the orders of C7 and C5 under every stopping rule, and the share of runs that met it."""
    found: Rows = {}
    for learner, levels in with_random(labels).items():
        name = named(learner)
        found[f"T(random) / T(true), {name}"] = {
            rule: relative_time(levels[RANDOM], levels[TRUE], rule) for rule in RULES
        }
        found[f"tau over p, {name}"] = {rule: order(by_level(levels), rule) for rule in RULES}
        found[f"runs that met it, {name}"] = {rule: share_met(levels, rule) for rule in RULES}
    if conditions:
        found["tau, order of figure 1a"] = {rule: order(conditions, rule) for rule in RULES}
        found["runs that met it, figure 1a"] = {rule: share_met(conditions, rule) for rule in RULES}
    return found


def control_rows(levels: RunsOf, redrawn: Runs) -> Rows:
    """One learner on true, on random and on ever new random labels."""
    names = {TRUE: "true labels", RANDOM: "random labels, drawn once"}
    found: Rows = {
        name: {
            "loss in the last epoch": [_last_loss(run) for run in levels[level]],
            "train accuracy": per_seed(levels[level], TRAIN),
            "test accuracy": test_accuracy(levels[level]),
        }
        for level, name in names.items()
        if level in levels
    }
    columns = {"loss in the last epoch": "loss", "train accuracy": "train accuracy"}
    return found | rows({"random labels, redrawn every epoch": redrawn}, columns)


def _last_loss(run: Run) -> float:
    last: Tensor = run["losses"][-run["steps per epoch"] :]
    return last.double().mean().item()


def scaling_rows(scalings: Mapping[str, RunsOf]) -> Rows:
    """One MLP with the paper's input and with that of the demonstration code."""
    return {
        name: {
            "epochs, true labels": times(levels[TRUE]),
            "epochs, random labels": times(levels[RANDOM]),
            "train accuracy, random labels": per_seed(levels[RANDOM], TRAIN),
            "test accuracy, true labels": test_accuracy(levels[TRUE]),
        }
        for name, levels in with_random(scalings).items()
    }


def relative_times(labels: Mapping[str, RunsOf]) -> Rows:
    """Learner -> p -> T(p) / T(0) per seed, as in figure 1b."""
    return {
        named(learner): {p: relative_time(runs, levels[TRUE]) for p, runs in levels.items()}
        for learner, levels in labels.items()
    }


def loss_frame(conditions: RunsOf, paper: Exhibit, points: int = 60) -> "pd.DataFrame":
    """A tidy frame of figure 1a: mean training loss per epoch, ours and the paper's."""
    import pandas as pd

    lines: list[tuple[Any, ...]] = []
    for seed, name, run in seed_by_seed(conditions):
        means = epoch_losses(run)
        kept = range(0, len(means), max(1, len(means) // points))
        lines += [("this run", name, seed, epoch + 1, round(means[epoch].item(), 4)) for epoch in kept]
    lines += [
        ("paper", name, 0, float(epoch), loss)
        for name, losses in paper.values.items()
        for epoch, loss in losses.items()
    ]
    return pd.DataFrame(lines, columns=["source", "condition", "seed", "epoch", "loss"])


def seed_by_seed(runs_of: RunsOf) -> Iterable[tuple[int, str, Run]]:
    """Every run with its seed and its name, all those of the first seed first."""
    seeds = len(next(iter(runs_of.values()), ()))
    return ((seed, name, runs[seed]) for seed in range(seeds) for name, runs in runs_of.items())


def epoch_losses(run: Run) -> Tensor:
    """The mean training loss of each epoch: (epochs,), float64."""
    losses: Tensor = run["losses"]
    return losses.double().reshape(-1, run["steps per epoch"]).mean(dim=1)


def against_p_frame(measured: Rows, paper: Exhibit, quantity: str) -> "pd.DataFrame":
    """A tidy frame of something against p: name -> p -> values per seed, and the paper's curves of that exhibit."""
    import pandas as pd

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


def curve_frame(labels: Mapping[str, RunsOf]) -> "pd.DataFrame":
    """A tidy frame of every curve: learner, p, seed, epoch, loss, training error and both test errors."""
    import pandas as pd

    names = ("learner", "p", "seed", "epoch", "loss", "train error", "clean test error", "corrupted test error")
    lines = []
    for learner, levels in labels.items():
        for seed, p, run in seed_by_seed(levels):
            means = epoch_losses(run)
            for i, step in enumerate(run["step"]):
                epoch = step // run["steps per epoch"]
                errors = (1 - run["train accuracy"][i], *(run[name][i] for name in names[-2:]))
                numbers = (round(value, 4) for value in (means[epoch - 1].item(), *errors))
                lines.append((learner, float(p), seed, epoch, *numbers))
    return pd.DataFrame(lines, columns=list(names))


def derived(labels: Mapping[str, RunsOf], conditions: RunsOf, convnet: str) -> dict[str, list[float]]:
    """What the rules ask beside what an arm returned, one value per seed; see `by_part`."""
    parts = by_part(labels, convnet)
    values: dict[str, list[float]] = {}
    for part, levels in parts.items():
        values |= {f"{name}/{part}": found for name, found in _of_one_learner(levels).items()}
    for name, runs in conditions.items():
        values[f"time to fit {name}"] = times(runs, ORDER_RULE)
    values["lowest train accuracy over p"] = lowest_of(parts, TRAIN)
    ends = {part: {p: levels[p] for p in (TRUE, RANDOM)} for part, levels in with_random(parts).items()}
    if len(ends) == len(parts):
        values["lowest train accuracy on random labels"] = lowest_of(
            {part: {RANDOM: levels[RANDOM]} for part, levels in ends.items()}, TRAIN
        )
        met = [share_met(levels) for levels in ends.values()]
        values["share of runs that met the stopping rule"] = [sum(seed) / len(seed) for seed in zip(*met, strict=True)]
    return values


def by_part(labels: Mapping[str, RunsOf], convnet: str) -> dict[str, RunsOf]:
    """The two learners that are judged, under the names of the rules' parts."""
    return {part: labels[name] for part, name in (("mlp 1x512", "mlp 1x512"), ("convnet", convnet)) if name in labels}


def measured(labels: Mapping[str, RunsOf], inputs: RunsOf, convnet: str) -> RunsOf:
    """The runs that `paper.yaml` addresses: `convnet, p=0.2`, and the kinds of input by their names."""
    return {
        f"{part}, p={p}": runs for part, levels in by_part(labels, convnet).items() for p, runs in levels.items()
    } | {**inputs}


def lowest_of(labels: Mapping[str, RunsOf], path: str) -> list[float]:
    """The smallest value under a path of all runs of a seed."""
    found = [per_seed(runs, path) for levels in labels.values() for runs in levels.values()]
    return [min(seed) for seed in zip(*found, strict=True)]


def _of_one_learner(levels: RunsOf) -> dict[str, list[float]]:
    """The quantities of one part."""
    values = {f"time to fit at p={p}": times(runs) for p, runs in levels.items()}
    if RANDOM in levels:
        values["test accuracy after random labels"] = test_accuracy(levels[RANDOM])
        values["slowdown by random labels"] = relative_time(levels[RANDOM], levels[TRUE])
        for name, level in (("random", RANDOM), ("true", TRUE)):
            values[f"gap on {name} labels"] = [run[CLEAN] - (1 - run[TRAIN]) for run in levels[level]]
    return values
