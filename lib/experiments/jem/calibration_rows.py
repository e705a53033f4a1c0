"""What `3-calibration` makes of the measured values: rows of its tables, frames of its figures, judged quantities.

`measured` is setting -> row -> what `calibration.assessed` found, one per seed; a setting is a data set with so many
labels, a row one of `calibration.ROWS`. `trained` is setting -> net -> what the arm that trained it returned.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.experiments.jem.calibration import EARLY, JEM, LONG, TWIN
from lib.replication.rows import Run, Runs, per_seed
from lib.replication.rows import rows as by_path

if TYPE_CHECKING:
    import pandas as pd

Measured = Mapping[str, Mapping[str, Runs]]
Table = dict[str, dict[str, list[Any]]]

# arm's argument -> what `training.twin` is asked for
TWINS = {name: name.replace("_", " ") for name in ("same_steps", "same_passes", "same_data_noise")}
SHOWN = (JEM, TWIN, LONG, EARLY)  # in figures


def setting_names(datasets: Sequence[str]) -> list[str]:
    """A name for each entry of the parameter: the data set's, where it comes a second time with `many labels`.

    >>> setting_names(["cifar10", "cifar10"])
    ['cifar10', 'cifar10, many labels']
    """
    return [name + ", many labels" * (name in datasets[:place]) for place, name in enumerate(datasets)]


def calibration_rows(measured: Measured) -> Table:
    """Fractions: how often right, how sure, how wrong about it, before and after the temperature."""
    columns = {
        "accuracy": "as it comes/accuracy",
        "confidence minus accuracy": "as it comes/confidence minus accuracy",
        "calibration error": "as it comes/calibration error",
        "chance alone": "as it comes/chance alone",
        "calibration error, scaled": "scaled/calibration error",
        "chance alone, scaled": "scaled/chance alone",
    }
    return by_path(flat(measured), columns)


def likelihood_rows(measured: Measured) -> Table:
    """Nats before and after the temperature, and the temperature."""
    columns = {
        "as it comes": "as it comes/negative log-likelihood",
        "scaled": "scaled/negative log-likelihood",
        "temperature": "temperature",
    }
    return by_path(flat(measured), columns)


def flat(measured: Measured) -> dict[str, Runs]:
    """`setting: row` -> runs."""
    return {f"{setting}: {row}": runs for setting, rows in measured.items() for row, runs in rows.items()}


def reliability_frame(measured: Measured) -> "pd.DataFrame":
    """Bins of the first setting, all seeds: columns net, seed, lower, upper, confidence, accuracy, size."""
    import pandas as pd

    rows = next(iter(measured.values()))
    return pd.DataFrame(
        [
            {"net": name, "seed": seed} | dict(zip(run["diagram"], values, strict=True))
            for name in (JEM, TWIN)
            for seed, run in enumerate(rows[name])
            for values in zip(*run["diagram"].values(), strict=True)
        ],
        columns=["net", "seed", "lower", "upper", "confidence", "accuracy", "size"],
    )


def error_frame(measured: Measured) -> "pd.DataFrame":
    """A line for each net and seed: setting, net, seed, sign (confidence minus accuracy), before, after, chance."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"setting": setting, "net": name, "seed": seed} | numbers(run)
            for setting, rows in measured.items()
            for name in SHOWN
            for seed, run in enumerate(rows[name])
        ]
    )


def numbers(run: Run) -> dict[str, float]:
    """What figures show of one net."""
    return {
        "sign": run["as it comes"]["confidence minus accuracy"],
        "before": run["as it comes"]["calibration error"],
        "after": run["scaled"]["calibration error"],
        "chance": run["as it comes"]["chance alone"],
    }


def path_frame(measured: Measured, trained: Measured) -> "pd.DataFrame":
    """The watched twin on its way, where it was stopped, and where JEM ended.

    Columns: setting, what ("twin", "stopped", "JEM"), seed, share (of the steps), sign (confidence minus accuracy).
    """
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for setting, rows in measured.items():
        for seed, (net, jem) in enumerate(zip(trained[setting]["watched"], rows[JEM], strict=True)):
            shares, signs = net["path"]["share of the steps"], net["path"]["confidence minus accuracy"]
            points = [("twin", share, sign) for share, sign in zip(shares, signs, strict=True)]
            points.append(("stopped", net["early share"], signs[shares.index(net["early share"])]))
            points.append(("JEM", 1.0, numbers(jem)["sign"]))
            about = {"setting": setting, "seed": seed}
            lines += [about | {"what": what, "share": share, "sign": sign} for what, share, sign in points]
    return pd.DataFrame(lines)


def derived(measured: Measured, trained: Measured) -> dict[str, list[float]]:
    """What C4 and C4b are judged by: `<quantity>/<setting>` -> one value per seed."""
    return {
        f"{quantity}/{setting}": values
        for setting, rows in measured.items()
        for quantity, values in compared(rows, trained[setting]).items()
    }


def compared(rows: Mapping[str, Runs], nets: Mapping[str, Runs]) -> dict[str, list[float]]:
    """The quantities of one setting."""
    error, accuracy = "as it comes/calibration error", "as it comes/accuracy"
    right = zip(per_seed(rows[JEM], accuracy), per_seed(rows[TWIN], accuracy), strict=True)
    return {
        "calibration error of JEM": per_seed(rows[JEM], error),
        "calibration error of the twin": per_seed(rows[TWIN], error),
        "calibration error of the twin with the same passes": per_seed(rows[LONG], error),
        "calibration error of the twin stopped early": per_seed(rows[EARLY], error),
        "calibration error of the twin after temperature scaling": per_seed(rows[TWIN], "scaled/calibration error"),
        "confidence of the twin minus its accuracy": per_seed(rows[TWIN], "as it comes/confidence minus accuracy"),
        # A twin that is never right has nothing to be ahead of.
        "accuracy of JEM over the twin's": [jem / twin if twin else 1.0 for jem, twin in right],
        "gain of JEM in its last quarter": per_seed(nets["joint"], "gain of the last quarter"),
        "gain of the twin in its last quarter": per_seed(nets["same_steps"], "gain of the last quarter"),
    }
