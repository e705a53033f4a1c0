"""What `5-robustness` makes of the measured values: rows of its tables, frames of its figures, judged quantities.

`measured` is setting -> row -> what `robustness.withstood` found, one per seed; `chains` is setting -> what
`robustness.refined` found; `pushed` what `robustness.distal` found on the first setting.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.experiments.jem.robustness import DISTAL, EARLY, JEM, NOISE, STRONG, TWIN
from lib.replication.rows import Runs, RunsOf, per_seed, tile
from lib.replication.rows import rows as by_path

if TYPE_CHECKING:
    import pandas as pd

Measured = Mapping[str, RunsOf]
Table = dict[str, dict[str, list[Any]]]

ATTACKS = ("straight-through", "full gradient", "transfer", "worst")
IN = {"linf": "", "l2": " in L2"}


def robust_rows(measured: Measured) -> Table:
    """Fractions: how often right, and how often still under PGD and under AutoAttack at the judged radius."""
    columns = {
        "clean": "clean",
        **{
            "Linf, PGD": "linf/PGD",
            "Linf, AutoAttack": "linf/AutoAttack",
            "Linf, PGD, same images": "linf/PGD, same images",
        },
        **{"L2, PGD": "l2/PGD", "L2, AutoAttack": "l2/AutoAttack", "L2, PGD, same images": "l2/PGD, same images"},
    }
    return by_path({f"{name}: {row}": runs for name, rows in measured.items() for row, runs in rows.items()}, columns)


def radius_frame(measured: Measured) -> "pd.DataFrame":
    """A line for each radius: setting, norm, net, seed, radius (over the judged one), accuracy."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"setting": name, "norm": norm, "net": row, "seed": seed, "radius": radius, "accuracy": accuracy}
            for name, rows in measured.items()
            for norm in IN
            for row, runs in rows.items()
            for seed, run in enumerate(runs)
            for radius, accuracy in zip(
                [0, *run[norm]["radius over the judged one"]], [run["clean"], *run[norm]["accuracy"]], strict=True
            )
        ]
    )


def refinement_rows(chains: Mapping[str, Runs]) -> Table:
    """Fractions: a row for each k, a column for each attack."""
    runs_of = {f"{name}: {k}": [run[k] for run in runs] for name, runs in chains.items() for k in runs[0]}
    return by_path(runs_of, {"clean": "clean", **{name: name for name in ATTACKS}})


def refinement_frame(chains: Mapping[str, Runs]) -> "pd.DataFrame":
    """A line for each k and attack: setting, k, seed, attack, accuracy."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"setting": name, "k": k, "seed": seed, "attack": attack, "accuracy": values[attack]}
            for name, runs in chains.items()
            for seed, run in enumerate(runs)
            for k, values in run.items()
            for attack in ATTACKS
        ]
    )


def distal_rows(pushed: Runs) -> Table:
    """Shares for each net, and of the noise it began with."""
    runs_of = {row: [run["rows"][row] for run in pushed] for row in (NOISE, *DISTAL)}
    return by_path(runs_of, {name: name for name in ("judge agrees", "got confident", "distance moved")})


def distal_frame(pushed: Runs) -> "pd.DataFrame":
    """The first seed's pushed noise, one image a line, pixels in hexadecimal: line, row, column, shape, pixels."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"line": line, "row": row, "column": column, **tile(image)}
            for line, row in enumerate(DISTAL)
            for column, image in enumerate(pushed[0]["mosaic"][row])
        ]
    )


def flags(measured: Measured) -> str:
    """One line for each net: the flags that any seed raised under PGD or AutoAttack, with the number of seeds."""
    lines = []
    for name, rows in measured.items():
        for row, runs in rows.items():
            raised = [
                {
                    f"{flag} ({norm})"
                    for norm in IN
                    for kind in ("flags", "AutoAttack flags")
                    for flag in run[norm].get(kind, ())
                }
                for run in runs
            ]
            lines.append(f"{name}: {row}: {counted(raised)}")
    return "\n".join(lines)


def refinement_flags(chains: Mapping[str, Runs]) -> str:
    """One line for each k and attack, as in `flags`."""
    return "\n".join(
        f"{name}: {k}, {attack}: {counted([set(run[k]['flags'][attack]) for run in runs])}"
        for name, runs in chains.items()
        for k in runs[0]
        for attack in runs[0][k]["flags"]
    )


def counted(raised: list[set[str]]) -> str:
    """Each flag with the number of seeds that raised it, or "none"."""
    of = len(raised)
    return (
        ", ".join(
            f"{flag} ({sum(flag in one for one in raised)} of {of} seeds)" for flag in sorted(set().union(*raised))
        )
        or "none"
    )


def derived(measured: Measured, chains: Mapping[str, Runs], pushed: Runs) -> dict[str, list[float]]:
    """What C8 to C11 are judged by: `<quantity>/<setting>` -> one value per seed, those of C11 without a setting."""
    found = {f"{name}/{of}": values for of, rows in measured.items() for name, values in compared(rows).items()}
    for of, runs in chains.items():
        found |= {f"robust accuracy at {k.replace(' ', '')}/{of}": per_seed(runs, f"{k}/worst") for k in runs[0]}
    return found | distal_quantities(pushed)


def compared(rows: RunsOf) -> dict[str, list[float]]:
    """The quantities of one setting."""
    found: dict[str, list[float]] = {}
    for norm, suffix in IN.items():
        of = {row: per_seed(rows[row], f"{norm}/PGD") for row in (JEM, TWIN, EARLY, STRONG)}
        taken = per_seed(rows[JEM], f"{norm}/AutoAttack adds")
        found |= {
            f"robust accuracy of JEM{suffix}": of[JEM],
            f"robust accuracy of the twin{suffix}": of[TWIN],
            f"robust accuracy of the twin stopped early{suffix}": of[EARLY],
            f"robust accuracy of the twin with strong noise{suffix}": of[STRONG],
            f"robust accuracy of JEM less what AutoAttack adds{suffix}": [
                value - more for value, more in zip(of[JEM], taken, strict=True)
            ],
        }
    right = zip(per_seed(rows[JEM], "clean"), per_seed(rows[TWIN], "clean"), strict=True)
    # A twin that is never right has nothing to be ahead of.
    return found | {"accuracy of JEM over the twin's": [jem / twin if twin else 1.0 for jem, twin in right]}


def distal_quantities(pushed: Runs) -> dict[str, list[float]]:
    """The quantities of C11."""
    agrees = {row: per_seed(pushed, f"rows/{row}/judge agrees") for row in (JEM, TWIN, NOISE)}
    confident = zip(*(per_seed(pushed, f"rows/{row}/got confident") for row in (JEM, TWIN)), strict=True)
    return {
        "share recognised of JEM's distal images": agrees[JEM],
        "share recognised of the twin's distal images": agrees[TWIN],
        "share recognised of uniform noise": agrees[NOISE],
        "least share of distal images that got confident": [min(pair) for pair in confident],
    }
