"""Pages generated from recorded results: the printed scoreboard, READMEs and model cards, what `status` lists."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lib.files import write_atomically
from lib.replication.badges import badge, badge_path, tally
from lib.replication.cards import model_cards
from lib.replication.claims import Claim, Paper
from lib.replication.keys import job_key
from lib.replication.notebooks import Notebook, all_notebooks, papers
from lib.replication.paper_file import read_paper
from lib.replication.parameters import TIERS, ParameterError, tier_parameters
from lib.replication.results import Result, read_run, recorded_results, result_path
from lib.replication.tables import deviations, folded, markdown
from lib.replication.verdicts import Headline, Verdict, expected_false_reproduced, headline
from lib.roots import repository

if TYPE_CHECKING:
    from lib.replication.runner import Job

MARK = "<!-- generated: {name} -->\n{text}\n<!-- end of generated: {name} -->"


def stored_verdict(result: Result | None, claim: str) -> Verdict | None:
    """The verdict on a claim in a result, or None."""
    stored = (result or {}).get("claims", {}).get(claim)
    return Verdict.from_dict(stored["verdict"]) if stored else None


def scoreboard(jobs: "Sequence[Job]") -> str:
    """The verdicts of a run, one line per claim, with the recorded tiers beside them.

    A notebook that failed or was left has none: what an earlier run of it said stays in its file and is not shown.
    """
    lines = []
    for job in jobs:
        notebook, result = job.notebook, read_run(job.result) if job.fresh else None
        paper = read_paper(notebook.path.parent)
        recorded = {t: r for t, r in recorded_results(notebook).items() if t not in {"reduced", job.tier}}
        label = result["tier"] if result else "FAILED" if job.error else "not run"
        lines.append(f"\n{notebook.name} ({', '.join(filter(None, [label, job.pilot]))})")
        for claim in _claims_of(paper, notebook):
            verdict = stored_verdict(result, claim.id)
            others = [f"{t}: {v.status}" for t, r in recorded.items() if (v := stored_verdict(r, claim.id))]
            lines.append("  " + "   | ".join([f"{claim.id:4} {verdict.text() if verdict else '-'}", *others]))
    return "\n".join(lines)


def _claims_of(paper: Paper, notebook: Notebook) -> list[Claim]:
    return [claim for claim in paper.claims.values() if claim.notebook == notebook.number]


def status(notebooks: list[Notebook], tier: str) -> str:
    """For every notebook: whether its run of `tier` is fresh, and how recorded results differ from today's files."""
    lines = []
    for notebook in notebooks:
        result = read_run(result_path(notebook, tier))
        try:
            key = job_key(notebook, tier_parameters(notebook, tier), repository())
        except ParameterError as fault:
            lines.append(f"{notebook.name}: {fault}")
            continue
        state = "not run" if result is None else "fresh" if result.get("job_key") == key else "inputs changed since"
        lines.append(f"{notebook.name}: {tier} {state}")
        lines += [f"  recorded {t}: {_aged(notebook, t, r)}" for t, r in recorded_results(notebook).items()]
    return "\n".join(lines)


def _aged(notebook: Notebook, tier: str, result: Result) -> str:
    """What of a recorded result is no longer as it is today; it is a fact and does not go stale."""
    now = tier_parameters(notebook, tier)
    changed = [name for name in now if name != "device" and now[name] != result["parameters"].get(name)]
    paper = read_paper(notebook.path.parent)
    rules = [
        c for c, kept in result["claims"].items() if c in paper.claims and not paper.claims[c].judged_by(kept["rule"])
    ]
    notes = [f"parameters differ: {', '.join(changed)}"] if changed else []
    notes += [f"judged by an earlier rule: {', '.join(rules)}"] if rules else []
    return f"commit {str(result['commit'])[:12]}" + "".join(f"; {note}" for note in notes)


def claims_table(tree: Path, name: str) -> str:
    """The claims of a paper as Markdown: those with a verdict, each tier's beside the paper's number, then the others.

    What a tier with stand-in data says is shown as a word: it counts for the method, not for the claim.
    """
    paper = read_paper(tree / "papers" / name)
    results = {n.number: recorded_results(n) for n in all_notebooks(tree) if n.paper == name}
    verdicts = {claim.id: verdicts_of(claim, results) for claim in paper.claims.values()}
    tiers = [tier for tier in reversed(TIERS) if any(tier in found for found in verdicts.values())]
    measured = [
        [_stated(claim), f"**{headline(found).text()}**", claim.paper_text(), *(_in_column(found, t) for t in tiers)]
        for claim in paper.claims.values()
        if (found := verdicts[claim.id])
    ]
    waiting = [[_stated(claim), claim.paper_text()] for claim in paper.claims.values() if not verdicts[claim.id]]
    parts = [markdown(["claim", "verdict", "the paper", *tiers], measured)] if measured else []
    if waiting:
        told = f"{len(waiting)} claims that no notebook measures yet"
        parts.append(folded(told, markdown(["claim", "the paper"], waiting)))
    return "\n\n".join(parts)


def _stated(claim: Claim) -> str:
    return f"**{claim.id}** {claim.statement}"


def _in_column(verdicts: dict[str, Verdict], tier: str) -> str:
    if tier not in verdicts:
        return "–"
    verdict = verdicts[tier]
    if verdict.stand_in:
        return f"{verdict.label} (stand-in data)"
    part_by_part = verdict.measured()  # where the paper has a number for each part, or margins were averaged
    return verdict.text() if part_by_part == verdict.number() else f"{verdict.text()}<br>{part_by_part}"


def verdicts_of(claim: Claim, results: dict[int, dict[str, Result]]) -> dict[str, Verdict]:
    """Tier -> verdict on a claim, from the recorded results of its notebook."""
    of_notebook = results.get(claim.notebook or 0, {})
    found = {tier: stored_verdict(result, claim.id) for tier, result in of_notebook.items()}
    return {tier: verdict for tier, verdict in found.items() if verdict is not None}


def cost_table(tree: Path, name: str) -> str:
    """What each recorded notebook cost, per tier: computing time, seeds, hardware."""
    lines = []
    for notebook in (n for n in all_notebooks(tree) if n.paper == name):
        for tier in reversed(TIERS):
            if result := recorded_results(notebook).get(tier):
                hardware = result["hardware"].get("gpu") or f"one core of {result['hardware']['cpu']}"
                seconds = result["cost"]["seconds"]
                time = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
                lines.append([notebook.path.stem, tier, result["parameters"]["seeds"], time, hardware])
    return markdown(["notebook", "tier", "seeds", "computing time", "on"], lines)


def deviations_table(tree: Path, name: str) -> str:
    """Every deviation of a paper, folded away: they are many."""
    entries = read_paper(tree / "papers" / name).deviations.values()
    if not entries:
        return "None are listed."
    measured = sum(bool(entry.effect) for entry in entries)
    told = f"{len(entries)} deviations, piece by piece; the effect of {measured} is measured"
    return folded(told, deviations(entries, numbered=True))


def figures_list(tree: Path, name: str) -> str:
    """Every figure in `figures/<paper>/`, each with the title of its exhibit."""
    paper = read_paper(tree / "papers" / name)
    drawn = sorted((tree / "figures" / name).glob("*.svg"))
    shown = [(paper.exhibits[path.stem].title, path.name) for path in drawn if path.stem in paper.exhibits]
    return "\n\n".join(f"![{title}](../../figures/{name}/{file})\n\n*{title}*" for title, file in shown)


def summary_table(tree: Path) -> str:
    """The front page's scoreboard: for every paper, how many claims have which headline."""
    lines = []
    for name in papers(tree):
        paper, heads = read_paper(tree / "papers" / name), _heads(tree, name)
        groups = (("reproduced",), ("partly",), ("not reproduced", "reversed"), ("undecided",))
        counts = [sum(head in group for head in heads) for group in groups]
        shown = f"[{paper.title}](papers/{name}/)<br>![{tally(heads)}](papers/{name}/{badge_path(tree, name).name})"
        lines.append([shown, len(heads), *counts, len(heads) - sum(counts)])
    return markdown(
        ["paper", "claims", "reproduced", "partly", "not reproduced or reversed", "undecided", "not testable so far"],
        lines,
    )


def _heads(tree: Path, name: str) -> list[str]:
    """The status of each claim's headline, empty where there is none."""
    results = {n.number: recorded_results(n) for n in all_notebooks(tree) if n.paper == name}
    claims = read_paper(tree / "papers" / name).claims.values()
    return [_status(headline(verdicts_of(claim, results))) for claim in claims]


def badges(tree: Path) -> dict[Path, str]:
    """The file of each paper's badge, with its content."""
    return {badge_path(tree, name): badge(tally(_heads(tree, name))) for name in papers(tree)}


def badge_image(tree: Path, name: str) -> str:
    """The badge in the README of its paper."""
    return f"![Claims: {tally(_heads(tree, name))}]({badge_path(tree, name).name})"


def _status(head: Headline) -> str:
    return head.verdict.status if head.verdict else ""


def false_reproduced(tree: Path) -> str:
    """How many false `reproduced` the rules let through when no claim at all were true."""
    claims = [claim for name in papers(tree) for claim in read_paper(tree / "papers" / name).claims.values()]
    expected = expected_false_reproduced(claims)
    return (
        f"If none of the {len(claims)} claims were true, chance alone would still print `reproduced` for at most "
        f"{expected:.1f} of them."
    )


def generated(tree: Path) -> dict[Path, dict[str, str]]:
    """File -> part -> text: everything in the READMEs that comes from recorded results."""
    parts = {tree / "README.md": {"scoreboard": summary_table(tree), "false reproduced": false_reproduced(tree)}}
    for name in papers(tree):
        page = tree / "papers" / name / "README.md"
        if page.exists():
            parts[page] = {
                "badge": badge_image(tree, name),
                "claims": claims_table(tree, name),
                "deviations": deviations_table(tree, name),
                "cost": cost_table(tree, name),
                "figures": figures_list(tree, name),
            }
    return parts


def with_parts(text: str, parts: dict[str, str], where: Path) -> str:
    """`text` with its generated parts replaced.

    Raises:
        ValueError: a part's marks are not in the text.
    """
    for name, part in parts.items():
        begin, end = map(re.escape, MARK.format(name=name, text="").split("\n\n"))
        marked = re.compile(rf"{begin}\n(.*?\n)?{end}", re.DOTALL)
        if not marked.search(text):
            raise ValueError(f"{where} has no marks for the generated part {name!r}")
        text = marked.sub(lambda _: MARK.format(name=name, text=part), text)  # noqa: B023
    return text


def stale(tree: Path) -> list[Path]:
    """READMEs whose generated parts, model cards and badges that are not what the recorded results say."""
    made = generated(tree)
    texts = {page: page.read_text(encoding="utf-8") for page in made}
    pages = [page for page, parts in made.items() if texts[page] != with_parts(texts[page], parts, page)]
    whole = {**model_cards(tree), **badges(tree)}
    return pages + [p for p, text in whole.items() if not p.exists() or p.read_text(encoding="utf-8") != text]


def write_readmes(tree: Path) -> None:
    """Write the generated parts, the model cards and the badges anew."""
    for page, parts in generated(tree).items():
        write_atomically(page, with_parts(page.read_text(encoding="utf-8"), parts, page))
    for path, text in {**model_cards(tree), **badges(tree)}.items():
        write_atomically(path, text)
