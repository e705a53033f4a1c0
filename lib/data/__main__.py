"""`python -m lib.data list` and `python -m lib.data get NAME [...]`: what is there, and fetching what is not."""

import sys
from pathlib import Path

from lib.data.catalogue import EXTRA_FILES, FACTS, Facts, advice, readable_size
from lib.data.downloads import DOWNLOADS, get
from lib.data.fetching import DownloadFailed
from lib.data.files import digest_of
from lib.roots import data_root

USAGE = """usage:
  python -m lib.data list              every set: splits, size, whether it is there
  python -m lib.data get NAME [...]    fetch sets into the data root (REPLICATION_DATA, or data/)"""


def main(arguments: list[str]) -> int:
    """Run a command; the exit status is 0 for success, 1 for a set that could not be got, 2 for wrong usage."""
    command, wanted = (arguments[0], arguments[1:]) if arguments else ("", [])
    known = FACTS | EXTRA_FILES
    unknown = [name for name in wanted if name not in known]
    if command == "list" and not wanted:
        print(table(known, data_root()))
        return 0
    if command == "get" and wanted and not unknown:
        return max(get_one(name, known[name], data_root()) for name in wanted)
    print(USAGE, file=sys.stderr)
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
    return 2


def get_one(name: str, facts: Facts, root: Path) -> int:
    """Fetch one set unless it is there, and say what happened."""
    if facts.is_there(root):
        print(f"{name}: {'is there' if facts.paths else 'needs no download'}")
        return 0
    if name not in DOWNLOADS:
        print(f"{name}: {advice(name)}", found(facts, root), sep="\n", file=sys.stderr)
        return 1
    try:
        get(name, root)
    except (DownloadFailed, PermissionError) as fault:
        print(f"{name}: {fault}", file=sys.stderr)
        return 1
    if not facts.is_there(root):
        print(f"{name}: fetched, but not what was expected is in {root}: {', '.join(facts.paths)}", file=sys.stderr)
        return 1
    print(f"{name}: ready in {root}")
    return 0


def found(facts: Facts, root: Path) -> str:
    """For a set placed by hand: which of its files are there, with their checksums, and which are not."""
    lines = []
    for name in facts.paths:
        path = root / name
        lines.append(f"  {name}: {digest_of(path) if path.is_file() else 'there' if path.exists() else 'missing'}")
    return "\n".join(lines)


def table(known: dict[str, Facts], root: Path) -> str:
    """One line for each set."""
    rows = [["name", "shape", "train", "of it validation", "test", "classes", "state", "source"]]
    for name, facts in known.items():
        counts = [f"{count:,}" if count else "-" for count in facts.counts]
        shape, classes = "x".join(map(str, facts.shape)), str(len(facts.classes))
        rows.append([name, shape, *counts, classes, state(facts, root), facts.source])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"data root: {root}", *lines])


def state(facts: Facts, root: Path) -> str:
    """Whether a set can be loaded, or what it takes."""
    if not facts.paths:
        return "embedded"
    if facts.is_there(root):
        return "there"
    size = f"{readable_size(facts.size)}" if facts.size else "size unknown"
    return f"missing, {size}{', by hand' if facts.by_hand else ''}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
