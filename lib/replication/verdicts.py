"""From measured values to a verdict, by the rule that `paper.yaml` fixed before the run.

Per seed i, d_i = sign x (A_i - B_i), or Kendall's tau for an order. With m = mean d_i, [L, U] the 90 % t interval over
seeds and d the margin:

    direction   reproduced L > 0 and m >= d; partly L > 0 and m < d; reversed U < 0; not reproduced L <= 0 and U < d
    order       the same, on tau
    no harm     reproduced L > -d; not reproduced U < -d
    equal       reproduced -d < L and U < d; not reproduced L > d or U < -d
    identity    reproduced if the largest error <= its tolerance, else not reproduced; no seeds needed

and undecided otherwise. Effects are judged in units of their margin, where the rules read with d = 1 and the parts of a
claim can be averaged.
"""

import bisect
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lib.metrics.intervals import half_width_of_mean, interval, kendall_tau
from lib.replication.claims import INTERVAL_RULES, UNITS, Claim, Control, Gate, PaperEffect, Part, stands_in
from lib.replication.parameters import TIERS, nearest

REPRODUCED = "reproduced"
PARTLY = "partly"
REVERSED = "reversed"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
NOT_TESTABLE = "not testable at this tier"
SHOWN = "shown"
NO_VERDICT = "no verdict"
STATUSES = (REPRODUCED, PARTLY, REVERSED, NOT_REPRODUCED, UNDECIDED, NOT_TESTABLE, SHOWN, NO_VERDICT)
DECIDED = (REPRODUCED, PARTLY, REVERSED, NOT_REPRODUCED, SHOWN)

FEWEST_SEEDS = 3
MOST_SEEDS = 100_000  # beyond this, "no number of seeds would decide it"
FALSE_REPRODUCED = 0.05  # each bound of the interval is wrong this often
NAIVE_ONLY = "only against the naive baseline"
# A part with this status says the opposite of the claim, whatever the mean over parts says.
OPPOSITE = {"direction": REVERSED, "order": REVERSED, "no harm": NOT_REPRODUCED, "equal": NOT_REPRODUCED}

Values = Mapping[str, Sequence[float]]


class NotMeasured(ValueError):
    """A rule needs a quantity that the run did not measure."""


@dataclass(frozen=True)
class Verdict:
    """What one run says about one claim, one part of it, or one of its controls.

    `mean`, `low`, `high` and `margin` are on the judged scale (fractions), with the claim's sign: positive is as
    claimed. For an identity, `mean` is the largest error and `margin` its tolerance; nothing has bounds.

    Attributes:
        name: `C20`, `C20/<part>` or `C20 control <quantity>`.
        status: One of `STATUSES`.
        reason: Why it is not more than that, in words; empty if there is nothing to say.
        seeds: Number of seeds.
        unit: The paper's unit, or `margins` where parts with different margins were averaged.
        against: The number that A was compared with, if it was a number; then A itself is shown.
        sign: -1 where a smaller A is the better one.
        seeds_needed: When undecided: how many seeds would decide if mean and spread stayed; None if no number would.
        paper: The paper's number.
        parts: A row for each part.
        controls: A row for each control.
        stand_in: Stand-in data sets that the run used; such a verdict is no evidence.
    """

    name: str
    status: str
    reason: str = ""
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    margin: float | None = None
    unit: str = "fraction"
    against: float | None = None
    sign: int = 1
    seeds_needed: int | None = None
    paper: PaperEffect | None = None
    parts: tuple["Verdict", ...] = ()
    controls: tuple["Verdict", ...] = ()
    stand_in: tuple[str, ...] = ()

    @property
    def effect(self) -> float | None:
        """The measured mean in the paper's unit, with the claim's sign."""
        return None if self.mean is None else self.mean / UNITS.get(self.unit, 1.0)

    @property
    def label(self) -> str:
        """The status for a narrow column; a `partly` says why."""
        return f"{self.status} ({self.reason})" if self.status == PARTLY else self.status

    def figures(self) -> str:
        """`0.998 [0.996, 1.000], margin 0.02, 5 seeds`, in the paper's unit; A itself where B is a number."""
        if self.mean is None or self.margin is None:
            return ""
        if self.low is None or self.high is None:
            return f"largest error {self.mean:.3g}, tolerance {self.margin:g}"
        margin = self.margin / UNITS.get(self.unit, 1.0)
        return f"{self.number()}, margin {margin:.2g}, {_seeds(self.seeds)}"

    def number(self) -> str:
        """`0.998 [0.996, 1.000]`: mean and interval of A - B in the paper's unit, A itself where B is a number."""
        if self.mean is None or self.margin is None or self.low is None or self.high is None:
            return ""
        scale = UNITS.get(self.unit, 1.0)
        decimals = max(0, 1 - math.floor(math.log10(self.margin / scale)))  # two digits of the margin
        bounds = sorted(self._displayed(value) / scale for value in (self.low, self.high))
        mean, low, high = (_rounded(value, decimals) for value in (self._displayed(self.mean) / scale, *bounds))
        unit = f" {self.unit}" if self.unit not in ("fraction", "ratio", "score") else ""
        return f"{mean} [{low}, {high}]{unit}"

    def measured(self) -> str:
        """What a reader compares with the paper: the number, by part where the paper's numbers or margins differ."""
        apart = any(part.paper not in (None, self.paper) for part in self.parts)
        if self.unit != "margins" and not apart:
            return self.number()
        parts = {part.name.partition("/")[2]: part.number() for part in self.parts}
        return "; ".join(f"{name}: {number}" for name, number in parts.items() if number)

    def _displayed(self, effect: float) -> float:
        """A - B, before the claim's sign, as the paper's number is; A where B is a number."""
        return (self.against or 0.0) + self.sign * effect

    def text(self) -> str:
        """Status, figures and reason, without the claim's id."""
        reason = "" if self.status == PARTLY else self.reason
        stand_in = f"stand-in data {', '.join(self.stand_in)}" if self.stand_in else ""
        told = "; ".join(filter(None, [self.figures(), reason, stand_in]))
        return f"{self.label}: {told}" if told else self.label

    def __str__(self) -> str:
        """One line: `C18 reproduced: 0.998 [0.996, 1.000], margin 0.02, 5 seeds`."""
        return f"{self.name} {self.text()}"

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Verdict":
        """The verdict that `dataclasses.asdict` and JSON made of one."""
        paper = stored.get("paper")
        return cls(
            **{
                **stored,
                "paper": None if paper is None else PaperEffect(**paper),
                "parts": tuple(cls.from_dict(part) for part in stored.get("parts", ())),
                "controls": tuple(cls.from_dict(control) for control in stored.get("controls", ())),
                "stand_in": tuple(stored.get("stand_in", ())),
            }
        )


def judge(claim: Claim, values: Values, datasets: Collection[str]) -> Verdict:
    """Judge one claim on what a run measured.

    Args:
        claim: The claim with its rule.
        values: Quantity -> one value per seed, the same seeds in the same order everywhere; fractions, not percent. A
            part's quantities are called `<quantity>/<part>`.
        datasets: Names of the data sets the run really used, stand-ins among them.

    Raises:
        NotMeasured: The rule needs a quantity that was not measured.
        ValueError: A value is not finite, or the numbers of seeds differ.
    """
    verdict = _untestable(claim, values, datasets) or _by_kind(claim, values, datasets)
    stand_in = tuple(sorted(filter(stands_in, datasets)))
    return replace(verdict, stand_in=stand_in) if stand_in else verdict


def effects(claim: Claim, values: Values, datasets: Collection[str]) -> dict[str, list[float]]:
    """What a verdict was made of: name of its row -> effect of each seed in units of the margin, as `judge` takes them.

    The rows are the claim, its parts and the claim with each control, under the names that their verdicts have; of an
    identity each error in units of its tolerance, where that is not 0. Empty where there is nothing to judge.
    """
    if _untestable(claim, values, datasets):
        return {}
    if claim.kind == "identity":
        allowed = {name: tolerance for name, tolerance in claim.tolerances.items() if tolerance}
        return {f"{claim.id}/{name}": [abs(v) / most for v in values[name]] for name, most in allowed.items()}
    parts = [part for part in claim.parts if not _part_untestable(claim, part, values, datasets)]
    if not parts:
        return {}
    named = [part for part in parts if part.name is not None]
    of_parts = {f"{claim.id}/{part.name}": _effects(claim, part, values, None) for part in named}
    controlled = {f"{claim.id} control {c.take}": _over_parts(claim, parts, values, c) for c in claim.controls}
    return {claim.id: _over_parts(claim, parts, values), **of_parts, **controlled}


def decide(rule: str, mean: float, low: float, high: float, margin: float = 1.0) -> str:
    """The status that a rule gives to a mean and its interval.

    Args:
        rule: One of `INTERVAL_RULES`.
        mean: Mean effect with the claim's sign.
        low: Lower bound of its interval.
        high: Upper bound.
        margin: The smallest effect that matters, > 0.
    """
    if rule in ("direction", "order"):
        if low > 0:
            return REPRODUCED if mean >= margin else PARTLY
        if high < 0:
            return REVERSED
        return NOT_REPRODUCED if high < margin else UNDECIDED
    if rule == "no harm":
        return REPRODUCED if low > -margin else NOT_REPRODUCED if high < -margin else UNDECIDED
    if rule == "equal":
        if -margin < low and high < margin:
            return REPRODUCED
        return NOT_REPRODUCED if low > margin or high < -margin else UNDECIDED
    raise ValueError(f"no rule {rule!r} for intervals{nearest(rule, INTERVAL_RULES)}")


def combine(rule: str, status: str, parts: Mapping[str, str], controls: Collection[str]) -> tuple[str, list[str]]:
    """Hold a claim that is true on the mean over its parts back to `partly`, with the reasons.

    A part that says the opposite does it: reversed, or for "no harm" and "equal" decided against, since parts that fail
    in opposite directions would cancel in the mean. An undecided part does not. A control that is not reproduced does.

    Args:
        rule: One of `INTERVAL_RULES`.
        status: The status of the mean over parts.
        parts: Part -> status.
        controls: Statuses of the controls.
    """
    if status not in (REPRODUCED, PARTLY):
        return status, []
    opposed = ", ".join(part for part, found in parts.items() if found == OPPOSITE[rule])
    reasons = [f"{OPPOSITE[rule]} on {opposed}"] if opposed else []
    reasons += [NAIVE_ONLY] if any(found != REPRODUCED for found in controls) else []
    return PARTLY if reasons else status, reasons


def seeds_to_decide(rule: str, mean: float, spread: float, margin: float = 1.0) -> int | None:
    """The fewest seeds that decide if mean and spread stay as they are; None if no number would (mean on a bound).

    More seeds only narrow the interval, and each rule, once decided, stays so: hence the bisection.
    """

    def decides(seeds: int) -> bool:
        half_width = half_width_of_mean(spread, seeds)
        return decide(rule, mean, mean - half_width, mean + half_width, margin) != UNDECIDED

    candidates = range(FEWEST_SEEDS, MOST_SEEDS + 1)
    found = bisect.bisect_left(candidates, True, key=decides)
    return candidates[found] if found < len(candidates) else None


@dataclass(frozen=True)
class Headline:
    """The one verdict of a claim that a summary shows.

    Attributes:
        tier: Tier of the verdict; None if nothing was run, or on stand-in data alone.
        verdict: The decided verdict of the largest tier; failing that, the largest undecided one, then the largest.
        beside: Undecided verdicts of larger tiers, largest first.
        stand_in: Whether there are verdicts, but all on stand-in data, which never count.
    """

    tier: str | None
    verdict: Verdict | None
    beside: Mapping[str, Verdict] = field(default_factory=dict)
    stand_in: bool = False

    def text(self) -> str:
        """`reproduced (laptop), undecided (gpu)`."""
        if self.verdict is None:
            return "measured on stand-in data alone" if self.stand_in else "not run"
        beside = [f", {verdict.label} ({tier})" for tier, verdict in self.beside.items()]
        return f"{self.verdict.label} ({self.tier})" + "".join(beside)


def headline(verdicts: Mapping[str, Verdict]) -> Headline:
    """The verdict of the largest tier that decides, with the larger undecided ones; stand-in data never counts.

    Args:
        verdicts: Tier -> verdict on the same claim.

    Raises:
        ValueError: A tier that does not exist (a custom run has no verdict of a tier).
    """
    for tier in verdicts:
        if tier not in TIERS:
            raise ValueError(f"no tier {tier!r} can have a headline{nearest(tier, TIERS)}")
    real = [(tier, verdicts[tier]) for tier in reversed(TIERS) if tier in verdicts and not verdicts[tier].stand_in]
    decided = [tier for tier, verdict in real if verdict.status in DECIDED]
    undecided = [tier for tier, verdict in real if verdict.status == UNDECIDED]
    best = next(iter(decided + undecided + [tier for tier, _ in real]), None)
    if best is None:
        return Headline(None, None, stand_in=bool(verdicts))
    larger = {tier: verdicts[tier] for tier in undecided if TIERS.index(tier) > TIERS.index(best)}
    return Headline(best, verdicts[best], larger)


def expected_false_reproduced(claims: Iterable[Claim]) -> float:
    """How many `reproduced` to expect by chance if nothing that an interval rule judges were true: 5 % of each.

    An upper bound: margins, controls and parts only lower it. Identities, shown and literature-only claims do not
    count; give only the claims that a tier can test.
    """
    return FALSE_REPRODUCED * sum(bool(claim.parts) and claim.notebook is not None for claim in claims)


def _untestable(claim: Claim, values: Values, datasets: Collection[str]) -> Verdict | None:
    """The verdict on a claim that this run cannot judge at all."""
    if claim.notebook is None:
        reason = "literature only: no notebook measures it"
    elif claim.rule_kind is None and not _unmet_needs(claim.needs, datasets):
        return Verdict(claim.id, SHOWN, paper=claim.paper)
    else:
        reason = _unmet_needs(claim.needs, datasets) or _closed_gates(claim.id, claim.gates, values)
    return Verdict(claim.id, NOT_TESTABLE, reason, paper=claim.paper) if reason else None


def _by_kind(claim: Claim, values: Values, datasets: Collection[str]) -> Verdict:
    return _identity(claim, values) if claim.kind == "identity" else _judge_parts(claim, values, datasets)


def _unmet_needs(needs: Sequence[str], datasets: Collection[str]) -> str:
    missing = [name for name in needs if name not in datasets]
    return f"needs {', '.join(missing)}; used {', '.join(sorted(datasets)) or 'no data set'}" if missing else ""


def _closed_gates(claim: str, gates: Sequence[Gate], values: Values, part: Part | None = None) -> str:
    """The first gate that does not hold, with value and bound; those behind it may speak of what was not run."""
    for gate in gates:
        name = gate.quantity if part is None else part.quantity(gate.quantity)
        if gate.plateau and name not in values:  # one net for several parts has come to its plateau or has not
            name = gate.quantity
        mean = _mean(_measured(claim, name, values))
        if not gate.holds(mean):
            told = f"still improving by {mean:.3g} in the last quarter: " if gate.plateau else ""
            return f"{told}{name} is {mean:.4g}, wanted {gate.bound}"
    return ""


def _identity(claim: Claim, values: Values) -> Verdict:
    """Largest |value| over seeds and entries against each tolerance."""
    rows, told = [], {REPRODUCED: [], NOT_REPRODUCED: []}  # type: tuple[list[Verdict], dict[str, list[str]]]
    for name, tolerance in claim.tolerances.items():
        errors = _measured(claim.id, name, values)
        largest = max(map(abs, errors))
        status = REPRODUCED if largest <= tolerance else NOT_REPRODUCED
        rows.append(Verdict(f"{claim.id}/{name}", status, mean=largest, margin=tolerance, seeds=len(errors)))
        told[status].append(f"{name} {largest:.3g} {'<=' if largest <= tolerance else '>'} {tolerance:g}")
    status = NOT_REPRODUCED if told[NOT_REPRODUCED] else REPRODUCED
    seeds = max(row.seeds for row in rows)
    return Verdict(claim.id, status, ", ".join(told[status]), seeds=seeds, paper=claim.paper, parts=tuple(rows))


def _judge_parts(claim: Claim, values: Values, datasets: Collection[str]) -> Verdict:
    """Judge the mean over the parts that are testable here, and say what its parts and controls take away from it."""
    closed = [_part_untestable(claim, part, values, datasets) for part in claim.parts]
    parts = [part for part, reason in zip(claim.parts, closed, strict=True) if not reason]
    if not parts:
        named = zip(claim.parts, closed, strict=True)
        reasons = [reason if part.name is None else f"{part.name}: {reason}" for part, reason in named]
        return Verdict(claim.id, NOT_TESTABLE, "; ".join(reasons), paper=claim.paper)
    verdict = _measure(claim, claim.id, parts, values)
    controls = tuple(_measure(claim, f"{claim.id} control {c.take}", parts, values, c) for c in claim.controls)
    rows: tuple[Verdict, ...] = ()
    if claim.parts[0].name is not None:
        rows = tuple(_part_row(claim, part, reason, values) for part, reason in zip(claim.parts, closed, strict=True))
    return _qualified(replace(verdict, parts=rows, controls=controls), str(claim.rule_kind), len(parts))


def _part_untestable(claim: Claim, part: Part, values: Values, datasets: Collection[str]) -> str:
    return _unmet_needs(part.needs, datasets) or _closed_gates(claim.id, part.gates, values, part)


def _part_row(claim: Claim, part: Part, untestable: str, values: Values) -> Verdict:
    """A part on its own, in the table beneath the claim."""
    name = f"{claim.id}/{part.name}"
    return (
        Verdict(name, NOT_TESTABLE, untestable, paper=part.paper)
        if untestable
        else _measure(claim, name, [part], values)
    )


def _qualified(verdict: Verdict, rule: str, judged: int) -> Verdict:
    """The verdict on the mean over parts, with what its parts and controls take away from it."""
    parts = {row.name.partition("/")[2]: row.status for row in verdict.parts}
    status, reasons = combine(rule, verdict.status, parts, [control.status for control in verdict.controls])
    if judged < len(parts):
        reasons.append(f"judged on {judged} of {len(parts)} parts")
    return replace(verdict, status=status, reason="; ".join([verdict.reason, *reasons] if verdict.reason else reasons))


def _measure(claim: Claim, name: str, parts: Sequence[Part], values: Values, control: Control | None = None) -> Verdict:
    """Apply the claim's rule to the mean over parts of (effect / margin), seed by seed."""
    rule = str(claim.rule_kind)
    effects = _over_parts(claim, parts, values, control)
    shared = _shared(claim, parts)
    if len(effects) < FEWEST_SEEDS:
        reason = f"{_seeds(len(effects))}, at least {FEWEST_SEEDS} needed"
        return Verdict(name, NO_VERDICT, reason, seeds=len(effects), **shared)
    estimate = interval(effects)
    mean, low, high = (round(value, 9) for value in (estimate.mean, estimate.low, estimate.high))
    status = decide(rule, mean, low, high)
    needed, reason = None, "smaller than the margin" if status == PARTLY else ""
    if status == UNDECIDED:
        needed = seeds_to_decide(rule, mean, estimate.spread)
        reason = f"about {_seeds(needed)} would decide" if needed else "no number of seeds would decide"
    margin = shared["margin"]
    bounds = {"mean": mean * margin, "low": low * margin, "high": high * margin}
    return Verdict(name, status, reason, seeds=len(effects), seeds_needed=needed, **bounds, **shared)


def _over_parts(claim: Claim, parts: Sequence[Part], values: Values, control: Control | None = None) -> list[float]:
    """The mean over parts of (effect / margin), one per seed."""
    per_part = [_effects(claim, part, values, control) for part in parts]
    if len(set(map(len, per_part))) > 1:
        found = ", ".join(f"{part.name}: {len(effects)}" for part, effects in zip(parts, per_part, strict=True))
        raise ValueError(f"claim {claim.id}: the parts differ in their number of seeds ({found}); use the same seeds")
    return [math.fsum(of_seed) / len(parts) for of_seed in zip(*per_part, strict=True)]


def _shared(claim: Claim, parts: Sequence[Part]) -> dict[str, Any]:
    """How the mean over these parts can be shown: in their common unit if they have one, else in margins."""
    first = parts[0]
    alike = all((p.margin, p.unit, p.sign) == (first.margin, first.unit, first.sign) for p in parts)
    number = first.compared[1] if claim.rule_kind != "order" else None
    same_number = isinstance(number, int | float) and all(part.compared[1] == number for part in parts)
    return {
        "margin": first.margin if alike else 1.0,
        "unit": first.unit if alike else "margins",
        "sign": first.sign,
        "against": float(number) if alike and same_number else None,  # type: ignore[arg-type]
        "paper": first.paper if len(parts) == 1 else claim.paper,
    }


def _effects(claim: Claim, part: Part, values: Values, control: Control | None) -> list[float]:
    """d_i / margin of one part, one per seed; rounded, so that 0.3 - 0.1 is not a hair less than 0.2."""
    terms = part.compared if control is None else _replaced(part.compared, control)
    columns = [_measured(claim.id, part.quantity(term), values) for term in terms if isinstance(term, str)]
    if len(set(map(len, columns))) > 1:
        raise ValueError(f"claim {claim.id}: {terms} differ in their number of seeds {[len(c) for c in columns]}")
    if claim.rule_kind == "order":
        return [kendall_tau(seed) / part.margin for seed in zip(*columns, strict=True)]
    number = [float(term) for term in terms if not isinstance(term, str)]
    second = columns[1] if not number else number * len(columns[0])
    return [round(part.sign * (a - b) / part.margin, 9) for a, b in zip(columns[0], second, strict=True)]


def _replaced(terms: tuple[str | float, ...], control: Control) -> tuple[str | float, ...]:
    return tuple(control.take if term == control.instead_of else term for term in terms)


def _measured(claim: str, name: str, values: Values) -> list[float]:
    if name not in values:
        raise NotMeasured(f"claim {claim}: quantity {name!r} was not measured{nearest(name, list(values))}")
    measured = [float(value) for value in values[name]]
    if not measured or not all(map(math.isfinite, measured)):
        raise ValueError(f"claim {claim}: quantity {name!r} needs a finite value per seed, found {measured}")
    return measured


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count:,} seeds"


def _rounded(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: no negative zero
