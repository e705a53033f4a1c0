"""Values by their path, from what arms return to tables, figures and rules."""

import pytest

from lib.replication.rows import by_name, differences, frame, per_seed, quantities, rows

NETS = {
    "teacher": [{"accuracy": 0.5, "ece": {"error": 0.1}}, {"accuracy": 0.75, "ece": {"error": 0.2}}],
    "student": [
        {"accuracy": 0.75, "ece": {"error": 0.0}, "chosen": 7, "curve": {"step": [1, 2], "loss": [4.0, 3.0]}},
        {"accuracy": 0.5, "ece": {"error": 0.3}, "chosen": 9, "curve": {"step": [1, 2], "loss": [5.0, 2.0]}},
    ],
}


def test_a_column_is_found_by_its_path_and_left_out_where_an_arm_has_none():
    assert rows(NETS, {"top-1": "accuracy", "ECE": "ece/error", "n": "chosen"}) == {
        "teacher": {"top-1": [0.5, 0.75], "ECE": [0.1, 0.2]},
        "student": {"top-1": [0.75, 0.5], "ECE": [0.0, 0.3], "n": [7, 9]},
    }


@pytest.mark.parametrize("path", ["acuracy", "ece/err", "accuracy/mean"])
def test_a_path_that_no_arm_has_is_refused_with_what_there_is(path):
    with pytest.raises(KeyError, match=r"nothing under .* among"):
        rows(NETS, {"x": path})
    with pytest.raises(KeyError, match=r"nothing under .* among"):
        per_seed(NETS["student"], path)


def test_a_frame_has_a_line_for_each_seed_and_for_each_point_of_a_curve():
    flat = frame(NETS, {"top-1": "accuracy"}, name="net")
    assert flat.to_dict("list") == {
        "net": ["teacher", "teacher", "student", "student"], "seed": [0, 1, 0, 1], "top-1": [0.5, 0.75, 0.75, 0.5]
    }  # fmt: skip
    curves = frame({"student": NETS["student"]}, {"step": "curve/step", "loss": "curve/loss", "n": "chosen"})
    assert curves.to_dict("list") == {
        "arm": ["student"] * 4, "seed": [0, 0, 1, 1], "step": [1, 2, 1, 2], "loss": [4.0, 3.0, 5.0, 2.0],
        "n": [7, 7, 9, 9],
    }  # fmt: skip
    assert curves.loss.dtype == float and list(frame({}, {"x": "accuracy"}).columns) == ["arm", "seed", "x"]


def test_differences_and_quantities_are_taken_seed_by_seed():
    assert differences(NETS["student"], NETS["teacher"], "accuracy") == [0.25, -0.25]
    paths = {"student accuracy": "student/accuracy", "teacher ECE": "teacher/ece/error", "later": "round 2/accuracy"}
    assert quantities(NETS, paths) == {"student accuracy": [0.75, 0.5], "teacher ECE": [0.1, 0.2]}


def test_an_arm_that_returns_names_is_read_name_by_name():
    runs = [{"0.0": {"loss": 1.0}, "1.0": {"loss": 2.0}}, {"0.0": {"loss": 3.0}, "1.0": {"loss": 4.0}}]
    assert rows(by_name(runs), {"loss": "loss"}) == {"0.0": {"loss": [1.0, 3.0]}, "1.0": {"loss": [2.0, 4.0]}}
