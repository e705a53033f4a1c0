"""What the running kernel executed: the parameters cell, papermill's injected cell, and the values they left behind.

Papermill passes an unknown name on without a word, and a used kernel keeps old values; so what counts is what was
executed last, compared with the notebook's file.
"""

import ast
from typing import Any

from lib.replication.notebooks import Notebook
from lib.replication.parameters import ParameterError, Parameters, check, nearest, read_literals

PAPERMILLS_OWN = {"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}  # what `papermill --inject-paths` adds to its cell


def executed_parameters(notebook: Notebook, defaults: Parameters) -> Parameters:
    """The parameters this kernel runs with, after their names, types and values were checked.

    Raises:
        ParameterError: a name that the notebook does not have, one that is missing, or a value that cannot be.
    """
    shell = _shell()
    cell, injected = _last_cells(list(shell.history_manager.input_hist_raw))
    assigned = _assigned(cell) | (_assigned(injected) - PAPERMILLS_OWN)
    for name in assigned:
        if name not in defaults:
            raise ParameterError(f"unknown parameter {name!r} in {notebook.name}{nearest(name, list(defaults))}")
    missing = [name for name in defaults if name not in shell.user_ns or (assigned and name not in assigned)]
    if missing:
        raise ParameterError(f"{notebook.name}: parameter {missing[0]!r} is not set; run the parameters cell first")
    return check({name: shell.user_ns[name] for name in defaults}, defaults, notebook)


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise RuntimeError("replication.start is for notebooks: run it in Jupyter or through papermill")
    return shell


def _last_cells(history: list[str]) -> tuple[str, str]:
    """The last executed parameters cell, and papermill's injected cell after it (or an empty text)."""
    position = max((i for i, source in enumerate(history) if _is_parameters(source)), default=None)
    if position is None:
        return "", ""
    later = [source for source in history[position + 1 :] if source.startswith("# Parameters")]
    return history[position], later[-1] if later else ""


def _is_parameters(source: str) -> bool:
    if source.startswith("# Parameters"):
        return False
    try:
        return "tier" in read_literals(source)
    except (ParameterError, SyntaxError):
        return False


def _assigned(source: str) -> set[str]:
    """Names that a cell assigns."""
    return {target.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign) for target in node.targets
            if isinstance(target, ast.Name)}  # fmt: skip
