"""What `3-pseudo-labels` derives: tables of the pool and of the students, and what its rules ask beside accuracies.

`nets` is name -> one result per seed, `about` what `about_pool` returned per seed; the names are those of the notebook.
"""

from collections.abc import Collection, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lib.replication.rows import Runs, RunsOf, differences, has, per_seed

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, dict[str, list[Any]]]

FILTERED, BALANCED, CONTROL = "filter at 0.3", "balanced as published", "supervised"
LABELS = ("soft", "hard", "smoothed")


def bin_names(bins: int) -> list[str]:
    """What the bins are called, the least sure first."""
    return ["least sure", *(f"{number} of {bins}" for number in range(2, bins)), "surest"]


def pool_rows(about: Runs, bins: int) -> Rows:
    """Bin by bin: lowest and mean confidence, images of other classes, right labels of known ones, evenness."""
    columns = {"lowest confidence": "lowest confidence", "mean confidence": "mean confidence",
               "other classes": "other classes", "right labels": "right of known",
               "commonest over rarest": "commonest over rarest"}  # fmt: skip
    return {
        name: {title: [run["bins"][number][key] for run in about] for title, key in columns.items()}
        for number, name in enumerate(bin_names(bins))
    }


def bin_rows(nets: RunsOf, bins: int) -> Rows:
    """Students on each bin, and as many images at random: accuracy, and what is above the supervised net."""
    wanted = [f"{kind}, {name}" for name in bin_names(bins) for kind in LABELS]
    return over_control(nets, [CONTROL, *wanted, "as many at random"])


def over_control(nets: RunsOf, names: Sequence[str]) -> Rows:
    """Accuracy of those nets that were trained, and what they have over the supervised net of their length."""
    rows: Rows = {}
    for name in names:
        if name in nets:
            rows[name] = {"accuracy": per_seed(nets[name], "accuracy")}
            if name != CONTROL:
                rows[name]["over the supervised net"] = differences(nets[name], nets[CONTROL], "accuracy")
    return rows


def filter_names(nets: RunsOf) -> list[str]:
    """Students on soft labels of what passed another filter than the judged one: by a threshold, or the surest bin."""
    return [name for name in nets if name.startswith("filter at") and ", " not in name and name != FILTERED] + [
        "soft, surest"
    ]


def filter_rows(nets: RunsOf) -> Rows:
    """The filters, and as many images as the surest bin has at random: what is left, and what students make of it."""
    columns = {"images over the pool": "over the pool", "other classes": "other classes", "right labels": "right"}
    rows: Rows = {}
    for name in (FILTERED, *filter_names(nets), "as many at random"):
        rows[name] = {title: per_seed(nets[name], f"learnt from/{key}") for title, key in columns.items()}
        rows[name]["accuracy"] = per_seed(nets[name], "accuracy")
        if name != FILTERED:
            rows[name]["less the filter at 0.3"] = differences(nets[name], nets[FILTERED], "accuracy")
    return rows


def balance_rows(nets: RunsOf) -> Rows:
    """Without and with balancing: balanced accuracy, images, distinct ones, evenness of the predicted classes."""
    columns = {"images over the pool": "learnt from/over the pool",
               "distinct over the pool": "learnt from/distinct over the pool",
               "commonest over rarest": "learnt from/commonest over rarest",
               "balanced accuracy": "balanced accuracy"}  # fmt: skip
    names = {"not balanced": FILTERED, "as published": BALANCED, "as coded": "balanced as coded"}
    rows: Rows = {}
    for row, name in names.items():
        if name in nets:
            rows[row] = {title: per_seed(nets[name], path) for title, path in columns.items()}
            if name != FILTERED:
                rows[row]["over not balanced"] = differences(nets[name], nets[FILTERED], "balanced accuracy")
    return rows


def search_rows(about: Runs) -> Rows:
    """The released search begun at 1.00 and at .99: thresholds, images that are left, classes that differ."""
    rows: Rows = {}
    for start in ("from 1.00", "from 0.99"):
        own = [run["search"][start] for run in about]
        rows[start] = {
            "lowest threshold": [min(search["thresholds"]) for search in own],
            "highest threshold": [max(search["thresholds"]) for search in own],
            "images left": [float(sum(search["left"])) for search in own],
            "classes at the first threshold": [
                float(search["thresholds"].count(float(start.removeprefix("from ")))) for search in own
            ],
        }
    first, second = ([run["search"][start]["thresholds"] for run in about] for start in ("from 1.00", "from 0.99"))
    differing = [float(sum(a != b for a, b in zip(x, y, strict=True))) for x, y in zip(first, second, strict=True)]
    rows["from 0.99"]["classes that differ"] = differing
    return rows


def bin_frame(nets: RunsOf, about: Runs, bins: int) -> "pd.DataFrame":
    """A tidy frame of figure 4: labels, seed, mean confidence of the bin, gain over the supervised net."""
    import pandas as pd

    lines = [
        {"labels": kind, "seed": seed, "confidence": about[seed]["bins"][number]["mean confidence"], "gain": gain}
        for kind in LABELS
        for number, name in enumerate(bin_names(bins))
        if f"{kind}, {name}" in nets
        for seed, gain in enumerate(differences(nets[f"{kind}, {name}"], nets[CONTROL], "accuracy"))
    ]
    return pd.DataFrame(lines)


def grid_frame(about: Runs, classes: Sequence[str]) -> "pd.DataFrame":
    """A tidy frame of the released search for the first seed: class, threshold, images left, images wanted."""
    import pandas as pd

    grid = about[0]["grid"]
    lines = [
        {"class": name, "threshold": threshold, "left": count, "wanted": grid["wanted"]}
        for name, left in zip(classes, grid["left"], strict=True)
        for threshold, count in zip(grid["threshold"], left, strict=True)
    ]
    return pd.DataFrame(lines)


def best_other_filter(nets: RunsOf, names: Collection[str]) -> list[float]:
    """For each seed the accuracy of the filter among `names` that is best on the mean over the other seeds.

    The best on the seed itself would be ahead by luck alone. With one seed there are no others, and the first is taken.
    """
    of = {name: per_seed(nets[name], "accuracy") for name in names}
    chosen = []
    for seed in range(len(next(iter(of.values())))):
        means = {name: fmean(values[:seed] + values[seed + 1 :] or [0.0]) for name, values in of.items()}
        chosen.append(of[max(means, key=lambda name: means[name])][seed])
    return chosen


def derived(nets: RunsOf, about: Runs) -> dict[str, list[float]]:
    """What the rules ask beside what `paper.yaml` addresses by its path; one value per seed."""
    seeds = len(nets["teacher"])
    larger = has_larger(nets)
    told = {
        "gain of the labelling teacher in its last quarter": differences(
            nets["teacher"], nets["teacher, three quarters"], "accuracy"
        ),
        "gain of the filtered student in its last quarter": differences(
            nets[FILTERED], nets[f"{FILTERED}, three quarters"], "accuracy"
        ),
        "mean confidence on the least sure images": [run["bins"][0]["mean confidence"] for run in about],
        "commonest over rarest class among the filtered images": per_seed(
            nets[FILTERED], "learnt from/commonest over rarest"
        ),
        "accuracy with the best other filter": best_other_filter(nets, filter_names(nets)),
        "other filters trained": [float(len(filter_names(nets)))] * seeds,
        "larger teachers trained": [float(larger)] * seeds,
    }
    if larger:
        lead = differences(nets["larger teacher"], nets["teacher"], "accuracy")
        told["lead of the larger teacher over the labelling one"] = lead
    return told


def has_larger(nets: RunsOf) -> bool:
    """Whether a larger teacher was trained."""
    return "larger teacher" in nets and has(nets["larger teacher"], "accuracy")
