"""`python -m lib.report`: write the report, and say where it lies."""

import argparse
import sys
import time
from pathlib import Path

from lib.roots import output_root, repository


def main(arguments: list[str] | None = None) -> int:
    """Build and check the site; 0: all is well, 1: a page has a fault, 2: it could not be built."""
    parser = argparse.ArgumentParser(prog="python -m lib.report", description=__doc__)
    parser.add_argument("--to", type=Path, default=output_root() / "report", help="folder of the site")
    options = parser.parse_args(arguments)
    try:
        from lib.report.linkcheck import faults
        from lib.report.site import build
    except ModuleNotFoundError as missing:
        print(f"error: {missing}; `python -m pip install -e '.[report]' -c constraints.txt`", file=sys.stderr)
        return 2
    started = time.perf_counter()
    try:
        pages = build(repository(), options.to)
    except ValueError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    found = faults(options.to)
    print("".join(f"{fault}\n" for fault in found), end="", file=sys.stderr)
    size = sum(path.stat().st_size for path in options.to.rglob("*") if path.is_file()) / 1e6
    print(f"{pages} pages, {size:.0f} MB, {time.perf_counter() - started:.0f} s: open {options.to / 'index.html'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
