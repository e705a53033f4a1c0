"""The badge of each paper, `papers/<paper>/badge.svg`: how many of its claims are judged, and how many reproduced."""

from collections.abc import Collection
from html import escape
from pathlib import Path

from lib.replication.verdicts import DECIDED, REPRODUCED, SHOWN, UNDECIDED

LABEL = "claims"
LEFT, RIGHT = "#444444", "#0b5f94"  # white on either is read by everybody
LETTER, ROOM, HEIGHT = 6.0, 7, 20  # pixels


def tally(statuses: Collection[str | None]) -> str:
    """`33 of 39 judged, 28 reproduced`, from the status of each claim's headline, None where there is none.

    A claim that was judged has a verdict on real data, an undecided one among them; one that is only shown has not.
    """
    judged = sum(status in (*DECIDED, UNDECIDED) and status != SHOWN for status in statuses)
    return f"{judged} of {len(statuses)} judged, {list(statuses).count(REPRODUCED)} reproduced"


def badge(text: str) -> str:
    """An SVG of one line; each text is fitted to its box, whatever font there is."""
    widths = [round(LETTER * len(part)) for part in (LABEL, text)]
    left, right = (width + 2 * ROOM for width in widths)
    told = escape(f"{LABEL}: {text}")
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{HEIGHT}" role="img" aria-label="{told}">
<title>{told}</title>
<rect width="{left}" height="{HEIGHT}" fill="{LEFT}"/>
<rect x="{left}" width="{right}" height="{HEIGHT}" fill="{RIGHT}"/>
<g fill="#ffffff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">
<text x="{ROOM}" y="14" textLength="{widths[0]}">{LABEL}</text>
<text x="{left + ROOM}" y="14" textLength="{widths[1]}">{escape(text)}</text>
</g>
</svg>
"""


def badge_path(tree: Path, name: str) -> Path:
    """Where the badge of a paper lies."""
    return tree / "papers" / name / "badge.svg"
