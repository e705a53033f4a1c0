"""Parameters of a notebook: its `parameters` cell, the tiers' values, the checks before any work, the dry overlay.

A notebook's own literals are the tier `reduced`; `papers/<paper>/tiers/<tier>.yaml` holds, per notebook number, what
the larger tiers change. Every way in (the runner's `-p`, papermill's injected cell, an edited cell in JupyterLab)
passes through `check`.
"""

import ast
import difflib
from typing import Any

import yaml

from lib.replication.notebooks import Notebook

TIERS = ("reduced", "laptop", "gpu", "paper")
BUDGETS = ("_steps", "_epochs", "_images", "_iterations")
SCHEDULING = {"after"}  # keys of tiers/<tier>.yaml that are for the runner, not for the notebook

Parameters = dict[str, Any]


class ParameterError(ValueError):
    """A parameter that is unknown, misspelt, missing or of the wrong type; raised before any work."""


def nearest(name: str, valid: list[str] | tuple[str, ...]) -> str:
    """`; did you mean 'x'?` with the closest valid name, or the list of all of them."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid are: {', '.join(sorted(valid))}"


def read_literals(source: str) -> Parameters:
    """The assignments `name = literal` of a parameters cell.

    Raises:
        ParameterError: anything else in the cell, naming the line.
    """
    found: Parameters = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    found[name] = ast.literal_eval(value)
                except ValueError:
                    raise ParameterError(f"parameter {name!r} must be a plain literal: {ast.unparse(node)}") from None
            case _:
                raise ParameterError(f"the parameters cell may only hold `name = literal`: {ast.unparse(node)}")
    return found


def tier_file(notebook: Notebook, tier: str) -> dict[str, Any]:
    """What `tiers/<tier>.yaml` says about this notebook; empty for `reduced`, whose values are the notebook's own."""
    if tier == "reduced":
        return {}
    path = notebook.path.parent / "tiers" / f"{tier}.yaml"
    settings = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    if notebook.number not in settings:
        raise ParameterError(f"{notebook.name} has no settings for tier {tier!r} in {path.name}")
    return dict(settings[notebook.number] or {})


def tier_parameters(notebook: Notebook, tier: str, defaults: Parameters | None = None) -> Parameters:
    """The parameters of `notebook` at `tier`: its defaults, overlaid with the tier's file, checked.

    `defaults` stand in for the literals of the notebook's own cell where that cell may have been edited.
    """
    if tier not in TIERS:
        raise ParameterError(f"unknown tier {tier!r}{nearest(tier, TIERS)}")
    own = read_literals(notebook.parameters_source) if defaults is None else defaults
    changes = {name: value for name, value in tier_file(notebook, tier).items() if name not in SCHEDULING}
    return check(changes | {"tier": tier}, own, where=f"tiers/{tier}.yaml, {notebook.name}")


def check(changes: Parameters, defaults: Parameters, *, where: str) -> Parameters:
    """`defaults` overlaid with `changes`, after the names and types of the changes were checked.

    Raises:
        ParameterError: an unknown name (the nearest valid one is given) or a value of another type.
    """
    for name, value in changes.items():
        if name not in defaults:
            raise ParameterError(f"unknown parameter {name!r} ({where}){nearest(name, list(defaults))}")
        if not same_type(defaults[name], value):
            raise ParameterError(
                f"parameter {name!r} ({where}) is {value!r}, of type {type(value).__name__}; "
                f"expected {type(defaults[name]).__name__}, like {defaults[name]!r}"
            )
    return defaults | {name: _as(defaults[name], value) for name, value in changes.items()}


def same_type(default: Any, value: Any) -> bool:
    """Whether `value` may replace `default`: an int may stand for a float, True for neither; lists item by item."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        like = default[0] if default else None
        return isinstance(value, list | tuple) and all(like is None or same_type(like, item) for item in value)
    return type(value) is type(default)


def _as(default: Any, value: Any) -> Any:
    """An int given for a float becomes one, so that keys do not depend on how a number was written."""
    if isinstance(default, float):
        return float(value)
    if isinstance(default, list) and default:
        return [_as(default[0], item) for item in value]
    return value


def parse_overrides(pairs: list[list[str]]) -> Parameters:
    """`-p name value` pairs of the command line; values are YAML, so `5` is an int and `[1, 2]` a list."""
    return {name: yaml.safe_load(value) for name, value in pairs}


def differences(actual: Parameters, expected: Parameters) -> dict[str, tuple[Any, Any]]:
    """Names whose actual and expected values differ, with both; `device` is a place, not a setting."""
    return {
        name: (actual[name], expected[name])
        for name in expected
        if name != "device" and _as(expected[name], actual[name]) != expected[name]
    }


def as_cell(parameters: Parameters) -> str:
    """The parameters as the text of a cell, to paste."""
    return "\n".join(f"{name} = {value!r}" for name, value in parameters.items())


def is_data(name: str) -> bool:
    """Whether a parameter names data sets: `dataset`, `datasets`, or anything that ends in `_dataset(s)`."""
    return name.removesuffix("s").rpartition("_")[2] == "dataset"


def datasets(parameters: Parameters) -> list[str]:
    """The data sets that the parameters name."""
    named = [value for name, value in parameters.items() if is_data(name)]
    return sorted({item for value in named for item in ([value] if isinstance(value, str) else value)})


def dry(parameters: Parameters) -> Parameters:
    """The dry overlay: budgets 2, one seed, each grid its first value, `fake:` data. The code is untouched."""
    return {name: _dry(name, value) for name, value in parameters.items()}


def _dry(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_dry(name, item) for item in value[:1]]
    if name == "seeds":
        return 1
    if is_data(name):
        return f"fake:{value}"
    if name.endswith(BUDGETS) or f"_{name}" in BUDGETS:
        return 2
    return value
