"""`start` looks at what the kernel executed: plain papermill, Run All and a used kernel get the same checks."""

import json
import sys

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from lib.experiments.rethinking_generalization import expressivity, whole_kernels
from lib.replication import experiment as experiment_module
from lib.replication.parameters import ParameterError
from lib.replication.results import write_result
from tests import tiny


@pytest.fixture
def tree(tmp_path):
    return tiny.make_tree(tmp_path)


@pytest.fixture
def kernel(tree, monkeypatch):
    """A fresh kernel in this process, and a start that reads the miniature."""
    monkeypatch.setattr(experiment_module, "repository", lambda: tree)
    monkeypatch.delenv("REPLICATION_RESULT", raising=False)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # the shell puts a module of its own there
    shell = InteractiveShell.instance()
    shell.reset(new_session=True)

    def execute(*sources):
        for source in sources:
            outcome = shell.run_cell(source, store_history=True)
            assert outcome.success, outcome
        return experiment_module.start("JEM", 1)

    return execute


def test_an_untouched_parameters_cell_is_the_tier(kernel):
    started = kernel(tiny.PARAMETERS)
    assert started.tier == "reduced" and started.seeds == [0, 1, 2]


def test_a_changed_value_under_the_same_tier_name_is_custom_and_shows_the_cell_to_paste(kernel, capsys):
    assert kernel(tiny.PARAMETERS.replace("seeds = 3", "seeds = 4")).tier == "custom"
    said = capsys.readouterr().out
    assert "tier: custom" in said and "seeds = 4 instead of 3" in said and tiny.PARAMETERS.replace('"', "'") in said


def test_a_tier_named_without_its_values_is_custom(kernel):
    assert kernel(tiny.PARAMETERS.replace('"reduced"', '"laptop"')).tier == "custom"
    assert kernel(tiny.PARAMETERS.replace('"reduced"', '"laptop"').replace("steps = 4", "steps = 8")).tier == "laptop"


def test_a_misspelt_name_stops_also_in_a_used_kernel(kernel):
    kernel(tiny.PARAMETERS)
    with pytest.raises(ParameterError, match=r"'seedz'.*did you mean 'seeds'"):
        kernel(tiny.PARAMETERS.replace("seeds", "seedz"))


def test_a_misspelt_name_in_papermills_cell_stops(kernel):
    with pytest.raises(ParameterError, match="did you mean 'steps'"):
        kernel(tiny.PARAMETERS, "# Parameters\nstepps = 9")


def test_papermills_cell_counts_and_an_older_one_does_not(kernel):
    assert kernel(tiny.PARAMETERS, "# Parameters\nseeds = 4").parameters["seeds"] == 4
    assert kernel(tiny.PARAMETERS).tier == "reduced"


def test_a_value_of_another_type_stops(kernel):
    with pytest.raises(ParameterError, match=r"'seeds'.*of type str"):
        kernel(tiny.PARAMETERS, "# Parameters\nseeds = '4'")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seeds = 0", "whole numbers from 1 on"),
        ("seeds = -3", "whole numbers from 1 on"),
        ("device = 'gpu'", "'cuda'"),
        ("steps = -4", "whole numbers from 1 on"),
        ("rest = -1.0", "from 0 on"),
    ],
)
@pytest.mark.parametrize("door", ["papermill's cell", "the edited cell", "a later cell"])
def test_a_value_that_cannot_be_stops_through_every_door(kernel, door, assignment, message):
    cells = {
        "papermill's cell": [tiny.PARAMETERS, f"# Parameters\n{assignment}"],
        "the edited cell": [f"{tiny.PARAMETERS}\n{assignment}"],
        "a later cell": [tiny.PARAMETERS, assignment],
    }
    with pytest.raises(ParameterError, match=message):
        kernel(*cells[door])


def test_a_misspelt_tier_stops(kernel):
    with pytest.raises(ParameterError, match=r"'labtop'; did you mean 'laptop'\? Allowed are: 'reduced'"):
        kernel(tiny.PARAMETERS.replace("reduced", "labtop"))


def test_a_name_that_the_paper_does_not_declare_stops(kernel, tree):
    with_net = f"{tiny.PARAMETERS}\nnet = 'small'"
    book = json.loads((tree / "papers/JEM/1-tiny.ipynb").read_text())
    book["cells"][1]["source"] = with_net
    (tree / "papers/JEM/1-tiny.ipynb").write_text(json.dumps(book))
    (tree / "papers/JEM/choices.yaml").write_text("1: {net: [small, large]}")
    assert kernel(with_net).parameters["net"] == "small"
    with pytest.raises(ParameterError, match=r"no 'smal'; did you mean 'small'\? Allowed are: 'small', 'large'"):
        kernel(with_net.replace("small", "smal"))


def test_the_paths_that_papermill_injects_are_no_parameters(kernel):
    injected = "# Parameters\nseeds = 4\nPAPERMILL_INPUT_PATH = 'a.ipynb'\nPAPERMILL_OUTPUT_PATH = 'b.ipynb'"
    assert kernel(tiny.PARAMETERS, injected).parameters["seeds"] == 4


def test_a_removed_line_stops_although_a_used_kernel_still_has_the_value(kernel):
    kernel(tiny.PARAMETERS)
    with pytest.raises(ParameterError, match="'steps' is not set"):
        kernel(tiny.PARAMETERS.replace("steps = 4\n", ""))


def test_a_value_changed_in_a_later_cell_is_seen(kernel):
    assert kernel(tiny.PARAMETERS, "steps = 5").tier == "custom"


def test_without_the_parameters_cell_there_is_no_start(kernel):
    with pytest.raises(ParameterError, match="run the parameters cell first"):
        kernel("x = 1")


def test_an_edited_and_saved_notebook_is_still_compared_with_the_reference(kernel, tree):
    paper = tree / "papers" / "JEM"
    parameters = {"tier": "reduced", "seeds": 3, "device": "cpu", "steps": 4, "rest": 0.0}
    write_result(paper / "recorded" / "reduced" / "1.json", {"parameters": parameters})
    book = json.loads((paper / "1-tiny.ipynb").read_text())
    book["cells"][1]["source"] = tiny.PARAMETERS.replace("seeds = 3", "seeds = 9")
    (paper / "1-tiny.ipynb").write_text(json.dumps(book))
    assert kernel(tiny.PARAMETERS.replace("seeds = 3", "seeds = 9")).tier == "custom"


def test_artefacts_are_handed_on_seed_by_seed(kernel, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "output"))
    started = kernel(tiny.PARAMETERS)
    built = started.artefacts(expressivity.theorem_1, dataset="digits", n_images=[4])
    assert [artefact.arguments["seed"] for artefact in built] == started.seeds

    def widest(seed, first):
        return {"seed": seed, "weights": first["largest weight"]}

    widest.__module__, widest.__qualname__ = expressivity.__name__, "widest"  # passes for one of lib's
    found = started.run(widest, first=built)
    assert found == [{"seed": s, "weights": built[s].value()["largest weight"]} for s in started.seeds]
    assert len({str(run["weights"]) for run in found}) == 3
    assert [cost["arm"] for cost in started.costs] == ["theorem_1", "widest"] and len(set(started.used)) == 6
    costs = list(started.costs)
    started.run(expressivity.theorem_1, dataset="digits", n_images=[4])
    assert started.costs == costs and len(started.used) == 6  # what was built for another arm costs once


def test_what_no_seed_changes_is_built_once_and_costs_once(kernel, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "output"))
    started = kernel(tiny.PARAMETERS)
    arguments = {"dataset": "digits", "n_images": 20, "n_test": 10, "gamma": 0.2, "device": "cpu"}
    first, again = started.once(whole_kernels.whole, **arguments), started.once(whole_kernels.whole, **arguments)
    assert first == again and first["images"] == 20
    assert [(cost["arm"], cost["seeds"]) for cost in started.costs] == [("whole", 1)] and len(started.used) == 1


def test_the_peak_of_memory_is_that_of_the_build_also_where_another_run_built(kernel, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path))
    settings = {"dataset": "digits", "n_images": [4]}
    with monkeypatch.context() as building:
        building.setattr("lib.replication.artefacts.peak_memory", lambda: 10**12)
        kernel(tiny.PARAMETERS).artefacts(expressivity.theorem_1, **settings)
    started = kernel(tiny.PARAMETERS)
    started.run(expressivity.theorem_1, **settings)
    assert started.result()["cost"]["peak_memory"] == 10**12


@pytest.mark.parametrize(("tier", "drawn"), [("reduced", False), ("custom", False), ("laptop", True)])
def test_a_picture_file_is_drawn_where_a_record_would_take_it(kernel, tier, drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_RESULT", str(tmp_path / "result.json"))
    started = kernel(tiny.PARAMETERS)
    started.tier = tier
    started.figure("table-1", lambda frame, axes: axes.plot(frame["x"]), pd.DataFrame({"x": [1.0, 2.0]}))
    assert (tmp_path / "figures" / "table-1.svg").exists() is drawn


def test_a_name_is_a_table_or_a_figure_and_a_cell_may_run_again(kernel):
    """The record keeps what a name shows in one place: a table had displaced a figure of the same name there."""
    started, measured = kernel(tiny.PARAMETERS), {"a": {"value": [0.9]}}
    started.table("table-1", measured)
    started.table("table-1", measured)
    with pytest.raises(ValueError, match=r"'table-1' as a table and as a figure.*name of its own"):
        started.figure("table-1", lambda frame, axes: None, pd.DataFrame({"x": [1.0]}))
    assert set(started.exhibits["table-1"]) == {"column", "row", "seed", "value"}
