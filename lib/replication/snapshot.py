"""A long run's own copy of the tree, so that work on the checkout goes on meanwhile and changes nothing in the run."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lib.files import locked, try_lock
from lib.replication.notebooks import Notebook, all_notebooks
from lib.replication.provenance import bundled, commit, git
from lib.roots import output_root


@dataclass(frozen=True)
class Tree:
    """The tree that a run reads: its folder, and why its results cannot be recorded (empty: they can)."""

    folder: Path
    unrecordable: str = ""


@contextmanager
def tree_for(tier: str, checkout: Path) -> Iterator[Tree]:
    """The tree a run of `tier` reads: the checkout for `reduced`, else a detached worktree of the commit it is at.

    With uncommitted inputs the checkout itself is used, and the run says that it cannot be recorded.
    """
    if reason := uncommitted(checkout):
        if tier != "reduced":
            print(f"running in place, not recordable: {reason}", file=sys.stderr)
        yield Tree(checkout, reason)
        return
    if tier == "reduced" or bundled(checkout):
        yield Tree(checkout)
        return
    head = commit(checkout)
    folder = output_root() / "runs" / ".snapshots" / str(head)[:12]
    with locked(folder.with_suffix(".lock"), shared=True):
        with locked(folder.with_suffix(".making")):
            if not (folder / "pyproject.toml").exists():
                git(checkout, "worktree", "prune")
                subprocess.run(
                    ["git", "worktree", "add", "--force", "--detach", str(folder), str(head)],
                    cwd=checkout, check=True, capture_output=True,
                )  # fmt: skip
        yield Tree(folder)
    _remove_if_unused(folder, checkout)


def _remove_if_unused(folder: Path, checkout: Path) -> None:
    if alone := try_lock(folder.with_suffix(".lock")):
        with alone:
            git(checkout, "worktree", "remove", "--force", str(folder))


def uncommitted(checkout: Path) -> str:
    """Why a run of this checkout could not be traced to a commit: the changed inputs, or no repository. Empty: none."""
    if made_of := bundled(checkout):
        return _changed_in_bundle(checkout, made_of["files"])
    if commit(checkout) is None:
        return "this folder is not a git checkout"
    listed = git(checkout, "status", "--porcelain", "--no-renames", "--untracked-files=all", "--", "lib", "papers",
                 "constraints.txt") or ""  # fmt: skip
    changed = [line[3:].strip('"') for line in listed.splitlines()]
    notebooks = {str(n.path.relative_to(checkout)): n for n in all_notebooks(checkout)}
    inputs = [name for name in changed if _is_input(name, checkout, notebooks.get(name))]
    return f"uncommitted changes in {', '.join(inputs)}" if inputs else ""


def _changed_in_bundle(tree: Path, sums: dict[str, str]) -> str:
    """The inputs of an unpacked bundle that are not as it brought them."""
    there = [path for folder in ("lib", "papers") for path in (tree / folder).rglob("*") if path.is_file()]
    names = {path.relative_to(tree).as_posix() for path in there if "__pycache__" not in path.parts}
    names |= {name for name in sums if name.startswith(("lib/", "papers/")) or name == "constraints.txt"}
    changed = [name for name in sorted(names) if _sha256_of(tree / name) != sums.get(name)]
    inputs = [name for name in changed if _is_input(name, tree, None)]
    return f"changes since the bundle was made, in {', '.join(inputs)}" if inputs else ""


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _is_input(name: str, checkout: Path, notebook: Notebook | None) -> bool:
    """Whether a changed file decides results: not a README, not a recorded result, not the outputs of a notebook."""
    if notebook is not None:
        return _committed_code(notebook, checkout) != notebook.code
    path = Path(name)
    return path.suffix != ".md" and "recorded" not in path.parts and ".ipynb_checkpoints" not in path.parts


def _committed_code(notebook: Notebook, checkout: Path) -> list[str] | None:
    stored = git(checkout, "show", f"HEAD:{notebook.path.relative_to(checkout)}")
    if stored is None:
        return None
    cells = json.loads(stored)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
