"""From what arms return to what tables, figures and rules take: a value is addressed by its path.

`nets = {"teacher": experiment.run(arm, ...), "student": ...}` holds name -> one run per seed, and an arm returns a tree
of plain values, `{"accuracy": .9, "calibration": {"error": .02}}`. Then

rows(nets, {"top-1": "accuracy", "ECE": "calibration/error"})    # name -> column -> one value per seed
frame(nets, {"top-1": "accuracy"})                               # the same as a tidy frame: name, seed, top-1
quantities(nets, {"student accuracy": "student/accuracy"})       # what a rule names -> one value per seed
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Run = Mapping[str, Any]  # what an arm returns for one seed
Runs = Sequence[Run]  # one for each seed
RunsOf = Mapping[str, Runs]


def per_seed(runs: Runs, path: str) -> list[Any]:
    """The value under `path`, names joined by `/`, one for each seed.

    Raises:
        KeyError: a run has nothing there; the message lists what it has.
    """
    return [_at(run, path) for run in runs]


def tile(image: Any) -> dict[str, str]:
    """A uint8 image (C, H, W) as text, so that a result can hold it: shape, and pixels as hexadecimal bytes."""
    return {"shape": "x".join(map(str, image.shape)), "pixels": image.cpu().contiguous().numpy().tobytes().hex()}


def by_name(runs: Runs) -> dict[str, list[Any]]:
    """What an arm returned as name -> values for each seed, as name -> one run per seed."""
    return {name: [run[name] for run in runs] for name in runs[0]}


def has(runs: Runs, path: str) -> bool:
    """Whether the runs hold a value under `path`; all seeds of an arm return the same tree."""
    try:
        per_seed(runs[:1], path)
    except KeyError:
        return False
    return True


def rows(runs_of: RunsOf, columns: Mapping[str, str]) -> dict[str, dict[str, list[Any]]]:
    """Rows of a table: name -> column -> one value per seed; `columns` is title -> path.

    A row leaves out a column that its runs do not have, since a teacher has no pseudo-labels; some row must have it.

    Raises:
        KeyError: no row has a value for a column.
    """
    for path in columns.values():
        if runs_of and not any(has(runs, path) for runs in runs_of.values()):
            _, some = next(iter(runs_of.items()))
            per_seed(some, path)
    return {
        name: {title: per_seed(runs, path) for title, path in columns.items() if has(runs, path)}
        for name, runs in runs_of.items()
    }


def frame(runs_of: RunsOf, columns: Mapping[str, str], *, name: str = "arm") -> "pd.DataFrame":
    """A tidy frame, a line for each seed of each name: `name`, "seed" and the titles of `columns`, title -> path.

    Where the value under a path is a list, such as a curve over steps, there is a line for each of its items; the
    lists of one run are of one length.
    """
    import pandas as pd

    lines = [
        {name: of} | {"seed": seed} | {title: _at(run, path) for title, path in columns.items()}
        for of, runs in runs_of.items()
        for seed, run in enumerate(runs)
    ]
    tidy = pd.DataFrame(lines, columns=[name, "seed", *columns])
    listed = [title for title in columns if len(tidy) and isinstance(tidy[title].iloc[0], list)]
    return tidy.explode(listed, ignore_index=True).infer_objects() if listed else tidy


def differences(a: Runs, b: Runs, path: str) -> list[float]:
    """The value of `a` under `path` less that of `b`, seed by seed."""
    return [x - y for x, y in zip(per_seed(a, path), per_seed(b, path), strict=True)]


def quantities(runs_of: RunsOf, paths: Mapping[str, str]) -> dict[str, list[float]]:
    """Quantity -> one value per seed; its path begins with a name of `runs_of`. Arms that were not run are left out."""
    split = {quantity: path.partition("/") for quantity, path in paths.items()}
    return {
        quantity: [float(value) for value in per_seed(runs_of[name], within)]
        for quantity, (name, _, within) in split.items()
        if name in runs_of
    }


def _at(run: Run, path: str) -> Any:
    value: Any = run
    for name in path.split("/"):
        if not isinstance(value, Mapping) or name not in value:
            there = f"{', '.join(map(str, value))}" if isinstance(value, Mapping) else f"the value {value!r:.80}"
            raise KeyError(f"nothing under {path!r}: no {name!r} among {there}")
        value = value[name]
    return value
