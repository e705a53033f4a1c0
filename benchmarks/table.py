"""The table of all rows, and its place in the README."""

from collections.abc import Callable, Sequence
from itertools import chain

from benchmarks.compare import OURS, Outcome

START, END = "<!-- generated: table -->", "<!-- end of generated: table -->"
HEAD = (
    "| measure | peer | ours, per second | peer, per second | ratio | goal (against the fastest peer) "
    "| equal results | peak memory, ours / peer |\n|---|---|---|---|---|---|---|---|"
)


def table(outcomes: Sequence[Outcome], machine: str) -> str:
    """One line for each peer of each row, then what was missed, then on what it was measured."""
    return "\n\n".join(["\n".join([HEAD, *lines(outcomes)]), *(missed(o) for o in outcomes if o.missed), machine])


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """One line for each peer of each row."""
    return [line(outcome, peer) for outcome in outcomes for peer in outcome.ratio]


def renewed(old: str, outcomes: Sequence[Outcome], machine: str) -> str:
    """`old`, a whole table, with these rows in the place of their old ones; rows that it lacks come last.

    Raises:
        ValueError: the table was measured on another machine, or with other versions.
    """
    body, *notes, measured_on = old.strip().split("\n\n")
    if measured_on != machine:
        raise ValueError(
            f"the table is left as it is: it is of another machine or of other versions, so single rows cannot stand "
            f"in it. Measure all rows (`make bench`), or take what is printed above.\n"
            f"The table: {measured_on}\nHere: {machine}"
        )
    new = {outcome.row.measure: lines([outcome]) for outcome in outcomes}
    due, written = dict(new), [HEAD]
    for old_line in body.removeprefix(HEAD).strip().splitlines():
        measure = old_line.removeprefix("| ").split(" | ")[0]
        written += due.pop(measure, []) if measure in new else [old_line]
    written += chain.from_iterable(due.values())
    notes = [note for note in notes if not note.startswith(tuple(of_missed(outcome) for outcome in outcomes))]
    notes += [missed(outcome) for outcome in outcomes if outcome.missed]
    return "\n\n".join(["\n".join(written), *notes, machine])


def line(outcome: Outcome, peer: str) -> str:
    """One peer of one row."""
    row, speed = outcome.row, outcome.speed
    agreement = outcome.agreement.get(peer) or f"**no**: {outcome.failures[peer]}"
    memory = f"{outcome.peak[OURS]:.0f} / {outcome.peak[peer]:.0f} MB" if outcome.peak else ""
    cells = [
        *(row.measure, peer, f"{rounded(speed[OURS])} {row.unit}", f"{rounded(speed[peer])} {row.unit}"),
        *(f"{outcome.ratio[peer]:.2f}", verdict(outcome) if peer == outcome.rival else "", agreement, memory),
    ]
    return f"| {' | '.join(cells)} |"


def verdict(outcome: Outcome) -> str:
    """Goal and whether it is reached."""
    if outcome.row.goal is None:
        return "none"
    return f"{outcome.row.goal:g}: {'missed' if outcome.missed else 'reached'}"


def missed(outcome: Outcome) -> str:
    """By how much a goal is missed, and why."""
    reached = outcome.ratio[outcome.rival] / (outcome.row.goal or 1)
    return f"{of_missed(outcome)} {100 * reached:.0f} % of its goal. {outcome.row.note}".rstrip()


def of_missed(outcome: Outcome) -> str:
    """How the paragraph on a missed goal begins."""
    return f"Missed: {outcome.row.measure} reaches"


def rounded(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def with_table(text: str, new: Callable[[str], str]) -> str:
    """`text` with what stands between the marks replaced by what `new` makes of it."""
    before, found, rest = text.partition(START)
    old, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"benchmarks/README.md has lost its marks; put {START} and {END} where the table belongs")
    return f"{before}{START}\n{new(old)}\n{END}{after}"
