"""A claim in words: the paper's number and the rule, for tables on pages and in READMEs."""

from lib.replication.claims import Claim


def paper_text(claim: Claim) -> str:
    """The paper's number for a claim with its source; in brackets where it is from memory."""
    if claim.paper is None or claim.paper.effect is None:
        return "no number"
    text = f"{claim.paper.effect:g} {claim.paper.unit} ({claim.paper.source})"
    return f"[{text}]" if claim.paper.unverified else text


def rule_text(claim: Claim) -> str:
    """The rule a claim is judged by: `direction: gap on random labels against gap on true labels, margin 0.19`."""
    if claim.tolerances:
        return "identity: " + ", ".join(f"{name} ≤ {tolerance:g}" for name, tolerance in claim.tolerances.items())
    if not claim.parts:
        return "shown"
    first = claim.parts[0]
    between = " < " if claim.rule_kind == "order" else " against "
    margins = sorted({part.margin for part in claim.parts})
    margin = f"{margins[0]:g}" if len(margins) == 1 else f"{margins[0]:g} to {margins[-1]:g}"
    return f"{claim.kind}: {between.join(map(str, first.compared))}, margin {margin}"
