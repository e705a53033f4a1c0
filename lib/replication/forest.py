"""Verdicts as the lines of a forest plot."""

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
    scale = verdict.margin or float("nan")
    mean, low, high = (None if v is None else v / scale for v in (verdict.mean, verdict.low, verdict.high))
    return {"label": label, "level": level, "status": verdict.status, "mean": mean, "low": low, "high": high}
