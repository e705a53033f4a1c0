"""The first thing on a page: for every claim the verdict, our number and the paper's, from what is recorded."""

import re
from dataclasses import replace
from typing import Any

from lib.replication.claims import Claim
from lib.replication.notebooks import Notebook
from lib.replication.paper_file import read_paper
from lib.replication.parameters import datasets
from lib.replication.report import verdicts_of
from lib.replication.results import Result, recorded_results
from lib.replication.tables import markdown
from lib.replication.verdicts import Headline, Verdict, headline

BRACKETS = (
    "Square brackets hold the 90 % interval over seeds, and ± in the tables below is half of it; "
    "a paper's number in square brackets is from memory."
)
LONGEST_REASON = 90  # letters of why a claim could not be tested


def in_short(notebook: Notebook) -> str:
    """A line for every claim of a notebook: verdict of its largest tier with real data, our number, the paper's."""
    paper, results = read_paper(notebook.path.parent), recorded_results(notebook)
    claims = [claim for claim in paper.claims.values() if claim.notebook == notebook.number]
    found = {claim.id: headline(verdicts_of(claim, {notebook.number: results})) for claim in claims}
    heads = [(claim, found[claim.id]) for claim in claims]
    lines = [[f"**{c.id}** {c.name}", _verdict(head), _ours(head, c), c.paper_number()] for c, head in heads]
    tiers = [tier for tier in results if any(head.tier == tier for head in found.values())]
    told = [_where(tier, results[tier]) for tier in tiers] or ["No run on real data is recorded yet."]
    table = markdown(["claim", "verdict", "here", "the paper"], lines)
    return f"{table}\n\n{' '.join(told)} {BRACKETS}"


def _verdict(head: Headline) -> str:
    beside = [f"; {verdict.status} at {tier}" for tier, verdict in head.beside.items()]
    return f"**{head.verdict.label}**{''.join(beside)}" if head.verdict else head.text()


def _ours(head: Headline, claim: Claim) -> str:
    """The measured number in the paper's unit; of a claim that could not be tested or is an identity, why or how."""
    if head.verdict is None:
        return "–"
    papers = [claim.paper, *(part.paper for part in claim.parts)]
    in_points = any(paper is not None and paper.unit == "points" for paper in papers)
    return (
        (_in_points(head.verdict) if in_points else head.verdict).measured() or _shortened(head.verdict.reason) or "–"
    )


def _in_points(verdict: Verdict) -> Verdict:
    """The verdict with its fractions as points: a part for which the paper has no number says no unit itself."""
    unit = "points" if verdict.unit == "fraction" else verdict.unit
    return replace(verdict, unit=unit, parts=tuple(map(_in_points, verdict.parts)))


def _shortened(reason: str) -> str:
    """The first of several reasons, which say more in the evidence below; data that a part lacks come last."""
    reasons = reason.split("; ")
    first = next((each for each in reasons if "needs " not in each and not each.startswith("used ")), reasons[0])
    return first if len(first) <= LONGEST_REASON else first[: first.rfind(" ", 0, LONGEST_REASON)] + " …"


def _where(tier: str, result: Result) -> str:
    """Data, nets, seeds and tier of a recorded run in one sentence."""
    parameters = result["parameters"]
    about = [", ".join(datasets(parameters)), _nets(result), f"{parameters['seeds']} seeds"]
    return f"Recorded at `{tier}`: {'; '.join(filter(None, about))}."


def _nets(result: Result) -> str:
    """What the parameters call the nets; of those that some arm names, as a tier may leave out its larger one."""
    names: list[Any] = []
    for name, value in result["parameters"].items():
        if name in ("net", "nets", "convnet", "learners") or name.endswith("_net"):
            names += value if isinstance(value, list) else [value]
    arms = "\n".join(each["arm"] for each in result["cost"]["arms"])
    named = [name for name in names if re.search(rf"\b{re.escape(name)}\b", arms)]
    return "net " + ", ".join(dict.fromkeys(named or names)) if names else ""
