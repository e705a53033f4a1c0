"""`paper.yaml`, the only home of a paper's numbers: its claims with the rule each is judged by, exhibits, deviations.

Units: a paper's `effect` is written in the paper's own `unit` (`points` are hundredths) and is A - B as the paper has
it, before `sign`. Everything else that a rule compares (margins, gates, tolerances, numbers in a comparison, measured
values) is a fraction, or has the scale of its own that `ratio`, `score`, `epochs` and `tau` stand for.

A measured quantity has a name and one value per seed. For a part of a claim it is called `<quantity>/<part>`.
"""

import math
import re
from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib.replication.parameters import nearest
from lib.replication.yaml_files import read_yaml

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
        weight: Share in the claim's mean over parts.
        unit: The paper's unit, for display.
        paper: The paper's number for this part.
        gates: Gates of this part alone; their quantities carry the part's name.
        needs: Data sets that this part alone needs.
    """

    name: str | None
    compared: tuple[Term, ...]
    sign: int
    margin: float
    weight: float
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
        "weight": part.weight,
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


def read_paper(path: str | Path) -> Paper:
    """Read and check `paper.yaml`.

    Args:
        path: The file, or the folder that holds it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Something in it is unknown, missing, ill-formed, or a number of the paper's does not pass its own
            rule; the message names the file, the claim and the key.
    """
    file = Path(path) / "paper.yaml" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no paper.yaml at {file}; give the folder under papers/ or the file itself")
    where = f"{file.parent.name}/{file.name}"
    keys = CITATION_KEYS | {"notebooks", "claims", "exhibits", "deviations", "companions"}
    raw = read_yaml(file.read_text(encoding="utf-8"), where)
    top = _Entry(raw, where, keys, required=CITATION_KEYS - {"url"} | {"notebooks", "claims"})
    notebooks = _notebooks(top)
    return Paper(
        **vars(_citation(top)),
        notebooks=notebooks,
        claims={id: _claim(id, raw, where, notebooks) for id, raw in top.mapping("claims").items()},
        exhibits={id: _exhibit(id, raw, where, notebooks) for id, raw in top.mapping("exhibits").items()},
        deviations={id: _deviation(id, raw, where, notebooks) for id, raw in top.mapping("deviations").items()},
        companions=tuple(
            _citation(_Entry(raw, f"{where}: companions", CITATION_KEYS)) for raw in top.listed("companions")
        ),
    )


CITATION_KEYS = {"title", "authors", "year", "venue", "arxiv", "url"}
PAPER_KEYS = {"effect", "unit", "source", "unverified", "contradicts"}
COMPARISON_KEYS = {"comparison", "order", "sign", "margin", "paper", "gate", "needs"}
PART_KEYS = COMPARISON_KEYS | {"weight"}
CLAIM_KEYS = COMPARISON_KEYS | {
    *("name", "statement", "kind", "notebook", "parts", "control", "quantities", "judged_as", "note", "plateau")
}
COMPARISONS = {"comparison", "order", "parts"}
INTERVAL_KEYS = COMPARISONS | {"sign", "margin", "control", "plateau"}
EXHIBIT_KEYS = {"title", "notebook", "values", "unit", "source", "note"}
DEVIATION_TEXTS = ("paper", "code", "ours", "why", "source")
DEVIATION_KEYS = {"piece", "follows", "notebook", *DEVIATION_TEXTS}


def _claim(id: str, raw: Any, file: str, notebooks: Mapping[int, str]) -> Claim:
    where = f"{file}: claim {id}"
    if not re.fullmatch(r"[A-Z]\d+[a-z]?", id):
        raise ValueError(f"{where}: a claim's id is a letter and a number, like C1, F9 or C3b")
    entry = _Entry(raw, where, CLAIM_KEYS, required={"name", "statement", "kind", "notebook"})
    kind = entry.choice("kind", KINDS)
    rule_kind = _rule_kind(entry, kind)
    paper = _paper_effect(entry)
    return Claim(
        id=id,
        statement=entry.text("statement"),
        kind=kind,
        rule_kind=rule_kind,
        notebook=_notebook(entry, notebooks),
        paper=paper,
        parts=_parts(entry, rule_kind, paper),
        tolerances=_tolerances(entry, kind),
        controls=_controls(entry),
        gates=_gates(entry),
        needs=_needs(entry),
        note=entry.text("note", ""),
        no_plateau=entry.text("plateau", "") if isinstance(entry.raw.get("plateau"), str) else "",
        name=_name(entry),
    )


def _name(entry: "_Entry") -> str:
    """A name that fits beside a picture: three to six words."""
    name = entry.text("name")
    if not 3 <= len(name.split()) <= 6 or len(name) > LONGEST_NAME:
        raise ValueError(
            f"{entry.where}: name is three to six words of at most {LONGEST_NAME} letters together, found {name!r}"
        )
    return name


def _rule_kind(entry: "_Entry", kind: str) -> str | None:
    """The rule that applies, after refusing the keys that it would never read."""
    if kind != "qualitative":
        entry.refuse({"judged_as"}, "is for a qualitative claim")
    if kind != "identity":
        entry.refuse({"quantities"}, "is for kind identity; state a comparison")
    if kind == "identity":
        entry.refuse(INTERVAL_KEYS, "means nothing for an identity; state quantities: {name: tolerance}")
    if kind != "qualitative":
        return kind
    if not COMPARISONS & set(entry.raw):
        entry.refuse(INTERVAL_KEYS | {"judged_as"}, "needs a comparison: a qualitative claim without one is only shown")
        return None
    return entry.choice("judged_as", INTERVAL_RULES, "order" if "order" in entry.raw else "direction")


def _parts(entry: "_Entry", rule: str | None, paper: PaperEffect | None) -> tuple[Part, ...]:
    """The claim's comparisons; a claim that is not divided has a single part without a name."""
    if rule not in INTERVAL_RULES or (entry.raw["notebook"] is None and not COMPARISONS & set(entry.raw)):
        return ()
    if "parts" not in entry.raw:
        return (_part(None, entry, entry, rule, paper),)
    named = entry.mapping("parts")
    if not named:
        raise ValueError(f"{entry.where}: parts is empty; leave the key out for a claim that is not divided")
    parts = []
    for name, raw in named.items():
        own = _Entry({} if raw is None else raw, f"{entry.where}, part {name}", PART_KEYS)
        parts.append(_part(name, own, entry, rule, paper))
    return tuple(parts)


def _part(name: str | None, own: "_Entry", claim: "_Entry", rule: str | None, claims_paper: PaperEffect | None) -> Part:
    """A part of a claim: what it states itself comes first, then what the claim states, then the defaults."""
    divided = name is not None
    paper = _paper_effect(own) if "paper" in own.raw else claims_paper
    known = [effect for effect in (paper, claims_paper) if effect is not None]
    unit = known[0].unit if known else "tau" if rule == "order" else "fraction"
    stated = own if "sign" in own.raw else claim
    weight = own.number("weight") if divided else None
    part = Part(
        name=name,
        compared=_compared(own if {"comparison", "order"} & set(own.raw) else claim, rule, own.where),
        sign=stated.sign(rule),
        margin=_margin(rule, [own.number("margin"), claim.number("margin")], known, unit, own.where),
        weight=1.0 if weight is None else weight,
        unit=unit,
        paper=paper,
        gates=_gates(own) if divided else (),
        needs=_needs(own) if divided else (),
    )
    part = replace(part, gates=(*part.gates, *_plateau_gates(claim, rule, part.margin)))
    if part.weight <= 0:
        raise ValueError(f"{own.where}: weight must be > 0, found {part.weight}")
    _check_effect(part, rule, own.where)
    return part


def _compared(entry: "_Entry", rule: str | None, where: str) -> tuple[Term, ...]:
    key, other = ("order", "comparison") if rule == "order" else ("comparison", "order")
    entry.refuse({other}, f"does not go with the rule {rule!r}; state {key}")
    terms = entry.listed(key)
    if rule == "order":
        if len(terms) < 3 or len(set(terms)) < len(terms) or not all(_is_name(term) for term in terms):
            raise ValueError(
                f"{where}: order lists three or more different quantities, increasing (two: kind direction)"
            )
        return tuple(terms)
    if len(terms) != 2 or not _is_name(terms[0]) or not (_is_name(terms[1]) or _is_number(terms[1])):
        raise ValueError(f"{where}: comparison is [A, B], A a quantity and B a quantity or a number; found {terms}")
    if terms[0] == terms[1]:
        raise ValueError(f"{where}: comparison of {terms[0]!r} with itself")
    return tuple(terms)


def _margin(rule: str | None, stated: list[float | None], known: list[PaperEffect], unit: str, where: str) -> float:
    """The stated margin; else a quarter of the paper's effect, or one point where it gives none or says "same"."""
    margin = next((value for value in stated if value is not None), None)
    effects = [abs(effect.judged or 0.0) for effect in known if effect.counts]
    if margin is None and rule == "order":
        margin = ORDER_MARGIN
    elif margin is None and rule == "direction" and effects:
        margin = effects[0] / 4
    elif margin is None and unit in ("points", "fraction"):
        margin = ONE_POINT
    if margin is None:
        raise ValueError(
            f"{where}: no effect to take a quarter of, and one point means nothing in {unit!r}; state a margin"
        )
    if not margin > 0:
        raise ValueError(f"{where}: margin must be > 0, found {margin:g}; state the smallest effect that matters")
    if (unit == "points" and margin >= 1) or (rule == "order" and margin > 1):
        raise ValueError(
            f"{where}: margin {margin:g} cannot be met; margins are fractions (one point is 0.01), tau is <= 1"
        )
    return margin


def _check_effect(part: Part, rule: str | None, where: str) -> None:
    """The paper's own number must pass the rule: a wrong sign, order or unit shows here."""
    if part.paper is None or not part.paper.counts:
        return
    effect = part.sign * (part.paper.judged or 0.0)
    passes = {
        "direction": effect >= part.margin,
        "order": effect >= part.margin,
        "no harm": effect > -part.margin,
        "equal": abs(effect) < part.margin,
    }
    if not passes[str(rule)]:
        raise ValueError(
            f"{where}: the paper's effect {part.paper.effect:g} {part.paper.unit} (A - B, times sign {part.sign}) does "
            f"not pass {rule!r} with margin {part.margin:g}; check comparison, sign, unit, or say contradicts: <source>"
        )


def _paper_effect(entry: "_Entry") -> PaperEffect | None:
    if entry.raw.get("paper") is None:
        return None
    own = _Entry(entry.raw["paper"], f"{entry.where}, paper", PAPER_KEYS, required={"effect", "source"})
    if own.raw["effect"] is not None and "unit" not in own.raw:
        raise ValueError(f"{own.where}: state the unit of effect {own.raw['effect']}: {', '.join(UNITS)}")
    unit = own.choice("unit", tuple(UNITS), "fraction")
    unverified = own.raw.get("unverified", False)
    if not isinstance(unverified, bool):
        raise ValueError(f"{own.where}: unverified is true or false, found {unverified!r}")
    return PaperEffect(own.number("effect"), unit, own.text("source"), unverified, own.text("contradicts", None))


def _gates(entry: "_Entry") -> tuple[Gate, ...]:
    gates = []
    for raw in entry.one_or_more("gate"):
        own = _Entry(raw, f"{entry.where}, gate", {"quantity", "at_least", "at_most"}, required={"quantity"})
        if ("at_least" in own.raw) == ("at_most" in own.raw):
            raise ValueError(f"{own.where}: state one of at_least and at_most")
        gates.append(Gate(own.text("quantity"), own.number("at_least"), own.number("at_most")))
    return tuple(gates)


def _plateau_gates(claim: "_Entry", rule: str | None, margin: float) -> tuple[Gate, ...]:
    """`plateau` lists what the nets that are compared gained in their last quarter: at most half the margin each.

    Where half the margin is less than half a point of accuracy, which 10,000 test images and a few seeds do not
    resolve, half a point is allowed. Where `plateau` is a sentence, it says why the nets need not be at one.
    """
    gained = claim.raw.get("plateau")
    if gained is None or isinstance(gained, str):
        return ()
    if rule == "order":
        raise ValueError(
            f"{claim.where}: half a margin of Kendall's tau is no gain; say in words why no plateau is asked"
        )
    if not isinstance(gained, list) or not gained or not all(map(_is_name, gained)):
        raise ValueError(f"{claim.where}: plateau lists quantities, or says in a sentence why it is not asked")
    return tuple(Gate(name, at_most=max(margin, ONE_POINT) / 2, plateau=True) for name in gained)


def _controls(entry: "_Entry") -> tuple[Control, ...]:
    """The controls, each of which must replace something that every part compares."""
    controls = []
    for raw in entry.one_or_more("control"):
        keys = {"instead_of", "take"}
        own = _Entry(raw, f"{entry.where}, control", keys, required=keys)
        controls.append(Control(own.raw["instead_of"], own.text("take")))
        for holder in [entry.raw, *(part or {} for part in entry.mapping("parts").values())]:
            terms = holder.get("comparison", holder.get("order"))
            if terms and controls[-1].instead_of not in terms:
                raise ValueError(
                    f"{own.where}: instead_of {controls[-1].instead_of!r} is not compared; compared are {terms}"
                )
    return tuple(controls)


def _needs(entry: "_Entry") -> tuple[str, ...]:
    names = entry.listed("needs")
    if not all(_is_name(name) and not name.startswith(STAND_IN) for name in names):
        raise ValueError(f"{entry.where}: needs lists names of real data sets, found {names}")
    return tuple(names)


def _tolerances(entry: "_Entry", kind: str) -> dict[str, float]:
    if kind != "identity":
        return {}
    tolerances = entry.mapping("quantities")
    if not tolerances:
        raise ValueError(f"{entry.where}: an identity states quantities: {{name: tolerance}}")
    for name, tolerance in tolerances.items():
        if not _is_number(tolerance) or tolerance < 0:
            raise ValueError(f"{entry.where}: the tolerance of {name!r} must be a number >= 0, found {tolerance!r}")
    return tolerances


def _notebooks(top: "_Entry") -> dict[int, str]:
    notebooks = top.raw["notebooks"]
    if not isinstance(notebooks, dict) or not all(isinstance(n, int) and _is_name(notebooks[n]) for n in notebooks):
        raise ValueError(f"{top.where}: notebooks maps numbers to topics, as in 1: random-labels")
    return notebooks


def _notebook(entry: "_Entry", notebooks: Mapping[int, str]) -> int | None:
    number = entry.raw["notebook"]
    if number is not None and number not in notebooks:
        raise ValueError(
            f"{entry.where}: notebook {number!r} is not one of {sorted(notebooks)} (null: literature only)"
        )
    return number


def _exhibit(id: str, raw: Any, file: str, notebooks: Mapping[int, str]) -> Exhibit:
    entry = _Entry(raw, f"{file}: exhibit {id}", EXHIBIT_KEYS, required={"title", "notebook"})
    values: dict[str, dict[str, Term | None]] = {}
    unverified = set()
    for row, columns in entry.mapping("values").items():
        cells = _Entry(columns, f"{entry.where}, row {row}", None)
        values[row] = {}
        for column, cell in cells.raw.items():
            if isinstance(cell, dict):
                keys = {"value", "unverified"}
                cell = _Entry(cell, f"{cells.where}, {column}", keys, required=keys).raw["value"]
                unverified.add((row, column))
            if not (cell is None or isinstance(cell, str) or _is_number(cell)):
                raise ValueError(f"{cells.where}: {column!r} is a number, text or null, found {cell!r}")
            values[row][column] = cell
    texts = {key: entry.text(key, "") for key in ("unit", "source", "note")}
    return Exhibit(id, entry.text("title"), _notebook(entry, notebooks), values, frozenset(unverified), **texts)


def _deviation(id: str, raw: Any, file: str, notebooks: Mapping[int, str]) -> Deviation:
    entry = _Entry(raw, f"{file}: deviation {id}", DEVIATION_KEYS | {"effect"}, required=DEVIATION_KEYS)
    concerned = _concerned(entry, notebooks)
    return Deviation(
        id=id,
        piece=entry.choice("piece", PIECES),
        follows=entry.choice("follows", FOLLOWS),
        notebooks=concerned,
        effect=entry.text("effect", ""),
        **{key: entry.text(key) for key in DEVIATION_TEXTS},
    )


def _concerned(entry: "_Entry", notebooks: Mapping[int, str]) -> tuple[int, ...]:
    """Under `notebook`, one number, several different ones, or null for none."""
    stated = entry.raw["notebook"]
    numbers = [] if stated is None else stated if isinstance(stated, list) else [stated]
    known = all(isinstance(number, int) and number in notebooks for number in numbers)
    if not known or len(set(numbers)) < len(numbers) or stated == []:
        raise ValueError(
            f"{entry.where}: notebook is one or a list of {sorted(notebooks)}, none twice, or null; found {stated!r}"
        )
    return tuple(numbers)


def _citation(entry: "_Entry") -> Citation:
    authors = entry.listed("authors")
    year = entry.raw.get("year")
    if not authors or not all(_is_name(author) for author in authors) or not isinstance(year, int):
        raise ValueError(f"{entry.where}: authors is a list of names and year a number")
    texts = {key: entry.text(key) for key in ("title", "venue", "arxiv")}
    return Citation(authors=tuple(authors), year=year, url=entry.text("url", None), **texts)


class _Entry:
    """A mapping of the file with its place in it, so that every complaint can say where."""

    def __init__(self, raw: Any, where: str, keys: Set[str] | None, required: Set[str] = frozenset()) -> None:
        """Check that `raw` is a mapping with known keys (None: any) and all the required ones."""
        if not isinstance(raw, dict):
            raise ValueError(f"{where}: expected keys and values, found {raw!r}")
        self.raw: dict[str, Any] = {_as_name(key, where): value for key, value in raw.items()}
        self.where = where
        for key in self.raw:
            if keys is not None and key not in keys:
                raise ValueError(f"{where}: unknown key {key!r}{nearest(key, tuple(keys))}")
        for key in sorted(required):
            if key not in self.raw:
                raise ValueError(f"{where}: {key!r} is missing")

    def refuse(self, keys: Set[str], why: str) -> None:
        """Complain about keys that the rule would never read."""
        for key in sorted(keys & set(self.raw)):
            raise ValueError(f"{self.where}: {key!r} {why}")

    def text(self, key: str, default: Any = ...) -> Any:
        """The text under `key`; without a default, it must be there and not be empty."""
        value = self.raw.get(key, default)
        if value is default and default is not ...:
            return default
        if not _is_name(value):
            raise ValueError(
                f"{self.where}: {key!r} must be text, found {None if value is ... else value!r} (quote numbers)"
            )
        return value.strip()

    def choice(self, key: str, valid: tuple[str, ...], default: str | None = None) -> str:
        """The text under `key`, which must be one of the valid ones."""
        value = self.raw.get(key, default)
        if value not in valid:
            raise ValueError(f"{self.where}: unknown {key} {value!r}{nearest(str(value), valid)}")
        return str(value)

    def number(self, key: str) -> float | None:
        """The finite number under `key`, or None."""
        value = self.raw.get(key)
        if value is not None and not _is_number(value):
            raise ValueError(f"{self.where}: {key!r} must be a number, found {value!r}")
        return value

    def sign(self, rule: str | None) -> int:
        """The sign of A - B that the claim calls better."""
        sign = self.raw.get("sign", 1)
        if sign not in (1, -1) or isinstance(sign, bool) or (rule == "order" and sign != 1):
            raise ValueError(
                f"{self.where}: sign is 1 or -1 (an order lists its quantities increasing), found {sign!r}"
            )
        return int(sign)

    def mapping(self, key: str) -> dict[str, Any]:
        """The mapping under `key`, empty where there is none."""
        value = self.raw.get(key)
        return _Entry({} if value is None else value, f"{self.where}, {key}", None).raw

    def listed(self, key: str) -> list[Any]:
        """The list under `key`, empty where there is none."""
        value = self.raw.get(key)
        if value is not None and not isinstance(value, list):
            raise ValueError(f"{self.where}: {key!r} must be a list, found {value!r}")
        return value or []

    def one_or_more(self, key: str) -> list[Any]:
        """The list under `key`; a single mapping counts as a list of one."""
        return [self.raw[key]] if isinstance(self.raw.get(key), dict) else self.listed(key)


def _as_name(key: Hashable, where: str) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int | float):
        raise ValueError(f"{where}: key {key!r} is not a name (true and false are truth values in YAML: quote them)")
    return str(key)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
