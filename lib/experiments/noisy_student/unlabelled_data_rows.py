"""What `4-unlabelled-data` derives: tables and frames of its students, and what its rules ask beside accuracies.

`nets` is name -> one result per seed; the names are those of the notebook.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lib.replication.rows import Runs, RunsOf, differences, per_seed

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[Any]]]

CONTROL, ALL = "supervised", "all of the pool"
LEAST, MIDDLE = "one in 128", "one in 16"  # the shares of the pool that C9 is judged by


def amount(share: float) -> str:
    """What a share of the pool is called: 1/16 is "one in 16"."""
    return ALL if share == 1 else f"one in {round(1 / share)}"


def amount_rows(nets: RunsOf, names: Sequence[str], looks: int) -> Rows:
    """The supervised net, then students by their part of the pool: images, passes over each, and in per cent the rest.

    Args:
        nets: every net of the page.
        names: of the students.
        looks: unlabelled images, counted as often as they are seen, in the training of each.
    """
    rows: Rows = {CONTROL: {"accuracy": _percent(per_seed(nets[CONTROL], "accuracy"))}}
    for name in names:
        images = per_seed(nets[name], "chosen")
        rows[name] = {
            "images": images,
            "passes over each": [looks / count for count in images],
            "right labels": _percent(per_seed(nets[name], "label accuracy")),
            "accuracy": _percent(per_seed(nets[name], "accuracy")),
            "over the supervised net": _percent(differences(nets[name], nets[CONTROL], "accuracy")),
        }
    return rows


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]


def amount_frame(nets: RunsOf, names: Sequence[str]) -> "pd.DataFrame":
    """Columns: seed, images, and gain over the supervised net in points."""
    import pandas as pd

    lines = [
        {"seed": seed, "images": images, "gain": 100 * gain}
        for name in names
        for seed, (images, gain) in enumerate(
            zip(per_seed(nets[name], "chosen"), differences(nets[name], nets[CONTROL], "accuracy"), strict=True)
        )
    ]
    return pd.DataFrame(lines)


def over(nets: RunsOf, names: Sequence[str], control: str, title: str) -> Rows:
    """Accuracy of the nets named, and what each has over one of them."""
    rows: Rows = {}
    for name in [control, *names]:
        rows[name] = {"accuracy": per_seed(nets[name], "accuracy")}
        if name != control:
            rows[name][title] = differences(nets[name], nets[control], "accuracy")
    return rows


def best_rate(nets: RunsOf, names: Sequence[str]) -> Runs:
    """For each seed the run, among those named, that is best on the pool."""
    return [max(runs, key=lambda run: run["right on the pool"]) for runs in zip(*(nets[n] for n in names), strict=True)]


def derived(nets: RunsOf, ratios: dict[str, tuple[str, str]]) -> dict[str, list[float]]:
    """What the rules ask beside what `paper.yaml` addresses by its path; one value per seed.

    Args:
        nets: every net of the page.
        ratios: "smaller" and "larger" -> the names of that net's students at the lower and at the higher ratio.
    """
    gains = {size: differences(nets[high], nets[low], "accuracy") for size, (low, high) in ratios.items()}
    weights = {size: per_seed(nets[low], "parameters") for size, (low, _) in ratios.items()}
    told = {
        "gain of the labelling teacher in its last quarter": differences(
            nets["teacher"], nets["teacher, three quarters"], "accuracy"
        ),
        "gain of the student in its last quarter": differences(nets[ALL], nets["three quarters"], "accuracy"),
        **{f"gain by a higher ratio for the {size} net": gain for size, gain in gains.items()},
        "weights of the larger net over those of the smaller": [
            larger / smaller for larger, smaller in zip(weights["larger"], weights["smaller"], strict=True)
        ],
    }
    if LEAST in nets and MIDDLE in nets:
        told["gain from 1/128 to 1/16 of the pool/then no longer"] = differences(nets[MIDDLE], nets[LEAST], "accuracy")
        told["gain from 1/16 to all of the pool/then no longer"] = differences(nets[ALL], nets[MIDDLE], "accuracy")
    return told
