"""What `3-joint-gan` derives from its runs: the quantities of its rules, set by set, and the frames of its figures.

`worlds` maps the in-distribution set to its runs: name of an arm -> what it returned per seed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.experiments.confidence_calibrated_ood.confidence_loss_rows import TITLES
from lib.replication.rows import RunsOf, has, per_seed, tile

if TYPE_CHECKING:
    import pandas as pd

Worlds = Mapping[str, RunsOf]
PLAIN, BESIDE, JOINT, OTHER = "plain GAN", "KL term, fixed classifier", "joint", "joint, other beta"
# What a rule calls a training -> the arm that it is.
COMPARED = {
    "the joint loss": JOINT,
    "CE": "CE",
    "CEx": "CEx",
    "samples of a plain GAN": "KL plain GAN",
    "explicit outliers": "KL narrow",
    "broad outliers": "KL broad",
}
AT_BORDER = {"the KL term": BESIDE, "joint training": JOINT, "the plain GAN": PLAIN}
ROLES = ("near", "far", "noise")
PAGE = ("CE", "CEx", "KL narrow", "KL broad", "KL plain GAN", JOINT, OTHER)  # what the comparisons show
TILES = 10  # samples of a generator in the picture


def plain(dataset: str) -> str:
    """The name of a set without the mark of a stand-in."""
    return dataset.removeprefix("fake:")


def derived(worlds: Worlds) -> dict[str, list[float]]:
    """Every quantity that the rules name, part by part, one value per seed."""
    found: dict[str, list[float]] = {}
    for dataset, runs_of in worlds.items():
        inside = f"{plain(dataset)} in"
        for name, arm in COMPARED.items():
            found |= _of_training(inside, name, runs_of[arm])
        for name, arm in AT_BORDER.items():
            found[f"images at the border with {name}/{inside}"] = per_seed(runs_of[arm], "late/border")
        found[f"test images at the border/{inside}"] = per_seed(runs_of["test images"], "late/border")
        for part in (inside, *(f"{inside}, {role}" for role in ROLES)):
            found[f"samples of the plain GAN on the data/{part}"] = per_seed(runs_of[PLAIN], "late/core")
            found[f"classes covered by the plain GAN/{part}"] = per_seed(runs_of[PLAIN], "late/classes covered")
    return found | {"windows in which the joint objective rises": rising(worlds)}


def _of_training(inside: str, name: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Detection by role, accuracy, and what the last quarter of the steps gained, under the names of the rules."""
    found = {f"accuracy with {name}/{inside}": per_seed(runs, "accuracy")}
    for role in ROLES:
        found[f"TNR95 with {name}/{inside}, {role}"] = per_seed(runs, f"TNR95/{role}")
        found[f"accuracy of {name}/{inside}, {role}"] = per_seed(runs, "accuracy")
    for role, kind in (("near", "near"), ("far", "unseen far")):
        if has(runs, f"TNR95/{kind}"):
            found[f"unseen TNR95 with {name}/{inside}, {role}"] = per_seed(runs, f"TNR95/{kind}")
    for part in (inside, *(f"{inside}, {role}" for role in ROLES)):
        found[f"gain of {name} in its last quarter/{part}"] = per_seed(runs, "gain")
    return found


def rising(worlds: Worlds) -> list[float]:
    """Largest share over sets of the windows in which the joint objective rises, one per seed."""
    shares = [per_seed(runs_of[JOINT], "rises/objective") for runs_of in worlds.values()]
    return [max(of_seed) for of_seed in zip(*shares, strict=True)]


def named(worlds: Worlds, arms: Sequence[str]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Arms of all sets in one: `digits: CE` -> runs, those that were run."""
    return {
        f"{titled(dataset)}: {arm}": runs_of[arm]
        for dataset, runs_of in worlds.items()
        for arm in arms
        if arm in runs_of
    }


def accuracies(worlds: Worlds) -> dict[str, dict[str, list[float]]]:
    """The paper's table of accuracies: a row for each loss, a column for each in-distribution set."""
    losses = {
        "cross-entropy": "CE",
        "confidence loss, explicit outliers": "KL narrow",
        "confidence loss, samples of a plain GAN": "KL plain GAN",
        "joint loss": JOINT,
    }
    return {
        loss: {titled(dataset): per_seed(runs_of[arm], "accuracy") for dataset, runs_of in worlds.items()}
        for loss, arm in losses.items()
    }


def titled(dataset: str) -> str:
    """What a set is called on the page: `cifar10` -> CIFAR-10; MNIST has no colours here."""
    return TITLES.get(plain(dataset), plain(dataset)).replace("coloured ", "")


def set_frame(runs_of: RunsOf) -> "pd.DataFrame":
    """A tidy frame of TNR95 by set: training, set, seed, TNR95, seen."""
    import pandas as pd

    seen = {"KL narrow": "narrow", "KL broad": "broad"}
    lines = [
        {"training": arm, "set": titled_set(name), "seed": seed, "TNR95": values["TNR95"],
         "seen": name.startswith(seen.get(arm, "none"))}
        for arm in PAGE
        if arm in runs_of and arm != "CEx"  # a seventh colour would not fit; its numbers are in the table
        for seed, run in enumerate(runs_of[arm])
        for name, values in run["sets"].items()
    ]  # fmt: skip
    return pd.DataFrame(lines)


def titled_set(name: str) -> str:
    """`near, svhn-sample` -> near, SVHN."""
    role, _, dataset = name.partition(", ")
    return f"{role}, {titled(dataset)}"


def tiles(worlds: Worlds) -> "pd.DataFrame":
    """Samples of the first seed, and beneath some of them the nearest training images: row, column, shape, pixels."""
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for dataset, runs_of in worlds.items():
        for arm, kinds in ((PLAIN, ("samples", "nearest")), (BESIDE, ("samples",)), (JOINT, ("samples", "nearest"))):
            for kind in kinds:
                row = (
                    f"{titled(dataset)}: {arm}" if kind == "samples" else f"nearest to them ({titled(dataset)}, {arm})"
                )
                images = runs_of[arm][0][kind][:TILES]
                lines += [{"row": row, "column": str(place), **tile(image)} for place, image in enumerate(images, 1)]
    return pd.DataFrame(lines)
