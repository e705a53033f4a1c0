"""What `5-robustness` derives from its arms: errors relative to the teacher, flip rates, gains under attack, tiles."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lib.data.corruptions import GROUPS
from lib.metrics.corruption import corruption_error, mean_corruption_error, mean_flip_rate
from lib.replication.rows import Runs, RunsOf, per_seed, tile

if TYPE_CHECKING:
    import pandas as pd

NETS = ("supervised", "without noise", "student")  # judged ones, in the order of tables
TITLES = {"supervised": "supervised, equal length", "without noise": "student without noise", "student": "student"}
PAPER_LEVELS = (2, 4, 8, 16)
FGSM, PGD = "fgsm/{:g}", "pgd/cross-entropy/{:g}"


def corruption_rows(found: RunsOf) -> dict[str, dict[str, list[float]]]:
    """Net -> mean accuracy over all settings, mCE (teacher: 1), error on shared images, accuracy when clean."""
    return {
        TITLES[name]: {
            "top-1": [1 - corruption_error(errors) for errors in per_seed(found[name], "errors")],
            "mCE": relative(found, name),
            "error on shared images": on_shared(found[name]),
            "clean top-1": per_seed(found[name], "clean accuracy"),
        }
        for name in NETS
    }


def relative(found: RunsOf, name: str) -> list[float]:
    """The mean corruption error of a net, that of the teacher 1, seed by seed."""
    pairs = zip(per_seed(found[name], "errors"), per_seed(found["teacher"], "errors"), strict=True)
    return [mean_corruption_error(own, baseline=teachers) for own, teachers in pairs]


def on_shared(runs: Runs) -> list[float]:
    """Mean error over corruptions and severities on the images that student and supervised net share."""
    return [corruption_error(errors) for errors in per_seed(runs, "shared errors")]


def group_rows(found: RunsOf) -> dict[str, dict[str, list[float]]]:
    """Net -> group of corruptions -> mean error over its corruptions and severities."""
    return {
        TITLES[name]: {
            group: [
                corruption_error({kind: errors[kind] for kind in kinds}) for errors in per_seed(found[name], "errors")
            ]
            for group, kinds in GROUPS.items()
        }
        for name in NETS
    }


def kind_frame(found: RunsOf) -> "pd.DataFrame":
    """A tidy frame of errors against the supervised net: net, group, corruption, seed, difference over severities."""
    import pandas as pd

    lines = [
        {
            "net": TITLES[name],
            "group": group,
            "corruption": kind,
            "seed": seed,
            "difference": fmean(own) - fmean(theirs),
        }
        for name in ("without noise", "student")
        for group, kinds in GROUPS.items()
        for kind in kinds
        for seed, (own, theirs) in enumerate(
            zip(per_seed(found[name], f"errors/{kind}"), per_seed(found["supervised"], f"errors/{kind}"), strict=True)
        )
    ]
    return pd.DataFrame(lines)


def flip_rows(flipped: RunsOf) -> dict[str, dict[str, list[float]]]:
    """Net -> mFR with the teacher at 1, and the share of flips for each perturbation."""
    return {
        TITLES[name]: {"mFR": flip_rates(flipped, name)}
        | {kind.replace("_", " "): per_seed(flipped[name], f"flips/{kind}") for kind in flipped[name][0]["flips"]}
        for name in NETS
    }


def flip_rates(flipped: RunsOf, name: str) -> list[float]:
    """The mean flip rate of a net, that of the teacher 1, seed by seed; 1 where neither flips at all."""
    rates = []
    for own, teachers in zip(per_seed(flipped[name], "flips"), per_seed(flipped["teacher"], "flips"), strict=True):
        compared = [kind for kind in teachers if teachers[kind] > 0]  # a ratio to no flips does not exist
        parts = ({kind: of[kind] for kind in compared} for of in (own, teachers))
        rates.append(mean_flip_rate(next(parts), baseline=next(parts)) if compared else 1.0)
    return rates


def attack_rows(attacked: RunsOf, levels: Sequence[float]) -> dict[str, dict[str, list[float]]]:
    """Net -> accuracy when clean, under FGSM at the radii of the paper that were tried, under PGD at the largest."""
    last = levels[-1]
    return {
        TITLES[name]: {"0": per_seed(attacked[name], "clean accuracy")}
        | {f"{level:g}": per_seed(attacked[name], FGSM.format(level)) for level in levels if level >= PAPER_LEVELS[0]}
        | {f"PGD-10 at {last:g}": per_seed(attacked[name], PGD.format(last))}
        for name in NETS
    }


def attack_frame(attacked: RunsOf, levels: Sequence[float]) -> "pd.DataFrame":
    """A tidy frame of accuracies: net, attack, eps (of 255), seed, accuracy."""
    import pandas as pd

    paths = {"FGSM": FGSM, "PGD": PGD}
    lines = [
        {"net": TITLES[name], "attack": attack, "eps": level, "seed": seed, "accuracy": accuracy}
        for name in NETS
        for attack, path in paths.items()
        for level in levels
        for seed, accuracy in enumerate(per_seed(attacked[name], path.format(level)))
    ]
    return pd.DataFrame(lines)


def masking_rows(attacked: RunsOf, level: float) -> dict[str, dict[str, list[float]]]:
    """Net -> accuracy at one radius under PGD with two losses, with images carried over, and under AutoAttack."""
    paths = {"PGD, cross-entropy": f"pgd/cross-entropy/{level:g}", "PGD, margin": f"pgd/margin/{level:g}",
             "PGD on the other net": f"pgd/transferred/{level:g}"}  # fmt: skip
    rows = {TITLES[n]: {title: per_seed(attacked[n], path) for title, path in paths.items()} for n in NETS}
    for name in NETS:
        if "autoattack" in attacked[name][0]:
            rows[TITLES[name]]["AutoAttack, first images"] = per_seed(attacked[name], "autoattack")
    return rows


def flags(attacked: RunsOf) -> str:
    """One line for each net: the signs of masked gradients that any seed raised, with the number of seeds."""
    lines = []
    for name in NETS:
        raised = [flag for run in attacked[name] for flag in run["flags"]]
        counted = [f"{flag} ({raised.count(flag)} of {len(attacked[name])} seeds)" for flag in sorted(set(raised))]
        lines.append(f"{TITLES[name]}: {', '.join(counted) or 'none'}")
    return "\n".join(lines)


def contact_frame(pictured: Mapping[str, Any]) -> "pd.DataFrame":
    """One image under every corruption, a line of tiles for each severity.

    Columns: line, row (its name), column, corruption, shape, pixels.
    """
    import pandas as pd

    shown = list(enumerate(pictured["severities"]))[::2]  # every other one
    tiles = [
        {"line": line, "row": f"severity {severity}", "column": column, "corruption": kind.replace("_", " ")}
        | tile(images[place, 0])
        for line, (place, severity) in enumerate(shown)
        for column, (kind, images) in enumerate(pictured["images"].items())
    ]
    return pd.DataFrame(tiles)


def answers_of(pictured: Mapping[str, Any], kind: str, severity: int, place: int) -> dict[str, str]:
    """What each net says about one corrupted picture, and how sure it is."""
    said, row = {}, pictured["severities"].index(severity)
    for net, answers in pictured["answers"].items():
        answer = pictured["classes"][int(answers[kind][row, place])]
        said[net] = f"{answer}, {float(pictured['confidence'][net][kind][row, place]):.0%}"
    return said


def derived(found: RunsOf, flipped: RunsOf, attacked: RunsOf, levels: Sequence[float]) -> dict[str, list[float]]:
    """What C18 to C21 ask beside what `paper.yaml` addresses by path; fractions, one value per seed."""
    values = {}
    for name, called in {"student": "student", "supervised": "supervised net"}.items():
        values[f"mean corruption error of the {called}"] = relative(found, name)
        values[f"corruption error of the {called} on shared images"] = on_shared(found[name])
        values[f"mean flip rate of the {called}"] = flip_rates(flipped, name)
    return (
        values
        | under_fgsm(attacked, levels)
        | {
            "accuracy of the student under PGD at the largest eps": per_seed(
                attacked["student"], PGD.format(levels[-1])
            )
        }
    )


def under_fgsm(attacked: RunsOf, levels: Sequence[float]) -> dict[str, list[float]]:
    """What C20 and C20b ask: accuracies at each radius, the better one, gains at the paper's first and last."""
    called = {"student": "student", "supervised": "supervised net", "without noise": "student without noise"}
    values: dict[str, list[float]] = {}
    gain: dict[float, list[float]] = {}
    for level in levels:
        own = {name: per_seed(attacked[name], FGSM.format(level)) for name in called}
        pairs = list(zip(own["student"], own["supervised"], strict=True))
        gain[level] = [student - supervised for student, supervised in pairs]
        values |= {f"accuracy of the {text} under FGSM/eps {level:g}": own[name] for name, text in called.items()}
        values[f"better accuracy under FGSM/eps {level:g}"] = [max(pair) for pair in pairs]
    if {PAPER_LEVELS[0], PAPER_LEVELS[-1]} <= set(levels):
        values["gain at the largest eps/growth"] = gain[PAPER_LEVELS[-1]]
        values["gain at the smallest eps/growth"] = gain[PAPER_LEVELS[0]]
        values["better accuracy under FGSM/growth"] = values[f"better accuracy under FGSM/eps {PAPER_LEVELS[-1]}"]
    return values
