"""Writes the site: which pages there are, what each is told, and which files go beside them."""

import html
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lib.replication import provenance
from lib.replication.badges import tally
from lib.replication.notebooks import Notebook
from lib.replication.results import recorded_path
from lib.replication.tables import cost
from lib.replication.verdicts import Verdict, effects, expected_false_reproduced
from lib.report import drawing, fonts, words
from lib.report.article import anchor, article
from lib.report.cells import judging_cell, measuring_cells, quantities
from lib.report.facts import Claimed, Facts, Run
from lib.report.text import Places, code, colours, relative, to_html

SITE = "Five papers, replicated"
HERE = Path(__file__).parent
MENU = (
    ("Claims", "index.html"),
    ("How to read a verdict", "reading.html"),
    ("How to reproduce", "reproduce.html"),
    ("Provenance", "provenance.html"),
)
COLUMNS = (("place", "claim"), ("paper", "paper"), ("verdict", "verdict"), ("effect", "effect / margin"),
           ("tier", "tier"), ("data", "data"))  # fmt: skip
GLANCE = "figures/results-at-a-glance.svg"
ALWAYS = ("CONTRIBUTING.md", "data/README.md", GLANCE)  # files that templates link to
REPRODUCE = ("Two commands", "More ways to run it", "Where things are")  # sections of README.md


class Site:
    """A site in the making."""

    def __init__(self, tree: Path, folder: Path) -> None:
        """Of the repository at `tree`, to be written to `folder`."""
        self.tree, self.folder = tree, folder
        self.facts = Facts(tree)
        self.commit = provenance.commit(tree)
        self.in_formulas: set[str] = set()  # characters
        self.places = Places(tree, dict(self._pages()))
        loader = FileSystemLoader(HERE / "templates")
        self.templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=False)
        self.templates.globals |= {"site": SITE, "menu": MENU, "commit": self.commit, "wide": False}

    def write(self) -> None:
        """Write every page, and then the files that pages turned out to link to."""
        shutil.copytree(HERE / "static", self.folder / "static")
        (self.folder / "static" / "code.css").write_text(colours(), encoding="utf-8")
        for path in ALWAYS:
            self.places.of(path)
        self._index()
        for claimed in self.facts.claims:
            self._claim(claimed)
        for name in self.facts.papers:
            self._paper(name)
        for notebook in self.facts.notebooks:
            self._notebook(notebook)
        for run in self.facts.runs:
            self._run(run)
        self._texts()
        self._provenance()
        self._files()
        (self.folder / "static" / "formulas.css").write_text(fonts.style(self.in_formulas), encoding="utf-8")

    def _pages(self) -> Iterator[tuple[str, str]]:
        """File or folder of the repository -> its page."""
        yield from {"README.md": "index.html", "papers": "index.html", "papers/README.md": "reading.html"}.items()
        for name in self.facts.papers:
            yield f"papers/{name}", f"papers/{name}.html"
            yield f"papers/{name}/README.md", f"papers/{name}.html"
            yield f"papers/{name}/MODELS.md", f"papers/{name}-nets.html"
        for notebook in self.facts.notebooks:
            yield f"papers/{notebook.paper}/{notebook.path.name}", _page_of(notebook)

    def _render(self, template: str, page: str, title: str, **told: Any) -> None:
        def link(target: str) -> str:
            return relative(self.places.copied.get(target, target), page)

        text = self.templates.get_template(template).render(page=page, title=title, link=link, **told)
        place = self.folder / page
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        for formula in re.findall(r"<math.*?</math>", text, re.DOTALL):
            self.in_formulas |= set(html.unescape(re.sub(r"<[^>]+>", "", formula)))

    def _html(self, markdown: str, source: str, page: str) -> Markup:
        """Markdown of the file `source` on `page`."""
        return Markup(to_html(markdown, self.places, source, page))

    def _read(self, path: str) -> str:
        """The text of a file of the repository."""
        return (self.tree / path).read_text(encoding="utf-8")

    def _index(self) -> None:
        claims = self.facts.claims
        filters = [
            ("paper", "paper", list(self.facts.papers)),
            ("tier", "tier", list(dict.fromkeys(c.tier or "none" for c in claims))),
            ("verdict", "verdict", [status for status, _ in Counter(c.status for c in claims).most_common()]),
            ("data", "data set", sorted({name for c in claims for name in c.datasets})),
        ]
        self._render(
            "index.html", "index.html", "Every claim", wide=True, claims=claims, papers=self.facts.papers,
            opening=self._html(_opening(self._read("README.md")), "README.md", "index.html"),
            false_reproduced=expected_false_reproduced(c.claim for c in claims), filters=filters, columns=COLUMNS,
            tallies={name: _tally(self.facts.of(name)) for name in self.facts.papers}, glance=GLANCE,
            interval=_interval, number=_number,
        )  # fmt: skip

    def _claim(self, c: Claimed) -> None:
        rules = self.places.of(f"papers/{c.folder}/paper.yaml")
        recorded = c.head.tier or next(iter(c.verdicts), None)
        self._render(
            "claim.html", c.page, f"{c.folder} {c.claim.id}: {c.claim.name}", c=c, coloured=True,
            rule=words.rule_in_words(c.claim),
            named=any(part.name is not None for part in c.claim.parts), gates=words.gates(c.claim),
            comparison=lambda part: words.comparison(part, c.claim.rule_kind), needs=words.needs(c.claim),
            unverified=any(p.unverified for p in [c.claim.paper, *(part.paper for part in c.claim.parts)] if p),
            runs=[_measured(c, tier, verdict) for tier, verdict in c.verdicts.items()],
            changes=words.what_would_change(c), notebook_page=_page_of(c.notebook) if c.notebook else "",
            cells=list(_cells(c)), judged=_judged(c), rules=rules, line=self._line_of_rule(c), recorded=recorded,
            snippet=Markup(code(_again(c, recorded))) if recorded else "",
            command=Markup(code(f"make reproduce PAPER={c.folder} NOTEBOOK={c.claim.notebook} TIER=laptop", "bash")),
        )  # fmt: skip

    def _line_of_rule(self, c: Claimed) -> int:
        lines = self._read(f"papers/{c.folder}/paper.yaml").splitlines()
        return next(i for i, line in enumerate(lines, 1) if line.startswith(f"  {c.claim.id}:"))

    def _paper(self, name: str) -> None:
        page, source = f"papers/{name}.html", f"papers/{name}/README.md"
        body = self._html(self._read(source), source, page)
        runs = [run for run in self.facts.runs if run.notebook.paper == name]
        notebooks = [notebook for notebook in self.facts.notebooks if notebook.paper == name]
        paper = self.facts.papers[name]
        self._render(
            "paper.html", page, paper.title, name=name, paper=paper, body=self._with_claims(body, name, page),
            runs=runs, notebooks=notebooks, wide=True,
        )  # fmt: skip
        source = f"papers/{name}/MODELS.md"
        page = f"papers/{name}-nets.html"
        nets = self._html(self._read(source), source, page)
        self._render("text.html", page, f"The nets of {name}", body=nets)

    def _notebook(self, notebook: Notebook) -> None:
        page = _page_of(notebook)
        paper, results = self.facts.papers[notebook.paper], self.facts.results[notebook.name]
        recorded = next(iter(results.values()), None)
        body = article(notebook, paper, recorded, self.places, page, self._beside(page))
        claims = [c for c in self.facts.of(notebook.paper) if c.claim.notebook == notebook.number]
        self._render(
            "notebook.html", page, notebook.title, name=notebook.paper, paper=paper, stem=notebook.path.stem,
            claims=claims, runs=[run for run in self.facts.runs if run.notebook == notebook],
            body=self._with_claims(Markup(body), notebook.paper, page), film='class="film"' in body,
        )  # fmt: skip

    def _beside(self, page: str) -> Callable[[str, bytes], str]:
        """Puts pictures into a folder that has the page's name."""
        beside = page.removesuffix(".html")

        def save(name: str, content: bytes) -> str:
            place = self.folder / beside / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            return f"{Path(beside).name}/{name}"

        return save

    def _with_claims(self, body: Markup, name: str, page: str) -> Markup:
        """A claim's id in bold becomes a link to its page."""
        claims = {c.claim.id: relative(c.page, page) for c in self.facts.of(name)}

        def linked(found: re.Match[str]) -> str:
            link = claims.get(found[1])
            return f'<strong><a href="{link}">{found[1]}</a></strong>' if link else found[0]

        return Markup(re.sub(r"<strong>([A-Z]\d+[a-z]?)</strong>", linked, body))

    def _run(self, run: Run) -> None:
        paper = self.facts.papers[run.notebook.paper]
        claims = {c.claim.id: c for c in self.facts.of(run.notebook.paper)}
        judged = [(claims[name], stored) for name, stored in run.result["claims"].items() if name in claims]
        verdicts = [(c, Verdict.from_dict(s["verdict"]), not c.claim.judged_by(s["rule"])) for c, s in judged]
        shown = [paper.exhibits[name].title for name in run.result["exhibits"] if name in paper.exhibits]
        raw = recorded_path(run.notebook, run.tier).relative_to(self.tree).as_posix()
        self._render(
            "run.html", run.page, f"{run.notebook.path.stem} at {run.tier}", run=run,
            r={"nets": None, **run.result, "hardware": {"gpu": None, **run.result["hardware"]}}, paper=paper,
            notebook_page=_page_of(run.notebook), verdicts=verdicts, exhibits=shown, raw=self.places.of(raw),
            cost=self._html(cost(run.result["cost"]["arms"]), raw, run.page),
        )  # fmt: skip

    def _texts(self) -> None:
        reading = self._read("papers/README.md")
        body = self._html(reading, "papers/README.md", "reading.html")
        self._render("text.html", "reading.html", "How to read a verdict", body=body)
        readme = self._read("README.md")
        sections = "\n\n".join(_section(readme, heading) for heading in REPRODUCE)
        body = self._html(f"# How to reproduce\n\n{sections}", "README.md", "reproduce.html")
        self._render("text.html", "reproduce.html", "How to reproduce", body=body)

    def _provenance(self) -> None:
        sums: dict[str, Counter[str]] = {}
        for run in self.facts.runs:
            for name, checksum in run.result["data"].items():
                sums.setdefault(name, Counter())[checksum] += 1
        changed = provenance.git(self.tree, "status", "--porcelain", "--untracked-files=no")
        runs = [Run(r.notebook, r.tier, {**r.result, "hardware": {"gpu": None, **r.result["hardware"]}})
                for r in self.facts.runs]  # fmt: skip
        self._render(
            "provenance.html", "provenance.html", "Provenance", runs=runs, data=dict(sorted(sums.items())),
            changed=bool((changed or "").strip()), time=_time, wide=True,
        )  # fmt: skip

    def _files(self) -> None:
        """The files of the repository that pages link to."""
        for path, place in self.places.copied.items():
            target = self.folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.tree / path, target)


def build(tree: Path, folder: Path) -> int:
    """Write the site of the repository at `tree` to `folder`, which is emptied first; returns the number of pages.

    Raises:
        ValueError: `folder` holds something else than a site, a link leads nowhere, or a formula cannot be typeset.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "static" / "table.js").exists():
        raise ValueError(f"{folder} is not empty and no report; choose another folder")
    shutil.rmtree(folder, ignore_errors=True)
    Site(tree, folder).write()
    return len(list(folder.rglob("*.html")))


def _page_of(notebook: Notebook) -> str:
    return f"notebooks/{notebook.paper}/{notebook.path.stem}.html"


def _opening(readme: str) -> str:
    """The first paragraph below the title."""
    return next(text for text in readme.split("\n\n")[1:] if text.strip())


def _section(text: str, heading: str) -> str:
    """A section of a Markdown text with its heading, up to the next of the same level.

    Raises:
        ValueError: there is no such heading.
    """
    found = re.search(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    if not found:
        raise ValueError(f"README.md has no section {heading!r}, which the report shows")
    return found[0]


def _tally(claims: list[Claimed]) -> str:
    """What the badge says."""
    return tally([c.head.verdict.status if c.head.verdict else None for c in claims])


def _interval(c: Claimed) -> Markup:
    effect, low, high = c.margins or (0.0, None, None)
    return Markup(drawing.interval(effect, low, high, c.claim.rule_kind or "direction"))


def _number(value: float) -> str:
    """An effect in margins, short enough for a column."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _measured(c: Claimed, tier: str, verdict: Verdict) -> dict[str, Any]:
    """What the claim's page tells of one recorded run."""
    result = c.results[tier]
    earlier = not c.claim.judged_by(result["claims"][c.claim.id]["rule"])
    of_seeds = {} if earlier else effects(c.claim, result["values"], set(result["data"]))
    names = set(quantities(c.claim))
    values = {name: of for name, of in result["values"].items() if name in names or name.partition("/")[0] in names}
    assert c.notebook is not None
    return {
        "run": Run(c.notebook, tier, result),
        "verdict": verdict,
        "earlier": earlier,
        "strips": Markup(drawing.strips(verdict, of_seeds, str(c.claim.rule_kind))) if of_seeds else "",
        "rows": [_row(row, verdict.name) for row in (verdict, *verdict.parts, *verdict.controls)],
        "values": values,
    }


def _row(row: Verdict, claim: str) -> dict[str, Any]:
    """A line of the table of verdicts: the claim, a part or a control."""
    of_identity = row.mean is not None and row.low is None
    return {
        "label": drawing.label(row, claim),
        "verdict": row,
        "number": f"largest error {row.mean:.3g}" if of_identity else row.number(),
        "margin": "" if row.margin is None else f"{row.margin:.3g}",
    }


def _cells(c: Claimed) -> Iterator[dict[str, Any]]:
    """The cells that measure a claim, each with the heading it stands under."""
    if c.notebook is None:
        return
    paths = dict(c.paper.measured.get(c.notebook.number, {}))
    for place in measuring_cells(c.notebook, c.claim, paths):
        yield {"place": place, "anchor": anchor(place), "heading": _heading(c.notebook, place)}


def _judged(c: Claimed) -> dict[str, Any] | None:
    place = judging_cell(c.notebook) if c.notebook else None
    return None if place is None else {"place": place, "anchor": anchor(place)}


def _heading(notebook: Notebook, place: int) -> str:
    """The last heading above a cell."""
    prose = ["".join(cell["source"]) for cell in notebook.cells[:place] if cell["cell_type"] == "markdown"]
    headings = [line.lstrip("# ") for text in prose for line in text.splitlines() if line.startswith("## ")]
    return headings[-1].replace("$", "") if headings else ""


def _again(c: Claimed, tier: str) -> str:
    """Code that judges a claim again from what a run recorded."""
    number = json.dumps(c.claim.id)
    return (
        "from pathlib import Path\n"
        "from lib.replication.paper_file import read_paper\n"
        "from lib.replication.results import read_result\n"
        "from lib.replication.verdicts import judge\n\n"
        f'result = read_result(Path("papers/{c.folder}/recorded/{tier}/{c.claim.notebook}.json"))\n'
        f'claim = read_paper("papers/{c.folder}").claims[{number}]\n'
        'print(judge(claim, result["values"], set(result["data"])))'
    )
