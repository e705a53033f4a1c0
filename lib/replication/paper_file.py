"""Reads `paper.yaml`, the only home of a paper's numbers, and names every mistake in it with its place."""

import math
import re
from collections.abc import Hashable, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from lib.replication.claims import (
    FOLLOWS,
    INTERVAL_RULES,
    KINDS,
    LONGEST_NAME,
    ONE_POINT,
    ORDER_MARGIN,
    PIECES,
    STAND_IN,
    UNITS,
    Citation,
    Claim,
    Control,
    Deviation,
    Exhibit,
    Gate,
    Paper,
    PaperEffect,
    Part,
    Term,
)
from lib.replication.parameters import nearest
from lib.replication.yaml_files import read_yaml

CITATION_KEYS = {"title", "authors", "year", "venue", "arxiv", "url"}
PAPER_KEYS = {"effect", "unit", "source", "unverified", "contradicts"}
COMPARISON_KEYS = {"comparison", "order", "sign", "margin", "paper", "gate", "needs"}
CLAIM_KEYS = COMPARISON_KEYS | {
    *("name", "statement", "kind", "notebook", "parts", "control", "quantities", "judged_as", "note", "plateau")
}
COMPARISONS = {"comparison", "order", "parts"}
INTERVAL_KEYS = COMPARISONS | {"sign", "margin", "control", "plateau"}
EXHIBIT_KEYS = {"title", "notebook", "values", "unit", "source", "note"}
DEVIATION_TEXTS = ("paper", "code", "ours", "why", "source")
DEVIATION_KEYS = {"piece", "follows", "notebook", *DEVIATION_TEXTS}


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
    keys = CITATION_KEYS | {"notebooks", "measured", "claims", "exhibits", "deviations", "companions"}
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
        measured=_measured(top, notebooks),
    )


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
        own = _Entry({} if raw is None else raw, f"{entry.where}, part {name}", COMPARISON_KEYS)
        parts.append(_part(name, own, entry, rule, paper))
    return tuple(parts)


def _part(name: str | None, own: "_Entry", claim: "_Entry", rule: str | None, claims_paper: PaperEffect | None) -> Part:
    """A part of a claim: what it states itself comes first, then what the claim states, then the defaults."""
    divided = name is not None
    paper = _paper_effect(own) if "paper" in own.raw else claims_paper
    known = [effect for effect in (paper, claims_paper) if effect is not None]
    unit = known[0].unit if known else "tau" if rule == "order" else "fraction"
    stated = own if "sign" in own.raw else claim
    part = Part(
        name=name,
        compared=_compared(own if {"comparison", "order"} & set(own.raw) else claim, rule, own.where),
        sign=stated.sign(rule),
        margin=_margin(rule, [own.number("margin"), claim.number("margin")], known, unit, own.where),
        unit=unit,
        paper=paper,
        gates=_gates(own) if divided else (),
        needs=_needs(own) if divided else (),
    )
    part = replace(part, gates=(*part.gates, *_plateau_gates(claim, rule, part.margin)))
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


def _measured(top: "_Entry", notebooks: Mapping[int, str]) -> dict[int, dict[str, str]]:
    """Notebook -> quantity -> its path, checked: names of which the first is an arm's, joined by `/`."""
    where, measured = f"{top.where}: measured", top.raw.get("measured") or {}
    if not isinstance(measured, dict) or not set(measured) <= set(notebooks):
        raise ValueError(f"{where} has an entry for each of the notebooks {sorted(notebooks)}; found {measured!r:.80}")
    for number, paths in measured.items():
        if not isinstance(paths, dict) or not all(_is_path(name, path) for name, path in paths.items()):
            raise ValueError(
                f"{where}, {number}: map each quantity to arm and place, as in student accuracy: student/accuracy; "
                f"found {paths!r:.200}"
            )
    return measured


def _is_path(quantity: Any, path: Any) -> bool:
    return isinstance(quantity, str) and isinstance(path, str) and "/" in path and all(path.split("/"))


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
