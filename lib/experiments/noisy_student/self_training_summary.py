"""What `1-self-training` makes of the measured nets: rows of its tables, frames of its figures, judged quantities.

`nets` is name -> one result of `trained` per seed; the names are those of the notebook.
"""

from typing import Any

from lib.experiments.noisy_student.lineages import Lineage, Setting, forward_passes
from lib.metrics.intervals import interval

Net = list[dict[str, Any]]
Nets = dict[str, Net]

# The supervised net of the same size, length and noise; "supervised" for the others.
CONTROLS = {"larger student": "larger, supervised"}
# Nets that say whether the others were trained long enough; no arms of their own.
AXIS = ("teacher, twice as long", "student, three quarters", "supervised, three quarters")


def column(net: Net, name: str) -> list[float]:
    """One measured quantity, a value per seed."""
    return [float(run[name]) for run in net]


def differences(a: Net, b: Net, name: str = "accuracy") -> list[float]:
    """a - b, seed by seed."""
    return [x - y for x, y in zip(column(a, name), column(b, name), strict=True)]


def gain(nets: Nets, name: str) -> list[float]:
    """Accuracy over that of the supervised control, seed by seed."""
    return differences(nets[name], nets[CONTROLS.get(name, "supervised")])


def by_arm(nets: Nets) -> dict[str, dict[str, list[float]]]:
    """Accuracy, gain over the supervised net, and how many of the pseudo-labels learnt from were right."""
    rows = {}
    for name, net in nets.items():
        rows[name] = {"accuracy": column(net, "accuracy")}
        if name != "supervised":
            rows[name]["over the supervised net"] = gain(nets, name)
        if "label accuracy" in net[0]:
            rows[name]["right pseudo-labels"] = column(net, "label accuracy")
    return rows


def top_1(nets: Nets, rows: dict[str, str]) -> dict[str, dict[str, list[float]]]:
    """Rows of a table of the paper -> the net that stands there, with its accuracy; those of nets that exist."""
    return {row: {"top-1": column(nets[name], "accuracy")} for row, name in rows.items() if name in nets}


def calibration(nets: Nets, names: list[str]) -> dict[str, dict[str, list[float]]]:
    """Calibration error with its noise floor, mean confidence minus accuracy, and log-likelihood, of some nets."""
    quantities = ["calibration error", "calibration noise floor", "confidence - accuracy", "nll"]
    return {n: {quantity: column(nets[n], quantity) for quantity in quantities} for n in names if n in nets}


def against_student(nets: Nets, lineages: dict[str, Lineage], setting: Setting) -> dict[str, dict[str, list[float]]]:
    """The student and its rivals: accuracy, and forward passes, of ancestors too, over those of the student.

    Of a net that labels for itself also the share of the pool that it is sure enough of at the end.
    """
    student = forward_passes(lineages["student"], setting)
    rows = {
        name: {
            "accuracy": column(nets[name], "accuracy"),
            "forward passes over the student's": [forward_passes(lineage, setting) / student] * len(nets[name]),
        }
        for name, lineage in lineages.items()
    }
    for name in rows:
        if "sure of" in nets[name][0]:
            rows[name]["share of the pool it is sure of"] = column(nets[name], "sure of")
    return rows


def selections(nets: Nets, pool: int) -> dict[str, dict[str, list[float]]]:
    """Variants of the student: accuracy, images chosen over the size of the pool, right pseudo-labels among them."""
    return {
        name: {
            "accuracy": column(net, "accuracy"),
            "chosen over the pool": [chosen / pool for chosen in column(net, "chosen")],
            "right pseudo-labels": column(net, "label accuracy"),
        }
        for name, net in nets.items()
    }


def gain_frame(nets: Nets) -> Any:
    """A tidy frame of the gain over the supervised control: arm, seed, gain, and the interval of its mean."""
    import pandas as pd

    lines = []
    for name in nets:
        if name in {"supervised", "larger, supervised", *AXIS}:
            continue
        gains = gain(nets, name)
        around = interval(gains) if len(gains) > 1 else None
        low, high = (around.low, around.high) if around else (gains[0], gains[0])
        lines += [{"arm": name, "seed": i, "gain": g, "low": low, "high": high} for i, g in enumerate(gains)]
    return pd.DataFrame(lines)


def length_frame(nets: Nets, lengths: list[int]) -> Any:
    """A tidy frame of the student's gain against its length: steps, seed, against (teacher or control), gain."""
    import pandas as pd

    references = {"supervised, same steps": "supervised, {} steps", "teacher": "teacher"}
    lines = [
        {"steps": steps, "seed": seed, "against": against, "gain": gain}
        for steps in lengths
        for against, name in references.items()
        for seed, gain in enumerate(differences(nets[f"student, {steps} steps"], nets[name.format(steps)]))
    ]
    return pd.DataFrame(lines)


def size_frame(nets: Nets) -> Any:
    """A tidy frame of accuracy against parameters: training (supervised or student), parameters, seed, accuracy."""
    import pandas as pd

    names = {"supervised": "supervised", "student": "student", "larger, supervised": "supervised",
             "larger student": "student"}  # fmt: skip
    lines = [
        {"training": training, "parameters": run["parameters"], "seed": seed, "accuracy": run["accuracy"]}
        for name, training in names.items()
        for seed, run in enumerate(nets.get(name, ()))
    ]
    return pd.DataFrame(lines)


def reliability_frame(nets: Nets, names: list[str]) -> Any:
    """A tidy frame of the reliability diagrams, all seeds together: arm, confidence, accuracy, size of each bin."""
    import pandas as pd

    lines = [
        {"arm": name, "seed": seed, "confidence": c, "accuracy": a, "size": n}
        for name in names
        for seed, run in enumerate(nets.get(name, ()))
        for c, a, n in zip(*(run["reliability"][key] for key in ("confidence", "accuracy", "size")), strict=True)
    ]
    return pd.DataFrame(lines)


def self_training_values(nets: Nets, lineages: dict[str, Lineage], setting: Setting) -> dict[str, list[float]]:
    """The quantities that C1, C2, C6, C7, C8 and C25 are judged by, one value per seed; those of nets that exist."""
    named = {
        "teacher accuracy": "teacher",
        "student accuracy": "student",
        "supervised accuracy at the student's length": "supervised",
        "accuracy after round 2": "round 2",
        "accuracy of the larger student": "larger student",
        "supervised accuracy of the larger net": "larger, supervised",
        "student accuracy under the larger teacher": "student of the larger student",
        "accuracy of consistency training": "consistency",
    }
    accuracies = {name: column(nets[net], "accuracy") for name, net in named.items() if net in nets}
    return accuracies | finished(nets) | of_size(nets) | of_rivals(nets, lineages, setting)


def finished(nets: Nets) -> dict[str, list[float]]:
    """Whether teacher, student and control were trained long enough: what more steps bring each of them."""
    return {
        "gain of a teacher trained twice as long": differences(nets["teacher, twice as long"], nets["teacher"]),
        "gain of the student in its last quarter": differences(nets["student"], nets["student, three quarters"]),
        "gain of the supervised net in its last quarter": differences(
            nets["supervised"], nets["supervised, three quarters"]
        ),
    }


def of_size(nets: Nets) -> dict[str, list[float]]:
    """What C2, C7 and C8 ask of the larger nets, where there are any; how many rounds there were."""
    seeds = len(nets["student"])
    trained = {
        "larger nets trained": [float("larger student" in nets)] * seeds,
        "rounds of self-training": [float(1 + sum(name.startswith("round ") for name in nets))] * seeds,
    }
    if "larger student" not in nets:
        return trained
    gains = differences(nets["larger, supervised"], nets["supervised"])
    return trained | {
        "gain of self-training at the larger size": gain(nets, "larger student"),
        "gain of the larger size without it, or none": [max(0.0, gained) for gained in gains],
        "lead of the larger teacher": differences(nets["larger student"], nets["teacher"]),
    }


def of_rivals(nets: Nets, lineages: dict[str, Lineage], setting: Setting) -> dict[str, list[float]]:
    """What C25's gates ask of consistency training; nothing of it where it was not run."""
    seeds = len(nets["student"])
    passes = forward_passes(lineages["consistency"], setting) if "consistency" in lineages else 0
    of_students = passes / forward_passes(lineages["student"], setting)
    return {
        "forward passes of consistency training over those of self-training": [of_students] * seeds,
        "share of the pool that consistency training labels in the end": (
            column(nets["consistency"], "sure of") if "consistency" in nets else [0.0] * seeds
        ),
    }
