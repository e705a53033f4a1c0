"""What `1-self-training` derives from the measured nets: gains, costs, and what the rules ask beside accuracies.

`nets` is name -> one result of `trained` per seed; the names are those of the notebook.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.experiments.noisy_student.lineages import Lineage, Setting, forward_passes
from lib.metrics.intervals import interval
from lib.replication.rows import Runs, RunsOf, differences, frame, has, per_seed, rows

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[Any]]]

# The supervised net of the same size, length and noise; "supervised" for the others.
CONTROLS = {"larger student": "larger, supervised"}
# Nets that say whether the others were trained long enough; no arms of their own.
AXIS = ("teacher, twice as long", "student, three quarters", "supervised, three quarters")
CALIBRATION = {name: name for name in ("calibration error", "calibration noise floor", "confidence - accuracy", "nll")}


def named(nets: RunsOf, names: Mapping[str, str]) -> dict[str, Runs]:
    """What a table calls a net -> its runs; `names` is row -> net, and those that were not trained are left out."""
    return {row: nets[name] for row, name in names.items() if name in nets}


def gain(nets: RunsOf, name: str) -> list[float]:
    """Accuracy over that of the supervised control, seed by seed."""
    return differences(nets[name], nets[CONTROLS.get(name, "supervised")], "accuracy")


def by_arm(nets: RunsOf) -> Rows:
    """Accuracy, gain over the supervised net, and how many of the pseudo-labels learnt from were right."""
    measured = rows(nets, {"accuracy": "accuracy"})
    for name, runs in nets.items():
        if name != "supervised":
            measured[name]["over the supervised net"] = gain(nets, name)
        if has(runs, "label accuracy"):
            measured[name]["right pseudo-labels"] = per_seed(runs, "label accuracy")
    return measured


def against_student(nets: RunsOf, lineages: Mapping[str, Lineage], setting: Setting) -> Rows:
    """The student and its rivals: accuracy, and forward passes, of ancestors too, over those of the student.

    Of a net that labels for itself also the share of the pool that it is sure enough of at the end.
    """
    student = forward_passes(lineages["student"], setting)
    measured = rows({name: nets[name] for name in lineages}, {"accuracy": "accuracy"})
    for name, lineage in lineages.items():
        passes, runs = forward_passes(lineage, setting) / student, nets[name]
        measured[name]["forward passes over the student's"] = [passes] * len(runs)
        if has(runs, "sure of"):
            measured[name]["share of the pool it is sure of"] = per_seed(runs, "sure of")
    return measured


def selections(nets: RunsOf, pool: int) -> Rows:
    """Variants of the student: accuracy, images chosen over the size of the pool, right pseudo-labels among them."""
    measured = rows(
        nets, {"accuracy": "accuracy", "chosen over the pool": "chosen", "right pseudo-labels": "label accuracy"}
    )
    for row in measured.values():
        row["chosen over the pool"] = [chosen / pool for chosen in row["chosen over the pool"]]
    return measured


def gain_frame(nets: RunsOf) -> "pd.DataFrame":
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


def length_frame(nets: RunsOf, lengths: list[int]) -> "pd.DataFrame":
    """A tidy frame of the student's gain against its length: steps, seed, against (teacher or control), gain."""
    import pandas as pd

    references = {"supervised, same steps": "supervised, {} steps", "teacher": "teacher"}
    lines = [
        {"steps": steps, "seed": seed, "against": against, "gain": gain}
        for steps in lengths
        for against, name in references.items()
        for seed, gain in enumerate(differences(nets[f"student, {steps} steps"], nets[name.format(steps)], "accuracy"))
    ]
    return pd.DataFrame(lines)


def size_frame(nets: RunsOf) -> "pd.DataFrame":
    """A tidy frame of accuracy against parameters: training (supervised or student), parameters, seed, accuracy."""
    training = {"supervised": "supervised", "student": "student", "larger, supervised": "supervised",
                "larger student": "student"}  # fmt: skip
    columns = {"parameters": "parameters", "accuracy": "accuracy"}
    tidy = frame({name: nets[name] for name in training if name in nets}, columns, name="training")
    tidy["training"] = tidy["training"].map(training)
    return tidy[["training", "parameters", "seed", "accuracy"]]


def reliability_frame(nets: RunsOf, names: list[str]) -> "pd.DataFrame":
    """A tidy frame of the reliability diagrams, all seeds together: arm, confidence, accuracy, size of each bin."""
    columns = {key: f"reliability/{key}" for key in ("confidence", "accuracy", "size")}
    return frame({name: nets[name] for name in names if name in nets}, columns)


def derived(nets: RunsOf, lineages: Mapping[str, Lineage], setting: Setting) -> dict[str, list[float]]:
    """What the rules ask beside the accuracies, which `paper.yaml` addresses by their paths; a value per seed."""
    return finished(nets) | of_size(nets) | of_rivals(nets, lineages, setting)


def finished(nets: RunsOf) -> dict[str, list[float]]:
    """Whether teacher, student and control were trained long enough: what more steps bring each of them."""
    longer = {
        "gain of a teacher trained twice as long": ("teacher, twice as long", "teacher"),
        "gain of the student in its last quarter": ("student", "student, three quarters"),
        "gain of the supervised net in its last quarter": ("supervised", "supervised, three quarters"),
    }
    return {quantity: differences(nets[long], nets[short], "accuracy") for quantity, (long, short) in longer.items()}


def of_size(nets: RunsOf) -> dict[str, list[float]]:
    """What C2, C7 and C8 ask of the larger nets, where there are any; how many rounds there were."""
    seeds = len(nets["student"])
    trained = {
        "larger nets trained": [float("larger student" in nets)] * seeds,
        "rounds of self-training": [float(1 + sum(name.startswith("round ") for name in nets))] * seeds,
    }
    if "larger student" not in nets:
        return trained
    gains = differences(nets["larger, supervised"], nets["supervised"], "accuracy")
    return trained | {
        "gain of self-training at the larger size": gain(nets, "larger student"),
        "gain of the larger size without it, or none": [max(0.0, gained) for gained in gains],
        "lead of the larger teacher": differences(nets["larger student"], nets["teacher"], "accuracy"),
    }


def of_rivals(nets: RunsOf, lineages: Mapping[str, Lineage], setting: Setting) -> dict[str, list[float]]:
    """What C25's gates ask of consistency training; nothing of it where it was not run."""
    seeds = len(nets["student"])
    passes = forward_passes(lineages["consistency"], setting) if "consistency" in lineages else 0
    of_students = passes / forward_passes(lineages["student"], setting)
    return {
        "forward passes of consistency training over those of self-training": [of_students] * seeds,
        "share of the pool that consistency training labels in the end": (
            per_seed(nets["consistency"], "sure of") if "consistency" in nets else [0.0] * seeds
        ),
    }
