"""`python -m lib.replication new | check | run | status | needs | record | notebooks | bundle | day`: every command."""

import argparse
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from lib.replication import bundle, day, glance, needs, record, report, runner, spread
from lib.replication.check import check_paper
from lib.replication.gpus import GPU_TIERS, gpus
from lib.replication.new import new
from lib.replication.notebooks import Notebook, find_notebook, papers, select
from lib.replication.page_tables import write_tables
from lib.replication.parameters import TIERS, ParameterError, Parameters, parse_overrides
from lib.replication.snapshot import Tree, tree_for
from lib.roots import output_root, repository

TIME_UP = 3
SPREAD = "first a process for each seed, --jobs of them at a time (one a core by default), builds what the seed needs"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0: all went well, 1: a notebook failed, 2: the request was wrong, 3: the time was up before."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (ParameterError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"error: {_of_the_system(fault)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _of_the_system(fault: OSError) -> str:
    """What the system refused, and what to do where it was about the folder of outputs."""
    told = f"{fault.filename or 'a file'}: {fault.strerror or fault}"
    if fault.filename and Path(fault.filename).absolute().is_relative_to(output_root().absolute()):
        told += (
            f"\nthe outputs go to {output_root()}; free some space there, or set REPLICATION_OUTPUT to another folder"
        )
    return f"{told}; what is finished is kept, and the same command goes on from there"


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def _seed(text: str) -> int:
    if int(text) < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return int(text)


def _minutes(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return float(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.replication", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command, words in (
        ("run", _run, "execute notebooks whose inputs changed, and print the scoreboard"),
        ("status", _status, "what is fresh, what is recorded, and what differs"),
        ("needs", _needs, "minutes, memory and GPUs that a cluster is asked for, one line for each notebook"),
        ("record", _record, "keep the results of a clean run, with figures and READMEs"),
        ("notebooks", _notebooks, "store the outputs of notebooks at tier reduced, and the reference"),
    ):
        sub = commands.add_parser(name, help=words, description=words)
        sub.set_defaults(command=command)
        sub.add_argument("which", nargs="*", metavar="PAPER[/N]", help="all of them by default")
        if name != "notebooks":
            sub.add_argument("--tier", default="reduced", choices=TIERS)
        if name in {"run", "record", "notebooks"}:
            words = "notebooks at a time, one thread each; 2 by default, or one for each GPU"
            sub.add_argument("--jobs", type=_count, default=None, help=words)
        if name == "notebooks":
            words = "store pictures anew although no number changed, after a change of the code that draws them"
            sub.add_argument("--redraw", action="store_true", help=words)
        if name == "run":
            sub.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="overrides")
            sub.add_argument("--minutes", type=_minutes, default=math.inf, help="stop cleanly then; run again to go on")
            usual = ", ".join(f"{seconds / 60:g} at {tier}" for tier, seconds in runner.LIMIT_SECONDS.items())
            words = f"for one notebook, which fails then; by default {usual}"
            sub.add_argument("--limit", type=_minutes, default=None, metavar="MINUTES", help=words)
            words = "a pilot: seeds from this one on, 100 say, in place of 0, 1, ...; it cannot be recorded"
            sub.add_argument("--first-seed", type=_seed, default=0, help=words)
            sub.add_argument("--spread", action="store_true", help=SPREAD)
            sub.add_argument("--dry", action="store_true", help="tiny budgets and random data, to see that it runs")
        if name == "record":
            words = "parts of results made from a bundle, or the folder that holds them"
            sub.add_argument("--from", nargs="+", type=Path, default=[], metavar="PART", dest="parts", help=words)
    _add_new(commands)
    _add_check(commands)
    _add_bundle(commands)
    _add_day(commands)
    return parser


def _add_new(commands: Any) -> None:
    words = "the files of a new notebook, and of its paper where that is new"
    sub = commands.add_parser("new", help=words, description=words)
    sub.set_defaults(command=_new)
    sub.add_argument("which", metavar="PAPER/N", help="the paper's folder and the notebook's number")
    sub.add_argument("topic", nargs="?", help="words joined by -, for the file's name; none where paper.yaml has it")


def _add_check(commands: Any) -> None:
    words = "what is wrong with rules, choices and tiers, without running anything"
    sub = commands.add_parser("check", help=words, description=words)
    sub.set_defaults(command=_check)
    sub.add_argument("which", nargs="*", metavar="PAPER", help="all of them by default")


def _add_bundle(commands: Any) -> None:
    words = "code, wheels and data in parts, for a machine without network"
    sub = commands.add_parser("bundle", help=words, description=words)
    sub.set_defaults(command=_bundle)
    sub.add_argument("sets", nargs="*", help="data sets to take along")
    sub.add_argument("--to", type=Path, default=output_root() / "bundle", help="folder of the parts")
    sub.add_argument("--wheels", type=Path, help="a folder of wheels, instead of those from the package index")


def _add_day(commands: Any) -> None:
    words = f"the order of the day ({day.ORDER.name}): first readings, then notebooks until the minutes are up"
    sub = commands.add_parser("day", help=words, description=words)
    sub.set_defaults(command=_day, overrides=[], dry=False, first_seed=0, limit=None)
    sub.add_argument("which", nargs="*", metavar="PAPER[/N]", help="instead of the order's notebooks")
    sub.add_argument("--tier", default=None, choices=TIERS, help="instead of the order's")
    sub.add_argument("--jobs", type=_count, default=None, help="notebooks at a time; one for each GPU by default")
    sub.add_argument("--minutes", type=_minutes, default=math.inf, help="instead of the order's")
    sub.add_argument("--spread", action="store_true", help=SPREAD)
    sub.add_argument("--first-only", action="store_true", help="the tests and readings, and no notebook")
    sub.add_argument("--notebooks-only", action="store_true", help="without the tests and readings before")
    sub.add_argument("--artefacts", action="store_true", help="pack trained nets and checkpoints too")
    sub.add_argument("--to", type=Path, default=output_root() / "results", help="folder of the packed results")


def _run(options: argparse.Namespace) -> int:
    if options.dry and options.first_seed:
        raise ValueError("--first-seed means nothing with --dry, whose only seed is 0; leave one of them out")
    if options.dry:
        return _dry(select(repository(), options.which), options.tier, parse_overrides(options.overrides))
    with tree_for(options.tier, repository()) as tree:
        notebooks = select(tree.folder, options.which)
        passed = parse_overrides(options.overrides)
        jobs = runner.plan(notebooks, options.tier, passed, tree, first_seed=options.first_seed)
        there = gpus() if options.tier in GPU_TIERS else []
        workers = options.jobs or len(there) or 2
        ends = time.monotonic() + 60 * options.minutes
        if options.spread:
            spread.build_ahead(jobs, options.jobs or os.cpu_count() or 2, seconds=ends - time.monotonic(), gpus=there)
        limit = None if options.limit is None else 60 * options.limit
        outcome = runner.run(jobs, workers, seconds=ends - time.monotonic(), limit=limit, gpus=there)
        print(report.scoreboard(jobs))
    report_left(outcome.left)
    return report_failures(outcome.failed) or (TIME_UP if outcome.left else 0)


def report_left(left: list[runner.Job]) -> None:
    """Say which notebooks the time did not suffice for, and what they still need."""
    if not left:
        return
    minutes = sum(job.expected_seconds for job in left) / 60
    print(f"\nthe time is up; {len(left)} notebooks are left, about {minutes:.0f} minutes one after the other:")
    for job in left:
        begun = f", {job.spent_seconds / 60:.1f} spent" if job.spent_seconds else ""
        print(f"  {job.notebook.name} ({job.tier}): about {job.expected_seconds / 60:.1f} minutes{begun}")
    print("what is finished is kept; the same command goes on from there", flush=True)


def _bundle(options: argparse.Namespace) -> int:
    bundle.make(repository(), options.to, options.sets, wheels=options.wheels)
    return 0


def _day(options: argparse.Namespace) -> int:
    """The order of the day; its results are packed however it ends."""
    order = day.read_order()
    started = time.monotonic()
    options.which = options.which or order["notebooks"]
    options.tier = options.tier or order["tier"]
    minutes = options.minutes if options.minutes < math.inf else order["minutes"]
    try:
        if not options.notebooks_only:
            day.do_first(order["first"], started + 60 * minutes)
        if options.first_only:
            return 0
        options.minutes = max(minutes - (time.monotonic() - started) / 60, 0.0)
        return _run(options)
    finally:
        bundle.pack_results(options.to, artefacts=options.artefacts)


def report_failures(failed: list[runner.Job]) -> int:
    """Name each failed notebook, its cell and its error, and where the executed notebook lies."""
    for job in failed:
        print(f"\nFAILED {job.notebook.name} ({job.tier}): {job.error}", file=sys.stderr)
        print(f"  executed up to there: {job.executed.with_suffix('.failed.ipynb')}", file=sys.stderr)
    return 1 if failed else 0


def _dry(notebooks: list[Notebook], tier: str, passed: Parameters) -> int:
    """Every notebook in this process; one that fails is named with its cell and error, and the others go on."""
    from lib.replication.dry import DryRunFailed, dry_parameters, dry_run

    for notebook in notebooks:
        dry_parameters(notebook, tier, passed)  # all are checked before the first one starts
    failed = 0
    for notebook in notebooks:
        try:
            dry_run(notebook, tier, passed)
            print(f"{notebook.name} ({tier}, dry): runs")
        except DryRunFailed as fault:
            failed = 1
            print(f"FAILED {fault}", file=sys.stderr)
    return failed


def _new(options: argparse.Namespace) -> int:
    created, extended = new(repository(), options.which, options.topic)
    for words, paths in (("created", created), ("extended", extended)):
        print("".join(f"{words} {path.relative_to(repository())}\n" for path in paths), end="")
    paper = options.which.partition("/")[0]
    print(
        f"CONTRIBUTING.md says what comes next; `python -m lib.replication check {paper}` what is still to be filled in"
    )
    return 0


def _check(options: argparse.Namespace) -> int:
    found = 0
    for name in options.which or papers(repository()):
        faults, checked = check_paper(repository(), name)
        print("".join(f"{fault}\n" for fault in faults) + f"{checked}: {'in order' if not faults else 'see above'}")
        found += len(faults)
    return int(found > 0)


def _status(options: argparse.Namespace) -> int:
    print(report.status(select(repository(), options.which), options.tier))
    return 0


def _needs(options: argparse.Namespace) -> int:
    notebooks = select(repository(), options.which)
    print(needs.table(runner.plan(notebooks, options.tier, {}, Tree(repository()))))
    return 0


def _record(options: argparse.Namespace) -> int:
    if options.parts:
        notebooks = bundle.bring_back(options.parts, repository(), options.tier)
        if options.which:
            notebooks = [notebook for notebook in select(repository(), options.which) if notebook in notebooks]
        if options.tier == "reduced":
            return record.compare(notebooks)
    else:
        notebooks = select(repository(), options.which)
    return _store(record.record(notebooks, options.tier), options.jobs)


def _notebooks(options: argparse.Namespace) -> int:
    return _store(select(repository(), options.which), options.jobs, redraw=options.redraw)


def _store(notebooks: list[Notebook], jobs: int, *, redraw: bool = False) -> int:
    with tree_for("reduced", repository()) as tree:
        failed = runner.run(runner.plan(notebooks, "reduced", {}, tree), jobs or 2).failed
    failures = [job.notebook for job in failed]
    stored = [notebook for notebook in notebooks if notebook not in failures]
    record.store_outputs(stored, redraw=redraw)
    # A page begins with what is recorded, and the reference that was just stored is part of that.
    for notebook in stored:
        write_tables(find_notebook(repository(), notebook.paper, notebook.number))
    report.write_readmes(repository())
    glance.write_picture(repository())
    return report_failures(failed)


def _stop_as_at_ctrl_c() -> None:
    """SIGTERM, by which a scheduler or `kill` asks, and SIGINT also where a shell started us in the background.

    Else the runner would go and leave its kernels at work, which hold the output folder and save nothing.
    """

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


if __name__ == "__main__":
    _stop_as_at_ctrl_c()
    sys.exit(main())
