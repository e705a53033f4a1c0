"""The two keys that decide what must be computed again.

*Artefact key*: the build call's arguments, the data's checksums, device type, precision, threads, instruction set,
torch version, and the meaning of the source files the build function reaches through `lib`, without docstrings and
comments.
What `load` returns is told by the checksum of every split, so the loaders' sources are not part of it.
*Job key*: parameters, the notebook's code and records (the page begins with them), `paper.yaml`, `tiers/` and every
byte of `lib`.

Nothing here imports torch, so that the runner decides about all notebooks in well under a second.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lib.files import sha256
from lib.replication.notebooks import Notebook
from lib.roots import repository


def _read_sources() -> dict[str, str]:
    root = repository()
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / "lib").rglob("*.py"))
    }


LOADERS = "lib/data/load.py"  # what lies behind it is told by the checksums of what it returns

# Read when this module is imported, with the code that will run: a file edited later in the session must not
# give its key to results of the code that is already loaded.
_SOURCES = _read_sources()


def canonical(value: Any) -> str:
    """JSON with sorted keys; tuples as lists. Refuses what has no one spelling (NaN, sets, objects)."""
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


@functools.cache
def meaning(source: str) -> str:
    """Hash of a module's syntax tree without docstrings; comments and layout are not part of a tree."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = _without_docstring(node.body)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body


@functools.cache
def _imported_modules(source: str) -> list[str]:
    """What a module may import, anywhere in it: modules, and names that may be modules."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found += [module, *(f"{module}.{alias.name}" for alias in names)]
    return found


def _imported_files(source: str, sources: dict[str, str]) -> Iterator[str]:
    """The files of `lib` that a module imports, anywhere in it."""
    for module in _imported_modules(source):
        path = module.replace(".", "/")
        yield from (name for name in (f"{path}.py", f"{path}/__init__.py") if name in sources)


def reached_files(start: str, sources: dict[str, str]) -> list[str]:
    """`start` and the files of `lib` it imports, transitively, sorted; the loaders of data sets left out."""
    reached, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in reached and name != LOADERS:
            reached.add(name)
            waiting += _imported_files(sources[name], sources)
    return sorted(reached)


def source_key(start: str, sources: dict[str, str]) -> str:
    """Hash of the meaning of `start` and of all it reaches."""
    return sha256(*(f"{name} {meaning(sources[name])}".encode() for name in reached_files(start, sources)))


@functools.cache
def loaded_source_key(start: str) -> str:
    """`source_key` of the code as it was when it was imported."""
    return source_key(start, _SOURCES)


def build_source_key(build: Callable[..., Any]) -> str:
    """`source_key` of the file that defines `build`.

    Raises:
        ValueError: `build` is not a named function of a module in `lib` (a lambda, or defined in a notebook).
    """
    start = build.__module__.replace(".", "/") + ".py"
    if start not in _SOURCES or "<" in build.__qualname__:
        raise ValueError(f"{build.__module__}.{build.__qualname__} must be a named function of a file in lib/")
    return loaded_source_key(start)


def artefact_key(build: Callable[..., Any], arguments: dict[str, Any], surroundings: dict[str, Any]) -> str:
    """Key of one built artefact.

    `surroundings` is what else decides the bits: data checksums, device type, precision, threads, instruction set and
    torch version.
    """
    parts = [f"{build.__module__}.{build.__qualname__}", canonical(arguments), canonical(surroundings)]
    return sha256(build_source_key(build).encode(), *(part.encode() for part in parts))


def job_key(notebook: Notebook, parameters: dict[str, Any], tree: Path) -> str:
    """Key of one run of a notebook: when it is unchanged, so is everything the run would print."""
    paper = notebook.path.parent
    inputs = [paper / "paper.yaml", *sorted((paper / "tiers").glob("*.yaml"))]
    inputs += sorted(paper.glob(f"recorded/*/{notebook.number}.json"))  # those of other notebooks it never shows
    inputs += [path for path in sorted((tree / "lib").rglob("*")) if path.suffix in {".py", ".png", ".npz", ".json"}]
    files = [path.relative_to(tree).as_posix().encode() + b"\0" + path.read_bytes() for path in inputs if path.exists()]
    return sha256(canonical(parameters).encode(), *(cell.encode() for cell in notebook.code), *files)
