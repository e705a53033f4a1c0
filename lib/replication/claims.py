"""What a paper claims and the rule that each claim is judged by; `paper_file` reads them from `paper.yaml`.

Units: a paper's `effect` is written in the paper's own `unit` (`points` are hundredths) and is A - B as the paper has
it, before `sign`. Everything else that a rule compares (margins, gates, tolerances, numbers in a comparison, measured
values) is a fraction, or has the scale of its own that `ratio`, `score`, `epochs` and `tau` stand for.

A measured quantity has a name and one value per seed. For a part of a claim it is called `<quantity>/<part>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("direction", "no harm", "equal", "order", "identity", "qualitative")
INTERVAL_RULES = ("direction", "no harm", "equal", "order")
UNITS = {"fraction": 1.0, "points": 0.01, "ratio": 1.0, "score": 1.0, "epochs": 1.0, "tau": 1.0}  # -> what is judged
ONE_POINT = 0.01  # margin where the paper gives no effect, or says "same"
ORDER_MARGIN = 0.5  # Kendall's tau
PIECES = ("data", "net", "optimiser", "loss", "sampler", "selection", "evaluation")  # of a method, as tables list them
FOLLOWS = ("paper", "code", "both", "otherwise")  # whom we follow in a piece
LONGEST_NAME = 43  # letters of a claim's name
STAND_IN = "fake:"  # prefix of a stand-in data set's name

DRAWN = ("gaussian", "uniform", "rademacher", "blobs", "blobs-as-coded", "mixture")
EMBEDDED = frozenset(  # come with the package; no paper's claim is about them
    ["digits", "letters", "patches", "patches-rgb", *DRAWN]
)

Term = str | float


def stands_in(dataset: str) -> bool:
    """Whether a data set only stands in for a paper's: random tensors, or one that comes with the package."""
    return dataset.startswith(STAND_IN) or dataset in EMBEDDED


@dataclass(frozen=True)
class PaperEffect:
    """What the paper reports: A - B in its own unit, before the claim's sign.

    Attributes:
        effect: The number; None where the paper gives none.
        unit: Key of `UNITS`.
        source: Table, figure or section.
        unverified: The number is from memory: shown in brackets, used by no rule.
        contradicts: Source of a number of the paper's own that goes against its statement; used by no rule.
    """

    effect: float | None
    unit: str
    source: str
    unverified: bool = False
    contradicts: str | None = None

    @property
    def counts(self) -> bool:
        """Whether a rule may use the number."""
        return self.effect is not None and not self.unverified and self.contradicts is None

    @property
    def judged(self) -> float | None:
        """The effect on the scale that is judged (points as fractions)."""
        return None if self.effect is None else self.effect * UNITS[self.unit]

    def text(self, against: float = 0.0) -> str:
        """The number as shown in tables: in brackets where it is from memory.

        Where the rule compares a quantity with the number `against` (on the judged scale), it is the quantity itself
        that is shown, as it is of ours: 86.2 points, not the 56.2 that it exceeds 30 by.
        """
        if self.effect is None:
            return "no number"
        value = f"{self.effect + against / UNITS[self.unit]:.5g}"
        number = value if self.unit in ("fraction", "ratio", "score") else f"{value} {self.unit}"
        return f"[{number}]" if self.unverified else f"{number} (against its statement)" if self.contradicts else number


@dataclass(frozen=True)
class Gate:
    """What must be measured before a claim can be tested: a bound on the mean over seeds of one quantity."""

    quantity: str
    at_least: float | None = None
    at_most: float | None = None
    plateau: bool = False  # the quantity is what a trained net still gained in the last quarter of its steps

    def holds(self, value: float) -> bool:
        """Whether the measured mean satisfies the bound, which itself is allowed."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"


@dataclass(frozen=True)
class Control:
    """A second comparison that the claim must survive: `take` stands where `instead_of` stood."""

    instead_of: Term
    take: str


@dataclass(frozen=True)
class Part:
    """One comparison of a claim, with everything the claim left to it already filled in.

    Attributes:
        name: None for the single part of a claim that is not divided.
        compared: (A, B), or for an order the quantities in their claimed increasing order.
        sign: 1, or -1 where a smaller A is the better one.
        margin: The smallest effect that matters, > 0, on the judged scale.
        unit: The paper's unit, for display.
        paper: The paper's number for this part.
        gates: Gates of this part alone; their quantities carry the part's name.
        needs: Data sets that this part alone needs.
    """

    name: str | None
    compared: tuple[Term, ...]
    sign: int
    margin: float
    unit: str
    paper: PaperEffect | None
    gates: tuple[Gate, ...] = ()
    needs: tuple[str, ...] = ()

    def quantity(self, name: str) -> str:
        """The name under which this part's values of a quantity are given."""
        return name if self.name is None else f"{name}/{self.name}"

    @property
    def against(self) -> float:
        """The number that A is compared with; 0 where B is a quantity too."""
        second = self.compared[1]
        return float(second) if len(self.compared) == 2 and not isinstance(second, str) else 0.0

    def rule_text(self, rule: str | None) -> str:
        """What is compared, in words and signs."""
        if rule == "order":
            return " < ".join(map(str, self.compared)) + f" (Kendall's tau, margin {self.margin:g})"
        a, b = self.compared if self.sign == 1 else self.compared[::-1]
        bound = {"direction": f"{a} > {b}, margin", "no harm": f"{a} > {b} -", "equal": f"{a} = {b} +-"}
        return f"{bound[str(rule)]} {self.margin:.3g}"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper and the rule that it is judged by.

    Attributes:
        id: As in the notebooks, `C1` or `F1b`.
        statement: The claim in our words.
        name: The claim in three to six words, for lists and pictures.
        kind: One of `KINDS`.
        rule_kind: The rule applied: the kind, or for a qualitative claim with a scalar the kind it is judged as; None
            where it can only be shown.
        notebook: Number of the notebook that measures it; None for a claim followed in the literature only.
        paper: The paper's number for the claim as a whole.
        parts: What an interval rule compares, at least one; none for an identity or a claim that is only shown.
        tolerances: For an identity, quantity -> largest error allowed.
        controls: Comparisons that the claim must survive as well.
        gates: What must hold for the claim to be testable; their quantities carry no part's name.
        needs: Data sets that the run must have used.
        note: What a reader should know about the rule.
        no_plateau: Why the nets compared need not have been trained to a plateau; empty where they must, or none are.
    """

    id: str
    statement: str
    kind: str
    rule_kind: str | None
    notebook: int | None
    paper: PaperEffect | None
    parts: tuple[Part, ...]
    tolerances: Mapping[str, float]
    controls: tuple[Control, ...]
    gates: tuple[Gate, ...]
    needs: tuple[str, ...]
    note: str = ""
    no_plateau: str = ""
    name: str = ""

    def rule(self) -> dict[str, Any]:
        """Everything a verdict depends on, as plain JSON values; recorded results keep it, to tell when it changed."""
        return {
            "kind": self.kind,
            "rule_kind": self.rule_kind,
            "parts": [_part_rule(part) for part in self.parts],
            "tolerances": dict(self.tolerances),
            "controls": [[control.instead_of, control.take] for control in self.controls],
            "gates": [[gate.quantity, gate.at_least, gate.at_most] for gate in self.gates],
            "needs": list(self.needs),
        }

    def judged_by(self, recorded: Mapping[str, Any]) -> bool:
        """Whether a recorded rule is this one. Older results give every part a weight, always 1, which says nothing."""
        parts = [{key: part[key] for key in part if (key, part[key]) != ("weight", 1)} for part in recorded["parts"]]
        return {**recorded, "parts": parts} == self.rule()

    def rule_text(self) -> str:
        """The rule as a table shows it."""
        if self.rule_kind in (None, "identity"):
            return ", ".join(f"{name} <= {tolerance:g}" for name, tolerance in self.tolerances.items()) or "shown only"
        rules = {part.name: part.rule_text(self.rule_kind) for part in self.parts}
        texts = [f"{name}: {rule}" for name, rule in rules.items()]
        if len(set(rules.values())) == 1:
            texts = [next(iter(rules.values())) + (f", mean of {len(rules)} parts" if len(rules) > 1 else "")]
        texts += [f"also with {control.take} for {control.instead_of}" for control in self.controls]
        plateaus = {gate: None for part in self.parts for gate in part.gates if gate.plateau}
        texts += [f"if {gate.quantity} is {gate.bound}" for gate in (*self.gates, *plateaus)]
        return "; ".join(texts)

    def paper_text(self) -> str:
        """The paper's number with its source as a table shows it; part by part where the parts have their own."""
        return (
            f"{self.paper_number()} ({self.paper.source})"
            if self.paper and not self._own_papers()
            else self.paper_number()
        )

    def paper_number(self) -> str:
        """The paper's number alone; part by part where the parts have their own."""
        if own := self._own_papers():
            return "; ".join(f"{name}: {text}" for name, text in own.items())
        against = self.parts[0].against if self.parts else 0.0
        return "no number" if self.paper is None else self.paper.text(against)

    def _own_papers(self) -> dict[str | None, str]:
        """Part -> the paper's number for it, of the parts that have one of their own."""
        own = [part for part in self.parts if part.paper is not None and part.paper != self.paper]
        return {part.name: part.paper.text(part.against) for part in own if part.paper is not None}


def _part_rule(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "compared": list(part.compared),
        "sign": part.sign,
        "margin": part.margin,
        "gates": [[gate.quantity, gate.at_least, gate.at_most] for gate in part.gates],
        "needs": list(part.needs),
    }


@dataclass(frozen=True)
class Exhibit:
    """A table or figure: the paper's, with its numbers as printed there, or one of ours, without.

    Attributes:
        values: row -> column -> number, text as printed, or None for an empty cell.
        unverified: The (row, column) cells that are from memory.
    """

    id: str
    title: str
    notebook: int | None
    values: Mapping[str, Mapping[str, Term | None]]
    unverified: frozenset[tuple[str, str]]
    unit: str = ""
    source: str = ""
    note: str = ""

    def shown(self, row: str, column: str) -> str:
        """The paper's cell as text: empty where the paper has none, in brackets where it is from memory."""
        value = self.values.get(row, {}).get(column)
        text = "" if value is None else value if isinstance(value, str) else f"{value:.10g}"
        return f"[{text}]" if (row, column) in self.unverified else text


@dataclass(frozen=True)
class Deviation:
    """One piece of the method in which paper, code and we are not all alike, or which the paper leaves open.

    Attributes:
        id: A short name in words joined by `-`.
        piece: One of `PIECES`.
        paper: What the paper says.
        code: What the released code does.
        follows: One of `FOLLOWS`: what we do is the paper's, the code's, both (each is measured), or neither.
        ours: What we do.
        why: Why we do that.
        notebooks: Numbers of the notebooks that it concerns; none for what is known of paper and code alone.
        source: Where it is known from.
        effect: What it changes, measured here or by others; empty where that is not known.
    """

    id: str
    piece: str
    paper: str
    code: str
    follows: str
    ours: str
    why: str
    notebooks: tuple[int, ...]
    source: str
    effect: str = ""


@dataclass(frozen=True)
class Citation:
    """Where a paper can be found."""

    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    arxiv: str
    url: str | None = None


@dataclass(frozen=True)
class Paper:
    """A paper as `paper.yaml` describes it.

    Attributes:
        title: Title; with authors, year, venue, arXiv number and address, the citation.
        notebooks: Number -> topic, as in the file name.
        claims: Id -> claim, in the order of the file.
        exhibits: Id -> exhibit.
        deviations: Id -> deviation.
        companions: Papers whose claims are tested beside this one's.
        measured: Notebook -> quantity of a rule -> its path into what arms return, as in `lib.replication.rows`.
    """

    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    arxiv: str
    url: str | None
    notebooks: Mapping[int, str]
    claims: Mapping[str, Claim]
    exhibits: Mapping[str, Exhibit]
    deviations: Mapping[str, Deviation]
    companions: tuple[Citation, ...] = ()
    measured: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
