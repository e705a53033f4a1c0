"""What `2-regularisers` derives from its runs: choices made on held-out images, gates, names of the paper's rows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.experiments.rethinking_generalization.random_labels_rows import PAPER_NAMES
from lib.replication.claims import Exhibit
from lib.replication.rows import Runs, RunsOf, differences, frame, per_seed

if TYPE_CHECKING:
    import pandas as pd

TEST, TRAIN = "final/test accuracy", "final/train accuracy"
FITTED = 0.98  # share of the training images, as the gates ask
RANDOM = ", random labels"  # ending of a run's name
TABLE_1 = {  # arm -> ending of its row in table 1, as the paper's rows are called
    "nothing": "",
    "crop": ", crop",
    "weight decay": ", decay",
    "crop and weight decay": ", crop, decay",
    "no batch norm": " without BatchNorm",
    "no batch norm, weight decay": " without BatchNorm, decay",
}


def best_on_held_out(candidates: Mapping[Any, Runs]) -> list[Any]:
    """For each seed the run whose final net answers most held-out images right, the first of equal ones.

    Runs that fitted their training images come first: at a rate too low a net that has learnt half of them can answer
    as many others, but what is compared are nets that were trained to the end.
    """
    return [max(of_a_seed, key=_fitted_then_held_out) for of_a_seed in zip(*candidates.values(), strict=True)]


def _fitted_then_held_out(run: Mapping[str, Any]) -> tuple[bool, float]:
    return run["final"]["train accuracy"] >= FITTED, run["final"]["held-out accuracy"]


def joined(true: Mapping[str, RunsOf], random: Mapping[str, RunsOf]) -> dict[str, dict[str, Runs]]:
    """Learner -> arm -> runs, those on random labels under the arm's name with an ending."""
    return {
        learner: {**runs_of, **{arm + RANDOM: runs for arm, runs in random[learner].items()}}
        for learner, runs_of in true.items()
    }


def flat(groups: Mapping[str, RunsOf]) -> dict[str, Runs]:
    """`group, arm` -> runs: the names that `measured` in paper.yaml uses."""
    return {f"{group}, {arm}": runs for group, runs_of in groups.items() for arm, runs in runs_of.items()}


def lowest_train_accuracy(runs_of: RunsOf) -> list[float]:
    """The lowest final training accuracy among several arms, for each seed."""
    return [min(of_a_seed) for of_a_seed in zip(*(per_seed(runs, TRAIN) for runs in runs_of.values()), strict=True)]


def lowest_train_values(
    normed: Mapping[str, Mapping[Any, Runs]], unnormed: Mapping[str, Mapping[Any, Runs]]
) -> dict[str, list[float]]:
    """The gate of C17 and C17b for each part: whether both nets, at their best rates, fitted their training images."""
    return {
        f"lowest train accuracy with or without batch norm/{part}": lowest_train_accuracy(
            {"with": best_on_held_out(rates), "without": best_on_held_out(unnormed[part])}
        )
        for part, rates in normed.items()
    }


def against(runs_of: RunsOf, reference: str = "nothing") -> dict[str, list[float]]:
    """Arm -> final test accuracy less that of the reference, seed by seed."""
    return {name: differences(runs, runs_of[reference], TEST) for name, runs in runs_of.items() if name != reference}


def effect_rows(true: RunsOf, random: RunsOf) -> dict[str, dict[str, list[float]]]:
    """Rows of one net: accuracies on true labels, the difference each regulariser makes, the fit of random ones."""
    changed = against(true)
    rows = {}
    for name, runs in true.items():
        rows[name] = {"train": per_seed(runs, TRAIN), "test": per_seed(runs, TEST)}
        rows[name] |= {"test, against nothing": changed[name]} if name in changed else {}
        rows[name] |= {"train, random labels": per_seed(random[name], TRAIN)} if name in random else {}
    return rows


def each_rows(true: Mapping[str, RunsOf], random: Mapping[str, RunsOf]) -> dict[str, dict[str, list[float]]]:
    """The rows of every net, `net: arm`."""
    return {
        f"{learner}: {arm}": row for learner in true for arm, row in effect_rows(true[learner], random[learner]).items()
    }


def table_1_rows(learners: Mapping[str, RunsOf]) -> dict[str, dict[str, list[float]]]:
    """The rows of table 1 under the paper's names where the net is the paper's; learner -> arm -> runs."""
    rows = {}
    for learner, runs_of in learners.items():
        for arm, runs in runs_of.items():
            row = TABLE_1.get(arm.removesuffix(RANDOM))
            if row is not None and not (arm.endswith(RANDOM) and ("decay" in row or "crop" in row)):
                ending = RANDOM if arm.endswith(RANDOM) else ""
                rows[PAPER_NAMES.get(learner, learner) + row + ending] = {
                    "train": per_seed(runs, TRAIN),
                    "test": per_seed(runs, TEST),
                }
    return rows


def table_4_rows(learners: Mapping[str, RunsOf], long: RunsOf, convnet: str) -> dict[str, dict[str, list[float]]]:
    """The rows of table 4: training accuracy on random labels, online where images are augmented."""
    rows = {
        f"{PAPER_NAMES.get(learner, learner)}, weight decay": {
            "train": per_seed(runs_of["weight decay" + RANDOM], TRAIN)
        }
        for learner, runs_of in learners.items()
    }
    names = {"crop": "random cropping", "flip and rotation": "flip and rotation up to 25 degrees"}
    for arm, runs in long.items():
        online, still = per_seed(runs, "final/online accuracy"), per_seed(runs, TRAIN)
        rows[f"{PAPER_NAMES.get(convnet, convnet)}, {names[arm]}"] = {
            "train": online,
            "train, images as they are": still,
        }
    return rows


def effects_frame(learners: Mapping[str, RunsOf]) -> "pd.DataFrame":
    """A tidy frame of what each regulariser changes on true labels: learner, regulariser, seed, difference."""
    import pandas as pd

    lines = [
        (learner, name, seed, value)
        for learner, runs_of in learners.items()
        for name, changed in against(runs_of).items()
        for seed, value in enumerate(changed)
    ]
    return pd.DataFrame(lines, columns=["learner", "regulariser", "seed", "difference"])


def curves_frame(learners: Mapping[str, RunsOf]) -> "pd.DataFrame":
    """A tidy frame of every curve: learner, regularisers, labels, seed, epoch, training and test accuracy."""
    import pandas as pd

    columns = {"epoch": "epoch", "train": "curve/train accuracy", "test": "curve/test accuracy"}
    frames = []
    for learner, runs_of in learners.items():
        curves = frame(runs_of, columns, name="regularisers").round(4)
        labels = curves["regularisers"].str.endswith(RANDOM).map({True: "random", False: "true"})
        names = curves["regularisers"].str.removesuffix(RANDOM)
        frames.append(curves.assign(learner=learner, labels=labels, regularisers=names))
    return pd.concat(frames, ignore_index=True)


def early_frame(runs_of: RunsOf, paper: Exhibit) -> "pd.DataFrame":
    """A tidy frame of figure 2b: source, net, kind (train, test, chosen), seed, epoch, accuracy."""
    import pandas as pd

    lines: list[tuple[Any, ...]] = []
    for net, runs in runs_of.items():
        for seed, run in enumerate(runs):
            for kind in ("train", "test"):
                curve = zip(run["epoch"], run["curve"][f"{kind} accuracy"], strict=True)
                lines += [("this run", net, kind, seed, epoch, round(value, 4)) for epoch, value in curve]
            stopped = run["stopped early"]
            lines.append(("this run", net, "chosen", seed, stopped["epoch"], round(stopped["test accuracy"], 4)))
    for row, values in paper.values.items():
        net, _, kind = row.partition(", ")
        numbers = [(epoch, value) for epoch, value in values.items() if not isinstance(value, str) and epoch != "best"]
        lines += [("paper", net, kind, 0, float(epoch), value) for epoch, value in numbers]
    return pd.DataFrame(lines, columns=["source", "net", "kind", "seed", "epoch", "accuracy"])


def coefficient_frame(true: Mapping[float, Runs], random: Mapping[float, Runs]) -> "pd.DataFrame":
    """A tidy frame against the coefficient of weight decay: coefficient, quantity, seed, accuracy."""
    import pandas as pd

    watched = {"random labels, training images": (random, TRAIN), "true labels, training images": (true, TRAIN)}
    watched["true labels, test images"] = (true, TEST)
    lines = [
        (coefficient, quantity, seed, value)
        for quantity, (runs_of, path) in watched.items()
        for coefficient, runs in runs_of.items()
        for seed, value in enumerate(per_seed(runs, path))
    ]
    return pd.DataFrame(lines, columns=["coefficient", "quantity", "seed", "accuracy"])


def early_rows(runs_of: RunsOf) -> dict[str, dict[str, list[float]]]:
    """What stopping early brings on test images: at the epoch that held-out images chose, and at the best one."""
    return {
        name: {
            "epoch chosen": per_seed(runs, "stopped early/epoch"),
            "final test accuracy": per_seed(runs, TEST),
            "gain, chosen on held-out images": per_seed(runs, "stopped early/gain"),
            "gain, chosen on test images": per_seed(runs, "gain by test images"),
        }
        for name, runs in runs_of.items()
    }


def rate_rows(with_norm: Mapping[str, Mapping[float, Runs]], without: Mapping[str, Mapping[float, Runs]]) -> Any:
    """Test accuracy with and without batch norm at each relative rate, their difference, and the rates chosen."""
    rows: dict[str, dict[str, list[float]]] = {}
    for name, rates in with_norm.items():
        compared = {f"at {rate:g} times its rate": (rates[rate], without[name][rate]) for rate in rates}
        compared["each at its best rate"] = (best_on_held_out(rates), best_on_held_out(without[name]))
        for row, (a, b) in compared.items():
            rows[f"{name}, {row}"] = {
                "batch norm": per_seed(a, TEST),
                "no batch norm": per_seed(b, TEST),
                "difference": differences(a, b, TEST),
                "lowest train accuracy": lowest_train_accuracy({"a": a, "b": b}),
            }
    return rows
