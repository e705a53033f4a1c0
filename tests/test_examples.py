"""What others will call carries an example, and every example is run."""

import doctest
import importlib
import inspect
from types import ModuleType

import pytest

from lib import attacks, metrics

RESULTS = {"AttackReport", "Flag", "Interval", "ReliabilityCurve", "RobustnessCurve", "Sweep2018", "ThresholdCurve"}


def callables(room: ModuleType) -> list[str]:
    """Whatever a room offers but the classes of its results."""
    return [f"{room.__name__}.{name}" for name in room.__all__ if name not in RESULTS]


@pytest.mark.parametrize("name", [*callables(attacks), *callables(metrics)])
def test_every_example_gives_what_it_says(name):
    room, _, function = name.rpartition(".")
    found = getattr(importlib.import_module(room), function)
    module = inspect.getmodule(found)
    assert module is not None
    (example,) = doctest.DocTestFinder(recurse=False).find(found, function, module)
    assert example.examples, f"{name} has no example"
    told: list[str] = []
    assert doctest.DocTestRunner().run(example, out=told.append).failed == 0, "".join(told)
