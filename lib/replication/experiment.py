"""What a notebook calls: `start`, then arms, exhibits, verdicts, and `finish`.

replication.in_short("rethinking-generalization", 3)                    # what is recorded, before anything runs
experiment = replication.start("rethinking-generalization", 3)
runs = experiment.run(arm, dataset=dataset, device=experiment.device)   # one value per seed, kept as artefacts
nets = experiment.artefacts(train, dataset=dataset)                     # the same, handed on: one artefact per seed
runs = experiment.run(arm, net=nets)                                    # and each seed's arm gets its own net
value = experiment.once(arm, dataset=dataset)                           # what no seed changes, one artefact
experiment.table("table-1", {"MLP": {"train": [...], "test": [...]}})   # recorded, the paper's numbers; this run
experiment.figure("figure-1", plots.draw, frame)                        # the largest recorded beside this run
experiment.deviations()                                                 # paper | released code | here, piece by piece
experiment.judge(values)                                                # this run's verdicts, as text
experiment.evidence()                                                   # every tier's verdicts, with intervals
experiment.keep({"student": nets}, fresh)                               # weights beside the result, for `recorded`
experiment.finish()                                                     # cost; under the runner, the result file
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.files import write_atomically
from lib.instruction_set import unlike_others
from lib.replication import provenance
from lib.replication.claims import Claim, Paper, stands_in
from lib.replication.forest import forest_frame
from lib.replication.in_short import in_short as claims_in_short
from lib.replication.listing import fenced
from lib.replication.notebooks import Notebook, all_notebooks, find_notebook
from lib.replication.paper_file import read_paper
from lib.replication.parameters import (
    Parameters,
    as_cell,
    datasets,
    differences,
    is_data,
    read_literals,
    tier_parameters,
)
from lib.replication.results import (
    Result,
    largest_recorded,
    nets_path,
    read_result,
    recorded_path,
    recorded_results,
    write_result,
)
from lib.replication.rows import RunsOf, quantities
from lib.replication.session import executed_parameters
from lib.replication.tables import comparison, cost, deviations_of, evidence, folded, literature, tidy, verdicts_in
from lib.replication.verdicts import NOT_TESTABLE, NotMeasured, Verdict, judge
from lib.roots import repository

if TYPE_CHECKING:
    from lib.replication.artefacts import Artefact
    from lib.replication.kept import Fresh, Measured, Nets

RESULT_VARIABLE = "REPLICATION_RESULT"  # set by the runner: where `finish` writes the result


def start(paper: str, notebook: int) -> "Experiment":
    """Check this kernel's parameters against the notebook's file and its tier, and print what the run is made of.

    Args:
        paper: name of the folder under `papers/`.
        notebook: the number that its file name begins with.

    Raises:
        ParameterError: an unknown, misspelt, missing or ill-typed parameter, before any work.
    """
    found = find_notebook(repository(), paper, notebook)
    defaults = read_literals(found.parameters_source)
    if RESULT_VARIABLE not in os.environ:  # the open file may have been edited and saved; the reference was not
        reference = read_result(recorded_path(found, "reduced"))
        defaults = reference["parameters"] if reference else defaults
    parameters = executed_parameters(found, defaults)
    experiment = Experiment(found, parameters, tier_parameters(found, parameters["tier"], defaults))
    experiment.announce()
    return experiment


def in_short(paper: str, notebook: int) -> None:
    """Show what is recorded about each claim of a notebook: the verdict, our number, the paper's; nothing is run."""
    _display_markdown(claims_in_short(find_notebook(repository(), paper, notebook)))


def show(function: Callable[..., Any]) -> None:
    """Display the source of a function or class of `lib`, so that the algorithm is on the page."""
    _display_markdown(fenced(function))


class Experiment:
    """One run of one notebook, from its parameters to its verdicts."""

    def __init__(self, notebook: Notebook, parameters: Parameters, expected: Parameters) -> None:
        """Take checked `parameters`; where they differ from the `expected` ones of their tier, the run is custom."""
        self.notebook = notebook
        self.paper: Paper = read_paper(notebook.path.parent)
        self.parameters = parameters
        self.changed = differences(parameters, expected)
        self.expected = expected
        self.tier: str = "custom" if self.changed else parameters["tier"]
        self.seeds = list(range(parameters["seeds"]))
        self.datasets = datasets(parameters)
        self.device = _device(parameters["device"])
        self.costs: list[dict[str, Any]] = []
        self.peak_memory = 0  # of what was built, in this run or before
        self.used: list[str] = []
        self.exhibits: dict[str, dict[str, list[Any]]] = {}
        self._kinds: dict[str, str] = {}  # exhibit -> "table" or "figure"
        self.verdicts: dict[str, Verdict] = {}
        self.values: dict[str, list[float]] = {}
        self.nets: dict[str, Any] = {}
        self._weights = b""
        self._started = time.perf_counter()
        self._cpu_started = time.process_time()

    def announce(self) -> None:
        """Print tier, seeds, data, device and versions; for a custom run, what differs and the cell to go back."""
        versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
        print(f"tier: {self.tier}; seeds: {len(self.seeds)}; device: {_described(self.device)}\n{versions}")
        for name in self.datasets:
            print(f"data: {name}, sha256 {provenance.data_checksum(name)[:16]}")
        for name, (value, expected) in self.changed.items():
            print(f"  {name} = {value!r} instead of {expected!r}")
        if self.changed:
            print(f"A custom run has no tier verdict and cannot be recorded. The cell of {self.parameters['tier']}:\n")
            print(as_cell(self.expected))

    def run(self, arm: Callable[..., Any], **arguments: Any) -> list[Any]:
        """`arm(seed=s, **arguments)` for every seed s, each kept as an artefact; returns one value per seed.

        An argument that is a list of artefacts, as `artefacts` returns it, gives each seed the value of its own.
        """
        return [value for _, value in self._built(arm, arguments)]

    def artefacts(self, arm: Callable[..., Any], **arguments: Any) -> "list[Artefact]":
        """As `run`, but returns what was built by reference, one artefact per seed, to hand it on to other arms."""
        return [artefact for artefact, _ in self._built(arm, arguments)]

    def once(self, arm: Callable[..., Any], **arguments: Any) -> Any:
        """`arm(**arguments)` for what no seed changes: one artefact, one value."""
        from lib.replication.artefacts import Artefact

        artefact = Artefact(arm, arguments)
        value, took = artefact.value_and_cost()
        self.peak_memory = max(self.peak_memory, took.peak_memory)
        if artefact.path.stem not in self.used:
            self.used.append(artefact.path.stem)
            self.costs.append({"arm": _with_names(arm, arguments), "seeds": 1, "seconds": took.seconds})
        return value

    def _built(self, arm: Callable[..., Any], arguments: dict[str, Any]) -> "list[tuple[Artefact, Any]]":
        """The artefact of each seed with its value; notes what they cost."""
        from lib.replication.artefacts import Artefact

        built, fresh = [], []
        for place, seed in enumerate(self._watched(self.seeds, arm.__name__)):
            own = {name: _of_seed(value, place) for name, value in arguments.items()}
            artefact = Artefact(arm, {"seed": seed} | own)
            value, took = artefact.value_and_cost()
            self.peak_memory = max(self.peak_memory, took.peak_memory)
            built.append((artefact, value))
            if artefact.path.stem not in self.used:  # what two arms share costs once
                self.used.append(artefact.path.stem)
                fresh.append(took.seconds)
        if fresh:
            self.costs.append({"arm": _with_names(arm, arguments), "seeds": len(fresh), "seconds": sum(fresh)})
        return built

    def _watched(self, seeds: list[int], what: str) -> Any:
        """The seeds, with a bar where somebody watches and a note for the runner where it waits."""
        if RESULT_VARIABLE not in os.environ:
            from tqdm.auto import tqdm

            return tqdm(seeds, desc=what, unit="seed", leave=False)
        return _noted(seeds, what, Path(os.environ[RESULT_VARIABLE]).with_suffix(".progress"))

    def table(self, exhibit: str, measured: dict[str, dict[str, Sequence[float]]], *, percent: bool = False) -> None:
        """Show a table of the paper beside ours: paper | gpu | laptop | this run.

        Args:
            exhibit: its id in `paper.yaml`.
            measured: row -> column -> one value per seed.
            percent: the values are fractions, to be shown as percentages.
        """
        self._keep_exhibit(exhibit, "table", tidy(measured))
        recorded = {tier: result["exhibits"].get(exhibit, {}) for tier, result in self._recorded().items()}
        made = self.paper.exhibits[exhibit], self.exhibits[exhibit], self.datasets
        _display_markdown(comparison(*made, recorded, percent=percent))

    def literature(self, exhibit: str) -> None:
        """Show a table or figure of the paper as it was printed, where nothing is measured beside it."""
        _display_markdown(literature(self.paper.exhibits[exhibit]))

    def figure(
        self, exhibit: str, draw: Callable[..., None], frame: Any, *, seeds: int | None = None, wide: bool = False
    ) -> None:
        """Draw `frame` with `draw(frame, axes)`: the largest recorded tier, and beside it this run.

        The frame is kept in the result, so that the same function can draw the recorded figure later. `seeds` is how
        many the figure shows, where it does not show all. A `wide` one takes the width of the page, this run beneath.
        """
        import pandas as pd

        from lib import plots

        self._keep_exhibit(exhibit, "figure", frame.to_dict("list"))
        here = _caption(self.tier, self.parameters, seeds)
        panels, kept = {}, largest_recorded(self.notebook)
        if kept and exhibit in kept["exhibits"] and self.tier != kept["tier"]:
            there = _caption(kept["tier"], kept["parameters"], seeds)
            panels[f"recorded: {there}"] = pd.DataFrame(kept["exhibits"][exhibit])
        title = self.paper.exhibits[exhibit].title
        plots.side_by_side({**panels, f"this run: {here}" if panels else here: frame}, draw, title, wide=wide)
        if RESULT_VARIABLE in os.environ and self.tier not in ("reduced", "custom"):  # a record takes it from there
            folder = Path(os.environ[RESULT_VARIABLE]).parent / "figures"
            plots.save_svg(folder / f"{exhibit}.svg", here, draw, frame, wide=wide)

    def _keep_exhibit(self, exhibit: str, kind: str, columns: dict[str, list[Any]]) -> None:
        """Keep what an exhibit shows for the record, where each has one place; a cell may run again."""
        if self._kinds.setdefault(exhibit, kind) != kind:
            raise ValueError(
                f"{self.notebook.name} shows {exhibit!r} as a table and as a figure, and the record keeps one of them: "
                "give each a name of its own under `exhibits` in paper.yaml"
            )
        self.exhibits[exhibit] = columns

    def judge(self, derived: Mapping[str, Sequence[float]], measured: RunsOf | None = None) -> None:
        """Judge every claim of this notebook and print one line each, without numbers that training made.

        Args:
            derived: quantity named in `paper.yaml` -> one value per seed (`<quantity>/<part>` for a claim in parts).
            measured: name -> what its arm returned per seed; quantities with a path under `measured` in `paper.yaml`
                are read from it.
        """
        read = quantities(measured or {}, self.paper.measured.get(self.notebook.number, {}))
        self.values = read | {name: [float(value) for value in per_seed] for name, per_seed in derived.items()}
        claims = [claim for claim in self.paper.claims.values() if claim.notebook == self.notebook.number]
        self.verdicts = {claim.id: self._judge(claim) for claim in claims}
        small = " come with the package: what follows is no evidence" if any(map(stands_in, self.datasets)) else ""
        print(f"This run, {self.tier}: {', '.join(self.datasets) or 'the points that its arms draw'}{small}.")
        for claim in claims:
            print(f"{claim.id:4} {self.verdicts[claim.id].status:26} {claim.name}")
        if self.changed:
            print("(a custom run: these are not verdicts of a tier)")

    def _judge(self, claim: Claim) -> Verdict:
        """A custom run may leave quantities out, by a shorter list of arms; a run of a tier must measure them all."""
        try:
            return judge(claim, self.values, set(self.datasets))
        except NotMeasured as fault:
            if self.tier != "custom":
                raise
            return Verdict(claim.id, NOT_TESTABLE, str(fault), paper=claim.paper)

    def evidence(self) -> None:
        """Draw every claim of this notebook with its parts and controls, recorded tiers beside this run.

        Folded away beneath: the rules, the paper's numbers, and every verdict in words.
        """
        from lib.plots.forest import show_forest

        runs = {f"recorded at {tier}": verdicts_in(result) for tier, result in self._recorded().items()}
        show_forest(forest_frame(self.paper, {**runs, f"this run ({self.tier})": self.verdicts}))
        table = evidence(self.paper, self.verdicts, self.tier, self._recorded())
        _display_markdown(folded("The rules, the paper's numbers, and every verdict in words", table))

    def keep(self, nets: "Nets", fresh: "Fresh", measured: "Measured | None" = None) -> None:
        """Keep the weights of the headline nets, the first ones first where not all fit, and say how to load them.

        Under the runner `finish` puts them beside the result, `record` beside the recorded one, and then
        `lib.models.recorded` loads them. Every net is built again and must give the logits that it gave when trained.

        Args:
            nets: name -> what `artefacts` returned for the arm that trained it, and with it, as a pair, the key of its
                weights where that is not "weights".
            fresh: gets the arguments of the arm, and returns the net as it was before training, made by one call of a
                builder in `lib.models`, the images it is tested on, and what it was trained on in a few words.
            measured: name -> column -> one value per seed: what the model card shows beside the accuracy.

        Raises:
            ValueError: an arm returns no weights, or a net cannot be built again from plain values.
        """
        from lib.replication import kept

        self.nets, self._weights = kept.keep(nets, self.seeds, fresh, measured or {})
        name = f"{self.notebook.paper}/{self.notebook.number}"
        _display_markdown(kept.in_words(name, self.tier, self.nets))

    def deviations(self) -> None:
        """Show piece by piece where this notebook, the paper and its released code differ, and what that changes."""
        _display_markdown(deviations_of(self.paper, self.notebook.number))

    def _recorded(self) -> dict[str, Result]:
        """Recorded results above `reduced`: the columns that stand beside this run."""
        return {tier: result for tier, result in recorded_results(self.notebook).items() if tier != "reduced"}

    def finish(self) -> None:
        """Show what the run cost and where to read on; under the runner, write the result and the weights kept."""
        _display_markdown(f"{cost(self.costs)}\n\n{self._read_on()}")
        if RESULT_VARIABLE in os.environ:
            place = Path(os.environ[RESULT_VARIABLE])
            if self._holds_nets():
                write_atomically(nets_path(place), self._weights)
            write_result(place, self.result())

    def _read_on(self) -> str:
        """Links from the end of the page: the next notebook of the paper where there is one, and the paper's claims."""
        later = [other for other in all_notebooks(repository()) if other.paper == self.notebook.paper]
        after = [other for other in later if other.number > self.notebook.number]
        onward = [f"next: [{after[0].title}]({after[0].path.name})"] if after else []
        return f"Read on: {' · '.join([*onward, '[all claims of the paper](README.md)', '[all papers](../README.md)'])}"

    def _holds_nets(self) -> bool:
        return bool(self.nets.get("kept"))

    def result(self) -> Result:
        """Everything worth keeping of this run; the commit stands here only, so that stored notebooks do not churn."""
        return {
            "paper": self.notebook.paper,
            "notebook": self.notebook.number,
            "tier": self.tier,
            "parameters": self.parameters,
            "values": self.values,
            "claims": {
                name: {"rule": self.paper.claims[name].rule(), "verdict": asdict(verdict)}
                for name, verdict in self.verdicts.items()
            },
            "exhibits": self.exhibits,
            "data": {name: provenance.data_checksum(name) for name in self.datasets},
            "artefacts": sorted(set(self.used)),
            "cost": {
                "arms": self.costs,
                "seconds": sum(arm["seconds"] for arm in self.costs),
                "this_run_seconds": time.perf_counter() - self._started,
                "this_run_cpu_seconds": time.process_time() - self._cpu_started,
                "peak_memory": max(self.peak_memory, provenance.peak_memory()),
            },
            "versions": provenance.versions(),
            "hardware": provenance.hardware(self.device),
            "unlike others": unlike_others() if self.device == "cpu" else "",
            "commit": provenance.commit(repository()),
            **(
                {"nets": {"file": nets_path(recorded_path(self.notebook, self.tier)).name, **self.nets}}
                if self._holds_nets()
                else {}
            ),
        }


def _with_names(arm: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """An arm as the table of costs calls it: with the names among its arguments that are no data set's."""
    which = [v for name, v in arguments.items() if isinstance(v, str) and name != "device" and not is_data(name)]
    return ", ".join([arm.__name__, *which])


def _of_seed(argument: Any, place: int) -> Any:
    """The artefact of the seed at `place` out of a list with one for each seed; anything else as it is."""
    from lib.replication.artefacts import Artefact

    each = isinstance(argument, list) and len(argument) > 0 and all(isinstance(item, Artefact) for item in argument)
    return argument[place] if each else argument


def _caption(tier: str, parameters: Parameters, seeds: int | None) -> str:
    count = parameters["seeds"] if seeds is None else seeds
    return ", ".join([tier, *datasets(parameters), f"{count} seed{'s' * (count > 1)}"])


def _noted(seeds: list[int], what: str, note: Path) -> Any:
    """Yield the seeds, leaving in `note` which one is being worked on, for the runner's progress line."""
    for position, seed in enumerate(seeds, start=1):
        note.write_text(f"{what}, seed {position} of {len(seeds)}", encoding="utf-8")
        yield seed


def _display_markdown(text: str) -> None:
    from IPython.display import Markdown, display

    display(Markdown(text))


def _described(device: str) -> str:
    from lib.training.device import prepare

    return device if device == "cpu" else str(prepare(device))


def _device(wanted: str) -> str:
    from lib.training.device import prepare

    return prepare(wanted).device.type
