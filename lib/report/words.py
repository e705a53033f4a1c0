"""A rule and a verdict in sentences: what was asked for, and what would change what came out."""

from collections.abc import Iterator

from lib.replication.claims import Claim, Part
from lib.replication.verdicts import (
    NOT_REPRODUCED,
    NOT_TESTABLE,
    PARTLY,
    REPRODUCED,
    REVERSED,
    UNDECIDED,
    Verdict,
)
from lib.report.facts import Claimed

RULES = {
    "direction": "The claim is reproduced if the interval over seeds lies above 0 and the mean reaches the margin.",
    "order": (
        "The claim is reproduced if Kendall's tau with the claimed order lies above 0 over seeds and its mean reaches "
        "the margin."
    ),
    "no harm": "The claim is reproduced if the interval over seeds lies above minus the margin: no loss that matters.",
    "equal": "The claim is reproduced if the interval over seeds lies within the margin on both sides of 0.",
    "identity": "The claim is reproduced if the largest error, over seeds and entries, is within its tolerance.",
}
SHOWN_ONLY = "No number decides this claim: what there is to see is shown, and no verdict is given."


def rule_in_words(claim: Claim) -> str:
    """The kind of rule in a sentence."""
    return RULES.get(claim.rule_kind or "", SHOWN_ONLY)


def comparison(part: Part, rule: str | None) -> str:
    """What a part compares, A before B."""
    if rule == "order":
        return " < ".join(map(str, part.compared))
    a, b = part.compared
    side = "smaller is as claimed" if part.sign == -1 else "larger is as claimed"
    return f"{a} minus {b}; " + ("no difference is as claimed" if rule == "equal" else side)


def gates(claim: Claim) -> list[str]:
    """What must hold before the claim can be tested, in words; what several parts ask for alike is said once."""
    asked: dict[tuple[str, str, bool], list[str]] = {}
    for part, gate in [("", gate) for gate in claim.gates] + [(p.name or "", g) for p in claim.parts for g in p.gates]:
        asked.setdefault((gate.quantity, gate.bound, gate.plateau), []).append(part)
    return [_gate(*gate, parts=list(filter(None, parts))) for gate, parts in asked.items()]


def _gate(quantity: str, bound: str, plateau: bool, *, parts: list[str]) -> str:
    of = f" ({', '.join(parts)})" if parts else ""
    return f"{quantity}{of} is {bound}" + (": the net must have come to a plateau" if plateau else "")


def needs(claim: Claim) -> list[str]:
    """Data sets that the claim, or a part of it, is about."""
    told = [f"{', '.join(claim.needs)}"] if claim.needs else []
    return told + [f"{part.name}: {', '.join(part.needs)}" for part in claim.parts if part.needs]


def what_would_change(claimed: Claimed) -> list[str]:
    """Sentences on what would give the claim another verdict."""
    verdict = claimed.head.verdict
    if verdict is None:
        return list(_not_yet(claimed))
    told = list(_of_status(claimed.claim, verdict))
    told += [f"At {tier} the run leaves it undecided; {other.reason}." for tier, other in claimed.head.beside.items()]
    return [*told, "A recorded run of a larger tier that decides takes the place of this one."]


def _not_yet(claimed: Claimed) -> Iterator[str]:
    if claimed.notebook is None:
        yield "No notebook measures this claim so far; its rule stands, and whoever writes the notebook is bound by it."
    elif claimed.verdicts:
        yield "It was measured on data that come with the package, which never count: a run on real data would decide."
    else:
        yield "It has not been run."


def _of_status(claim: Claim, verdict: Verdict) -> Iterator[str]:
    if claim.rule_kind == "identity":
        yield from _of_identity(verdict)
        return
    if verdict.status == NOT_TESTABLE:
        yield f"What is missing: {verdict.reason}."
        return
    if verdict.mean is None or not verdict.margin or verdict.low is None or verdict.high is None:
        yield "Nothing was judged by a number, so no number would change it."
        return
    mean, low, high = (value / verdict.margin for value in (verdict.mean, verdict.low, verdict.high))
    yield _of_numbers(claim.rule_kind or "direction", verdict.status, mean, low, high)
    if verdict.status == UNDECIDED:
        yield f"{verdict.reason[:1].upper()}{verdict.reason[1:]}, if mean and spread stayed as they are."
    if verdict.status == PARTLY and verdict.reason:
        yield f"It is held back to partly because: {verdict.reason}. Without that it would be reproduced."
    for row in verdict.controls:
        if row.status != REPRODUCED:
            yield f"Against the control {row.name.partition(' control ')[2]} it is {row.status}: {row.figures()}."


def _of_identity(verdict: Verdict) -> Iterator[str]:
    for row in verdict.parts:
        what = row.name.partition("/")[2]
        if row.mean is not None and row.margin:
            told = _across(row.mean, row.margin)
            yield f"The largest error of {what} would have to {told} its tolerance {row.margin:g}."


def _across(error: float, tolerance: float) -> str:
    return f"rise from {error:.3g} above" if error <= tolerance else f"fall from {error:.3g} to"


def _of_numbers(rule: str, status: str, mean: float, low: float, high: float) -> str:
    """How far mean and bounds are from where the verdict would be another, in margins."""
    if rule in ("direction", "order"):
        return {
            REPRODUCED: f"In margins, the mean would have to fall from {mean:.3g} below 1, or the lower bound from "
            f"{low:.3g} to 0.",
            PARTLY: f"In margins, the mean is {mean:.3g} and the lower bound {low:.3g}; reproduced takes a mean of 1 "
            "and a lower bound above 0.",
            REVERSED: f"In margins, the upper bound would have to rise from {high:.3g} to 0.",
            NOT_REPRODUCED: f"In margins, the upper bound would have to rise from {high:.3g} to 1, or the lower bound "
            f"from {low:.3g} above 0.",
        }.get(status, _undecided(mean, low, high))
    if rule == "no harm":
        return {
            REPRODUCED: f"In margins, the lower bound would have to fall from {low:.3g} to -1.",
            NOT_REPRODUCED: f"In margins, the upper bound would have to rise from {high:.3g} to -1.",
        }.get(status, _undecided(mean, low, high))
    return {
        REPRODUCED: f"In margins, the interval [{low:.3g}, {high:.3g}] would have to leave the band from -1 to 1.",
        NOT_REPRODUCED: f"In margins, the interval [{low:.3g}, {high:.3g}] would have to touch the band from -1 to 1.",
    }.get(status, _undecided(mean, low, high))


def _undecided(mean: float, low: float, high: float) -> str:
    return f"In margins, the mean is {mean:.3g} and the interval [{low:.3g}, {high:.3g}]."
