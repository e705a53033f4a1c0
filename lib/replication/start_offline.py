"""The one command of a bundle: checks the parts, unpacks them, and runs the order of the day without network.

    python3 part-1/start.py --minutes 9 [--work FOLDER] [--parts FOLDER ...] [--data FOLDER] [any option of `day`]

Python's own library only: it runs before anything else is there. A second call finds what the first one unpacked and
goes on; data sets of which parts are missing are named and left out. The results lie in WORK/results.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path


def main() -> int:
    """Unpack what is new, then hand over to `python -m lib.replication day` of the unpacked code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    here = Path(__file__).resolve().parent
    parser.add_argument("--work", type=Path, default=here.parent / "work", help="where to unpack and compute")
    parser.add_argument(
        "--parts", type=Path, nargs="+", default=None, help="folders of parts, beside this one by default"
    )
    parser.add_argument("--data", type=Path, default=None, help="data sets that are there already")
    parser.add_argument("--unpack-only", action="store_true")
    options, rest = parser.parse_known_args()
    work = options.work.resolve()
    manifest = json.loads((here / "manifest.json").read_text(encoding="utf-8"))
    folders = options.parts or sorted(here.parent.glob("part-*"))
    found = {file.name: file for folder in folders for file in folder.iterdir()}
    for name in ("code", "wheels", *manifest["archives"]):
        _unpack(name, manifest, found, work)
    if options.unpack_only:
        return 0
    ours = {
        "PYTHONPATH": os.pathsep.join([str(work / "code"), str(work / "site")]),
        "REPLICATION_DATA": str((options.data or work / "data").resolve()),
        "REPLICATION_OUTPUT": str(work / "output"),
        "JUPYTER_PATH": str(work / "site" / "share" / "jupyter"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "lib.replication", "day", "--to", str(work / "results"), *rest]
    return subprocess.run(command, cwd=work / "code", env=os.environ | ours, check=False).returncode


def _unpack(name: str, manifest: dict, found: dict[str, Path], work: Path) -> None:
    """Unpack one archive once, from its pieces, each checked; without all of them say which are missing."""
    done = work / f".{name}.done"
    pieces = manifest["archives"][name]
    if done.exists() and done.read_text(encoding="utf-8") == json.dumps(pieces):
        return
    if missing := [piece for piece in pieces if piece not in found]:
        print(f"{name}: {len(missing)} of {len(pieces)} pieces are missing ({', '.join(missing)})", file=sys.stderr)
        if name in {"code", "wheels"}:
            raise SystemExit("nothing runs without it; name the folders that hold it with --parts")
        return
    work.mkdir(parents=True, exist_ok=True)
    whole = work / f".{name}.tar"
    with whole.open("wb") as stream:
        for piece, digest in pieces.items():
            content = found[piece].read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise SystemExit(f"{found[piece]} is damaged: its checksum is not the manifest's; copy it again")
            stream.write(content)
    target = work / (name if name in {"code", "wheels"} else "data")
    with tarfile.open(whole) as archive:
        archive.extractall(target, filter="data")
    whole.unlink()
    if name == "wheels":
        _install(target, work / "site")
    done.write_text(json.dumps(pieces), encoding="utf-8")
    print(f"{name}: unpacked", flush=True)


def _install(wheels: Path, site: Path) -> None:
    """Put the wheels into a folder of their own, which PYTHONPATH names; the machine's packages stay as they are."""
    if listed := sorted(map(str, wheels.glob("*.whl"))):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-cache-dir"]
        subprocess.run([*pip, "--no-compile", "--upgrade", "--target", str(site), *listed], check=True)


if __name__ == "__main__":
    sys.exit(main())
