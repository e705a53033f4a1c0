"""What `5-calibration` derives from its runs: what its rules compare, rows of its tables, frames of its figures.

`nets` is name -> what `calibration.assessed` says of that net, one for each seed; `runs` is what it returned.
"""

from typing import TYPE_CHECKING

from lib.experiments.pretraining_robustness.detection_rows import SAID, learnt_enough
from lib.experiments.pretraining_robustness.detection_rows import nets_of as nets_of  # for the page
from lib.experiments.pretraining_robustness.moments import PRETRAINED, SCRATCH, TUNED_LESS
from lib.replication.claims import Exhibit
from lib.replication.rows import Runs, RunsOf, per_seed
from lib.replication.rows import rows as by_path

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[float]]]
PART = "ten classes"
EARLY_SHARE = 0.6  # of the steps: epoch 60 of the paper's figure
RMS = "as it comes/RMS"
LABELS = ("RMS", "confidence minus accuracy")
TABLE = {
    "error": "clean error",
    "RMS": "as it comes/RMS",
    "RMS floor": "as it comes/RMS floor",
    "MAD": "as it comes/MAD",
    "MAD floor": "as it comes/MAD floor",
    "confidence - accuracy": "as it comes/confidence minus accuracy",
    "RMS, scaled": "scaled/RMS",
    "RMS floor, scaled": "scaled/RMS floor",
}
DEFINITIONS = {
    "RMS": "as it comes/RMS",
    "RMS, code": "as it comes/RMS, code",
    "MAD": "as it comes/MAD",
    "MAD, code": "as it comes/MAD, code",
    "15 equal bins": "as it comes/15 equal bins",
}
LIKELIHOOD = {
    "NLL": "as it comes/negative log-likelihood",
    "NLL, scaled": "scaled/negative log-likelihood",
    "Brier": "as it comes/Brier score",
    "Brier, scaled": "scaled/Brier score",
    "temperature": "temperature",
}


def ratio(above: Runs, below: Runs, path: str, floor: str = "") -> list[float]:
    """One value over another, seed by seed; `floor` is the path of the lower one where it is another."""
    pairs = zip(per_seed(above, path), per_seed(below, floor or path), strict=True)
    return [a / b for a, b in pairs]


def derived(source: Runs, nets: RunsOf, runs: Runs) -> dict[str, list[float]]:
    """What C17, C18 and C19 are judged by beside the values that have a path; a value for each seed."""
    tuned = nets[PRETRAINED]
    found = learnt_enough(source, nets) | {
        "RMS calibration error pre-trained over its floor": ratio(tuned, tuned, RMS, f"{RMS} floor"),
    }
    for measure in ("RMS", "MAD"):
        part, path = f"{measure}, {PART}", f"as it comes/{measure}"
        for said, name in SAID.items():
            if said.startswith("scratch"):
                found[f"calibration error pre-trained over {said}/{part}"] = ratio(tuned, nets[name], path)
        stopped = ratio(nets[TUNED_LESS], nets[SCRATCH], path)
        found[f"calibration error pre-trained at scratch's accuracy over scratch/{part}"] = stopped
        found[f"calibration error scratch over the floor/{part}"] = ratio(nets[SCRATCH], tuned, path, f"{path} floor")
    for name in LABELS:
        looks = [run["looks"][SCRATCH] for run in runs]
        found[f"error late/{name}"] = [of[name][-1] for of in looks]
        found[f"error early/{name}"] = [of[name][early(of["step"])] for of in looks]
    return found


def early(steps: list[int]) -> int:
    """The place of the look that is nearest to six tenths of the way, the earlier one of two.

    >>> early([10, 20, 30, 40, 50])
    2
    """
    return min(range(len(steps)), key=lambda place: abs(steps[place] - EARLY_SHARE * steps[-1]))


def table_5_rows(nets: RunsOf, target: str) -> Rows:
    """The paper's table, a row for our target."""
    columns = {
        f"{measure} {net}": per_seed(nets[net], f"as it comes/{measure}")
        for measure in ("RMS", "MAD")
        for net in (SCRATCH, PRETRAINED)
    }
    columns["RMS pre-trained, temperature"] = per_seed(nets[PRETRAINED], "scaled/RMS")
    return {target: columns}


def net_rows(nets: RunsOf) -> Rows:
    """Net -> error, calibration errors with their floors, sign, and what a temperature makes of them."""
    return by_path(nets, TABLE)


def errors_frame(nets: RunsOf) -> "pd.DataFrame":
    """RMS before and after the temperature: net, seed, before, after, floor."""
    import pandas as pd

    paths = ("as it comes/RMS", "scaled/RMS", "as it comes/RMS floor")
    lines = [
        (net, seed, *values)
        for net, runs in nets.items()
        for seed, values in enumerate(zip(*(per_seed(runs, path) for path in paths), strict=True))
    ]
    return pd.DataFrame(lines, columns=["net", "seed", "before", "after", "floor"])


def training_frame(runs: Runs, paper: Exhibit | None = None) -> "pd.DataFrame":
    """Every look: source, training, seed, share, RMS, its floor, confidence minus accuracy; and the paper's RMS."""
    import pandas as pd

    names = ("RMS", "RMS floor", "confidence minus accuracy")
    lines: list[tuple[object, ...]] = [
        ("this run", training, seed, step / looks["step"][-1], *(looks[name][place] for name in names))
        for seed, run in enumerate(runs)
        for training, looks in run["looks"].items()
        for place, step in enumerate(looks["step"])
    ]
    curve = paper.values["RMS"] if paper else {}
    last = max((float(epoch) for epoch in curve), default=1.0)
    lines += [("paper", SCRATCH, 0, float(x) / last, float(y or 0) / 100, 0.0, 0.0) for x, y in curve.items()]
    return pd.DataFrame(lines, columns=["source", "training", "seed", "share", *names])
