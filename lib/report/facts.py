"""What the report tells: papers, claims with their verdicts at every tier, notebooks, recorded runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lib.replication.claims import Claim, Paper
from lib.replication.glance import in_margins
from lib.replication.notebooks import Notebook, all_notebooks, papers
from lib.replication.paper_file import read_paper
from lib.replication.parameters import TIERS
from lib.replication.report import verdicts_of
from lib.replication.results import Result, recorded_results
from lib.replication.verdicts import NOT_TESTABLE, Headline, Verdict, headline

STAND_INS = "stand-in data only"
NOT_RUN = "not run"
SHORT = {NOT_TESTABLE: "not testable"}  # the tier stands beside it


@dataclass(frozen=True)
class Claimed:
    """A claim with all that is recorded about it.

    Attributes:
        folder: Name of its paper's folder.
        paper: The paper.
        claim: The claim with its rule.
        notebook: The notebook that measures it; None where there is none.
        results: Tier -> recorded result of that notebook, largest tier first.
        verdicts: Tier -> verdict.
    """

    folder: str
    paper: Paper
    claim: Claim
    notebook: Notebook | None
    results: Mapping[str, Result]
    verdicts: Mapping[str, Verdict]

    @cached_property
    def head(self) -> Headline:
        """The verdict that summaries show."""
        return headline(self.verdicts)

    @property
    def status(self) -> str:
        """The headline in a word or two, as the table filters by it."""
        if self.head.verdict is None:
            return STAND_INS if self.head.stand_in else NOT_RUN
        return SHORT.get(self.head.verdict.status, self.head.verdict.status)

    @property
    def tier(self) -> str:
        """Tier of the headline; of runs on stand-in data, theirs; empty where nothing was run."""
        return self.head.tier or next((tier for tier in reversed(TIERS) if tier in self.verdicts), "")

    @property
    def datasets(self) -> list[str]:
        """Data sets of the run that the headline is from."""
        return list(self.results[self.tier]["data"]) if self.tier else []

    @property
    def margins(self) -> tuple[float, float | None, float | None] | None:
        """Mean and bounds of the headline's effect in units of its margin; None where nothing was judged."""
        return in_margins(self.head.verdict) if self.head.verdict else None

    @property
    def page(self) -> str:
        """Its page in the site."""
        return f"claims/{self.folder}/{self.claim.id}.html"


@dataclass(frozen=True)
class Run:
    """A recorded run of a notebook."""

    notebook: Notebook
    tier: str
    result: Result

    @property
    def page(self) -> str:
        """Its page in the site."""
        return f"runs/{self.notebook.paper}/{self.tier}-{self.notebook.number}.html"


class Facts:
    """Everything the report tells about a tree, read once."""

    def __init__(self, tree: Path) -> None:
        """Read papers, notebooks and recorded results of `tree`."""
        self.tree = tree
        self.papers: dict[str, Paper] = {name: read_paper(tree / "papers" / name) for name in papers(tree)}
        self.notebooks: list[Notebook] = all_notebooks(tree)
        self.results = {notebook.name: recorded_results(notebook) for notebook in self.notebooks}
        self.claims = list(self._claims())

    def of(self, paper: str) -> list[Claimed]:
        """The claims of one paper."""
        return [claimed for claimed in self.claims if claimed.folder == paper]

    @property
    def runs(self) -> list[Run]:
        """Every recorded run, by notebook, largest tier first."""
        return [Run(n, tier, result) for n in self.notebooks for tier, result in self.results[n.name].items()]

    def _claims(self) -> Iterator[Claimed]:
        for name, paper in self.papers.items():
            notebooks = {n.number: n for n in self.notebooks if n.paper == name}
            results = {number: self.results[notebook.name] for number, notebook in notebooks.items()}
            for claim in paper.claims.values():
                number = claim.notebook or 0
                found = notebooks.get(number), results.get(number, {}), verdicts_of(claim, results)
                yield Claimed(name, paper, claim, *found)
