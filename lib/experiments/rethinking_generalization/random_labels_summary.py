"""What `1-random-labels` makes of the recorded curves: times to fit, rows of its tables, frames, judged quantities."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lib.experiments.rethinking_generalization.learners import LEARNERS
from lib.metrics.intervals import kendall_tau
from lib.models.count import parameter_count

Run = Mapping[str, Any]  # what `random_labels.follow` returns
Runs = Sequence[Mapping[str, Run]]  # one mapping per seed: level of corruption or kind of input -> run

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


def slowdown(run: Mapping[str, Run], rule: str = RULE) -> float:
    """T(p = 1) / T(p = 0): how much longer random labels take than true ones."""
    return time_to_fit(run[RANDOM], rule)[0] / time_to_fit(run[TRUE], rule)[0]


def order_over_p(run: Mapping[str, Run], rule: str = RULE) -> float:
    """Kendall's tau between the share of corrupted labels and the time to fit."""
    return kendall_tau([time_to_fit(run[p], rule)[0] for p in sorted(run, key=float)])


def five_conditions(labels: Runs, inputs: Runs) -> list[dict[str, Run]]:
    """The runs of figure 1a under its names, from fast to slow in the paper, per seed."""
    renamed = [{"true labels": run[TRUE], "random labels": run[RANDOM]} for run in labels if RANDOM in run]
    joined = [own | dict(other) for own, other in zip(renamed, inputs, strict=False)]
    return [{name: run[name] for name in FIGURE_1A if name in run} for run in joined]


def fit_rows(labels: Mapping[str, Runs]) -> dict[str, dict[str, list[float]]]:
    """Rows of table 1: training and test accuracy of every learner on true and on random labels, after equal steps."""
    rows = {}
    for learner, runs in labels.items():
        for level, ending in ((TRUE, ""), (RANDOM, ", random labels")):
            kept = [run[level] for run in runs if level in run]
            if kept:
                rows[PAPER_NAMES.get(learner, learner) + ending] = {
                    "train": [run["final train accuracy"] for run in kept],
                    "test": [1 - run["final clean test error"] for run in kept],
                }
    return rows


PAPER_NAMES = {
    "mlp 1x512": "MLP 1x512",
    "mlp 3x512": "MLP 3x512",
    "small inception": "Inception",
    "small alexnet": "AlexNet",
}  # learner -> its name in the paper's tables


def memorisation_rows(
    labels: Mapping[str, Runs], shape: tuple[int, ...], classes: int, n_images: Mapping[str, int]
) -> dict[str, dict[str, list[float]]]:
    """(k acc - 1) / (k - 1) on random labels, with the parameters of each learner and those per training image."""
    rows = {}
    for learner, runs in labels.items():
        accuracies = [run[RANDOM]["final train accuracy"] for run in runs if RANDOM in run]
        parameters = parameter_count(LEARNERS[learner][0](shape, classes))
        if accuracies:
            rows[PAPER_NAMES.get(learner, learner)] = {
                "score": [(classes * accuracy - 1) / (classes - 1) for accuracy in accuracies],
                "parameters": [parameters],
                "parameters per image": [parameters / n_images[learner]],
            }
    return rows


def error_rows(labels: Mapping[str, Runs]) -> dict[str, dict[str, list[float]]]:
    """Error against p on clean labels, on labels corrupted alike, and what the first makes one expect of the second."""
    rows: dict[str, dict[str, list[float]]] = {}
    for learner, runs in labels.items():
        name = PAPER_NAMES.get(learner, learner)
        for p in runs[0]:
            clean = [run[p]["final clean test error"] for run in runs]
            expected = [1 - ((1 - float(p)) * (1 - error) + float(p) / 10) for error in clean]
            columns = {
                name: clean,
                f"{name}, corrupted test labels": [run[p]["final corrupted test error"] for run in runs],
                f"{name}, expected on corrupted": expected,
            }
            for row, values in columns.items():
                rows.setdefault(row, {})[p] = values
    return rows


def time_rows(conditions: Sequence[Mapping[str, Run]]) -> dict[str, dict[str, list[float]]]:
    """Thousand steps until the losses of figure 1a, per condition."""
    return {
        name: {
            f"loss {loss}": [
                time_to_fit(run[name], f"mean loss {loss}")[0] * run[name]["steps per epoch"] / 1000
                for run in conditions
            ]
            for loss in ("1.0", "0.1", "0.01")
        }
        for name in (conditions[0] if conditions else {})
    }


def rule_rows(labels: Mapping[str, Runs], conditions: Sequence[Mapping[str, Run]]) -> dict[str, dict[str, list[float]]]:
    """The factor of C6 and the orders of C7 and C5 under every stopping rule, and the share of runs that met it."""
    complete = {learner: runs for learner, runs in labels.items() if all(RANDOM in run for run in runs)}
    rows: dict[str, dict[str, list[float]]] = {}
    for learner, runs in complete.items():
        name = PAPER_NAMES.get(learner, learner)
        rows[f"T(random) / T(true), {name}"] = {rule: [slowdown(run, rule) for run in runs] for rule in RULES}
        rows[f"tau over p, {name}"] = {rule: [order_over_p(run, rule) for run in runs] for rule in RULES}
        rows[f"runs that met it, {name}"] = {rule: [share_fitted([run], rule) for run in runs] for rule in RULES}
    if conditions:
        rows["tau, order of figure 1a"] = {
            rule: [order_of_figure_1a(run, rule) for run in conditions] for rule in RULES
        }
        rows["runs that met it, figure 1a"] = {rule: [share_met(run, rule) for run in conditions] for rule in RULES}
    return rows


def order_of_figure_1a(run: Mapping[str, Run], rule: str) -> float:
    """Kendall's tau between the paper's order of the five conditions and their times to fit."""
    return kendall_tau([time_to_fit(run[name], rule)[0] for name in run])


def share_fitted(runs: Sequence[Mapping[str, Run]], rule: str) -> float:
    """Share of the runs that met the rule."""
    return sum(share_met(levels, rule) for levels in runs) / len(runs)


def share_met(levels: Mapping[str, Run], rule: str) -> float:
    """The same for one seed: share of its levels of corruption, or conditions, at which the rule was met."""
    return sum(time_to_fit(run, rule)[1] for run in levels.values()) / len(levels)


def control_rows(runs: Runs, redrawn: Sequence[Mapping[str, float]]) -> dict[str, dict[str, list[float]]]:
    """One learner on true, on random and on ever new random labels."""
    rows = {}
    for level, name in ((TRUE, "true labels"), (RANDOM, "random labels, drawn once")):
        kept = [run[level] for run in runs if level in run]
        if kept:
            rows[name] = {
                "loss in the last epoch": [_last_loss(run) for run in kept],
                "train accuracy": [run["final train accuracy"] for run in kept],
                "test accuracy": [1 - run["final clean test error"] for run in kept],
            }
    rows["random labels, redrawn every epoch"] = {
        "loss in the last epoch": [run["loss"] for run in redrawn],
        "train accuracy": [run["train accuracy"] for run in redrawn],
    }
    return rows


def _last_loss(run: Run) -> float:
    return run["losses"][-run["steps per epoch"] :].double().mean().item()


def scaling_rows(scalings: Mapping[str, Runs]) -> dict[str, dict[str, list[float]]]:
    """One MLP with the paper's input and with that of the demonstration code."""
    return {
        name: {
            "epochs, true labels": [time_to_fit(run[TRUE])[0] for run in runs],
            "epochs, random labels": [time_to_fit(run[RANDOM])[0] for run in runs],
            "train accuracy, random labels": [run[RANDOM]["final train accuracy"] for run in runs],
            "test accuracy, true labels": [1 - run[TRUE]["final clean test error"] for run in runs],
        }
        for name, runs in scalings.items()
        if all(RANDOM in run for run in runs)
    }


def relative_times(labels: Mapping[str, Runs]) -> dict[str, dict[str, list[float]]]:
    """Learner -> p -> T(p) / T(0) per seed, as in figure 1b."""
    return {
        PAPER_NAMES.get(learner, learner): {
            p: [time_to_fit(run[p])[0] / time_to_fit(run[TRUE])[0] for run in runs] for p in runs[0]
        }
        for learner, runs in labels.items()
    }


def random_label_values(
    labels: Mapping[str, Runs], inputs: Runs, conditions: Sequence[Mapping[str, Run]], convnet: str
) -> dict[str, list[float]]:
    """The quantities that C1 to C8 are judged by, one value per seed."""
    parts = {"mlp 1x512": labels.get("mlp 1x512"), "convnet": labels.get(convnet)}
    measured = {part: runs for part, runs in parts.items() if runs}
    values: dict[str, list[float]] = {}
    for part, runs in measured.items():
        values |= {f"{name}/{part}": found for name, found in _of_one_learner(runs).items()}
    for kind in inputs[0]:
        values[f"train accuracy on corrupted inputs/{kind}"] = [run[kind]["final train accuracy"] for run in inputs]
    for run in conditions:
        for name, one in run.items():
            values.setdefault(f"time to fit {name}", []).append(time_to_fit(one, ORDER_RULE)[0])
    both = list(zip(*measured.values(), strict=True))  # per seed, the runs of the two learners
    values["lowest train accuracy over p"] = [
        min(run["final train accuracy"] for levels in pair for run in levels.values()) for pair in both
    ]
    if all(RANDOM in levels for pair in both for levels in pair):
        ends = [[{p: levels[p] for p in (TRUE, RANDOM)} for levels in pair] for pair in both]
        values["lowest train accuracy on random labels"] = [
            min(levels[RANDOM]["final train accuracy"] for levels in pair) for pair in both
        ]
        values["share of runs that met the stopping rule"] = [share_fitted(pair, RULE) for pair in ends]
    return values


def _of_one_learner(runs: Runs) -> dict[str, list[float]]:
    """The quantities of one part."""
    values = {}
    for p in runs[0]:
        values[f"time to fit at p={p}"] = [time_to_fit(run[p])[0] for run in runs]
        values[f"test error at p={p}"] = [run[p]["final clean test error"] for run in runs]
    if all(RANDOM in run for run in runs):
        random = [run[RANDOM] for run in runs]
        values["train accuracy on random labels"] = [run["final train accuracy"] for run in random]
        values["test accuracy after random labels"] = [1 - run["final clean test error"] for run in random]
        values["slowdown by random labels"] = [slowdown(run) for run in runs]
        for name, level in (("random", RANDOM), ("true", TRUE)):
            values[f"gap on {name} labels"] = [
                run[level]["final clean test error"] - (1 - run[level]["final train accuracy"]) for run in runs
            ]
    return values
