"""Verdicts as the lines of a forest plot."""

import math
from typing import TYPE_CHECKING, Any

from lib.replication.claims import Paper
from lib.replication.verdicts import Verdict

if TYPE_CHECKING:
    import pandas as pd

Line = dict[str, Any]


def forest_frame(paper: Paper, runs: dict[str, dict[str, Verdict]]) -> "pd.DataFrame":
    """What `lib.plots.forest` draws: every claim with its parts and controls, a row for each run.

    Args:
        paper: of the claims.
        runs: name of a run -> claim -> verdict, in the order of drawing; all have the same claims, or fewer.
    """
    import pandas as pd

    found: dict[tuple[str, str], list[Line]] = {}
    for claim in (name for name in paper.claims if any(name in verdicts for verdicts in runs.values())):
        for run, verdicts in runs.items():
            for line in _lines(f"{claim} {paper.claims[claim].name}", verdicts[claim]) if claim in verdicts else ():
                found.setdefault((claim, f"{line['level']} {line['label']}"), []).append(line | {"run": run})
    told = [
        same for same in found.values() if same[0]["level"] == "claim" or any(row["mean"] is not None for row in same)
    ]
    rows = [row | {"line": place} for place, same in enumerate(told) for row in same]
    return pd.DataFrame(rows).astype({"mean": float, "low": float, "high": float})


def _lines(label: str, verdict: Verdict) -> list[Line]:
    """The claim, its parts, its controls."""
    parts = [_line(part.name.partition("/")[2], "part", part) for part in verdict.parts]
    controls = [_line(row.name.partition(" control ")[2], "control", row) for row in verdict.controls]
    real = not verdict.stand_in
    return [line | {"evidence": real} for line in (_line(label, "claim", verdict), *parts, *controls)]


def _line(label: str, level: str, verdict: Verdict) -> Line:
    """Mean and bounds in margins; of an identity, each error in units of its tolerance."""
    mean, low, high = (_in_margins(value, verdict.margin) for value in (verdict.mean, verdict.low, verdict.high))
    return {"label": label, "level": level, "status": verdict.status, "mean": mean, "low": low, "high": high}


def _in_margins(value: float | None, margin: float | None) -> float | None:
    """A value in margins; where no error at all is allowed, 0 is 0 and everything else out of bounds."""
    if value is None or margin is None:
        return None
    return value / margin if margin else math.copysign(math.inf, value) if value else 0.0
