"""What counts as a changed number, and what is only a measured time."""

from lib.replication.record import changed_numbers, numbers

TABLE = {"row": ["a", "a"], "column": ["error", "build seconds"], "seed": [0, 0], "value": [0.5, 3.0]}


def _result(error=0.5, seconds=3.0, quantity=1.0):
    table = TABLE | {"value": [error, seconds]}
    return {"values": {"gap": [quantity]}, "exhibits": {"t": table, "f": {"kind": ["x"], "y": [2.0]}}}


def test_every_number_has_the_name_of_its_place():
    assert numbers(_result()) == {"gap[0]": 1.0, "t, a, error[0]": 0.5, "t, a, build seconds[0]": 3.0, "f, y[0]": 2.0}


def test_measured_times_are_not_compared_and_rounding_is_forgiven():
    assert changed_numbers(_result(), _result(seconds=4.0, error=0.5 + 1e-12)) == []


def test_a_changed_a_new_and_a_missing_number_are_named():
    assert changed_numbers(_result(), _result(error=0.6)) == ["t, a, error[0]: 0.5 -> 0.6"]
    without = _result() | {"values": {}}
    assert changed_numbers(without, _result()) == ["gap[0]: None -> 1.0"]
    assert changed_numbers(_result(), without) == ["gap[0]: 1.0 -> None"]
