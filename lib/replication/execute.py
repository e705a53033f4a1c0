"""Papermill on one notebook: python execute.py NOTEBOOK OUTPUT PARAMETERS_AS_YAML FOLDER.

As a script, so that the process imports papermill and nothing of ours. Papermill's own command line has no option for
the wait below, after which it gives up a notebook of hours because the machine was busy for four seconds.
"""

import sys

# jsonschema checks internationalised addresses with rfc3987_syntax where it is installed, whose grammar takes 2.5
# CPU-seconds to build at import; no notebook needs it. None makes its import fail, as if it were not there.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

import yaml  # noqa: E402
from papermill import execute_notebook  # noqa: E402

IOPUB_SECONDS = 300  # from the end of a cell until all that it printed has come

if __name__ == "__main__":
    notebook, output, parameters, folder = sys.argv[1:]
    execute_notebook(
        notebook, output, yaml.safe_load(parameters), kernel_name="python3", cwd=folder, progress_bar=False,
        iopub_timeout=IOPUB_SECONDS,
    )  # fmt: skip
