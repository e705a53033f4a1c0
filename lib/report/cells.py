"""Which cells of a notebook measure what a claim is judged by, found by following names from `judge` backwards."""

import ast
import functools
from collections.abc import Iterable
from dataclasses import dataclass

from lib.replication.claims import Claim
from lib.replication.notebooks import Notebook

MEASURE = {"run", "artefacts", "once"}  # methods of an experiment that call an arm
Names = set[str]


@dataclass(frozen=True)
class Step:
    """A statement of a notebook: its cell, the names it gives a value and uses, and whether it runs an arm."""

    cell: int
    assigned: frozenset[str]
    loaded: frozenset[str]
    measures: bool


def judging_cell(notebook: Notebook) -> int | None:
    """Index of the cell that judges, None where there is none."""
    _, calls = _traced(notebook)
    return calls[0][0] if calls else None


def measuring_cells(notebook: Notebook, claim: Claim, measured: dict[str, str]) -> list[int]:
    """Indices of the cells that run the arms whose values the claim's rule names.

    Args:
        notebook: The claim's notebook.
        claim: The claim.
        measured: Quantity -> its path, of which the first name is a key of what `judge` is given, from `paper.yaml`.
    """
    steps, calls = _traced(notebook)
    if not calls:
        return []
    place, call = calls[0]
    before = [step for step in steps if step.cell <= place]
    return sorted(_followed(_named(call, _arms(claim, measured)), before, set()))


def quantities(claim: Claim) -> list[str]:
    """Every quantity that the claim's rule names, without parts, in the order of the rule."""
    compared = [term for part in claim.parts for term in part.compared if isinstance(term, str)]
    gates = [gate.quantity for gate in (*claim.gates, *(gate for part in claim.parts for gate in part.gates))]
    return list(dict.fromkeys([*compared, *claim.tolerances, *(control.take for control in claim.controls), *gates]))


def _arms(claim: Claim, measured: dict[str, str]) -> list[str | None]:
    """The first names of the paths; None for a derived quantity."""
    return [measured[name].partition("/")[0] if name in measured else None for name in quantities(claim)]


@functools.cache
def _traced(notebook: Notebook) -> tuple[list[Step], list[tuple[int, ast.Call]]]:
    """The steps of a notebook, and its calls of `judge` with their cells."""
    code = [(i, "".join(cell["source"])) for i, cell in enumerate(notebook.cells) if cell["cell_type"] == "code"]
    statements = [(i, statement) for i, source in code for statement in ast.parse(source).body]
    steps = [Step(i, _assigned(s), frozenset(_loaded([s])), any(map(_runs, ast.walk(s)))) for i, s in statements]
    calls = [(i, node) for i, s in statements for node in ast.walk(s) if _is_call(node, {"judge"})]
    return steps, calls  # type: ignore[return-value]


def _runs(node: ast.AST) -> bool:
    """Whether it runs arms: by a method of the experiment, or by handing the experiment to what runs several."""
    handed = isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == "experiment" for a in node.args)
    return handed or _is_call(node, MEASURE)


def _is_call(node: ast.AST, methods: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods


def _named(call: ast.Call, arms: list[str | None]) -> Names:
    """The variables that give `judge` these arms: those under their keys where it is given a literal, else all."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    keyed = {
        key.value: value
        for argument in given
        for node in ast.walk(argument)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    if arms and all(arm in keyed for arm in arms):
        return _loaded(keyed[arm] for arm in arms)
    return _loaded(given)


def _loaded(nodes: Iterable[ast.AST]) -> Names:
    """Names whose values an expression uses."""
    found = [node for root in nodes for node in ast.walk(root) if isinstance(node, ast.Name)]
    return {node.id for node in found if isinstance(node.ctx, ast.Load)}


def _assigned(statement: ast.stmt) -> frozenset[str]:
    """Names that a statement gives a value, `nets` in `nets["teacher"] = ...` and `nets.update(...)` among them."""
    nodes = list(ast.walk(statement))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    held = [n.value for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    held += [n.func.value for n in nodes if _is_call(n, {"update"})]  # type: ignore[attr-defined]
    return frozenset(stored | {node.id for node in held if isinstance(node, ast.Name)})


def _followed(names: Iterable[str], steps: list[Step], seen: Names) -> set[int]:
    """Cells in which the values behind these names were measured."""
    found: set[int] = set()
    for name in set(names) - seen:
        seen.add(name)
        for step in steps:
            if name in step.assigned:
                found |= {step.cell} if step.measures else _followed(step.loaded, steps, seen)
    return found
