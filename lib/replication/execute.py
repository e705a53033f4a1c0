"""Papermill's command line, without an optional import that costs more than running a small notebook does."""

import sys

# jsonschema checks internationalised addresses with rfc3987_syntax where it is installed, whose grammar takes 2.5
# CPU-seconds to build at import; no notebook needs it. None makes its import fail, as if it were not there.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

from papermill.cli import papermill  # noqa: E402

if __name__ == "__main__":
    papermill()
