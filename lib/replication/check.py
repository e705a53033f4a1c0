"""`python -m lib.replication check`: what is wrong with a paper's rules and settings, found in seconds without a run.

It reads `paper.yaml`, `choices.yaml`, `tiers/`, the marks of the README and the parameters cells, and imports no torch.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lib.replication.claims import Claim, Paper
from lib.replication.notebooks import Notebook, all_notebooks, package_of, papers
from lib.replication.paper_file import read_paper
from lib.replication.parameters import (
    TIERS,
    ParameterError,
    choices,
    is_data,
    nearest,
    read_literals,
    settings_in,
    tier_parameters,
)

PLACEHOLDER = "FILL IN"  # stands in what `new` writes where only the author knows what to say
MARKS = ("claims", "deviations", "cost", "figures")  # generated parts of a paper's README
SEEDS = range(3, 11)  # fewer give no verdict, more are better spent on another data set
DEVIATING = {"data", "net", "optimiser", "evaluation"}  # pieces in which every notebook below `paper` differs
ALWAYS_DIFFERENT = {"network", "seeds"}  # ids of deviations that every notebook has


def check_paper(tree: Path, name: str) -> tuple[list[str], str]:
    """The faults of the paper in `tree/papers/<name>`, and a line that says how much was checked.

    Raises:
        ValueError: there is no such paper.
    """
    if name not in papers(tree):
        raise ValueError(f"papers/ has no paper {name!r} (a folder with paper.yaml){nearest(name, papers(tree))}")
    folder = tree / "papers" / name
    notebooks = [notebook for notebook in all_notebooks(tree) if notebook.paper == name]
    try:
        paper = read_paper(folder)
    except ValueError as fault:
        return [str(fault)], f"{name}: paper.yaml cannot be read"
    faults = [*_of_rules(paper, name), *_of_page(folder), *_of_tier_files(folder, paper), *_of_code(tree, name)]
    for notebook in notebooks:
        faults += [f"{notebook.name}: {fault}" for fault in _of_notebook(notebook, paper) if fault not in faults]
    return faults, f"{name}: {_count(len(paper.claims), 'claim')}, {_count(len(notebooks), 'notebook')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _of_rules(paper: Paper, name: str) -> Iterator[str]:
    """At least one number must have been looked up: it is what shows that signs and units are those of the paper."""
    if not any(part.paper and part.paper.counts for claim in paper.claims.values() for part in claim.parts):
        yield (
            f"{name}/paper.yaml: no claim has a number of the paper's that its rule may use; give at least one its "
            "`paper: {effect, unit, source}`, looked up and not from memory"
        )


def _of_page(folder: Path) -> Iterator[str]:
    for path in [folder / "paper.yaml", folder / "README.md", *sorted(folder.glob("[0-9]*.ipynb"))]:
        if not path.exists():
            yield f"{folder.name}/{path.name} is missing"
            continue
        text = path.read_text(encoding="utf-8")
        if count := text.count(PLACEHOLDER):
            yield f"{folder.name}/{path.name} still says {PLACEHOLDER!r} in {_count(count, 'place')}"
        for mark in MARKS if path.name == "README.md" else ():
            if not (f"<!-- generated: {mark} -->" in text and f"<!-- end of generated: {mark} -->" in text):
                yield f"{folder.name}/README.md has no marks for the generated part {mark!r}; copy another paper's"


def _of_code(tree: Path, name: str) -> Iterator[str]:
    """What is left of the templates in the arms and their tests."""
    for room in ("lib", "tests"):
        for path in sorted((tree / room / "experiments" / package_of(name)).glob("*.py")):
            if PLACEHOLDER in path.read_text(encoding="utf-8"):
                yield f"{path.relative_to(tree).as_posix()} still says {PLACEHOLDER!r}"


def _of_tier_files(folder: Path, paper: Paper) -> Iterator[str]:
    """Every tier has a file, and none speaks of a notebook that the paper does not have."""
    for file in [*(f"tiers/{tier}.yaml" for tier in TIERS[1:]), "choices.yaml"]:
        path = folder / file
        if not path.exists():
            yield f"{folder.name}/{file} is missing; write one, with comments alone where there is nothing to say"
            continue
        try:
            stated = settings_in(path)
        except ParameterError as fault:
            yield str(fault)
            continue
        if unknown := [number for number in stated if number not in paper.notebooks]:
            known = ", ".join(map(str, paper.notebooks))
            yield f"{folder.name}/{file}: {unknown[0]!r} is none of the notebooks in paper.yaml: {known}"


def _of_notebook(notebook: Notebook, paper: Paper) -> Iterator[str]:
    topic = paper.notebooks.get(notebook.number)
    if notebook.path.stem != f"{notebook.number}-{topic}":
        yield f"paper.yaml calls notebook {notebook.number} {topic!r} under `notebooks`; the file must have that name"
    claims = [claim for claim in paper.claims.values() if claim.notebook == notebook.number]
    if not claims:
        yield "no claim in paper.yaml is its; the rule comes before the method"
    yield from _of_plateaus(claims)
    yield from _of_deviations(notebook, paper)
    try:
        yield from _of_parameters(notebook)
    except ValueError as fault:
        yield str(fault)


def _of_plateaus(claims: Iterable[Claim]) -> Iterator[str]:
    for claim in claims:
        asked = all(any(gate.plateau for gate in part.gates) for part in claim.parts)
        if not asked and not claim.no_plateau:
            yield f"claim {claim.id}: state `plateau`: what the nets still gained at the end, or why it is not asked"


def _of_deviations(notebook: Notebook, paper: Paper) -> Iterator[str]:
    own = [entry for entry in paper.deviations.values() if notebook.number in entry.notebooks]
    if missing := DEVIATING - {entry.piece for entry in own}:
        yield f"paper.yaml lists no deviation of its {', '.join(sorted(missing))}; every notebook has one of each"
    if missing := ALWAYS_DIFFERENT - {entry.id for entry in own}:
        yield f"paper.yaml lists no deviation called {', '.join(sorted(missing))} for it; every notebook has these"


def _of_parameters(notebook: Notebook) -> Iterator[str]:
    own = read_literals(notebook.parameters_source)
    if missing := {"tier", "seeds", "device"} - set(own):
        yield f"its parameters cell lacks {', '.join(sorted(missing))}"
        return
    yield from _of_choices(notebook, own)
    for tier in TIERS:
        try:
            parameters = tier_parameters(notebook, tier)
        except ParameterError as fault:
            yield str(fault)
            continue
        if parameters["device"] != "auto":
            yield f"at {tier}: device must be 'auto', found {parameters['device']!r}"
        if parameters["seeds"] not in SEEDS:
            yield f"at {tier}: {parameters['seeds']} seeds; allowed are {SEEDS[0]} to {SEEDS[-1]}"


def _of_choices(notebook: Notebook, own: dict[str, object]) -> Iterator[str]:
    """What a parameter may be called is declared for all that are text and no data set, and for nothing else."""
    declared = choices(notebook)
    named = {name for name, value in own.items() if _is_text(value) and not is_data(name)} - {"tier", "device"}
    for name in sorted(named - set(declared)):
        yield f"choices.yaml does not say what the parameter {name!r} may be called"
    lists = {name for key in ("zero", "empty") for name in declared.get(key, [])}
    for name in sorted((set(declared) - {"zero", "empty"} | lists) - set(own)):
        yield f"choices.yaml speaks of {name!r}, which is no parameter of it{nearest(name, list(own))}"


def _is_text(value: object) -> bool:
    return isinstance(value[0] if isinstance(value, list) and value else value, str)
