"""Parameters of a notebook: its `parameters` cell, the tiers' values, the checks before any work, the dry overlay.

A notebook's own literals are the tier `reduced`; `papers/<paper>/tiers/<tier>.yaml` holds, per notebook number, what
the larger tiers change, and `papers/<paper>/choices.yaml` what its nets, noises and the like may be called. Every way
in (the runner's `-p`, papermill's injected cell, an edited cell in JupyterLab) passes through `check`.
"""

import ast
import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.replication.data_sets import TRAINING_IMAGES
from lib.replication.notebooks import Notebook
from lib.replication.yaml_files import read_yaml

TIERS = ("reduced", "laptop", "gpu", "paper")
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
FRACTIONS = ("share", "dropout", "levels", "delta")  # endings of the names of numbers from 0 to 1
RATES = ("rate", "rates")
BUDGETS = ("_steps", "_epochs", "_images", "_iterations")
SCHEDULING = {"after"}  # keys of tiers/<tier>.yaml that are for the runner, not for the notebook

Parameters = dict[str, Any]
Choices = dict[str, list[str]]  # parameter -> what it may be called; `zero` and `empty` list parameters that may be so


class ParameterError(ValueError):
    """A parameter that is unknown, misspelt, missing, of the wrong type or value; raised before any work."""


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
    settings = _by_notebook(notebook, f"tiers/{tier}.yaml")
    if notebook.number not in settings:
        raise ParameterError(f"{notebook.name} has no settings for tier {tier!r} in tiers/{tier}.yaml")
    return dict(settings[notebook.number] or {})


def choices(notebook: Notebook) -> Choices:
    """What `choices.yaml` says about this notebook; empty where the paper has no such file."""
    return dict(_by_notebook(notebook, "choices.yaml").get(notebook.number) or {})


def _by_notebook(notebook: Notebook, file: str) -> dict[int, Any]:
    """What a file of the notebook's paper holds, by the number of the notebook; nothing where there is no file."""
    path = notebook.path.parent / file
    return settings_in(path) if path.exists() else {}


def settings_in(path: Path) -> dict[int, Any]:
    """What a file of `tiers/`, or `choices.yaml`, says: number of a notebook -> its settings.

    Raises:
        ParameterError: it is not valid YAML, or says something else.
    """
    where = f"papers/{path.as_posix().rpartition('/papers/')[2]}"
    try:
        stated = read_yaml(path.read_text(encoding="utf-8"), where) or {}
    except ValueError as fault:
        raise ParameterError(str(fault)) from fault
    if not isinstance(stated, dict) or not all(isinstance(settings, dict | None) for settings in stated.values()):
        raise ParameterError(f"{where}: expected the number of a notebook and its settings beneath, as in 1: {{}}")
    return stated


def tier_parameters(notebook: Notebook, tier: str, defaults: Parameters | None = None) -> Parameters:
    """The parameters of `notebook` at `tier`: its defaults, overlaid with the tier's file, checked.

    `defaults` stand in for the literals of the notebook's own cell where that cell may have been edited.
    """
    if tier not in TIERS:
        raise ParameterError(f"unknown tier {tier!r}{nearest(tier, TIERS)}")
    own = read_literals(notebook.parameters_source) if defaults is None else defaults
    changes = {name: value for name, value in tier_file(notebook, tier).items() if name not in SCHEDULING}
    return check(changes | {"tier": tier}, own, notebook, where=f"tiers/{tier}.yaml, {notebook.name}")


def check(changes: Parameters, defaults: Parameters, notebook: Notebook, *, where: str = "") -> Parameters:
    """`defaults` overlaid with `changes`, after names and types of the changes, then all values were checked.

    Args:
        changes: what was passed, edited or is set by a tier.
        defaults: the parameters there are, with values of the right types.
        notebook: whose choices hold.
        where: the changes come from, for messages; the notebook's name by default.

    Raises:
        ParameterError: an unknown name (the nearest valid one is given), a value of another type or no possible value.
    """
    where = where or notebook.name
    for name, value in changes.items():
        if name not in defaults:
            raise ParameterError(f"unknown parameter {name!r} ({where}){nearest(name, list(defaults))}")
        if not same_type(defaults[name], value):
            raise ParameterError(
                f"parameter {name!r} ({where}) is {value!r}, of type {type(value).__name__}; "
                f"expected {type(defaults[name]).__name__}, like {defaults[name]!r}"
            )
    parameters = defaults | {name: _as(defaults[name], value) for name, value in changes.items()}
    allowed = choices(notebook)
    faults = [(name, wrong_value(name, value, allowed)) for name, value in parameters.items()]
    if not any(fault for _, fault in faults):  # counts are counts and data sets are known
        faults = [(name, _batch_too_large(name, value, parameters)) for name, value in parameters.items()]
    for name, fault in faults:
        if fault:
            raise ParameterError(f"parameter {name!r} ({where}) is {parameters[name]!r}: {fault}")
    return parameters


def wrong_value(name: str, value: Any, allowed: Choices) -> str:
    """Why a parameter of the right type cannot have this value, and what it can be; empty where it can."""
    if isinstance(value, list | tuple):
        if not value and name not in allowed.get("empty", []):
            return "it needs at least one value"
        return next(filter(None, (wrong_value(name, item, allowed) for item in value)), "")
    if isinstance(value, str):
        return _wrong_name(name, value, allowed)
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):  # a count: of seeds, images, steps, rounds, ...
        least = 0 if name in allowed.get("zero", []) else 1
        return "" if value >= least else f"{value} is too small; allowed are whole numbers from {least} on"
    if name.endswith(FRACTIONS):
        return "" if 0 <= value <= 1 else f"{value} is no fraction; allowed are numbers from 0 to 1"
    if name.endswith(RATES):
        return "" if 0 < value < math.inf else f"{value} is no rate; allowed are finite numbers above 0"
    return "" if 0 <= value < math.inf else f"{value} is not possible; allowed are finite numbers from 0 on"


def _wrong_name(name: str, value: str, allowed: Choices) -> str:
    if name == "device":
        words = "'auto' (a GPU where there is one), 'cpu', 'cuda' (the first GPU), 'cuda:1' (the second) and so on"
        return "" if DEVICE.fullmatch(value) else f"there is no device {value!r}; allowed are {words}"
    if name == "tier":
        return _not_among(value, TIERS)
    if is_data(name):
        return _not_among(value.removeprefix("fake:"), TRAINING_IMAGES)
    return _not_among(value, allowed[name]) if name in allowed else ""


def _not_among(value: str, valid: Iterable[str]) -> str:
    if value in (names := list(valid)):
        return ""
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"there is no {value!r}{hint} Allowed are: {', '.join(map(repr, names))}"


def _batch_too_large(name: str, value: Any, parameters: Parameters) -> str:
    """Why a batch cannot be drawn, or nothing.

    `labelled_batch_images` are drawn from `labelled_images`; `batch_images` from the first set that is named by itself,
    and the second of two from the second set.
    """
    if not name.endswith("batch_images"):
        return ""
    counted = name.replace("batch_images", "images")
    sets = [known for data, known in parameters.items() if is_data(data) and isinstance(known, str)]
    drawn_from = {f"the training images of {known}": TRAINING_IMAGES[known.removeprefix("fake:")] for known in sets}
    if counted in parameters:
        drawn_from = {counted: parameters[counted]}
    for batch, (images, count) in zip(value if isinstance(value, list) else [value], drawn_from.items(), strict=False):
        if batch > count:
            return f"a batch of {batch} is larger than the data; allowed are up to {count}, {images}"
    return ""


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
    """`-p name value` pairs of the command line; values are YAML, so `5` is an int and `[1, 2]` a list.

    Raises:
        ValueError: a value that is not valid YAML.
    """
    return {name: read_yaml(value, f"-p {name} {value}") for name, value in pairs}


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


def dry(parameters: Parameters, passed: Iterable[str] = ()) -> Parameters:
    """The dry overlay: budgets 2, one seed, each grid its first value, `fake:` data. The code is untouched.

    Parameters whose names were `passed` by the user stay as they are, but for the data.
    """
    return {
        name: value if name in passed and not is_data(name) else _dry(name, value) for name, value in parameters.items()
    }


def _dry(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_dry(name, item) for item in value[:1]]
    if name == "seeds":
        return 1
    if is_data(name):
        return f"fake:{value.removeprefix('fake:')}"
    if name.endswith(BUDGETS) or f"_{name}" in BUDGETS:
        return 2
    return value
