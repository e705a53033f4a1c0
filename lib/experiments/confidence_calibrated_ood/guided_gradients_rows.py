"""What `5-guided-gradients` derives from its runs: the ratios that its rules name, and the frame of its pictures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.experiments.confidence_calibrated_ood.confidence_loss_rows import test_accuracy
from lib.replication.rows import Runs, RunsOf, per_seed, tile

if TYPE_CHECKING:
    import pandas as pd

TRAININGS = ("CE", "CEx", "KL broad", "KL narrow")
TWO_LENGTHS = ("CE", "KL broad", "KL narrow")
OF_TRAINING = {"few_images", "beta", "train_steps", "batch_images", "outlier_images", "ood_images"}  # not of the maps
# part of a claim -> role of the set, and the training with a confidence loss that it is about
PARTS = {"narrow set, seen": ("narrow", "KL narrow"), "near sets, unseen": ("near", "KL broad")}
QUANTITIES = {
    "gradient on OOD over gradient on ID": "guided logit",
    "log-odds gradient on OOD over that on ID": "guided log odds",
}
ROLES = {
    **{"broad": "broad set", "narrow": "narrow set", "near": "near sets", "far": "far sets", "noise": "noise"},
    "own": "its own",
}


def derived(runs_of: RunsOf, nets: Mapping[str, list[Any]], shorter: Mapping[str, list[Any]]) -> dict[str, list[float]]:
    """Ratios by part, what the last quarter of the steps brought in accuracy, and the lowest accuracy.

    `nets` are what `classifier` of notebook 2 returned, `shorter` the same for three quarters of the steps.
    """
    found: dict[str, list[float]] = {}
    for quantity, kind in QUANTITIES.items():
        for part, (role, training) in PARTS.items():
            for name, run in {"CE": "CE", "CEx": "CEx", "the confidence loss": training}.items():
                found[f"{quantity} with {name}/{part}"] = per_seed(runs_of[run], f"ratio/{kind}/{role}")
    accuracies = {name: test_accuracy(each) for name, each in nets.items()}
    for training, runs in shorter.items():
        pairs = zip(accuracies[training], test_accuracy(runs), strict=True)
        found[f"gain of {training} in its last quarter"] = [whole - part for whole, part in pairs]
    return found | {"lowest accuracy": [min(of_seed) for of_seed in zip(*accuracies.values(), strict=True)]}


def ratio_frame(runs_of: RunsOf, kind: str = "guided logit") -> "pd.DataFrame":
    """A line for each training, role and seed: training, set, seed, ratio, seen."""
    import pandas as pd

    lines = [
        {"training": training, "set": ROLES[role], "seed": seed, "ratio": ratio, "seen": training == f"KL {role}"}
        for training, runs in runs_of.items()
        for seed, run in enumerate(runs)
        for role, ratio in run["ratio"][kind].items()
    ]
    return pd.DataFrame(lines)


def columns(runs: Runs, kind: str = "guided logit") -> dict[str, str]:
    """Title -> path of the ratio on each role."""
    return {ROLES[role]: f"ratio/{kind}/{role}" for role in runs[0]["ratio"][kind]}


def tiles(pictured: Mapping[str, Mapping[str, Any]], of: str = "logit") -> "pd.DataFrame":
    """An image of each role and its map by each net, of the first seed: row, column, shape, pixels.

    Brightness of a map: the largest absolute value over colours; white is twice what a pixel of a map of norm 1 has in
    the mean square.
    """
    import pandas as pd

    lines: list[dict[str, Any]] = []
    first = next(iter(pictured.values()))
    for place, role in enumerate(first["roles"]):
        image = (255 * first["images"][place][0]).round().byte()
        lines.append({"row": "image", "column": ROLES[role], **tile(image)})
        for net, shown in pictured.items():
            lines.append({"row": net, "column": ROLES[role], **tile(brightness(shown["maps"][of][place][0]))})
    return pd.DataFrame(lines)


def brightness(of_map: Any) -> Any:
    """(C, H, W) in units of the net's own median norm -> (1, H, W) from 0 to 255."""
    white = 2 / of_map.numel() ** 0.5
    return (255 * of_map.abs().amax(dim=0, keepdim=True) / white).clamp(max=255).round().byte()
