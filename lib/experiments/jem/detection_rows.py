"""What `4-detection` makes of the measured values: rows of its tables, frames of its figures, judged quantities.

`runs` is setting -> what `detection.assessed` returned, one per seed; `trained` is setting -> net -> what the arm that
trained it returned.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.experiments.jem.calibration_rows import TWINS, setting_names
from lib.experiments.jem.detection import EARLY, INSIDE, JEM, LONG, ROWS, TWIN
from lib.replication.rows import Run, Runs, per_seed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TWINS", "setting_names"]

Table = dict[str, dict[str, list[Any]]]
SCORES = ("log p(x)", "max p(y|x)", "approximate mass")
JUDGED = ("near", "far")  # roles

RANGE = (-8.0, 4.0)  # of the histograms, in deviations of the test images' scores
COLUMNS = 60


def places(run: Run, roles: tuple[str, ...]) -> dict[str, str]:
    """Set -> `role/set`, of these roles."""
    of = next(iter(run["no net"].values()))
    return {name: f"{role}/{name}" for role in roles for name in of[role]}


def score_rows(runs: Mapping[str, Runs], score: str, roles: tuple[str, ...] = JUDGED) -> Table:
    """Every net under one score: a column for each set, its role in front."""
    return {
        f"{setting}: {row}": {
            place.replace("/", ": "): per_seed(of, f"rows/{row}/{score}/{place}")
            for place in places(of[0], roles).values()
        }
        for setting, of in runs.items()
        for row in ROWS
    }


def no_net_rows(runs: Mapping[str, Runs], roles: tuple[str, ...] = JUDGED) -> Table:
    """The scores that need no net: a column for each set."""
    return {
        f"{setting}: {score}": {
            place.replace("/", ": "): per_seed(of, f"no net/{score}/{place}") for place in places(of[0], roles).values()
        }
        for setting, of in runs.items()
        for score in of[0]["no net"]
    }


def noise_rows(runs: Mapping[str, Runs]) -> Table:
    """JEM, its twin and no net at all, on noise."""
    table = no_net_rows(runs, ("noise",))
    for score in SCORES:
        rows = score_rows(runs, score, ("noise",))
        table |= {
            name.replace(": ", f": {score}, ", 1): row
            for name, row in rows.items()
            if name.partition(": ")[2] in (JEM, TWIN)
        }
    return table


def net_rows(trained: Mapping[str, Mapping[str, Runs]]) -> Table:
    """Accuracy of the nets and what they gained in the last quarter of their steps, fractions."""
    columns = {"accuracy": "accuracy", "gain of the last quarter": "gain of the last quarter"}
    return {
        f"{setting}: {row}": {title: per_seed(nets[arm], path) for title, path in columns.items()}
        for setting, nets in trained.items()
        for row, arm in {JEM: "joint", TWIN: "same_steps", LONG: "same_passes"}.items()
    }


def sets_frame(runs: Mapping[str, Runs]) -> "pd.DataFrame":
    """A line for each setting, set, score, net and seed: columns setting, set, score, net, seed, auroc."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"setting": setting, "set": name, "score": score, "net": row, "seed": seed, "auroc": value}
            for setting, of in runs.items()
            for name, place in places(of[0], (*JUDGED, "noise")).items()
            for score in SCORES
            for row in (JEM, TWIN)
            for seed, value in enumerate(per_seed(of, f"rows/{row}/{score}/{place}"))
        ]
    )


def score_frame(runs: Mapping[str, Runs], net: str = JEM, scores: tuple[str, ...] = SCORES[::2]) -> "pd.DataFrame":
    """Histograms of the scores of the first setting, all seeds together, in deviations of a seed's test images.

    Columns: score, role, set, edge (the left one of a column), count. What is outside of `RANGE` counts at its ends.
    """
    import numpy as np
    import pandas as pd

    edges = np.linspace(*RANGE, COLUMNS + 1)
    counted: dict[tuple[str, str, str], Any] = {}
    for run in next(iter(runs.values())):
        for score in scores:
            of = {place: np.asarray(values, dtype=float) for place, values in run["scores"][net][score].items()}
            centre, spread = of[INSIDE].mean(), of[INSIDE].std(ddof=1)
            for place, values in of.items():
                role, _, name = place.rpartition("/")
                counts, _ = np.histogram(((values - centre) / spread).clip(*RANGE), edges)
                key = (score, role or "in", name)
                counted[key] = counted.get(key, 0) + counts
    lines = [
        {"score": score, "role": role, "set": name, "edge": float(edge), "count": int(count)}
        for (score, role, name), counts in counted.items()
        for edge, count in zip(edges[:-1], counts, strict=True)
    ]
    return pd.DataFrame(lines)


def judged_as(settings: list[str]) -> dict[str, str]:
    """Setting -> how the rules call it; of several of one data set, the last, with the most labels, is judged.

    >>> judged_as(["cifar10", "cifar10, many labels", "mnist"])
    {'cifar10, many labels': 'cifar10', 'mnist': 'mnist'}
    """
    last = {setting.partition(",")[0].removeprefix("fake:"): setting for setting in settings}
    return {setting: dataset for dataset, setting in last.items()}


def part_name(dataset: str, name: str) -> str:
    """How the rules call a set beside a data set: CIFAR-10, the paper's, is not named."""
    return name if dataset == "cifar10" else f"{dataset}, {name}"


def derived(runs: Mapping[str, Runs], trained: Mapping[str, Mapping[str, Runs]]) -> dict[str, list[float]]:
    """What C5 to C7 are judged by: `<quantity>/<part>` -> one value per seed."""
    found: dict[str, list[float]] = {}
    for setting, dataset in judged_as(list(runs)).items():
        of, nets = runs[setting], trained[setting]
        pairs = zip(per_seed(nets["joint"], "accuracy"), per_seed(nets["same_steps"], "accuracy"), strict=True)
        right = [jem / twin if twin else 1.0 for jem, twin in pairs]  # a twin never right has nothing to be ahead of
        where = places(of[0], JUDGED)
        for name, place in where.items():
            quantities = of_set(of, place) | {"accuracy of JEM over the twin's": right}
            found |= {f"{quantity}/{part_name(dataset, name)}": values for quantity, values in quantities.items()}
        quantities = lowest(of, list(where.values())) | {"accuracy of JEM over the twin's": right}
        found |= {f"{quantity}/{dataset}": values for quantity, values in quantities.items()}
    return found


def of_set(of: Runs, place: str) -> dict[str, list[float]]:
    """The quantities of one set."""
    sure, density = f"max p(y|x)/{place}", f"log p(x)/{place}"
    return {
        "auroc of log p(x)": per_seed(of, f"rows/{JEM}/{density}"),
        "auroc of log p(x) of the twin": per_seed(of, f"rows/{TWIN}/{density}"),
        "auroc of minus total variation": per_seed(of, f"no net/minus total variation/{place}"),
        "auroc of max p of JEM": per_seed(of, f"rows/{JEM}/{sure}"),
        "auroc of max p of the twin": per_seed(of, f"rows/{TWIN}/{sure}"),
        "auroc of max p of the twin with the same passes": per_seed(of, f"rows/{LONG}/{sure}"),
        "auroc of max p of the twin stopped early": per_seed(of, f"rows/{EARLY}/{sure}"),
    }


def lowest(of: Runs, where: list[str]) -> dict[str, list[float]]:
    """The lowest AUROC over these sets, seed by seed."""

    def over(row: str, score: str) -> list[float]:
        return [min(values) for values in zip(*(per_seed(of, f"rows/{row}/{score}/{p}") for p in where), strict=True)]

    return {
        "lowest auroc of the approximate mass": over(JEM, "approximate mass"),
        "lowest auroc of log p(x)": over(JEM, "log p(x)"),
        "lowest auroc of the approximate mass of the twin": over(TWIN, "approximate mass"),
    }
