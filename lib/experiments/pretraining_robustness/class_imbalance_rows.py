"""What `3-class-imbalance` derives from its runs: the best method of each seed, tables and frames over both gammas.

`nets` is gamma -> (method, start) -> one run per seed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.replication.claims import Exhibit
from lib.replication.rows import Run, Runs, differences, per_seed

if TYPE_CHECKING:
    import pandas as pd

Nets = Mapping[tuple[str, str], Runs]
PRETRAINED, SCRATCH, SHORT = "pre-trained", "scratch", "scratch, equal steps"
COMPUTE, UNRELATED = "scratch, equal compute", "pre-trained, unrelated classes"
PLAIN, COPIES = "plain", "over-sampling"
TABLE = {  # row of table 2 -> method, start
    "Normal": (PLAIN, SCRATCH),
    "Cost sensitive": ("cost-sensitive", SCRATCH),
    "Oversampling": (COPIES, SCRATCH),
    "SMOTE": ("SMOTE", SCRATCH),
    "Undersampling": ("under-sampling", SCRATCH),
    "Pre-trained": (PLAIN, PRETRAINED),
}


def best_method(nets: Nets, start: str) -> list[Run]:
    """For each seed the run from this start that errs least on held-out images, whatever its method."""
    of_start = [runs for (_, begun), runs in nets.items() if begun == start]
    return [min(of_seed, key=lambda run: run["held-out error"]) for of_seed in zip(*of_start, strict=True)]


def at_rate_of(nets: Nets, start: str, tuned: Runs) -> list[Run]:
    """The same if every method has the rate that was chosen for `tuned` with the same seed."""
    same = {
        (method, begun): [run["at rate"][f"{other['rate']:g}"] for run, other in zip(runs, tuned, strict=True)]
        for (method, begun), runs in nets.items()
        if begun == start
    }
    return best_method(same, start)


def of_gamma(nets: Nets) -> dict[str, list[float]]:
    """What C13 and S3 compare at one gamma; a value per seed."""
    tuned = nets[PLAIN, PRETRAINED]
    compared = {
        "pre-trained": tuned,
        "of the best method from scratch": best_method(nets, SCRATCH),
        "of the best method at equal steps": best_method(nets, SHORT),
        "of the best method at equal steps and rate": at_rate_of(nets, SHORT, tuned),
        "of the best method at equal compute": best_method(nets, COMPUTE),
        "pre-trained with over-sampling": nets[COPIES, PRETRAINED],
        "scratch with over-sampling": nets[COPIES, SCRATCH],
        "scratch with over-sampling at equal steps": nets[COPIES, SHORT],
        "scratch with over-sampling at equal compute": nets[COPIES, COMPUTE],
    }
    return {f"total error {what}": per_seed(runs, "total error") for what, runs in compared.items()}


def derived(source: Runs, nets: Mapping[float, Nets]) -> dict[str, list[float]]:
    """What C13, C14, C15 and S3 are judged by; a value per seed."""
    found = {
        f"{name}/ten classes, gamma {gamma:.1f}": values
        for gamma, of_both in nets.items()
        for name, values in of_gamma(of_both).items()
    }
    found["accuracy of the source over chance"] = [(1 - run["test error"]) * run["classes"] for run in source]
    steepest = nets[min(nets)]
    tuned, best = steepest[PLAIN, PRETRAINED], best_method(steepest, SCRATCH)
    gain = differences(best, tuned, "largest class error")
    minority = per_seed(best, "minority error")
    found |= {
        "accuracy of the best method from scratch": [1 - error for error in per_seed(best, "total error")],
        "minority error less error on the largest class": [
            run["minority error"] - run["largest class error"] for run in steepest[PLAIN, SCRATCH]
        ],
        "minority error pre-trained": per_seed(tuned, "minority error"),
        "minority error of the best method from scratch": minority,
        "minority error of the best method less the gain on the largest class": [
            error - lost for error, lost in zip(minority, gain, strict=True)
        ],
        "minority error of the best method at equal steps": per_seed(best_method(steepest, SHORT), "minority error"),
    }
    return found | {
        "total error pre-trained": over_gammas(nets, PRETRAINED),
        "total error from unrelated classes": over_gammas(nets, UNRELATED),
        "gain of pre-training over equal steps": [
            short - own for short, own in zip(over_gammas(nets, SHORT), over_gammas(nets, PRETRAINED), strict=True)
        ],
    }


def over_gammas(nets: Mapping[float, Nets], start: str) -> list[float]:
    """The total error of plain training from this start, the mean over gammas, for each seed."""
    each = zip(*(per_seed(of_both[PLAIN, start], "total error") for of_both in nets.values()), strict=True)
    return [sum(errors) / len(errors) for errors in each]


def table_2_rows(nets: Mapping[float, Nets]) -> dict[str, dict[str, list[float]]]:
    """The paper's table 2: the methods from scratch, and plain tuning."""
    return {row: errors(nets, *way) for row, way in TABLE.items()}


def control_rows(nets: Mapping[float, Nets]) -> dict[str, dict[str, list[float]]]:
    """Every method from every start."""
    ways = dict.fromkeys(way for of_both in nets.values() for way in of_both)
    return {f"{start}: {method}": errors(nets, method, start) for method, start in sorted(ways, key=_starts_first)}


def _starts_first(way: tuple[str, str]) -> tuple[int, str]:
    method, start = way
    return (PRETRAINED, UNRELATED, SCRATCH, SHORT, COMPUTE).index(start), method


def errors(nets: Mapping[float, Nets], method: str, start: str) -> dict[str, list[float]]:
    """Columns of a row: total and minority error at each gamma, as table 2 names them."""
    return {
        f"{kind}, gamma {gamma:.1f}": per_seed(of_both[method, start], f"{kind} error")
        for gamma, of_both in nets.items()
        for kind in ("total", "minority")
    }


def size_rows(nets: Mapping[float, Nets]) -> dict[str, dict[str, list[float]]]:
    """For each gamma: images of the classes by rank, all together, and how many classes are the minority."""
    rows = {}
    for gamma, of_both in nets.items():
        sizes = per_seed(of_both[PLAIN, SCRATCH], "class sizes")
        ranks = {str(rank): list(of_rank) for rank, of_rank in enumerate(zip(*sizes, strict=True), start=1)}
        rest = {"all": [sum(of_seed) for of_seed in sizes]}
        rows[f"gamma {gamma:.1f}"] = (
            ranks | rest | {"minority classes": per_seed(of_both[PLAIN, SCRATCH], "minority classes")}
        )
    return rows


def rank_frame(nets: Mapping[float, Nets], paper: Exhibit) -> "pd.DataFrame":
    """A tidy frame of figure 3: source (this run, paper), gamma, method, start, seed, rank, size, error."""
    import pandas as pd

    lines: list[tuple[Any, ...]] = [
        ("this run", gamma, method, start, seed, rank, size, error)
        for gamma, of_both in nets.items()
        for (method, start), runs in of_both.items()
        for seed, run in enumerate(runs)
        for rank, (size, error) in enumerate(zip(run["class sizes"], run["error by rank"], strict=True), start=1)
    ]
    for row, (method, start) in TABLE.items():
        for rank, error in paper.values.get(row, {}).items():
            lines.append(("paper", 0.2, method, start, 0, int(rank), 0, float(str(error)) / 100))
    return pd.DataFrame(lines, columns=["source", "gamma", "method", "start", "seed", "rank", "size", "error"])
