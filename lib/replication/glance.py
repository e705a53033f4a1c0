"""The picture of the front page: every claim with a verdict, in units of its margin."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lib.replication.notebooks import all_notebooks, papers
from lib.replication.paper_file import read_paper
from lib.replication.report import verdicts_of
from lib.replication.results import recorded_results
from lib.replication.verdicts import Verdict, headline

SHAPE_OF_RULE = {"no harm": "no harm", "equal": "equal", "identity": "identity"}  # all others claim an effect


def picture(tree: Path) -> Path:
    """Where the picture lies."""
    return tree / "figures" / "results-at-a-glance.svg"


def glance_rows(tree: Path) -> list[dict[str, Any]]:
    """A row for each claim whose headline has a mean: paper, claim, name, shape, status, effect, low, high."""
    rows = []  # the last three in margins
    for name in papers(tree):
        results = {n.number: recorded_results(n) for n in all_notebooks(tree) if n.paper == name}
        for claim in read_paper(tree / "papers" / name).claims.values():
            verdict = headline(verdicts_of(claim, results)).verdict
            place = in_margins(verdict) if verdict else None
            if verdict and place:
                shape = SHAPE_OF_RULE.get(claim.rule_kind or "", "effect")
                about = {"paper": name, "claim": claim.id, "name": claim.name, "shape": shape, "status": verdict.status}
                rows.append(about | dict(zip(("effect", "low", "high"), place, strict=True)))
    return rows


def in_margins(verdict: Verdict) -> tuple[float, float | None, float | None] | None:
    """Mean and bounds divided by the margin, None where nothing was judged.

    An identity has no bounds; of several, the error nearest to its tolerance counts, those that must be 0 aside.
    """
    if verdict.mean is not None and verdict.margin and verdict.low is not None and verdict.high is not None:
        return verdict.mean / verdict.margin, verdict.low / verdict.margin, verdict.high / verdict.margin
    errors = [v.mean / v.margin for v in (verdict, *verdict.parts) if v.mean is not None and v.margin and v.low is None]
    return (max(errors), None, None) if errors else None


def picture_key(rows: list[dict[str, Any]]) -> str:
    """Which results a picture shows, so that a stale one is found without drawing it again."""
    return "results " + hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def is_stale(tree: Path) -> bool:
    """Whether the picture shows other results than the recorded ones."""
    rows = glance_rows(tree)
    there = picture(tree).exists()
    return there != bool(rows) or (there and picture_key(rows) not in picture(tree).read_text(encoding="utf-8"))


def write_picture(tree: Path) -> None:
    """Draw it anew where its data changed."""
    rows = glance_rows(tree)
    if rows and is_stale(tree):
        import pandas as pd

        from lib.plots.glance import results_at_a_glance

        results_at_a_glance(pd.DataFrame(rows).astype({"low": float, "high": float}), picture(tree), picture_key(rows))
