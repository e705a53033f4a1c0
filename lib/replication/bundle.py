"""A bundle for a machine without network: code, wheels and data in parts; and its results, brought back in parts.

make bundle SETS="cifar10 cifar100"                    # here: data/bundle/part-1, part-2, ...
python3 part-1/start.py --minutes 9                    # there: unpacks, runs the order of the day, packs results
python -m lib.replication record --tier gpu --from results        # here again
"""

import hashlib
import io
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lib.files import write_atomically
from lib.replication.notebooks import Notebook, select
from lib.replication.provenance import BUNDLE_FILE, commit, git
from lib.replication.results import read_result
from lib.roots import data_root, output_root

PART_BYTES = 50_000_000
RESULT_BYTES = 15_000_000
# What a notebook needs to run beside PyTorch and the usual scientific packages, which a GPU machine has.
WANTED = ("papermill", "nbval", "ipykernel", "ipywidgets", "foolbox")
# Only debuggers, completion and browsers use these.
LEFT_OUT = {"debugpy", "jedi", "parso", "widgetsnbextension", "jupyterlab-widgets", "tzdata"}
THERE = {
    "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "seaborn", "pillow", "pyyaml",
    "safetensors", "tqdm", "pytest", "pytest-xdist", "hypothesis", "setuptools", "packaging", "psutil", "jinja2",
    "markupsafe", "pygments", "requests", "urllib3", "idna", "certifi", "charset-normalizer", "click", "attrs", "six",
    "python-dateutil", "typing-extensions", "aiohttp", "aiosignal", "aiohappyeyeballs", "frozenlist", "multidict",
    "propcache", "yarl", "coverage", "pluggy", "iniconfig", "filelock",
}  # fmt: skip
PLATFORMS = ("2_28", "2_27", "2_26", "2_24", "2_17", "2_5")


def make(checkout: Path, folder: Path, sets: list[str], *, python: str = "3.12", wheels: Path | None = None) -> None:
    """Write the parts of a bundle of the commit `checkout` is at to `folder`/part-1, part-2, ...

    Args:
        checkout: a git checkout; what is not committed does not travel, which is said.
        folder: is emptied of older parts first.
        sets: names of data sets, as `lib.data` knows them; their files must be below the data root.
        python: version of Python there; its wheels are fetched from the package index.
        wheels: a folder of wheels, to be taken as it is instead.

    Raises:
        ValueError: not a git checkout, an unknown data set, one that is not there, or wheels that cannot be fetched.
    """
    head = commit(checkout)
    if head is None:
        raise ValueError(f"{checkout} is not a git checkout: results could not be traced to a commit")
    if changed := (git(checkout, "status", "--porcelain", "--untracked-files=no") or "").strip():
        print(f"the bundle holds commit {head[:12]}, without the uncommitted changes:\n{changed}", file=sys.stderr)
    files = {name: _files(name) for name in sets}
    for old in folder.glob("part-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory() as scratch:
        archives = {"code": _code(checkout, head, Path(scratch))}
        if wheels is None:
            wheels = Path(scratch) / "wheels"
            _fetch_wheels(checkout, wheels, python)
        archives["wheels"] = _tar(Path(scratch) / "wheels.tar", wheels, sorted(wheels.glob("*.whl")))
        for name, paths in files.items():
            print(f"packing {name}", flush=True)
            archives[name] = _tar(Path(scratch) / f"{name}.tar.xz", data_root(), paths)
        parts = _share_out(archives, folder, head)
    for number, size in enumerate(parts, start=1):
        print(f"{folder / f'part-{number}'}: {size / 1e6:.1f} MB")


def _files(name: str) -> list[Path]:
    from lib.data.catalogue import FACTS

    if name not in FACTS:
        raise ValueError(f"no data set {name!r}; `python -m lib.data` lists them")
    facts = FACTS[name]
    if not facts.is_there(data_root()):
        raise ValueError(f"{name} is not below {data_root()}; `python -m lib.data get {name}` fetches it")
    return [data_root() / path for path in (*facts.paths, *facts.or_paths) if (data_root() / path).exists()]


def _code(checkout: Path, head: str, scratch: Path) -> Path:
    """The committed files, and in `BUNDLE_FILE` the commit with a checksum of each, by which changes there are seen."""
    path = scratch / "code.tar"
    subprocess.run(["git", "archive", "--output", str(path), head], cwd=checkout, check=True)
    with tarfile.open(path) as archive:
        members = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
        sums = {name: hashlib.sha256(stream.read()).hexdigest() for name, stream in members if stream}
    content = json.dumps({"commit": head, "files": sums}, indent=0).encode()
    with tarfile.open(path, "a") as archive:
        entry = tarfile.TarInfo(BUNDLE_FILE)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    path.write_bytes(lzma.compress(path.read_bytes()))
    return path


def _fetch_wheels(checkout: Path, folder: Path, python: str) -> None:
    """The wheels of what `WANTED` needs and is not `THERE`, at the versions of constraints.txt."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-",
               "--python-version", python, "--python-platform", "x86_64-manylinux_2_28",
               "-c", str(checkout / "constraints.txt")]  # fmt: skip
    solved = subprocess.run(command, input="\n".join(WANTED), capture_output=True, text=True, check=False)
    if solved.returncode:
        raise ValueError(f"the list of wheels could not be made (it needs uv and a package index): {solved.stderr}")
    pins = [line for line in solved.stdout.splitlines() if line.split("==")[0] not in THERE | LEFT_OUT]
    platforms = [word for tag in PLATFORMS for word in ("--platform", f"manylinux_{tag}_x86_64")]
    platforms += ["--platform", "manylinux2014_x86_64", "--platform", "manylinux1_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms,
               "--python-version", python, "--implementation", "cp", "--dest", str(folder)]  # fmt: skip
    done = subprocess.run([*command, *pins], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"the wheels could not be fetched: {done.stderr[-1000:]}")


def _tar(path: Path, root: Path, files: Iterable[Path]) -> Path:
    kind = "w:xz" if path.suffix == ".xz" else "w"
    with tarfile.open(path, kind) as archive:  # type: ignore[call-overload]
        for file in files:
            archive.add(file, arcname=file.relative_to(root).as_posix())
    return path


def _share_out(archives: dict[str, Path], folder: Path, head: str) -> list[int]:
    """Fill one part after the other to `PART_BYTES`, an archive cut where a part is full; returns their sizes."""
    pieces: dict[str, dict[str, str]] = {name: {} for name in archives}
    used = [0]
    for name, path in archives.items():
        with path.open("rb") as stream:
            while content := stream.read(PART_BYTES - used[-1]):
                piece = f"{name}.{len(pieces[name]):02d}"
                write_atomically(folder / f"part-{len(used)}" / piece, content)
                pieces[name][piece] = hashlib.sha256(content).hexdigest()
                used[-1] += len(content)
                if used[-1] >= PART_BYTES:
                    used.append(0)
    for number in range(1, len(used) + 1):
        part = folder / f"part-{number}"
        if not part.exists():
            continue
        write_atomically(part / "manifest.json", json.dumps({"commit": head, "archives": pieces}, indent=1))
        shutil.copy(Path(__file__).with_name("start_offline.py"), part / "start.py")
    return [size for size in used if size]


def _is_net_or_progress(name: str) -> bool:
    """Artefacts, and all that the name of a checkpoint begins: its own parts, and the seconds spent so far."""
    whole = not name.startswith(".") and ".damaged-" not in name
    return whole and (name.endswith(".safetensors") or ".partial" in name)


def pack_results(folder: Path, *, artefacts: bool = False) -> list[Path]:
    """Pack results, executed notebooks and figures into `folder`/results.tar.gz.00, .01, ... of `RESULT_BYTES` at most.

    With `artefacts`, trained nets and the checkpoints of what is not finished too.
    """
    root = output_root()
    kept = [path for path in sorted((root / "runs").rglob("*")) if path.is_file() and _travels(path.relative_to(root))]
    if artefacts:
        kept += sorted(path for path in (root / "artefacts").glob("*") if _is_net_or_progress(path.name))
    for old in folder.glob("results.tar.gz.*"):
        old.unlink()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path in kept:
            archive.add(path, arcname=path.relative_to(root).as_posix())
    content = stream.getvalue()
    parts = []
    for number, start in enumerate(range(0, len(content), RESULT_BYTES)):
        parts.append(folder / f"results.tar.gz.{number:02d}")
        write_atomically(parts[-1], content[start : start + RESULT_BYTES])
    print(f"{len(kept)} files in {len(parts)} parts of {folder}, {len(content) / 1e6:.1f} MB", flush=True)
    return parts


def _travels(path: Path) -> bool:
    return ".snapshots" not in path.parts and path.suffix != ".lock" and path.name != ".lock"


def _parts_in(folder: Path) -> list[Path]:
    if not (found := list(folder.glob("results.tar.gz.*"))):
        raise ValueError(f"{folder} holds no results.tar.gz.00; name the folder where a bundle packed its results")
    return found


def bring_back(parts: list[Path], checkout: Path, tier: str) -> list[Notebook]:
    """Put the results in `parts` where a run here would have left them; returns the notebooks that have one at `tier`.

    A folder among `parts` stands for the parts in it.

    Raises:
        ValueError: the parts are not whole, hold nothing of `tier`, or were made at a commit this checkout lacks; a
            folder holds none.
    """
    files = [file for part in parts for file in (_parts_in(part) if part.is_dir() else [part])]
    content = b"".join(file.read_bytes() for file in sorted(files, key=lambda file: file.name))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        try:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(scratch, filter="data")
        except (tarfile.TarError, EOFError, OSError) as fault:
            raise ValueError(f"the parts are not whole ({fault}); give all of results.tar.gz.00, .01, ...") from fault
        results = sorted((scratch / "runs" / tier).glob("*/[0-9]*.json"))
        found = [(path, read_result(path)) for path in results]
        kept = [(path, result) for path, result in found if result is not None]
        if not kept:
            raise ValueError(f"the parts hold no finished notebook of tier {tier}")
        for path, result in kept:
            made_at = str(result["commit"])
            if git(checkout, "cat-file", "-e", f"{made_at}^{{commit}}") is None:
                raise ValueError(f"{path.parent.name}/{path.stem} was made at commit {made_at}, unknown here; fetch it")
            print(f"{path.parent.name}/{path.stem}: {', '.join(f'{k} {v}' for k, v in result['hardware'].items())}")
        shutil.copytree(scratch, output_root(), dirs_exist_ok=True)
        return select(checkout, [f"{path.parent.name}/{path.stem}" for path, _ in kept])
