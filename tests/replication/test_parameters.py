"""Parameters: literals only, unknown and ill-typed ones stop before any work, the dry overlay."""

import json
from pathlib import Path

import pytest

from lib.replication.dry import dry_parameters
from lib.replication.notebooks import Notebook
from lib.replication.parameters import (
    ParameterError,
    as_cell,
    check,
    datasets,
    differences,
    dry,
    parse_overrides,
    read_literals,
    tier_parameters,
)

NOTEBOOK = Notebook(Path("papers/JEM/1-x.ipynb"))  # without a file of choices
DEFAULTS = {
    "tier": "reduced",
    "seeds": 5,
    "rate": 0.1,
    "device": "auto",
    "grid": [1, 2],
    "dataset": "digits",
    "on": True,
}


def test_literals_of_a_cell_are_read_in_order():
    source = "# a comment\ntier = 'reduced'\nseeds = 5  # a count\ngrid = [1, 2]"
    assert read_literals(source) == {"tier": "reduced", "seeds": 5, "grid": [1, 2]}


@pytest.mark.parametrize("source", ["seeds = 2 + n", "seeds: int = 5", "print(1)", "a, b = 1, 2"])
def test_anything_but_a_plain_literal_is_refused(source):
    with pytest.raises(ParameterError):
        read_literals(source)


def test_a_misspelt_name_is_refused_with_the_nearest_one():
    with pytest.raises(ParameterError, match="did you mean 'seeds'"):
        check({"seedz": 3}, DEFAULTS, NOTEBOOK, where="here")


@pytest.mark.parametrize(
    ("name", "value"),
    [("seeds", "5"), ("seeds", 5.0), ("seeds", True), ("on", 1), ("rate", "0.1"), ("grid", [1, "2"]), ("grid", 3)],
)
def test_a_value_of_another_type_is_refused(name, value):
    with pytest.raises(ParameterError, match=name):
        check({name: value}, DEFAULTS, NOTEBOOK, where="here")


def test_an_int_may_stand_for_a_float_and_gives_the_same_parameters():
    assert check({"rate": 1}, DEFAULTS, NOTEBOOK, where="here")["rate"].hex() == (1.0).hex()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(("seeds", value, "allowed are whole numbers from 1 on") for value in (0, -3)),
        ("grid", [1, -2], "-2 is too small"),
        *(("rate", value, "finite numbers above 0") for value in (0.0, -0.1, float("nan"), float("inf"))),
        *(("device", value, "allowed are 'auto'.*'cpu', 'cuda'") for value in ("gpu", "cuda:", "cuda:x", "", "CPU")),
        *(("tier", value, "Allowed are: 'reduced', 'laptop', 'gpu', 'paper'") for value in ("labtop", "custom")),
        ("dataset", "digts", r"did you mean 'digits'\? Allowed are: 'gaussian'"),
        ("dataset", "fake:digts", "did you mean 'digits'"),
        ("dataset", "xyzzy", r"no 'xyzzy'\. Allowed are: 'gaussian'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(name, value, message):
    with pytest.raises(ParameterError, match=rf"parameter '{name}' \(here\) is .*{message}"):
        check({name: value}, DEFAULTS, NOTEBOOK, where="here")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("seeds", 1), ("rate", 1e-9), ("dataset", "fake:cifar10"), ("tier", "gpu")),
        *(("device", value) for value in ("auto", "cpu", "cuda", "cuda:0", "cuda:11")),
    ],
)
def test_a_value_that_can_be_passes(name, value):
    assert check({name: value}, DEFAULTS, NOTEBOOK)[name] == value


def test_values_that_were_there_before_are_checked_too():
    """A saved notebook's own cell reaches the runner as the defaults."""
    with pytest.raises(ParameterError, match="'seeds'"):
        check({"rate": 0.2}, DEFAULTS | {"seeds": 0}, NOTEBOOK)


@pytest.mark.parametrize("name", ["batch_images", "few_batch_images"])
def test_a_batch_is_no_larger_than_the_data(name):
    defaults = DEFAULTS | {name: 10, "few_images": 1297}
    assert check({name: 1297}, defaults, NOTEBOOK)[name] == 1297
    with pytest.raises(ParameterError, match="a batch of 1298 is larger than the data; allowed are up to 1297"):
        check({name: 1298}, defaults, NOTEBOOK)
    with pytest.raises(ParameterError, match="a batch of 1298"):
        check({name: 1298}, defaults | {"dataset": "fake:digits"}, NOTEBOOK)


def test_numbers_of_the_command_line_are_read_as_they_are_written():
    passed = parse_overrides([["rate", "1e-3"], ["seeds", "010"]])
    assert check(passed, DEFAULTS, NOTEBOOK) == DEFAULTS | {"rate": 0.001, "seeds": 10}
    with pytest.raises(ParameterError, match=r"'seeds' .* is '1:30', of type str"):
        check(parse_overrides([["seeds", "1:30"]]), DEFAULTS, NOTEBOOK)


def test_numbers_of_a_tier_are_read_as_they_are_written(notebook):
    (notebook.path.parent / "tiers" / "laptop.yaml").write_text("1: {rate: 1e-3, seeds: 010}")
    assert tier_parameters(notebook, "laptop") == DEFAULTS | {"tier": "laptop", "rate": 0.001, "seeds": 10}


def test_command_line_values_are_yaml():
    assert parse_overrides([["seeds", "3"], ["grid", "[4, 5]"], ["dataset", "cifar10"]]) == {
        "seeds": 3,
        "grid": [4, 5],
        "dataset": "cifar10",
    }


def test_the_place_of_a_run_is_no_difference_but_a_setting_is():
    changed = DEFAULTS | {"device": "cuda", "seeds": 7}
    assert differences(changed, DEFAULTS) == {"seeds": (7, 5)}


def test_the_pasted_cell_gives_the_parameters_back():
    assert read_literals(as_cell(DEFAULTS)) == DEFAULTS


def test_the_dry_overlay_changes_budgets_seeds_grids_and_data_only():
    parameters = {
        "tier": "laptop", "seeds": 5, "max_steps": 9000, "n_images": [10, 20], "steps": 7, "rate": 0.1,
        "dataset": "cifar10", "ood_datasets": ["svhn", "dtd"], "widths": [24, 48], "on": False,
    }  # fmt: skip
    assert dry(parameters) == {
        "tier": "laptop", "seeds": 1, "max_steps": 2, "n_images": [2], "steps": 2, "rate": 0.1,
        "dataset": "fake:cifar10", "ood_datasets": ["fake:svhn"], "widths": [24], "on": False,
    }  # fmt: skip


def test_what_is_passed_to_a_dry_run_holds_but_for_the_data(notebook):
    passed = {"seeds": 3, "grid": [5, 6], "dataset": "cifar10"}
    expected = DEFAULTS | {"tier": "laptop", "seeds": 3, "grid": [5, 6], "dataset": "fake:cifar10"}
    assert dry_parameters(notebook, "laptop", passed) == expected
    assert dry_parameters(notebook, "laptop", {"dataset": "fake:digits"})["dataset"] == "fake:digits"
    with pytest.raises(ParameterError, match="did you mean 'seeds'"):
        dry_parameters(notebook, "laptop", {"seedz": 3})


def test_data_sets_are_found_by_the_names_of_parameters():
    assert datasets({"dataset": "cifar10", "ood_datasets": ["svhn", "dtd"], "data_share": 0.5}) == [
        "cifar10",
        "dtd",
        "svhn",
    ]


@pytest.fixture
def notebook(tmp_path):
    folder = tmp_path / "papers" / "JEM"
    (folder / "tiers").mkdir(parents=True)
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": as_cell(DEFAULTS), "outputs": []}
    (folder / "1-x.ipynb").write_text(json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5}))
    (folder / "tiers" / "laptop.yaml").write_text("1: {dataset: cifar10, seeds: 3, after: 2}")
    return Notebook(folder / "1-x.ipynb")


def test_a_tier_is_the_notebooks_own_values_overlaid_with_its_file(notebook):
    assert tier_parameters(notebook, "reduced") == DEFAULTS
    expected = DEFAULTS | {"tier": "laptop", "dataset": "cifar10", "seeds": 3}
    assert tier_parameters(notebook, "laptop") == expected


def test_a_wrong_name_in_a_tiers_file_is_refused(notebook):
    (notebook.path.parent / "tiers" / "laptop.yaml").write_text("1: {sets: cifar10}")
    with pytest.raises(ParameterError, match=r"tiers/laptop\.yaml"):
        tier_parameters(notebook, "laptop")


def test_a_tier_without_settings_or_that_does_not_exist_is_refused(notebook):
    with pytest.raises(ParameterError, match="no settings for tier 'gpu'"):
        tier_parameters(notebook, "gpu")
    with pytest.raises(ParameterError, match="did you mean 'laptop'"):
        tier_parameters(notebook, "labtop")
