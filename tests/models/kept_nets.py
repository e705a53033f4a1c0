"""A repository in miniature whose record keeps two nets of two seeds, for the tests of loading them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from lib.models import norm_free_cnn
from lib.models.builders import call_of, noted_calls
from lib.models.recorded import stored_name

NAMES = ("jem, mnist", "classifier, mnist")
SEEDS = (0, 1)


def a_net(name: str, seed: int) -> nn.Module:
    """What was "trained": another net for every name and seed."""
    torch.manual_seed(10 * NAMES.index(name) + seed)
    return norm_free_cnn(10, (4, 6), 1).eval()


def write(result: Path, *, seeds: tuple[int, ...] = SEEDS, file: str = "2-nets.safetensors") -> Path:
    """A result at `result` and its weights beside it, whose place is returned."""
    with noted_calls() as made:
        call = call_of(a_net(NAMES[0], 0), made)
    content = save({
        stored_name(name, seed, parameter): value.clone()
        for name in NAMES for seed in seeds for parameter, value in a_net(name, seed).state_dict().items()
    })  # fmt: skip
    about: dict[str, Any] = {
        "call": call, "parameters": 1234, "images": [1, 14, 14], "classes": list("0123456789"), "accuracy": [0.9] * 2,
        "largest change of a logit": 0.0, "measured": {}, "trained on": "1,000 images", "tested on": "500 test images",
        "arm": "lib.experiments.jem.training.twin",
    }  # fmt: skip
    nets = {
        "file": file, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "precision": "float32",
        "seeds": list(seeds), "seeds of the run": [*seeds, 7], "names": list(NAMES), "left out": [],
        "kept": {name: about | {"stored as": name} for name in sorted(NAMES)},
    }  # fmt: skip
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps({"values": {}, "nets": nets}))
    place = result.with_name(file)
    place.write_bytes(content)
    return place
