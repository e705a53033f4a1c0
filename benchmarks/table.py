"""The table of all rows, and its place in the README."""

from collections.abc import Sequence

from benchmarks.compare import OURS, Outcome

START, END = "<!-- generated: table -->", "<!-- end of generated: table -->"
HEAD = (
    "| measure | peer | ours, per second | peer, per second | ratio | goal (against the fastest peer) "
    "| equal results | peak memory, ours / peer |\n|---|---|---|---|---|---|---|---|"
)


def table(outcomes: Sequence[Outcome]) -> str:
    """One line for each peer of each row, then what was missed."""
    lines = [line(outcome, peer) for outcome in outcomes for peer in outcome.ratio]
    return "\n".join([HEAD, *lines]) + "".join(f"\n\n{missed(o)}" for o in outcomes if o.missed)


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
    return f"Missed: {outcome.row.measure} reaches {100 * reached:.0f} % of its goal. {outcome.row.note}".rstrip()


def rounded(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def with_table(text: str, new: str) -> str:
    """`text` with what stands between the marks replaced."""
    before, found, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"benchmarks/README.md has lost its marks; put {START} and {END} where the table belongs")
    return f"{before}{START}\n{new}\n{END}{after}"
