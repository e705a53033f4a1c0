"""What `1-adversarial-robustness` makes of the measured values: rows, frames, judged quantities."""

from collections.abc import Sequence
from typing import Any

Runs = list[dict[str, Any]]  # one mapping per seed
Table = dict[str, dict[str, list[float]]]  # row -> column -> one value per seed


def rows(runs: dict[str, Runs], columns: dict[str, str]) -> Table:
    """A row for each net: column shown -> name of the measured value; a column that was not measured is left out."""
    return {
        net: {shown: [run[name] for run in per_seed] for shown, name in columns.items() if name in per_seed[0]}
        for net, per_seed in runs.items()
    }


def over_fitting_frame(overtrained: Runs, tuned: Runs) -> Any:
    """A tidy frame of the looks at a long training from scratch, and of the tuned net on the same held-out images.

    Columns: images (training, held-out, or held-out of the tuned net), seed, step, accuracy.
    """
    import pandas as pd

    names = {"train": "scratch, training images", "held-out": "scratch, held-out images"}
    lines = [
        (names[name], seed, step, value)
        for seed, run in enumerate(overtrained)
        for name, points in run["curve"].items()
        for step, value in points
    ]
    lines += [("pre-trained and tuned, held-out images", s, run["steps"], run["held-out accuracy"])
              for s, run in enumerate(tuned)]  # fmt: skip
    return pd.DataFrame(lines, columns=["images", "seed", "step", "accuracy"])


def radius_frame(curves: dict[str, Runs]) -> Any:
    """A tidy frame of the curves over the radius: net, seed, eps, accuracy."""
    import pandas as pd

    lines = [
        (net, seed, eps, accuracy)
        for net, per_seed in curves.items()
        for seed, run in enumerate(per_seed)
        for eps, accuracy in zip(run["eps"], run["accuracy"], strict=True)
    ]
    return pd.DataFrame(lines, columns=["net", "seed", "eps", "accuracy"])


def flags(runs: dict[str, Runs], name: str) -> str:
    """One line for each net: the flags of one kind that any seed raised, with the number of seeds; or "not run"."""
    lines = []
    for net, per_seed in runs.items():
        raised = [flag for run in per_seed for flag in run.get(name, ())]
        counted = [f"{flag} ({raised.count(flag)} of {len(per_seed)} seeds)" for flag in sorted(set(raised))]
        if any(name in run for run in per_seed):
            lines.append(f"{net}: {', '.join(counted) or 'none'}")
    return "\n".join(lines) or "not run"


def values(
    sources: dict[str, Runs], measured: dict[str, Runs], from_sources: dict[str, Runs], all_sources: Sequence[str]
) -> dict[str, Any]:
    """The quantities that C1 to C5 and S2 are judged by, one value per seed.

    Args:
        sources: what `pretrain` returned for every source that was trained.
        measured: what `robustness` found for the six nets of the page.
        from_sources: the same for nets tuned from the other sources, as many as were trained.
        all_sources: the sources that a tier may train beside the untargeted one.
    """
    names = {
        "pre-trained": "pre-trained, tuned",
        "last layer tuned": "pre-trained, last layer tuned",
        "scratch": "scratch, last epoch",
        "scratch at its best epoch": "scratch, best epoch",
        "scratch annealed to that epoch": "scratch, annealed to it",
        "scratch of equal steps": "scratch, equal steps",
    }
    quantities: dict[str, Any] = {}
    for quantity, net in names.items():
        quantities[f"robust accuracy {quantity}"] = [run["PGD, worst"] for run in measured[net]]
        quantities[f"clean accuracy {quantity}"] = [run["clean"] for run in measured[net]]
    seeds = range(len(measured["scratch, last epoch"]))
    robust = quantities["robust accuracy pre-trained"]
    equal_steps = quantities["robust accuracy scratch of equal steps"]
    of_source = [run["robust accuracy"] for run in sources["untargeted"]]
    reached = [run["PGD, cross-entropy"] for run in measured["scratch, best epoch"]]
    quantities["robust accuracy of the source over that reached on the target"] = [
        ours / max(best, 1e-9) for ours, best in zip(of_source, reached, strict=True)
    ]
    quantities["masking flags under PGD"] = [sum(len(runs[s]["flags"]) for runs in measured.values()) for s in seeds]
    quantities["gain of untargeted pre-training at equal steps"] = [robust[s] - equal_steps[s] for s in seeds]
    for source in all_sources:
        trained = [float(source in from_sources) for _ in seeds]
        found = [run["PGD, worst"] for run in from_sources.get(source, ())]
        if source == "unrelated classes":
            quantities |= {"unrelated sources trained": trained, "robust accuracy from unrelated classes": found}
        else:
            quantities[f"sources trained/{source}"] = trained
            quantities[f"robust accuracy from that source/{source}"] = found
            quantities[f"robust accuracy scratch of equal steps/{source}"] = equal_steps
    return {name: per_seed for name, per_seed in quantities.items() if per_seed}
