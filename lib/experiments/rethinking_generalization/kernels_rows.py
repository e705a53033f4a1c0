"""What `4-kernels` derives from its runs: norms in proportion, the worst over data sets, and its odd frames."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.replication.rows import Run, Runs, RunsOf, differences, frame, per_seed

if TYPE_CHECKING:
    import pandas as pd

TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
FEATURES = {"pixels": "pixels", "gabor": "Gabor filters", "random filters": "random filters"}
CURVES = {"held-out error": "at/held-out error", "test error": "at/test error", "norm": "at/norm"}
BUILT = {"random centres": "centres at other images", "wrong test labels": "right test labels"}  # -> its fair rival

Values = dict[str, list[float]]


def title(name: str) -> str:
    """`mnist gabor` as a table calls it: MNIST, Gabor filters."""
    dataset, _, features = name.partition(" ")
    return f"{TITLES.get(dataset, dataset)}, {FEATURES[features]}"


def table_3(whole: Mapping[str, Run], fifth: RunsOf, ridged: RunsOf) -> dict[str, dict[str, Sequence[float]]]:
    """Rows of table 3, errors in per cent: pixels of all images, then everything on the images of the seeds."""
    rows: dict[str, dict[str, Sequence[float]]] = {
        title(f"{dataset} pixels"): {
            "images": [run["images"]],
            "test error": [100 * run["test error"]],
            "norm": [run["norm"]],
        }
        for dataset, run in whole.items()
    }
    for name, runs in fifth.items():
        own = title(name) + (", seeds" if name.endswith("pixels") else "")
        rows[own] = {
            "images": per_seed(runs, "images"),
            "test error": [100 * error for error in per_seed(runs, "chosen/test error")],
            "test error with l2": [100 * error for error in per_seed(ridged[name], "chosen/test error")],
            "norm": per_seed(runs, "chosen/norm"),
        }
    return rows


def full_size(whole: Mapping[str, Run]) -> dict[str, dict[str, list[float]]]:
    """One line for each data set: how exactly the system of all images was solved, and at what cost."""
    return {
        TITLES.get(dataset, dataset): {
            **{name: [run[name]] for name in ("images", "gamma", "train error", "test error", "residual", "products")},
            "norm": [run["norm"]],
            "norm, random labels": [run["norm, random labels"]],
            "triangle, GB": [run["triangle"] / 1e9],
            "peak memory, GB": [run["peak memory"] / 1e9],
            "seconds": [run["seconds"]],
        }
        for dataset, run in whole.items()
    }


def solver_rows(compared: Mapping[str, Mapping[str, Run]]) -> dict[str, dict[str, list[float]]]:
    """`data set, n images` -> solver -> what it took, as a row for each of both."""
    return {
        f"{where}: {solver}": {column: [value] for column, value in found.items()}
        for where, solvers in compared.items()
        for solver, found in solvers.items()
    }


def curves(across: RunsOf) -> "pd.DataFrame":
    """A line for each seed, width and kind of features: name, seed, width, held-out error, test error, norm."""
    named = {title(name): runs for name, runs in across.items()}
    return frame(named, {"width": "width", **CURVES}, name="name")


def norms_and_errors(across: RunsOf) -> "pd.DataFrame":
    """Every interpolant, means over seeds: name, labels (true, random), width, norm, test error."""
    import pandas as pd

    columns = {
        "true": ("at/norm", "at/test error"),
        "random": ("at/norm, random labels", "at/test error, random labels"),
    }
    parts = []
    for labels, (norm, error) in columns.items():
        part = frame(
            {title(n): runs for n, runs in across.items()},
            {"width": "width", "norm": norm, "test error": error},
            name="name",
        )
        parts.append(part.groupby(["name", "width"], sort=False, as_index=False)[["norm", "test error"]].mean())
        parts[-1].insert(1, "labels", labels)
    return pd.concat(parts, ignore_index=True)


def at_width(runs: Runs, width: float, column: str) -> list[float]:
    """A column at the width of the grid next to `width`, one value per seed."""
    at = min(range(len(runs[0]["width"])), key=lambda i: abs(math.log(runs[0]["width"][i] / width)))
    return [run["at"][column][at] for run in runs]


def preprocessing(across: RunsOf, common_width: float) -> Values:
    """C24: norms with Gabor filters over norms on pixels, for every data set that has both."""
    values: Values = {}
    for name, runs in across.items():
        dataset, _, features = name.partition(" ")
        if features == "gabor":
            pixels = across[f"{dataset} pixels"]
            own, other = per_seed(runs, "chosen/norm"), per_seed(pixels, "chosen/norm")
            same, as_wide = at_width(runs, common_width, "norm"), at_width(pixels, common_width, "norm")
            values[f"norm with preprocessing over norm on pixels/{dataset}"] = _ratios(own, other)
            values[f"the same at one relative width/{dataset}"] = _ratios(same, as_wide)
            lost = differences(pixels, runs, "chosen/test error")
            values[f"test error removed by preprocessing/{dataset}"] = lost
    return values


def built_badly(rivals: RunsOf) -> Values:
    """C25: logarithms of norms over the minimum norm, means over data sets; accuracy lost, the least over them."""
    values: Values = {}
    for built, rival in BUILT.items():
        values[f"log of norm over minimum norm/{built}"] = _mean(_logs(runs, built) for runs in rivals.values())
        values[f"log of the rival's norm over minimum norm/{built}"] = _mean(
            _logs(runs, rival) for runs in rivals.values()
        )
        lost = [
            [run[built]["test error"] - run["minimum norm"]["test error"] for run in runs] for runs in rivals.values()
        ]
        values[f"test accuracy lost/{built}"] = [min(of_seed) for of_seed in zip(*lost, strict=True)]
    return values


def ends_of_sgd(runs_of: RunsOf) -> Values:
    """C23b: the largest distance, excess of norm and angle, over data sets and over both models that start at zero."""

    def worst(quantity: str, less: float = 0.0) -> list[float]:
        found = [
            [abs(run[model][quantity] - less) for run in runs]
            for runs in runs_of.values()
            for model in ("linear", "gaussian kernel")
        ]
        return [max(of_seed) for of_seed in zip(*found, strict=True)]

    return {
        "distance of sgd from the minimum norm": worst("distance"),
        "norm of sgd over the minimum norm less one": worst("norm over minimum", less=1.0),
        "angle between sgd and the minimum norm": worst("angle"),
    }


def curvature(runs_of: RunsOf) -> Values:
    """C24b: the largest difference of the two Hessians over data sets."""
    found = [per_seed(runs, "another interpolant/difference") for runs in runs_of.values()]
    return {"hessian difference between interpolants": [max(of_seed) for of_seed in zip(*found, strict=True)]}


def at_full_size(whole: Mapping[str, Run], seeds: int) -> Values:
    """C23d: how far the error on all of MNIST is from the paper's 1.2 %; no seed changes it, so it stands for each."""
    if "mnist" not in whole:
        return {}
    return {"distance from the error on all of mnist": [abs(whole["mnist"]["test error"] - 0.012)] * seeds}


def by_name(runs_of: RunsOf) -> dict[str, list[dict[str, Any]]]:
    """Data set -> arm that returns name -> values, as `data set: name` -> values, for `replication.rows`."""
    return {
        f"{TITLES.get(dataset, dataset)}: {name}": [run[name] for run in runs]
        for dataset, runs in runs_of.items()
        for name in runs[0]
    }


def _logs(runs: Runs, built: str) -> list[float]:
    return [math.log(run[built]["norm"] / run["minimum norm"]["norm"]) for run in runs]


def _ratios(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x / y for x, y in zip(a, b, strict=True)]


def _mean(of_sets: Any) -> list[float]:
    per_set = list(of_sets)
    return [sum(of_seed) / len(per_set) for of_seed in zip(*per_set, strict=True)]
