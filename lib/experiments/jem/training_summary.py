"""What `2-training` makes of the measured values: rows of its tables, frames of its figures, judged quantities."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd

Runs = list[dict[str, Any]]  # one per seed
TWINS = ("same steps", "same passes", "same data noise")
KIT_ON, KIT_OFF = "kit on: another seed", "kit off: another seed"  # what C14 and C14b are judged on
SHOWN_STEPS = (0, 1, 2, 5, 10, 20, 50)  # of a chain; the last step is shown as well


def per_seed(runs: Runs, *names: str) -> list[Any]:
    """The value under a path of names, one per seed."""
    values: list[Any] = list(runs)
    for name in names:
        values = [value[name] for value in values]
    return values


def accuracy_rows(measured: dict[str, dict[str, Runs]]) -> dict[str, dict[str, list[float]]]:
    """Rows of table 1. `measured`: data set -> arm ("joint", the twins, "conditional" of the first) -> runs."""
    rows: dict[str, dict[str, list[float]]] = {}
    for dataset, arms in measured.items():
        rows[f"{dataset}: JEM"] = clean_and_noisy(arms["joint"])
        for name in TWINS:
            rows[f"{dataset}: classifier alone, {name}"] = clean_and_noisy(arms[name])
        for name, runs in stopped_early(arms).items():
            rows[f"{dataset}: {name}"] = clean_and_noisy(runs)
        if "conditional" not in arms:
            continue
        rows[f"{dataset}: p(x|y) alone"] = clean_and_noisy(arms["conditional"])
        rows[f"{dataset}: p(x|y) alone, chains by place"] = clean_and_noisy(arms["conditional by place"])
        fitted = per_seed(arms["conditional"], "constants fitted")
        rows[f"{dataset}: p(x|y) alone, constants fitted"] = {"accuracy": fitted}
        rows[f"{dataset}: JEM, constants fitted"] = {"accuracy": per_seed(arms["joint"], "constants fitted")}
    return rows


def stopped_early(arms: dict[str, Runs]) -> dict[str, Runs]:
    """The twins that were stopped where they were best on held-out images: of as many steps, and of as many passes."""
    return {
        "classifier alone, stopped early": per_seed(arms["same steps"], "early"),
        "classifier alone, same passes, stopped early": per_seed(arms["same passes"], "early"),
    }


def clean_and_noisy(runs: Runs) -> dict[str, list[float]]:
    """Both accuracies of an arm."""
    return {name: per_seed(runs, name) for name in ("accuracy", "accuracy with noise")}


def by_name(runs: Runs) -> dict[str, dict[str, list[float]]]:
    """Runs that return row -> column -> number, as row -> column -> one number per seed."""
    return {row: {column: per_seed(runs, row, column) for column in runs[0][row]} for row in runs[0]}


def divergence_rows(trials: dict[str, Runs]) -> dict[str, dict[str, list[Any]]]:
    """Every run with what it was tried with, "setting: remedy" -> runs."""
    return {
        name: {
            "divergences": counted(runs),
            "restarts that tell": per_seed(runs, "restarts that tell"),
            "of them got past": per_seed(runs, "restarts that got past"),
            "steps done": per_seed(runs, "steps"),
            "accuracy": per_seed(runs, "accuracy"),
        }
        for name, runs in trials.items()
    }


def counted(runs: Runs) -> list[int]:
    """Divergences of each seed."""
    return [len(run["divergences"]) for run in runs]


def divergence_frame(trials: dict[str, Runs], thin: int = 3) -> "pd.DataFrame":
    """Gap against steps taken, undone ones too, of the first seed; one line in `thin`, and those of the divergences.

    Columns: run, taken, gap, mark ("" or the cause of the divergence found there).
    """
    import pandas as pd

    lines = []
    for name, runs in trials.items():
        trace, found = runs[0]["trace"], runs[0]["divergences"]
        marks = {event["line"]: event["cause"] for event in found}
        for taken, (_, data, chains, _) in enumerate(trace.tolist()):
            if taken % thin == 0 or taken in marks:
                lines.append({"run": name, "taken": taken, "gap": data - chains, "mark": marks.get(taken, "")})
    return pd.DataFrame(lines)


def mosaic_frame(runs: Runs) -> "pd.DataFrame":
    """The first seed's tiles, one a line, pixels as hexadecimal bytes: columns line, row, column, shape, pixels."""
    import pandas as pd

    names = ("buffer", "nearest", "fresh", "nearest")
    return pd.DataFrame(
        [
            {"line": i, "row": names[i], "column": j, **tile(image)}
            for i, images in enumerate(runs[0]["mosaic"])
            for j, image in enumerate(images)
        ]
    )


def chain_frame(runs: Runs) -> "pd.DataFrame":
    """The first seed's filmed chains at a few of their steps, in the same columns, with the log density of each."""
    import pandas as pd

    film, density = runs[0]["film"], runs[0]["log density"]
    steps = sorted({step for step in SHOWN_STEPS if step < len(film)} | {len(film) - 1})
    return pd.DataFrame(
        [
            {"chain": i, "step": step, "log density": density[step, i].item(), **tile(film[step, i])}
            for i in range(film.shape[1])
            for step in steps
        ]
    )


def tile(image: Tensor) -> dict[str, str]:
    """One uint8 image (C, H, W) as text."""
    return {"shape": "x".join(map(str, image.shape)), "pixels": image.contiguous().numpy().tobytes().hex()}


def training_values(
    measured: dict[str, dict[str, Runs]], samples: Runs, trials: dict[str, Runs], costs: Runs, k: int
) -> dict[str, list[float]]:
    """The quantities that C1, C3 and C12 to C14b are judged by, one value per seed."""
    main = next(iter(measured.values()))
    cost, quality = per_seed(costs, f"K = {k}"), per_seed(samples, "quality")
    twins = [per_seed(arms[name], "accuracy") for arms in measured.values() for name in TWINS]
    return {
        **{f"{name}/{dataset}": found for dataset, arms in measured.items() for name, found in compared(arms).items()},
        "gain of p(x|y) alone in its last quarter": per_seed(main["conditional"], "gain of the last quarter"),
        "gain of JEM in its last quarter": per_seed(main["joint"], "gain of the last quarter"),
        "lowest accuracy of a twin": [min(seed) for seed in zip(*twins, strict=True)],
        "accuracy of JEM": per_seed(main["joint"], "accuracy"),
        "accuracy of p(x|y) alone": per_seed(main["conditional"], "accuracy"),
        "accuracy of p(x|y) alone with its constants fitted": per_seed(main["conditional"], "constants fitted"),
        "share recognised of fresh chains": per_seed(quality, "JEM, fresh chains", "judge agrees"),
        "share recognised of uniform noise": per_seed(quality, "uniform noise", "judge agrees"),
        "share recognised of chains of the twin": per_seed(quality, "classifier alone, fresh chains", "judge agrees"),
        "seconds of a JEM step over a classifier's": per_seed(cost, "seconds over a classifier's"),
        "passes of a JEM step over a classifier's": per_seed(cost, "passes over a classifier's"),
        **divergence_values(trials[KIT_ON], trials[KIT_OFF]),
    }


def compared(arms: dict[str, Runs]) -> dict[str, list[float]]:
    """What C1 compares, of one data set."""
    return {
        "accuracy of JEM": per_seed(arms["joint"], "accuracy"),
        "gain of JEM in its last quarter": per_seed(arms["joint"], "gain of the last quarter"),
        "gain of the twin in its last quarter": per_seed(arms["same steps"], "gain of the last quarter"),
        "accuracy of the twin": per_seed(arms["same steps"], "accuracy"),
        "accuracy of the twin with the same passes": per_seed(arms["same passes"], "accuracy"),
        "accuracy of the twin with the data noise": per_seed(arms["same data noise"], "accuracy"),
        "accuracy of the twin stopped early": per_seed(arms["same steps"], "early", "accuracy"),
        "accuracy of the twin with the same passes, stopped early": per_seed(arms["same passes"], "early", "accuracy"),
    }


def divergence_values(on: Runs, off: Runs) -> dict[str, list[float]]:
    """What C14 and C14b compare: runs of the same length with what stabilises and without it."""
    told = [(run["restarts that tell"], run["restarts that got past"]) for run in off]
    return {
        "diverged with the kit": [float(count > 0) for count in counted(on)],
        "diverged without the kit": [float(count > 0) for count in counted(off)],
        "restarts that tell": [restarts for restarts, _ in told],
        "share of restarts that got past": [past / restarts if restarts else 0.5 for restarts, past in told],
    }
