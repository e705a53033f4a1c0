"""Our code against the libraries people use: speed, with equal results checked in the same run. Run by hand."""

import lib  # noqa: F401  (before torch, so that the instruction set is held)
