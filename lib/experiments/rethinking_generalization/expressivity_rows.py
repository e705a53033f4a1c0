"""What `3-expressivity` derives from the measured values: the bounds, rows along a grid, frames of its figures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lib.methods.capacity import rademacher_bound, vc_bound, vc_reading
from lib.replication.rows import Run, Runs, RunsOf, per_seed

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, list[Any]]


def bounds(readings: Runs, delta: float) -> Columns:
    """Per seed: the largest sample of `random_signs` with its reading, the VC reading, and the two bounds they give."""
    columns: Columns = {}
    for run in readings:
        n, error, complexity = int(run["n"][-1]), run["train error"][-1], max(0.0, run["rademacher"][-1])
        dimension = vc_reading({int(size): [e] for size, e in zip(run["n"], run["train error"], strict=True)})
        row = {
            "train error": error,
            "rademacher": complexity,
            "rademacher bound": rademacher_bound(error, complexity, n, delta),
            "vc reading": dimension,
            "vc bound": vc_bound(error, max(dimension, 1), n, delta),
        }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def by_size(runs: Runs, label: str, columns: Sequence[str]) -> dict[str, Columns]:
    """Arms that return lists along a grid -> a row for each grid point, with one value per seed in each column.

    `label` names the row, `{n:,} images` or `depth {depth}`, with the value of that name.
    """
    return {
        label.format(**{name: values[i] for name, values in runs[0].items()}): {
            name: [run[name][i] for run in runs] for name in columns
        }
        for i in range(len(next(iter(runs[0].values()))))
    }


def complexity_frame(readings: RunsOf, linear: Runs) -> "pd.DataFrame":
    """A tidy frame of every reading of the Rademacher complexity: learner, seed, n, reading, closed form."""
    import pandas as pd

    lines = [
        {"learner": name, "seed": seed, "n": n, "reading": run["rademacher"][i],
         "closed form": linear[seed]["closed form"][i]}
        for name, runs in {**readings, "linear control": linear}.items()
        for seed, run in enumerate(runs)
        for i, n in enumerate(run["n"])
    ]  # fmt: skip
    return pd.DataFrame(lines)


def line_frame(line: Mapping[str, Tensor]) -> "pd.DataFrame":
    """A tidy frame of the function along its line and of its points."""
    import pandas as pd

    curve = pd.DataFrame({"kind": "function", "t": line["t"].numpy(), "value": line["c"].numpy()})
    points = pd.DataFrame({"kind": "image", "t": line["points"].numpy(), "value": line["labels"].double().numpy()})
    return pd.concat([curve, points], ignore_index=True)


def derived(
    readings: RunsOf, bounds: Mapping[str, Columns], linear: Runs, theorem: Runs, corollary: Runs
) -> dict[str, list[float]]:
    """What the rules of C18 to C22 ask beside what an arm returned, one value per seed."""
    values = {"linear control error": [_farthest(run) for run in linear]}
    for learner, runs in readings.items():
        values[f"rademacher complexity/{learner}"] = [run["rademacher"][-1] for run in runs]
        values[f"vc bound/{learner}"] = bounds[learner]["vc bound"]
    largest = {
        "theorem 1 labels wrong": (theorem, "wrong"),
        "theorem 1 fit error": (theorem, "error"),
        "corollary 1 labels wrong": (corollary, "wrong"),
        "corollary 1 fit error": (corollary, "error"),
        "corollary 1 weights over n + d": (corollary, "weights over n plus d"),
        "corollary 1 width times depth over n": (corollary, "width times depth over n"),
    }
    return values | {name: [max(grid) for grid in per_seed(runs, path)] for name, (runs, path) in largest.items()}


def _farthest(run: Run) -> float:
    """The largest distance between a reading of the linear control and its closed form."""
    return max(abs(a - b) for a, b in zip(run["rademacher"], run["closed form"], strict=True))
