"""Keeping results: `recorded/<tier>/` and `figures/` from clean runs; stored outputs and the reference."""

import json
import math
from pathlib import Path
from typing import Any

from lib.files import write_atomically
from lib.replication.notebooks import Notebook
from lib.replication.results import (
    Result,
    largest_recorded,
    nets_path,
    read_nets,
    read_result,
    recorded_path,
    result_path,
    run_folder,
    write_result,
)
from lib.roots import repository

KEPT_METADATA = {"tags"}
SHOWN_CHANGES = 12  # of one exhibit or quantity; with `git diff` all can be read


def record(notebooks: list[Notebook], tier: str) -> list[Notebook]:
    """Copy the results of clean runs of `tier`, with the nets they keep, to `recorded/<tier>/`; returns whose they are.

    The figures of the largest tier go to `figures/`.

    Raises:
        ValueError: nothing was run, or a result cannot be recorded (custom parameters, uncommitted inputs, damaged
            nets); says which.
    """
    if tier == "reduced":
        raise ValueError("the reference of tier reduced is written by `make notebooks`; record a larger tier")
    found = [(notebook, read_result(result_path(notebook, tier))) for notebook in notebooks]
    runs = [(notebook, result) for notebook, result in found if result is not None]
    if not runs:
        raise ValueError(f"no run of tier {tier} to record; `python -m lib.replication run --tier {tier}` makes one")
    for notebook, result in runs:
        if result["tier"] != tier or result["unrecordable"]:
            raise ValueError(f"{notebook.name}: cannot be recorded: {result['unrecordable'] or 'custom parameters'}")
    weights = [read_nets(result_path(notebook, tier), result) for notebook, result in runs]
    for (notebook, result), nets in zip(runs, weights, strict=True):
        old = read_result(recorded_path(notebook, tier))
        print(f"{notebook.name}: recorded at {tier}, commit {result['commit'][:12]}")
        print(listed(changed_numbers(old, result) if old else []), end="")
        _write_nets(nets_path(recorded_path(notebook, tier)), nets)
        write_result(recorded_path(notebook, tier), result)
        largest = largest_recorded(notebook)
        if largest and largest["tier"] == tier:
            _copy_figures(notebook, result, run_folder(notebook.paper, tier) / "figures")
    return [notebook for notebook, _ in runs]


def compare(notebooks: list[Notebook]) -> int:
    """Print how `reduced` runs differ from the reference, number by number; 1 if any does, else 0. Writes nothing."""
    differ = 0
    for notebook in notebooks:
        result = read_result(result_path(notebook, "reduced"))
        assert result is not None
        lines = changed_numbers(read_result(recorded_path(notebook, "reduced")), result)
        print(f"{notebook.name}: {len(lines)} of {len(numbers(result))} numbers differ from the reference")
        print(listed(lines), end="")
        differ += bool(lines)
    return int(differ > 0)


def _write_nets(place: Path, nets: bytes | None) -> None:
    """The nets of a record go with it: those of an earlier one do not stay."""
    if nets is None:
        place.unlink(missing_ok=True)
    else:
        write_atomically(place, nets)


def _copy_figures(notebook: Notebook, result: Result, source: Path) -> None:
    for exhibit in result["exhibits"]:
        drawn = source / f"{exhibit}.svg"
        if drawn.exists():
            write_atomically(repository() / "figures" / notebook.paper / drawn.name, drawn.read_bytes())


def store_outputs(notebooks: list[Notebook], *, redraw: bool = False) -> None:
    """Put the outputs of the `reduced` runs into the notebooks, and their numbers into `recorded/reduced/`.

    Pictures whose numbers are those of before are left as they are, unless they are to `redraw`: another machine would
    paint the same picture with other bytes.
    """
    for notebook in notebooks:
        result = read_result(result_path(notebook, "reduced"))
        if result is None:
            raise ValueError(f"{notebook.name} has no run at reduced; run `make notebooks` again")
        executed = json.loads(result_path(notebook, "reduced").with_suffix(".ipynb").read_text(encoding="utf-8"))
        old = read_result(recorded_path(notebook, "reduced"))
        changes = changed_numbers(old, result)
        stored = with_outputs(notebook, executed, keep_pictures=not redraw and old is not None and not changes)
        write_atomically(notebook.path, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
        print(f"{notebook.name}: outputs stored, {len(changes)} reference numbers {'changed' if old else 'are new'}")
        print(listed(changes if old else []), end="")
        if old is None or changes or _setting(old) != _setting(result):
            reference = {
                name: value for name, value in result.items() if name != "nets"
            }  # they stay in the run's folder
            write_result(recorded_path(notebook, "reduced"), reference)


def _setting(result: Result) -> Any:
    """What the reference numbers belong to: a change of it alone is written too."""
    verdicts = {name: claim["verdict"]["status"] for name, claim in result["claims"].items()}
    rules = {name: claim["rule"] for name, claim in result["claims"].items()}
    return [result["parameters"], result["versions"], result["hardware"], result["data"], verdicts, rules]


def with_outputs(notebook: Notebook, executed: dict[str, Any], *, keep_pictures: bool) -> dict[str, Any]:
    """The notebook with the outputs of its executed copy, without papermill's cell and marks.

    With `keep_pictures`, a picture that was already stored stays as it is: its data did not change.
    """
    ran = [cell for cell in executed["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])]
    book = json.loads(notebook.path.read_text(encoding="utf-8"))
    count = 0
    for cell, done in zip(book["cells"], ran, strict=True):
        cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name in KEPT_METADATA}
        if cell["cell_type"] != "code":
            continue
        count += 1
        before = cell.get("outputs", [])
        cell["execution_count"] = count
        cell["outputs"] = [_clean(output, count) for output in done["outputs"]]
        if keep_pictures and [_kind(o) for o in before] == [_kind(o) for o in cell["outputs"]]:
            cell["outputs"] = [
                old if "image/png" in old.get("data", {}) else new
                for old, new in zip(before, cell["outputs"], strict=True)
            ]
    book["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return book


def _clean(output: dict[str, Any], count: int) -> dict[str, Any]:
    if "execution_count" in output:
        output = output | {"execution_count": count}
    return output | {"metadata": {}} if "metadata" in output else output


def _kind(output: dict[str, Any]) -> list[str]:
    """What an output holds; two pictures are of a kind if they say that they show the same."""
    data = output.get("data", {})
    return [output["output_type"], *sorted(data), "".join(data["text/plain"]) if "image/png" in data else ""]


def numbers(result: Result) -> dict[str, float]:
    """Every number of a result that a rerun must give again: quantities per seed and the data of the exhibits.

    Names end in `[seed]`, or `[line]` for the frame of a figure.
    """
    found = {f"{name}[{seed}]": v for name, values in result["values"].items() for seed, v in enumerate(values)}
    for exhibit, columns in result["exhibits"].items():
        if {"row", "column", "seed", "value"} <= columns.keys():  # a table
            places = zip(columns["row"], columns["column"], columns["seed"], columns["value"], strict=True)
            found |= {f"{exhibit}, {row}, {column}[{seed}]": value for row, column, seed, value in places}
            continue
        for column, values in columns.items():
            for line, value in enumerate(values):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found[f"{exhibit}, {column}[{line}]"] = float(value)
    return found


def timed(name: str) -> bool:
    """Whether a number is a measured time or peak of memory, which no rerun gives again."""
    return "seconds" in name or "peak memory" in name


def listed(lines: list[str]) -> str:
    """Indented lines, of each exhibit the first few: a figure of a new form changes thousands of numbers."""
    of: dict[str, list[str]] = {}
    for line in lines:
        of.setdefault(line.partition(", ")[0].partition("[")[0], []).append(f"  {line}\n")
    told = []
    for name, own in of.items():
        told += own[:SHOWN_CHANGES]
        told += [f"  {name}: {len(own) - SHOWN_CHANGES} more\n"] if len(own) > SHOWN_CHANGES else []
    return "".join(told)


def changed_numbers(old: Result | None, new: Result, tolerance: float = 1e-9) -> list[str]:
    """`name: old -> new` for every number that differs by more than the tolerance (relative beyond 1)."""
    before, after = numbers(old) if old else {}, numbers(new)
    lines = []
    for name in dict.fromkeys([*before, *after]):
        a, b = before.get(name), after.get(name)
        same = a is not None and b is not None and math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
        if not same and not timed(name):
            lines.append(f"{name}: {a} -> {b}")
    return lines
