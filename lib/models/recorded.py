"""The nets of the pages, loaded with one line: what a recorded run trained, to be attacked, plotted and scored.

    net = recorded("JEM/2", "jem, mnist", seed=0)   # in eval mode: (N, 1, 14, 14) in [0, 1] -> logits (N, 10)
    recorded_nets("JEM/2")                          # name -> what is known about it: builder, images, accuracy, ...

The weights lie in `papers/<paper>/recorded/<tier>/<n>-nets.safetensors`; the result beside them, `<n>.json`, holds
their checksum and, for every net, the call that builds it. The model cards, `papers/<paper>/MODELS.md`, list them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from lib.models.builders import made_by
from lib.roots import output_root, repository

RECORDED_TIERS = ("paper", "gpu", "laptop")  # largest first
OWN_TIER = "reduced"  # its nets are in no repository; a run leaves them in its folder


class DamagedNets(ValueError):
    """A file of weights that is not there, or not the one that was recorded."""


def recorded(notebook: str, name: str, seed: int = 0, *, tier: str | None = None) -> nn.Module:
    """A net of a recorded run as it was at the end of its training, in eval mode on the CPU.

    Args:
        notebook: "PAPER/N".
        name: of the net, as its model card has it.
        seed: of its training; where few bytes hold few seeds, only the first are kept.
        tier: None is the largest that kept nets; "reduced" is your own last run of that tier, which is not recorded.

    Returns:
        A module that takes images (N, C, H, W) in [0, 1], of the shape its card states, and returns logits.

    Raises:
        ValueError: no such notebook, net or seed; the message says what there is.
        DamagedNets: the weights are missing, or their checksum is not the recorded one.
    """
    path, nets = _kept(notebook, tier)
    if name not in nets["kept"]:
        raise ValueError(f"{notebook} kept no net {name!r}; there are: {'; '.join(nets['names'])}")
    if seed not in nets["seeds"]:
        raise ValueError(f"{notebook} kept no seed {seed} of {name!r}; there are: {', '.join(map(str, nets['seeds']))}")
    about = nets["kept"][name]
    net = made_by(about["call"])
    net.load_state_dict(weights_of(verified(path, nets["sha256"]), about["stored as"], seed))
    return net.eval()


def recorded_nets(notebook: str, *, tier: str | None = None) -> dict[str, dict[str, Any]]:
    """Name -> what was recorded about each kept net: its call, parameters, images, classes, accuracy for each seed.

    Raises:
        ValueError: the notebook kept none.
    """
    nets = _kept(notebook, tier)[1]
    return {name: nets["kept"][name] for name in nets["names"]}


def stored_name(stored_as: str, seed: int, parameter: str) -> str:
    """What a tensor is called in the file."""
    return f"{stored_as}/{seed}/{parameter}"


def weights_of(content: bytes, stored_as: str, seed: int) -> dict[str, Tensor]:
    """The state of one net in the bytes of a file, in the precision in which it was stored."""
    start = stored_name(stored_as, seed, "")
    return {name.removeprefix(start): tensor for name, tensor in load(content).items() if name.startswith(start)}


def verified(path: Path, sha256: str) -> bytes:
    """The bytes of a file of weights.

    Raises:
        DamagedNets: there is none, its checksum is another, or it is no file of weights.
    """
    if not path.exists():
        raise DamagedNets(f"{path} is missing, although its result names it; {_remedy(path)}")
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DamagedNets(f"{path} is damaged: sha256 {found[:16]}..., recorded {sha256[:16]}...; {_remedy(path)}")
    try:
        load(content)
    except SafetensorError as fault:
        raise DamagedNets(f"{path} holds no weights ({fault}); {_remedy(path)}") from fault
    return content


def _remedy(path: Path) -> str:
    return "restore it with git checkout" if "recorded" in path.parts else "run the notebook again"


def _kept(notebook: str, tier: str | None) -> tuple[Path, dict[str, Any]]:
    """The file of weights, and what the result beside it says of the nets, of the largest tier that kept any."""
    paper, _, number = notebook.strip("/").partition("/")
    wanted = f"{paper}/{number.partition('-')[0]}"
    results = [found for place in ([tier] if tier else RECORDED_TIERS) for found in _results(place)]
    for name, path in results:
        if name == wanted and (nets := _nets_in(path)):
            return path.with_name(nets["file"]), nets
    there = ", ".join(sorted({name for name, path in results if _nets_in(path)})) or "none so far"
    raise ValueError(
        f"no nets of {notebook!r} are {f'kept at {tier}' if tier else 'recorded'}; there are those of: {there}. "
        f"`python -m lib.replication run {notebook}` leaves those of its own run, for tier={OWN_TIER!r}"
    )


def _results(tier: str) -> list[tuple[str, Path]]:
    """PAPER/N and the result of every notebook at a tier."""
    if tier == OWN_TIER:
        found = [(path.parent.name, path) for path in (output_root() / "runs" / OWN_TIER).glob("*/[0-9]*.json")]
    else:
        places = (repository() / "papers").glob(f"*/recorded/{tier}/[0-9]*.json")
        found = [(path.parents[2].name, path) for path in places]
    return [(f"{paper}/{path.stem}", path) for paper, path in sorted(found)]


def _nets_in(result: Path) -> dict[str, Any] | None:
    """What a result says of the nets it keeps; None of one that keeps none."""
    return json.loads(result.read_text(encoding="utf-8")).get("nets")
