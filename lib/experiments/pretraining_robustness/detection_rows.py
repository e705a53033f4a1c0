"""What `4-detection` derives from its runs: what its rules compare, tables by set, frames of its figures.

`nets` is name -> what `detection.assessed` says of that net, one for each seed; `runs` is what it returned.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.experiments.pretraining_robustness.detection import ROLES, SEEN
from lib.experiments.pretraining_robustness.moments import (
    BEST,
    COMPUTE,
    MATCHED,
    PRETRAINED,
    SAME_RATE,
    SCRATCH,
    SHORT,
    STOPPED,
    TUNED_LESS,
)
from lib.replication.rows import Runs, RunsOf, by_name, differences, per_seed

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[float]]]
MEASURES = ("AUROC", "AUPR")
SAID = {  # as the rules call a net -> as the page does
    "pre-trained": PRETRAINED,
    "pre-trained at scratch's accuracy": TUNED_LESS,
    "scratch": SCRATCH,
    "scratch of equal steps": SHORT,
    "scratch of equal steps and rate": SAME_RATE,
    "scratch of equal compute": COMPUTE,
    "scratch stopped by held-out images": STOPPED,
    "scratch at its most accurate": BEST,
    "scratch of equal accuracy": MATCHED,
}
GAINS = {  # what is taken from what, for the figure of differences
    "scratch (the paper's comparison)": (PRETRAINED, SCRATCH),
    "scratch, equal steps": (PRETRAINED, SHORT),
    "scratch, most accurate": (PRETRAINED, BEST),
    "scratch, equal accuracy": (PRETRAINED, MATCHED),
    "scratch, from the tuned net at its accuracy": (TUNED_LESS, SCRATCH),
}
DEFINITIONS = {
    "AUROC, code": "published/{}/mean/AUROC",
    "AUROC": "exact/{}/mean/AUROC",
    "AUPR, code": "published/{}/mean/AUPR",
    "AUPR": "exact/{}/mean/AUPR",
    "AUPR, test images positive": "exact/{}/mean/AUPR, test images positive",
    "FPR at 95 %, code": "published/{}/mean/FPR",
    "FPR at 95 %": "exact/{}/mean/FPR",
    "FPR, test images positive": "exact/{}/mean/FPR, test images positive",
}


def nets_of(runs: Runs) -> RunsOf:
    """Name of a net -> what is said of it, one for each seed."""
    return by_name([run["nets"] for run in runs])


def learnt_enough(source: Runs, nets: RunsOf) -> dict[str, list[float]]:
    """What the gates of this page and the next ask of the source and of scratch."""
    return {
        "accuracy of the source over chance": [(1 - run["test error"]) * run["classes"] for run in source],
        "clean accuracy scratch": [1 - error for error in per_seed(nets[SCRATCH], "clean error")],
    }


def derived(source: Runs, nets: RunsOf) -> dict[str, list[float]]:
    """What C16 and S4 are judged by, and the gates; a value for each seed."""
    found = learnt_enough(source, nets)
    for role in ROLES:
        for measure in MEASURES:
            part, path = f"{measure}, {role}", f"published/{role}/mean/{measure}"
            found |= {f"score {said}/{part}": per_seed(nets[name], path) for said, name in SAID.items()}
            found[f"room above scratch/{part}"] = [1 - score for score in per_seed(nets[SCRATCH], path)]
    return found


def places(nets: RunsOf, roles: tuple[str, ...] = ROLES) -> Iterator[tuple[str, str]]:
    """Role and name of every set."""
    scores = nets[SCRATCH][0]["exact"]
    return ((role, name) for role in roles for name in scores[role] if name != "mean")


def set_rows(nets: RunsOf, measure: str) -> Rows:
    """`role: set` -> net -> the score as published."""
    return {
        f"{role}: {name}": {net: per_seed(runs, f"published/{role}/{name}/{measure}") for net, runs in nets.items()}
        for role, name in places(nets)
    }


def table_4_rows(nets: RunsOf) -> Rows:
    """The paper's table, a row for each kind of set."""
    return {
        f"{role} sets": {
            f"{measure} {net}": per_seed(nets[net], f"published/{role}/mean/{measure}")
            for measure in MEASURES
            for net in (SCRATCH, PRETRAINED)
        }
        for role in ROLES
    }


def definition_rows(nets: RunsOf) -> Rows:
    """Start and kind of set -> definition -> score."""
    return {
        f"{net}, {role}": {title: per_seed(nets[net], path.format(role)) for title, path in DEFINITIONS.items()}
        for role in ROLES
        for net in (SCRATCH, PRETRAINED)
    }


def source_rows(nets: RunsOf) -> Rows:
    """Net -> AUROC on images of the source, exact."""
    return {net: {"AUROC": per_seed(runs, f"exact/{SEEN}/mean/AUROC")} for net, runs in nets.items()}


def gains_frame(nets: RunsOf) -> "pd.DataFrame":
    """Differences of exact AUROC: set, against, seed, gain."""
    import pandas as pd

    lines = [
        (f"{role}: {name}", against, seed, gain)
        for role, name in places(nets)
        for against, (tuned, scratch) in GAINS.items()
        for seed, gain in enumerate(differences(nets[tuned], nets[scratch], f"exact/{role}/{name}/AUROC"))
    ]
    return pd.DataFrame(lines, columns=["set", "against", "seed", "gain"])


def accuracy_frame(runs: Runs) -> "pd.DataFrame":
    """Every look of every training: training, role, set, seed, step, clean error, AUROC."""
    import pandas as pd

    lines = [
        (training, *place.split("/"), seed, step, error, score)
        for seed, run in enumerate(runs)
        for training, looks in run["looks"].items()
        for place, scores in looks["AUROC"].items()
        for step, error, score in zip(looks["step"], looks["clean error"], scores, strict=True)
    ]
    columns = ["training", "role", "set", "seed", "step", "clean error", "AUROC"]
    return pd.DataFrame(lines, columns=columns)


def role_means(frame: "pd.DataFrame") -> "pd.DataFrame":
    """`accuracy_frame` with the sets of one role averaged, sets of the source left out."""
    by = ["training", "role", "seed", "step", "clean error"]
    means = frame[frame["role"] != SEEN].groupby(by, sort=False)["AUROC"].mean()
    return means.round(5).reset_index()


def certainty_frame(runs: Runs) -> "pd.DataFrame":
    """Some largest probabilities of every net on every set, of the first seed: net, set, certainty."""
    import pandas as pd

    lines = [
        (net, place, value) for net, of in runs[0]["kept"].items() for place, values in of.items() for value in values
    ]
    return pd.DataFrame(lines, columns=["net", "set", "certainty"])
