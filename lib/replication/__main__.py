"""`python -m lib.replication run | status | record | notebooks`: the job, and the only local scheduler."""

import argparse
import sys
from pathlib import Path

from lib.replication import glance, record, report, runner
from lib.replication.notebooks import Notebook, all_notebooks, select
from lib.replication.parameters import TIERS, ParameterError, parse_overrides
from lib.replication.snapshot import tree_for
from lib.roots import repository


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if all went well, 1 if a notebook failed, 2 if the request was wrong."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (ParameterError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.replication", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command, words in (
        ("run", _run, "execute notebooks whose inputs changed, and print the scoreboard"),
        ("status", _status, "what is fresh, what is recorded, and what differs"),
        ("record", _record, "keep the results of a clean run, with figures and READMEs"),
        ("notebooks", _notebooks, "store the outputs of notebooks at tier reduced, and the reference"),
    ):
        sub = commands.add_parser(name, help=words, description=words)
        sub.set_defaults(command=command)
        sub.add_argument("which", nargs="*", metavar="PAPER[/N]", help="all of them by default")
        if name != "notebooks":
            sub.add_argument("--tier", default="reduced", choices=TIERS)
        if name in {"run", "record", "notebooks"}:
            sub.add_argument("--jobs", type=int, default=2, help="notebooks at a time, one thread each")
        if name == "run":
            sub.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="overrides")
            sub.add_argument("--dry", action="store_true", help="tiny budgets and random data, to see that it runs")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.dry:
        return _dry(select(repository(), options.which), options.tier)
    with tree_for(options.tier, repository()) as tree:
        notebooks = select(tree.folder, options.which)
        jobs = runner.plan(notebooks, options.tier, parse_overrides(options.overrides), tree)
        failed = runner.run(jobs, options.jobs)
        print(report.scoreboard(notebooks, options.tier))
    return report_failures(failed)


def report_failures(failed: list[runner.Job]) -> int:
    """Name each failed notebook, its cell and its error, and where the executed notebook lies."""
    for job in failed:
        print(f"\nFAILED {job.notebook.name} ({job.tier}): {job.error}", file=sys.stderr)
        print(f"  executed up to there: {job.executed.with_suffix('.failed.ipynb')}", file=sys.stderr)
    return 1 if failed else 0


def _dry(notebooks: list[Notebook], tier: str) -> int:
    from lib.replication.dry import dry_run

    for notebook in notebooks:
        dry_run(notebook, tier)
        print(f"{notebook.name} ({tier}, dry): runs")
    return 0


def _status(options: argparse.Namespace) -> int:
    print(report.status(select(repository(), options.which), options.tier))
    return 0


def _record(options: argparse.Namespace) -> int:
    notebooks = select(repository(), options.which)
    record.record(notebooks, options.tier)
    return _store(_whole_papers(notebooks), options.jobs)


def _notebooks(options: argparse.Namespace) -> int:
    return _store(select(repository(), options.which), options.jobs)


def _store(notebooks: list[Notebook], jobs: int) -> int:
    with tree_for("reduced", repository()) as tree:
        failed = runner.run(runner.plan(notebooks, "reduced", {}, tree), jobs)
    for job in failed:
        notebooks.remove(job.notebook)
    record.store_outputs(notebooks)
    report.write_readmes(repository())
    glance.write_picture(repository())
    return report_failures(failed)


def _whole_papers(notebooks: list[Notebook]) -> list[Notebook]:
    papers = {notebook.paper for notebook in notebooks}
    return [notebook for notebook in all_notebooks(Path(repository())) if notebook.paper in papers]


if __name__ == "__main__":
    sys.exit(main())
