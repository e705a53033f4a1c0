"""A tiny notebook that keeps its net: run, loaded, recorded, loaded again, on a card; and what damage does."""

import json
import subprocess
import sys

import pytest
import torch

from lib.models import Standardise, mlp
from lib.replication.artefacts import unpack
from tests import tiny

ARM = (
    tiny.ARM
    + '''

def weights(seed: int, steps: int) -> dict:
    """A net for digits, trained for a few steps."""
    from lib.training.loop import train
    from lib.training.optimisers import adam

    net, tests, _ = fresh(seed)
    train(net, tests.images, tests.labels, steps=steps, batch_size=64, optimiser=adam(net, 1e-2), seed=seed)
    return {"weights": net.state_dict(), "steps": steps}


def fresh(seed: int, **others):
    """The same before its training, its images, what it was trained on."""
    from lib.data.load import load
    from lib.models.inputs import Standardise
    from lib.models.mlp import mlp

    torch.manual_seed(seed)
    images = load("digits", "test")
    net = mlp((16,), len(images.classes), images.shape, inputs=Standardise())
    return net, images, f"{len(images)} images of digits"
'''
)
KEEP = "nets = experiment.artefacts(tiny.weights, steps=steps)\nexperiment.keep({'a net': nets}, tiny.fresh)"
LOAD = """
import lib, torch
from lib import models

images = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
loaded = {(tier, seed): models.recorded("JEM/1", "a net", seed, tier=asked)
          for tier, asked in (("reduced", "reduced"), ("laptop", None)) for seed in range(3)}
assert not any(net.training for net in loaded.values())
torch.save({place: net(images).detach() for place, net in loaded.items()}, "loaded.pt")
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The miniature, whose notebook keeps its net, after a run at `laptop` and its record, which runs `reduced` too."""
    folder = tiny.make_tree(tmp_path_factory.mktemp("tree"))
    (folder / "lib" / "experiments" / "tiny.py").write_text(ARM)
    tiny.write_notebook(folder, 1, extra=KEEP)
    tiny.write_pages(folder)
    tiny.git(folder, "add", "-A")
    tiny.git(folder, "commit", "-qm", "keeps its net")
    for command in ("run", "record"):
        done = tiny.replication(folder, command, "--tier", "laptop")
        assert done.returncode == 0, done.stderr
    return folder


def load(tree) -> subprocess.CompletedProcess[str]:
    """Every net of the miniature by its own `lib`, the logits left in loaded.pt."""
    command = [sys.executable, "-c", LOAD]
    return subprocess.run(command, cwd=tree, env=tiny.environment(tree), capture_output=True, text=True, check=False)


def test_a_loaded_net_gives_the_logits_of_the_trained_one_bit_for_bit(tree):
    done = load(tree)
    assert done.returncode == 0, done.stderr
    logits = torch.load(tree / "loaded.pt")
    images = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for tier, steps in (("reduced", 4), ("laptop", 8)):
        for seed, stem in enumerate(tiny.result(tree, 1, tier)["nets"]["kept"]["a net"]["artefacts"]):
            value, _ = unpack((tree / "data" / "artefacts" / f"{stem}.safetensors").read_bytes())
            trained = mlp((16,), 10, (1, 8, 8), inputs=Standardise())
            trained.load_state_dict(value["weights"])
            assert value["steps"] == steps and torch.equal(logits[tier, seed], trained.eval()(images))
    assert len(logits) == 6 and not torch.equal(logits["laptop", 0], logits["laptop", 1])


def test_nets_of_the_small_tier_stay_in_its_folder_and_those_of_the_record_lie_beside_it(tree):
    recorded = tree / "papers" / "JEM" / "recorded"
    assert "nets" not in json.loads((recorded / "reduced" / "1.json").read_text())
    assert [path.name for path in recorded.rglob("*-nets.safetensors")] == ["1-nets.safetensors"]
    kept = (recorded / "laptop" / "1-nets.safetensors").read_bytes()
    assert kept == (tree / "data" / "runs" / "laptop" / "JEM" / "1-nets.safetensors").read_bytes()
    listed = {path.name for path in (tree / "data" / "runs" / "reduced" / "JEM").iterdir() if path.is_file()}
    assert listed == {".lock", "1.ipynb", "1.json", "1-nets.safetensors"}


def test_the_card_is_made_with_the_readmes_and_the_page_says_how_to_load(tree):
    card = (tree / "papers" / "JEM" / "MODELS.md").read_text()
    assert 'models.recorded("JEM/1", "a net", seed=0)' in card and "hidden=[16], " in card
    stored = (tree / "papers" / "JEM" / "1-tiny.ipynb").read_text()
    assert 'lib.models.recorded(\\"JEM/1\\", \\"a net\\", seed=0, tier=\\"reduced\\")' in stored


def test_a_damaged_file_is_neither_recorded_nor_loaded_and_a_run_without_nets_takes_those_of_the_last_away(tree):
    place, own = (tree / at / "1-nets.safetensors" for at in ("papers/JEM/recorded/laptop", "data/runs/laptop/JEM"))
    whole = place.read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    own.write_bytes(damaged)
    done = tiny.replication(tree, "record", "--tier", "laptop")
    assert done.returncode == 2 and "1-nets.safetensors is damaged; run the notebook again" in done.stderr
    assert place.read_bytes() == whole
    place.write_bytes(damaged)
    done = load(tree)
    assert done.returncode == 1 and "DamagedNets" in done.stderr and "restore it with git checkout" in done.stderr
    place.write_bytes(whole)

    tiny.write_notebook(tree, 1)
    tiny.git(tree, "add", "-A")
    tiny.git(tree, "commit", "-qm", "keeps nothing")
    assert tiny.replication(tree, "run", "--tier", "laptop").returncode == 0
    assert not own.exists() and place.read_bytes() == whole
