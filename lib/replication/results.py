"""Results of runs: what a notebook leaves behind, where it lies, and which recorded one is the largest."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lib.files import set_aside, write_atomically
from lib.replication.notebooks import Notebook
from lib.replication.parameters import TIERS
from lib.roots import output_root

Result = dict[str, Any]


def run_folder(paper: str, tier: str) -> Path:
    """Folder of the runs of one paper at one tier (ignored by git)."""
    return output_root() / "runs" / tier / paper


def result_path(notebook: Notebook, tier: str) -> Path:
    """Where the runner has the result of a notebook written."""
    return run_folder(notebook.paper, tier) / f"{notebook.number}.json"


def recorded_path(notebook: Notebook, tier: str) -> Path:
    """Where the result worth keeping lies, beside the notebook (tracked by git)."""
    return notebook.path.parent / "recorded" / tier / f"{notebook.number}.json"


def nets_path(result: Path) -> Path:
    """Where the weights lie that a result keeps: `2-nets.safetensors` beside `2.json`."""
    return result.with_name(f"{result.stem}-nets.safetensors")


def read_nets(path: Path, result: Result) -> bytes | None:
    """The weights that the result at `path` keeps, or None where it keeps none.

    Raises:
        ValueError: they are missing, or are not those that the result speaks of.
    """
    if "nets" not in result:
        return None
    place = nets_path(path)
    content = place.read_bytes() if place.exists() else b""
    if hashlib.sha256(content).hexdigest() != result["nets"]["sha256"]:
        raise ValueError(f"{place} is {'damaged' if content else 'missing'}; run the notebook again")
    return content


def read_result(path: Path) -> Result | None:
    """The result at `path`, or None where there is none.

    Raises:
        ValueError: the file is there but damaged.
    """
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:  # not JSON, or not even text
        raise ValueError(f"{path} is damaged ({fault}); delete or restore it, and run again") from fault


def read_run(path: Path) -> Result | None:
    """The result that a run left at `path`, or None; a damaged one is moved aside, for it can be made again."""
    try:
        return read_result(path)
    except ValueError as fault:
        set_aside(path, str(fault.__cause__ or "not JSON"))
        return None


def write_result(path: Path, result: Result) -> None:
    """Write a result as JSON that a reader of a diff can follow: one key a line, sorted, its numbers beside it.

    Raises:
        ValueError: a number that is not finite.
    """
    plain = json.loads(json.dumps(result, sort_keys=True, allow_nan=False))
    write_atomically(path, _readable(plain) + "\n")


def _readable(value: Any, indent: int = 0) -> str:
    """JSON with a line for each key and each item, except that a list of plain values stands on one line."""
    if isinstance(value, dict) and value:
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_readable(item, indent + 1)}" for key, item in value.items()]
        return _block("{}", items, indent)
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return _block("[]", [_readable(item, indent + 1) for item in value], indent)
    return json.dumps(value, ensure_ascii=False)


def _block(brackets: str, items: list[str], indent: int) -> str:
    lines = ",\n".join(f"{' ' * (indent + 1)}{item}" for item in items)
    return f"{brackets[0]}\n{lines}\n{' ' * indent}{brackets[1]}"


def recorded_results(notebook: Notebook) -> dict[str, Result]:
    """The recorded results of a notebook, largest tier first; `reduced` is the reference that tests compare with."""
    found = {tier: read_result(recorded_path(notebook, tier)) for tier in reversed(TIERS)}
    return {tier: result for tier, result in found.items() if result is not None}


def largest_recorded(notebook: Notebook) -> Result | None:
    """The recorded result of the largest tier above `reduced`."""
    return next((result for tier, result in recorded_results(notebook).items() if tier != "reduced"), None)
