"""What `3-expressivity` makes of the measured values: rows of its tables, frames of its figures, judged quantities."""

from typing import Any

from torch import Tensor

from lib.methods.capacity import rademacher_bound, vc_bound, vc_reading


def bounds(readings: list[dict[str, list[float]]], delta: float) -> dict[str, list[float]]:
    """Per seed: the largest sample of `random_signs` with its reading, the VC reading, and the two bounds they give."""
    columns: dict[str, list[float]] = {}
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


def as_columns(runs: list[dict[str, float]]) -> dict[str, list[float]]:
    """One mapping per seed -> one list of values per name."""
    return {name: [run[name] for run in runs] for name in runs[0]}


def by_size(runs: list[dict[str, list[float]]], label: str, columns: list[str]) -> dict[str, dict[str, list[float]]]:
    """Arms that return lists along a grid -> a row for each grid point, with one value per seed in each column.

    `label` names the row, `{n:,} images` or `depth {depth}`, with the value of that name.
    """
    return {
        label.format(**{name: values[i] for name, values in runs[0].items()}): {
            name: [run[name][i] for run in runs] for name in columns
        }
        for i in range(len(next(iter(runs[0].values()))))
    }


def complexity_frame(readings: dict[str, list[dict[str, list[float]]]], linear: list[dict[str, list[float]]]) -> Any:
    """A tidy frame of every reading of the Rademacher complexity: learner, seed, n, reading, closed form."""
    import pandas as pd

    learners = readings | {"linear control": linear}
    lines = [
        {"learner": name, "seed": seed, "n": n, "reading": run["rademacher"][i],
         "closed form": linear[seed]["closed form"][i]}
        for name, runs in learners.items()
        for seed, run in enumerate(runs)
        for i, n in enumerate(run["n"])
    ]  # fmt: skip
    return pd.DataFrame(lines)


def line_frame(line: dict[str, Tensor]) -> Any:
    """A tidy frame of the function along its line and of its points."""
    import pandas as pd

    curve = pd.DataFrame({"kind": "function", "t": line["t"].numpy(), "value": line["c"].numpy()})
    points = pd.DataFrame({"kind": "image", "t": line["points"].numpy(), "value": line["labels"].double().numpy()})
    return pd.concat([curve, points], ignore_index=True)


def expressivity_values(
    readings: dict[str, list[dict[str, list[float]]]],
    bounds: dict[str, dict[str, list[float]]],
    linear: list[dict[str, list[float]]],
    linear_bounds: list[dict[str, float]],
    stability: list[dict[str, Any]],
    theorem: list[dict[str, list[float]]],
    corollary: list[dict[str, list[float]]],
) -> dict[str, list[float]]:
    """The quantities that C18 to C22 are judged by, one value per seed."""
    values = {
        "linear control error": [
            max(abs(a - b) for a, b in zip(run["rademacher"], run["closed form"], strict=True)) for run in linear
        ],
        "vc bound of the linear control": [run["vc bound"] for run in linear_bounds],
        "gap on random labels": [run["random"]["gap"] for run in stability],
        "gap on true labels": [run["true"]["gap"] for run in stability],
        "replace-one change": [run["random"]["replace-one change"] for run in stability],
        "theorem 1 labels wrong": [max(run["wrong"]) for run in theorem],
        "theorem 1 fit error": [max(run["error"]) for run in theorem],
        "corollary 1 labels wrong": [max(run["wrong"]) for run in corollary],
        "corollary 1 fit error": [max(run["error"]) for run in corollary],
        "corollary 1 weights over n + d": [max(run["weights over n plus d"]) for run in corollary],
        "corollary 1 width times depth over n": [max(run["width times depth over n"]) for run in corollary],
    }
    for learner, runs in readings.items():
        values[f"rademacher complexity/{learner}"] = [run["rademacher"][-1] for run in runs]
        values[f"vc bound/{learner}"] = bounds[learner]["vc bound"]
    return values
