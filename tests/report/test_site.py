"""The site of this repository as files: a page for everything, every link leads somewhere, nothing is loaded."""

import html
import re
import shutil

import pytest

from lib.replication.results import read_result, recorded_path
from lib.replication.verdicts import Verdict
from lib.report.linkcheck import Page, faults
from lib.report.site import Site, build
from lib.roots import repository

ROOT = repository()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = Site(ROOT, tmp_path_factory.mktemp("site"))
    made.write()
    return made


@pytest.fixture(scope="module")
def site(made):
    return made.folder


@pytest.fixture(scope="module")
def facts(made):
    return made.facts


def test_the_site_holds_together(site):
    assert faults(site) == []


def test_every_claim_paper_notebook_and_run_has_a_page(site, facts):
    front = Page((site / "index.html").read_text(encoding="utf-8"))
    assert len(facts.claims) > 100
    for claimed in facts.claims:
        assert claimed.page in front.links
        text = (site / claimed.page).read_text(encoding="utf-8")
        for heading in ("rule", "evidence", "change", "cells", "dispute"):
            assert f'<h2 id="{heading}">' in text
    for name in facts.papers:
        assert f"papers/{name}.html" in front.links
        assert {f"../claims/{name}/{c.claim.id}.html" for c in facts.of(name)} <= set(
            Page((site / "papers" / f"{name}.html").read_text(encoding="utf-8")).links
        )
    for notebook in facts.notebooks:
        assert (site / "notebooks" / notebook.paper / f"{notebook.path.stem}.html").is_file()
    assert len(facts.runs) >= len(facts.notebooks)
    assert all((site / run.page).is_file() for run in facts.runs)
    assert {"reading.html", "reproduce.html", "provenance.html"} <= set(front.links)


def test_a_page_says_of_a_claim_what_the_record_says(site, facts):
    """Statement, the paper's number, margin, every seed's value, and the verdict of each tier."""
    claimed = next(c for c in facts.claims if (c.folder, c.claim.id) == ("JEM", "C13"))
    text = re.sub(r"\s+", " ", (site / claimed.page).read_text(encoding="utf-8"))
    result = read_result(recorded_path(claimed.notebook, "laptop"))
    assert result is not None
    verdict = Verdict.from_dict(result["claims"]["C13"]["verdict"])
    assert claimed.claim.statement in text and verdict.number() in text and "no number" in text
    quantity = claimed.claim.parts[0].compared[0]
    assert all(f"<td>{value:.6g}</td>" in text for value in result["values"][quantity])
    assert 'class="verdict reversed"' in text and "upper bound would have to rise from" in text
    assert len(re.findall(r"<title>seed 0: ", text)) == 2 * len(claimed.verdicts), (
        "the claim and its control, each tier"
    )
    assert f"line {claimed_line(claimed)}." in text


def claimed_line(claimed) -> int:
    lines = (ROOT / "papers" / claimed.folder / "paper.yaml").read_text(encoding="utf-8").splitlines()
    return 1 + next(i for i, line in enumerate(lines) if line == f"  {claimed.claim.id}:")


def test_every_measured_claim_leads_to_the_cell_that_runs_its_arms(site, facts):
    for claimed in facts.claims:
        text = (site / claimed.page).read_text(encoding="utf-8")
        assert ("measured in <a" in text and "judged in <a" in text) == (claimed.notebook is not None), claimed.page


def test_what_a_page_says_to_judge_again_gives_the_recorded_verdict(site, monkeypatch, capsys):
    text = (site / "claims/JEM/C13.html").read_text(encoding="utf-8")
    shown = re.findall(r'<pre class="code" tabindex="0"><code>(.*?)</code></pre>', text, re.DOTALL)
    code = html.unescape(re.sub(r"<[^>]+>", "", next(code for code in shown if "read_result" in code)))
    monkeypatch.chdir(ROOT)
    exec(compile(code, "page", "exec"), {})
    assert capsys.readouterr().out.startswith("C13 reversed: 5.38 [5.09, 5.66], margin 0.5, 3 seeds")


def test_stored_pictures_become_a_film_and_are_all_there(site):
    text = (site / "notebooks/JEM/2-training.html").read_text(encoding="utf-8")
    steps = re.findall(r'<figure data-value="(\d+)">', text)
    assert steps == ["0", "1", "2", "5", "10", "20", "50", "100"]
    assert "static/film.js" in text
    assert "static/film.js" not in (site / "notebooks/JEM/1-energies.html").read_text(encoding="utf-8")


PLANTED = {
    "a script from elsewhere": (
        "</body>",
        '<script src="https://cdn.example/x.js"></script></body>',
        "loads https://cdn",
    ),
    "a style sheet from elsewhere": (
        "</head>",
        '<link rel="stylesheet" href="//cdn.example/x.css"></head>',
        "loads //cdn",
    ),
    "a picture that is not there": ("</body>", '<img src="none.png" alt=""></body>', "loads none.png, which is not"),
    "a link to nowhere": ("</body>", '<a href="none.html">x</a></body>', "links to none.html, which is not there"),
    "a link to no cell": ("</body>", '<a href="#cell-999">x</a></body>', "no such anchor"),
    "a formula as text": ("</main>", "<p>so $$x = 1$$</p></main>", "a formula was left as text"),
    "an id twice": ("</main>", '<p id="main">x</p></main>', "two elements have the id 'main'"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(site, tmp_path, fault):
    for name in ("reading.html", "index.html", "provenance.html", "reproduce.html"):
        shutil.copy(site / name, tmp_path / name)
    before = set(faults(tmp_path))
    mark, planted, told = PLANTED[fault]
    page = tmp_path / "reading.html"
    page.write_text(page.read_text(encoding="utf-8").replace(mark, planted), encoding="utf-8")
    (new,) = set(faults(tmp_path)) - before
    assert new.startswith("reading.html: ") and told in new


def test_a_font_from_elsewhere_is_found(tmp_path):
    (tmp_path / "x.css").write_text('@font-face { src: url("https://fonts.example/x.woff") }', encoding="utf-8")
    assert faults(tmp_path) == ['x.css: loads url("https://fonts.example/x.woff']


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(ValueError, match="not empty and no report"):
        build(ROOT, tmp_path)
    assert (tmp_path / "thesis.tex").exists()
