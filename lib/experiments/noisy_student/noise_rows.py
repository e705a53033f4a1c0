"""What `2-noise` derives from the measured nets: differences, falls of losses, what the rules ask beside accuracies.

`nets` is name -> one result per seed, the names are those of the notebook.
"""

from statistics import fmean
from typing import TYPE_CHECKING, Any

from lib.replication.rows import Runs, RunsOf, differences, per_seed

if TYPE_CHECKING:
    import pandas as pd

STUDENT, TEACHER, CONTROL, NOWHERE = "student", "teacher", "supervised", "without noise on any image"
BARE = "without augmentation, stochastic depth, dropout"


def by_kind(nets: RunsOf) -> dict[str, dict[str, list[Any]]]:
    """Accuracy of each net, what it lacks against the student with all noise, what it has over the control."""
    rows: dict[str, dict[str, list[Any]]] = {}
    for name, runs in nets.items():
        rows[name] = {"accuracy": per_seed(runs, "accuracy")}
        if name != STUDENT:
            rows[name]["less the student"] = differences(runs, nets[STUDENT], "accuracy")
        if name != CONTROL:
            rows[name]["over the supervised net"] = differences(runs, nets[CONTROL], "accuracy")
    return rows


def length_frame(nets: RunsOf, lengths: list[int]) -> "pd.DataFrame":
    """A tidy frame of the students' gain over their teacher against their length: noise, steps, seed, gain."""
    import pandas as pd

    kinds = {"with noise": "student, {} steps", "without noise": "without noise, {} steps"}
    lines = [
        {"noise": kind, "steps": steps, "seed": seed, "gain": gain}
        for kind, name in kinds.items()
        for steps in lengths
        for seed, gain in enumerate(differences(nets[name.format(steps)], nets[TEACHER], "accuracy"))
    ]
    return pd.DataFrame(lines)


def loss_frame(nets: RunsOf) -> "pd.DataFrame":
    """A tidy frame of training losses: student, images (labelled, pseudo-labelled), seed, share of the steps, loss."""
    import pandas as pd

    lines = [
        {"student": name, "images": images, "seed": seed, "share": share, "loss": loss}
        for name, runs in nets.items()
        for images, key in (("labelled", "labelled"), ("pseudo-labelled", "unlabelled"))
        for seed, run in enumerate(runs)
        for share, loss in zip(run["losses"]["share"], run["losses"][key], strict=True)
    ]
    return pd.DataFrame(lines)


def last_loss(runs: Runs, images: str) -> list[float]:
    """Training loss over the last stretch of the steps, on "labelled" or "unlabelled" images: nats, one per seed."""
    return [curve[-1] for curve in per_seed(runs, f"losses/{images}")]


def fall(nets: RunsOf, images: str, other: str = NOWHERE) -> list[float]:
    """By how much the last training loss is lower in `other` than in the student with all noise: nats, one per seed."""
    return [a - b for a, b in zip(last_loss(nets[STUDENT], images), last_loss(nets[other], images), strict=True)]


def loss_rows(nets: RunsOf) -> dict[str, dict[str, list[float]]]:
    """The last losses of each student, and their falls against the one with all noise."""
    rows = {}
    for name, runs in nets.items():
        rows[name] = {f"last loss, {images}": last_loss(runs, images) for images in ("labelled", "unlabelled")}
        if name != STUDENT:
            rows[name] |= {f"fall, {images}": fall(nets, images, name) for images in ("labelled", "unlabelled")}
    return rows


def imitation_rows(nets: RunsOf) -> dict[str, dict[str, list[float]]]:
    """Distance to the teacher in nats on pool and test images, and how much larger it is on the latter."""
    return {
        name: {
            "pool": per_seed(runs, "distance/pool"),
            "test images": per_seed(runs, "distance/test"),
            "test less pool": [run["distance"]["test"] - run["distance"]["pool"] for run in runs],
        }
        for name, runs in nets.items()
    }


def magnitude_rows(read: Runs) -> dict[str, dict[str, list[float]]]:
    """Convention and magnitude: mean over the operations of change and of accuracy, and how many change no pixel."""
    rows = {}
    for convention, at in read[0].items():
        for magnitude in at:
            cells = [list(run[convention][magnitude].values()) for run in read]  # seed -> operation -> values
            rows[f"{magnitude}, {convention}"] = {
                "change of a pixel": [fmean(cell["change"] for cell in seed) for seed in cells],
                "teacher's accuracy": [fmean(cell["accuracy"] for cell in seed) for seed in cells],
                "operations that change nothing": [float(sum(not c["change"] for c in seed)) for seed in cells],
            }
    return rows


def derived(nets: RunsOf) -> dict[str, list[float]]:
    """What the rules ask beside the accuracies, which `paper.yaml` addresses by their paths; a value per seed."""
    longer = {
        "gain of that teacher in its last quarter": (TEACHER, "teacher, three quarters"),
        "gain of the noised student in its last quarter": (STUDENT, "student, three quarters"),
    }
    gains = {quantity: differences(nets[long], nets[short], "accuracy") for quantity, (long, short) in longer.items()}
    falls = {f"fall of the {images} training loss without noise": fall(nets, images)
             for images in ("labelled", "unlabelled")}  # fmt: skip
    return gains | falls
