"""What `2-training` derives from the measured nets: rows of its tables, frames of its figures, judged quantities.

`measured` is data set -> arm ("joint", the twins, "conditional" of the first) -> one run per seed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.replication.rows import Runs, RunsOf, per_seed, rows, tile

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[Any]]]

TWINS = ("same steps", "same passes", "same data noise")
KIT_ON, KIT_OFF = "kit on: another seed", "kit off: another seed"  # what C14 and C14b are judged on
SHOWN_STEPS = (0, 1, 2, 5, 10, 20, 50)  # of a chain; the last step is shown as well
BOTH = {"accuracy": "accuracy", "accuracy with noise": "accuracy with noise"}
# What C1 compares, of each data set: quantity -> arm, and place in what it returned.
COMPARED = {
    "accuracy of JEM": ("joint", "accuracy"),
    "gain of JEM in its last quarter": ("joint", "gain of the last quarter"),
    "gain of the twin in its last quarter": ("same steps", "gain of the last quarter"),
    "accuracy of the twin": ("same steps", "accuracy"),
    "accuracy of the twin with the same passes": ("same passes", "accuracy"),
    "accuracy of the twin with the data noise": ("same data noise", "accuracy"),
    "accuracy of the twin stopped early": ("same steps", "early/accuracy"),
    "accuracy of the twin with the same passes, stopped early": ("same passes", "early/accuracy"),
}


def accuracy_rows(measured: Mapping[str, RunsOf]) -> Rows:
    """Rows of table 1, of every data set."""
    found: Rows = {}
    for dataset, arms in measured.items():
        named = {f"{dataset}: {name}": runs for name, runs in as_rows(arms).items()}
        found |= rows(named, BOTH)
        if "conditional" in arms:
            fitted = {"p(x|y) alone": arms["conditional"], "JEM": arms["joint"]}
            named = {f"{dataset}: {name}, constants fitted": runs for name, runs in fitted.items()}
            found |= rows(named, {"accuracy": "constants fitted"})
    return found


def as_rows(arms: RunsOf) -> RunsOf:
    """The arms of one data set under the names of table 1, those that were stopped early among them."""
    named = {"JEM": arms["joint"]} | {f"classifier alone, {name}": arms[name] for name in TWINS}
    named |= {
        "classifier alone, stopped early": per_seed(arms["same steps"], "early"),
        "classifier alone, same passes, stopped early": per_seed(arms["same passes"], "early"),
    }
    if "conditional" in arms:
        named |= {
            "p(x|y) alone": arms["conditional"],
            "p(x|y) alone, chains by place": arms["conditional by place"],
        }
    return named


def table_rows(runs: Runs, path: str = "") -> Rows:
    """What runs hold as row -> column -> number, under a path, as row -> column -> one number per seed."""
    tables = per_seed(runs, path) if path else list(runs)
    return {row: {column: per_seed(tables, f"{row}/{column}") for column in tables[0][row]} for row in tables[0]}


def divergence_rows(trials: RunsOf) -> Rows:
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


def divergence_frame(trials: RunsOf, thin: int = 3) -> "pd.DataFrame":
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


def derived(measured: Mapping[str, RunsOf], trials: RunsOf) -> dict[str, list[float]]:
    """What the rules of C1 to C14b ask beside what `paper.yaml` reads by a path, one value per seed."""
    twins = [per_seed(arms[name], "accuracy") for arms in measured.values() for name in TWINS]
    compared = {
        f"{quantity}/{dataset}": per_seed(arms[arm], path)
        for dataset, arms in measured.items()
        for quantity, (arm, path) in COMPARED.items()
    }
    return compared | {
        "lowest accuracy of a twin": [min(seed) for seed in zip(*twins, strict=True)],
        **divergence_values(trials[KIT_ON], trials[KIT_OFF]),
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
