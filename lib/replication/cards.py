"""The model card of each paper, `papers/<paper>/MODELS.md`: which nets are kept, what they are, how they are loaded.

All of it is made from recorded results and the deviations in `paper.yaml`, by what writes the READMEs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.replication.notebooks import Notebook, all_notebooks, papers
from lib.replication.paper_file import read_paper
from lib.replication.results import Result, recorded_results
from lib.replication.tables import markdown, number, spread

TOLD = ("data", "net", "optimiser")  # pieces of the deviations that say what a net is

ABOUT = """\
These are the nets that the recorded runs trained and the pages speak of. One line loads one, its weights checked
against the recorded checksum, and nothing is trained;
[how to read these pages](../README.md#the-nets) has an example."""

USE = """\
For looking at what the pages say: attack them, score them, plot them, draw from them. A number of the page is a mean
over seeds with its interval, and a kept net is one of these seeds.

They are not for use on anything else. They are small, were trained for minutes on few images of research data sets, and
were made to be compared with each other; nothing here says how they do on other images, and nothing was done about what
a classifier in use would need. Weights and code are under the licence of this repository, the data under their
publishers' terms."""

WAITING = """\
No recorded run has kept a net of this paper so far. `python -m lib.replication run {paper}` leaves those of the tier
`reduced` in the run's folder, where `lib.models.recorded(..., tier="reduced")` finds them; recording a larger tier puts
its nets here."""

NONE = """\
No net of this paper is kept: the arms of its notebooks return what they measured, and no weights."""


def model_cards(tree: Path) -> dict[Path, str]:
    """The file of each paper's model card, with its text."""
    return {tree / "papers" / name / "MODELS.md": model_card(tree, name) for name in papers(tree)}


def model_card(tree: Path, name: str) -> str:
    """One paper's card: the nets of each notebook from its largest recorded tier that kept any."""
    paper = read_paper(tree / "papers" / name)
    notebooks = [notebook for notebook in all_notebooks(tree) if notebook.paper == name]
    sections = [part for notebook in notebooks for part in _of_notebook(notebook)]
    kept = any("experiment.keep(" in cell for notebook in notebooks for cell in notebook.code)
    empty = WAITING.format(paper=name) if kept else NONE
    told = [ABOUT, *sections, "## What they are for", USE] if sections else [empty]
    head = "<!-- generated from recorded results by `make record` and `make notebooks` -->"
    return "\n\n".join([head, f"# The nets of *{paper.title}*", *told]) + "\n"


def _of_notebook(notebook: Notebook) -> Iterator[str]:
    tier, result = largest_with_nets(notebook)
    if result is None:
        return
    nets = result["nets"]
    yield f"## [{notebook.path.stem}]({notebook.path.name}), recorded at `{tier}`"
    yield f"```python\n{_example(notebook, nets)}\n```"
    yield markdown(["net", "trained on", "images", "parameters", *_columns(nets)], _lines(nets))
    yield _kept(nets)
    yield "**How each is built**, by functions of `lib.models`, and which arm trained it:"
    yield markdown(["net", "built by", "trained by"], _origins(nets))
    deviations = read_paper(notebook.path.parent).deviations.values()
    differ = [d for d in deviations if notebook.number in d.notebooks and d.piece in TOLD and d.follows == "otherwise"]
    if differ:
        yield "**Where they differ from the paper's:**"
        yield "\n".join(f"- *{entry.id.replace('-', ' ')}*: {entry.ours}" for entry in differ)


def largest_with_nets(notebook: Notebook) -> tuple[str, Result | None]:
    """The largest tier above `reduced` whose record keeps nets, with its result; None where there is none."""
    recorded = ((t, r) for t, r in recorded_results(notebook).items() if t != "reduced" and "nets" in r)
    return next(recorded, ("", None))


def _example(notebook: Notebook, nets: dict[str, Any]) -> str:
    name = nets["names"][0]
    about = nets["kept"][name]
    shape = ", ".join(map(str, about["images"]))
    of = f'"{notebook.paper}/{notebook.number}", "{name}", seed={nets["seeds"][0]}'
    told = f"# in eval mode: images (N, {shape}) in [0, 1] -> logits (N, {len(about['classes'])})"
    return f"from lib import models\n\nnet = models.recorded({of})\n{told}"


def _in_order(nets: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, nets["kept"][name]) for name in nets["names"]]


def _columns(nets: dict[str, Any]) -> list[str]:
    seeds = nets["seeds"]
    return [f"accuracy, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}", *_measured(nets)]


def _measured(nets: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(column for about in nets["kept"].values() for column in about["measured"]))


def _lines(nets: dict[str, Any]) -> Iterator[list[str]]:
    for name, about in _in_order(nets):
        accuracies = ", ".join(f"{100 * accuracy:.1f} %" for accuracy in about["accuracy"])
        found = [spread(values, percent=True) + " %" if (values := about["measured"].get(column)) else "–"
                 for column in _measured(nets)]  # fmt: skip
        shape = " x ".join(map(str, about["images"]))
        yield [
            f"**{name}**", about["trained on"], f"{shape}, {len(about['classes'])} classes",
            f"{about['parameters']:,}", f"{accuracies}; {about['tested on']}", *found,
        ]  # fmt: skip


def _kept(nets: dict[str, Any]) -> str:
    """Precision, size, checksum and what was left out, in sentences."""
    changes = [about["largest change of a logit"] for about in nets["kept"].values()]
    precise = {
        "float32": "in float32: they answer bit for bit as they did",
        "float16": f"filters and matrices in float16, which moves a logit by at most {number(max(changes))}",
    }[nets["precision"]]
    parts = [f"Kept are seeds {', '.join(map(str, nets['seeds']))} of {len(nets['seeds of the run'])}, {precise}."]
    if any(about["measured"] for about in nets["kept"].values()):
        parts.append(
            "Accuracies are those of the kept weights; what stands beside them is the mean over the run's seeds."
        )
    if nets["left out"]:
        parts.append(f"There was no room for {'; '.join(nets['left out'])}.")
    parts.append(f"{nets['bytes'] / 1e6:.1f} MB, sha256 `{nets['sha256']}`.")
    return " ".join(parts)


def _origins(nets: dict[str, Any]) -> Iterator[list[str]]:
    for name, about in _in_order(nets):
        yield [f"**{name}**", f"`{_call(about['call'])}`", f"`{about['arm']}`"]


def _call(call: dict[str, Any]) -> str:
    """A call as it is written in Python."""
    values = {
        name: _call(value) if isinstance(value, dict) else repr(value) for name, value in call["arguments"].items()
    }
    return f"{call['builder']}({', '.join(f'{name}={value}' for name, value in values.items())})"
