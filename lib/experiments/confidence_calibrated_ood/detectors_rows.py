"""What `4-detectors` derives from its runs: the quantities of C12, and the frames and rows that no path leads to.

A run is what `detectors.detection` returned; names are "CE", "AlexNet, CE", "SVHN in, CE" and "SVHN in, AlexNet, CE".
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lib.replication.rows import Runs, RunsOf, differences, has, per_seed

if TYPE_CHECKING:
    import pandas as pd

TRAININGS = ("CE", "CEx", "KL broad", "KL narrow")
TWO_LENGTHS = ("CE", "KL broad", "KL narrow")  # trained for three quarters of the steps as well
SHOWN = ("maximum softmax", "energy", "ODIN")
CHOICES = ("maximum softmax", "ODIN, its authors' settings", "ODIN", "ODIN, tested kind")
ROLES = {"narrow": "narrow set", "near": "near sets", "far": "far sets", "noise": "noise"}


class Part(NamedTuple):
    """What a part of C12 is about: the beginning of its nets' names, the detector, the sets' role, the training."""

    nets: str
    detector: str
    role: str
    training: str


PARTS = {
    "ODIN, seen kind": Part("", "ODIN", "narrow", "KL narrow"),
    "ODIN, unseen kinds": Part("", "ODIN", "near", "KL broad"),
    "AlexNet, seen kind": Part("AlexNet, ", "maximum softmax", "narrow", "KL narrow"),
    "AlexNet, unseen kinds": Part("AlexNet, ", "maximum softmax", "near", "KL broad"),
    "SVHN in, ODIN, unseen kinds": Part("SVHN in, ", "ODIN", "near", "KL broad"),
    "SVHN in, AlexNet, unseen kinds": Part("SVHN in, AlexNet, ", "maximum softmax", "near", "KL broad"),
}


def derived(runs_of: RunsOf, shorter: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The quantities of C12 by part; parts whose nets were not run are left out.

    Args:
        runs_of: name of a net -> its runs.
        shorter: name -> accuracy for each seed after three quarters of the steps, with a whole schedule of their own.
    """
    found: dict[str, list[float]] = {}
    for name, (nets, detector, role, training) in PARTS.items():
        if f"{nets}CE" not in runs_of:
            continue
        first = nets.replace("AlexNet, ", "")
        for quantity, net in {"CE": "CE", "CEx": "CEx", "the confidence loss": training}.items():
            found[f"TNR95 with {quantity}/{name}"] = per_seed(runs_of[nets + net], f"TNR95/{detector}/{role}")
        path = f"TNR95/maximum softmax/{role}"
        found[f"gain by maximum softmax/{name}"] = differences(runs_of[first + training], runs_of[f"{first}CE"], path)
        for quantity, net in {"CE": "CE", "the confidence loss": training}.items():
            pairs = zip(per_seed(runs_of[nets + net], "accuracy"), shorter[nets + net], strict=True)
            found[f"gain of {quantity} in its last quarter/{name}"] = [whole - part for whole, part in pairs]
    plain = [per_seed(runs, "accuracy") for name, runs in runs_of.items() if name.endswith("CE")]
    return found | {"lowest accuracy": [min(of_seed) for of_seed in zip(*plain, strict=True)]}


def gain_frame(runs_of: RunsOf) -> "pd.DataFrame":
    """Gain in TNR95 over CE, same net, same detector: training, set (net and detector), seed, gain, seen."""
    import pandas as pd

    lines = []
    for nets, title in {"": "first net", "AlexNet, ": "AlexNet"}.items():
        for detector in SHOWN:
            for training, role in {"KL narrow": "narrow", "KL broad": "near", "CEx": "near"}.items():
                gains = differences(runs_of[nets + training], runs_of[f"{nets}CE"], f"TNR95/{detector}/{role}")
                seen = training == f"KL {role}"
                named = {"training": f"{training}, {ROLES[role]}", "set": f"{title}, {detector}", "seen": seen}
                lines += [named | {"seed": seed, "gain": gain} for seed, gain in enumerate(gains)]
    return pd.DataFrame(lines)


def settings_frame(runs: Runs) -> "pd.DataFrame":
    """TNR95 of ODIN at every setting: kind of outliers, temperature, step, seed, TNR95, chosen (on made outliers)."""
    import pandas as pd

    lines = [
        {"kind": ROLES.get(kind, kind), **setting, "seed": seed, "TNR95": rate, "chosen": setting == run["chosen"]}
        for seed, run in enumerate(runs)
        for kind, rates in run["over settings"].items()
        for setting, rate in zip(run["settings"], rates, strict=True)
    ]
    return pd.DataFrame(lines)


def by_choice(runs_of: RunsOf, names: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """TNR95 of ODIN by what its settings were chosen on, a row for each net and role."""
    return {
        f"{name}, {ROLES[role]}": {
            detector: per_seed(runs_of[name], f"TNR95/{detector}/{role}") for detector in CHOICES
        }
        for name in names
        for role in runs_of[name][0]["TNR95"]["ODIN"]
    }


def today(runs_of: RunsOf) -> dict[str, dict[str, list[float]]]:
    """AUROC on near and far sets, and accuracy: the confidence loss beside what is simple to do today."""
    nets = {
        "cross-entropy, maximum softmax": ("CE", "maximum softmax"),
        "confidence loss on a broad set, maximum softmax": ("KL broad", "maximum softmax"),
        "maximum softmax": ("trained longer", "maximum softmax"),
        "largest logit": ("trained longer", "largest logit"),
        "energy": ("trained longer", "energy"),
        "ODIN": ("trained longer", "ODIN"),
        "Outlier Exposure, maximum softmax": ("Outlier Exposure", "maximum softmax"),
    }
    return {
        row: {
            "near": per_seed(runs_of[name], f"AUROC/{detector}/near"),
            "far": far(runs_of[name], f"AUROC/{detector}"),
            "accuracy": per_seed(runs_of[name], "accuracy"),
        }
        for row, (name, detector) in nets.items()
    }


def far(runs: Runs, path: str) -> list[float]:
    """Mean over the roles of sets of another sort, which are the narrow set and, where there are any, the far ones."""
    roles = [per_seed(runs, f"{path}/{role}") for role in ("narrow", "far") if has(runs, f"{path}/{role}")]
    return [sum(of_seed) / len(roles) for of_seed in zip(*roles, strict=True)]
