"""Dry runs: a notebook's own code at a larger tier's settings with tiny budgets and random tensors, in this process."""

import io
import os
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from lib.replication.notebooks import Notebook
from lib.replication.parameters import Parameters, as_cell, check, dry, tier_parameters


class DryRunFailed(RuntimeError):
    """A cell of a dry run raised an error."""


def dry_parameters(notebook: Notebook, tier: str, passed: Parameters) -> Parameters:
    """The dry overlay of `tier`; what was `passed` holds as it is, but for the data, and is checked.

    Raises:
        ParameterError: as `check`.
    """
    return dry(check(passed, tier_parameters(notebook, tier), notebook), passed)


def dry_run(notebook: Notebook, tier: str, passed: Parameters | None = None) -> None:
    """Execute every code cell of `notebook` with the dry overlay of `tier`; the nets are the tier's own.

    Raises:
        ParameterError: a `passed` parameter is unknown or has no possible value.
        DryRunFailed: a cell failed; names the cell and the error.
    """
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell

    matplotlib.use("agg")
    injected = f"# Parameters\n{as_cell(dry_parameters(notebook, tier, passed or {}))}"
    shell = InteractiveShell.instance()
    shell.reset(new_session=True)
    outside = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        os.environ["REPLICATION_OUTPUT"] = folder
        os.environ["REPLICATION_RESULT"] = f"{folder}/result.json"
        os.chdir(notebook.path.parent)
        try:
            for number, source in enumerate(_with(injected, notebook), start=1):
                outcome = shell.run_cell(source, store_history=True)
                if error := outcome.error_before_exec or outcome.error_in_exec:
                    raise DryRunFailed(f"{notebook.name} at {tier}, dry: code cell {number}: {error!r}") from error
        finally:
            os.environ.clear()
            os.environ.update(outside[0])
            os.chdir(outside[1])


def _with(injected: str, notebook: Notebook) -> list[str]:
    """The code cells with the injected cell behind the parameters cell, as papermill places it."""
    cells = notebook.code
    position = cells.index(notebook.parameters_source) + 1
    return [*cells[:position], injected, *cells[position:]]
