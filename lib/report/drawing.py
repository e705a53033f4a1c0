"""Values per seed as strips that any screen can show: widths in per cent, labels as text of the page."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from lib.replication.verdicts import Verdict

Strip = tuple[str, Sequence[float], tuple[float, float] | None]  # label, a value per seed, interval
HEIGHT = 26
# What an interval must do for `reproduced`: the lines that matter, and the band that is the claim's.
LINES = {"direction": (0.0, 1.0), "order": (0.0, 1.0), "no harm": (-1.0,), "equal": (-1.0, 1.0), "identity": (1.0,)}
BANDS = {
    "direction": (1.0, math.inf), "order": (1.0, math.inf), "no harm": (-1.0, math.inf), "equal": (-1.0, 1.0),
    "identity": (-math.inf, 1.0),
}  # fmt: skip


def strips(verdict: Verdict, effects: Mapping[str, Sequence[float]], rule: str) -> str:
    """A strip for the claim, each part and each control: a dot for each seed, the mean and its interval, in margins.

    Args:
        verdict: Of one run.
        effects: Name of a row -> effect of each seed in margins, from `lib.replication.verdicts.effects`.
        rule: Key of `LINES`.
    """
    rows = [row for row in (verdict, *verdict.parts, *verdict.controls) if row.name in effects]
    drawn = [(label(row, verdict.name), effects[row.name], _bounds(row)) for row in rows]
    low, high = _range(drawn, LINES[rule])
    lines = "".join(_strip(strip, rule, low, high) for strip in drawn)
    return f'<div class="strips">{lines}{_axis(low, high)}</div>'


def interval(effect: float, low: float | None, high: float | None, rule: str, limit: float = 4.0) -> str:
    """A small picture of mean and interval in margins, for a line of a table; what lies further out is at the edge."""
    mean = _clipped(effect, limit)
    inner = _band(rule, -limit, limit) + _line_at(0.0, -limit, limit, "zero")
    if low is not None and high is not None:
        inner += _bar(_clipped(low, limit), _clipped(high, limit), -limit, limit, 8)
    inner += f'<circle class="mean" cx="{_percent(mean, -limit, limit)}" cy="8" r="3.5"/>'
    return f'<svg class="interval" width="100%" height="16" aria-hidden="true">{inner}</svg>'


def label(row: Verdict, claim: str) -> str:
    """What a row of a verdict is called beneath its claim."""
    if row.name == claim:
        return "the claim"
    part, control = row.name.partition("/")[2], row.name.partition(" control ")[2]
    return f"with the control: {control}" if control else part


def _bounds(row: Verdict) -> tuple[float, float] | None:
    if row.low is None or row.high is None or not row.margin:
        return None
    return row.low / row.margin, row.high / row.margin


def _range(drawn: Iterable[Strip], lines: Sequence[float]) -> tuple[float, float]:
    """An axis that holds every value, every bound and the lines, with a little room."""
    shown = [value for _, values, bounds in drawn for value in (*values, *(bounds or ()))]
    low, high = min([-0.5, *lines, *shown]), max([1.5, *lines, *shown])
    room = 0.06 * (high - low)
    return low - room, high + room


def _strip(strip: Strip, rule: str, low: float, high: float) -> str:
    told, values, bounds = strip
    middle = HEIGHT // 2
    inner = _band(rule, low, high) + "".join(_line_at(at, low, high, "bound") for at in LINES[rule])
    inner += _line_at(0.0, low, high, "zero")
    if bounds:
        inner += _bar(*bounds, low, high, middle)
    for seed, value in enumerate(values):
        hint = f"<title>seed {seed}: {value:.3g} margins</title>"
        inner += f'<circle class="seed" cx="{_percent(value, low, high)}" cy="{middle}" r="4">{hint}</circle>'
    mean = math.fsum(values) / len(values)
    spoken = f"{told}: {', '.join(f'{value:.3g}' for value in values)} margins, mean {mean:.3g}"
    drawn = f'<svg width="100%" height="{HEIGHT}" role="img" aria-label="{html.escape(spoken)}">{inner}</svg>'
    number = f'<span class="number">{mean:.3g}{_between(bounds)}</span>'
    return f'<div class="strip"><div class="label">{html.escape(told)} {number}</div>{drawn}</div>'


def _between(bounds: tuple[float, float] | None) -> str:
    return f" [{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else ""


def _axis(low: float, high: float) -> str:
    ticks = "".join(
        f'<text x="{_percent(at, low, high)}" y="13" text-anchor="middle">{at:g}</text>' for at in _ticks(low, high)
    )
    return (
        f'<svg class="axis" width="100%" height="18" aria-hidden="true">{ticks}</svg>'
        '<div class="axis-name">effect in margins: 0 is none, 1 the smallest that matters; right is as claimed</div>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers within the axis."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil((low + 0.04 * (high - low)) / step)
    last = math.floor((high - 0.04 * (high - low)) / step)
    return [round(i * step, 10) + 0.0 for i in range(first, last + 1)]


def _band(rule: str, low: float, high: float) -> str:
    start, end = (min(max(edge, low), high) for edge in BANDS[rule])
    width = 100 * (end - start) / (high - low)
    return f'<rect class="band" x="{_percent(start, low, high)}" y="0" width="{width:.2f}%" height="100%"/>'


def _line_at(at: float, low: float, high: float, kind: str) -> str:
    place = _percent(at, low, high)
    return f'<line class="{kind}" x1="{place}" x2="{place}" y1="0" y2="100%"/>'


def _bar(start: float, end: float, low: float, high: float, y: int) -> str:
    return f'<line class="bar" x1="{_percent(start, low, high)}" x2="{_percent(end, low, high)}" y1="{y}" y2="{y}"/>'


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * (value - low) / (high - low):.2f}%"


def _clipped(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
