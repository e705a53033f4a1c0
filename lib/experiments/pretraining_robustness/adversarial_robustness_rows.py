"""What `1-adversarial-robustness` derives from the measured nets: over-fitting, flags, what the rules ask beside."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.replication.rows import Runs, RunsOf, differences, per_seed

if TYPE_CHECKING:
    import pandas as pd


def over_fitting_frame(overtrained: Runs, tuned: Runs) -> "pd.DataFrame":
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


def flags(runs_of: RunsOf, name: str) -> str:
    """One line for each net: the flags of one kind that any seed raised, with the number of seeds; or "not run"."""
    lines = []
    for net, runs in runs_of.items():
        raised = [flag for run in runs for flag in run.get(name, ())]
        counted = [f"{flag} ({raised.count(flag)} of {len(runs)} seeds)" for flag in sorted(set(raised))]
        if any(name in run for run in runs):
            lines.append(f"{net}: {', '.join(counted) or 'none'}")
    return "\n".join(lines) or "not run"


def derived(
    sources: RunsOf, measured: RunsOf, from_sources: RunsOf, all_sources: Sequence[str]
) -> dict[str, list[float]]:
    """What C1 to C5 and S2 ask beside the accuracies that `paper.yaml` addresses by their paths; a value per seed.

    Args:
        sources: what `pretrain` returned for every source that was trained.
        measured: what `robustness` found for the six nets of the page.
        from_sources: the same for nets tuned from the other sources, as many as were trained.
        all_sources: the sources that a tier may train beside the untargeted one.
    """
    of_source = per_seed(sources["untargeted"], "robust accuracy")
    reached = per_seed(measured["scratch, best epoch"], "PGD, cross-entropy")
    flagged = [per_seed(runs, "flags") for runs in measured.values()]  # net -> seed -> flags
    found = {
        "robust accuracy of the source over that reached on the target": [
            ours / max(best, 1e-9) for ours, best in zip(of_source, reached, strict=True)
        ],
        "masking flags under PGD": [float(sum(map(len, of_seed))) for of_seed in zip(*flagged, strict=True)],
        "gain of untargeted pre-training at equal steps": differences(
            measured["pre-trained, tuned"], measured["scratch, equal steps"], "PGD, worst"
        ),
    }
    equal_steps = per_seed(measured["scratch, equal steps"], "PGD, worst")
    for source in all_sources:
        found |= of_source_kind(source, from_sources.get(source), equal_steps)
    return found


def of_source_kind(source: str, runs: Runs | None, equal_steps: list[float]) -> dict[str, list[float]]:
    """What C4 and C5 are judged by: the net tuned from one kind of source, if it was trained, beside scratch."""
    trained = [float(runs is not None)] * len(equal_steps)
    if source == "unrelated classes":
        names = {"trained": "unrelated sources trained", "robust": "robust accuracy from unrelated classes"}
        found = {names["trained"]: trained}
    else:
        names = {"trained": f"sources trained/{source}", "robust": f"robust accuracy from that source/{source}"}
        found = {names["trained"]: trained, f"robust accuracy scratch of equal steps/{source}": equal_steps}
    return found | ({names["robust"]: per_seed(runs, "PGD, worst")} if runs is not None else {})
