"""Loading what a record keeps: the very net, or an error that says what there is or what is damaged."""

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from lib import models
from lib.models.recorded import OWN_TIER, RECORDED_TIERS, DamagedNets
from lib.replication.parameters import TIERS
from lib.roots import repository
from tests.models.kept_nets import NAMES, SEEDS, a_net, write


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree with a record at `laptop` that keeps nets, and one at `gpu` from before nets were kept."""
    monkeypatch.setattr(sys.modules["lib.models.recorded"], "repository", lambda: tmp_path)
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "output"))
    recorded = tmp_path / "papers" / "JEM" / "recorded"
    write(recorded / "laptop" / "2.json")
    (recorded / "gpu").mkdir()
    (recorded / "gpu" / "2.json").write_text(json.dumps({"values": {}}))
    (recorded / "laptop" / "3.json").write_text(json.dumps({"values": {}}))
    return tmp_path


def nets(tree: Path) -> Path:
    return tree / "papers" / "JEM" / "recorded" / "laptop" / "2-nets.safetensors"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_net_is_the_one_of_its_name_and_seed_in_eval_mode(tree, name, seed):
    images, random = torch.rand(3, 1, 14, 14), torch.get_rng_state()
    net = models.recorded("JEM/2", name, seed)
    assert torch.equal(torch.get_rng_state(), random)
    assert not net.training and torch.equal(net(images), a_net(name, seed)(images))


def test_the_notebook_may_be_called_by_its_whole_name(tree):
    assert models.recorded("JEM/2-training", NAMES[0]) is not None


def test_the_largest_tier_that_kept_nets_counts_and_another_can_be_asked_for(tree):
    write(tree / "papers" / "JEM" / "recorded" / "gpu" / "2.json", seeds=(5,))
    models.recorded("JEM/2", NAMES[0], seed=5)
    with pytest.raises(ValueError, match="kept no seed 0"):
        models.recorded("JEM/2", NAMES[0])
    models.recorded("JEM/2", NAMES[0], tier="laptop")


def test_the_nets_of_ones_own_small_run_are_in_its_folder(tree):
    write(tree / "output" / "runs" / "reduced" / "noisy-student" / "1.json", seeds=(3,), file="1-nets.safetensors")
    models.recorded("noisy-student/1", NAMES[1], seed=3, tier="reduced")
    with pytest.raises(ValueError, match=r"no nets of 'noisy-student/1' are recorded; there are those of: JEM/2\."):
        models.recorded("noisy-student/1", NAMES[1])
    with pytest.raises(ValueError, match=r"kept at reduced; there are those of: noisy-student/1\."):
        models.recorded("JEM/2", NAMES[0], tier="reduced")


def test_what_is_kept_is_listed_in_the_order_of_the_page(tree):
    listed = models.recorded_nets("JEM/2")
    assert tuple(listed) == NAMES and listed[NAMES[0]]["images"] == [1, 14, 14]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("JEM/2", "jem"), "kept no net 'jem'; there are: jem, mnist; classifier, mnist"),
        (("JEM/2", NAMES[0], 4), "kept no seed 4 of 'jem, mnist'; there are: 0, 1"),
        (("JEM/3", NAMES[0]), "no nets of 'JEM/3' are recorded; there are those of: JEM/2"),
        (("JEM", NAMES[0]), "no nets of 'JEM' are recorded"),
        (("GEM/2", NAMES[0]), "no nets of 'GEM/2' are recorded"),
        (("", NAMES[0]), "no nets of '' are recorded"),
        (("*/2", NAMES[0]), r"no nets of '\*/2' are recorded"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(tree, asked, said):
    with pytest.raises(ValueError, match=said):
        models.recorded(*asked)


def test_where_nothing_was_kept_the_message_says_so_and_how_to_come_by_nets(tree):
    nets(tree).unlink()
    (tree / "papers" / "JEM" / "recorded" / "laptop" / "2.json").write_text("{}")
    with pytest.raises(ValueError, match=r"none so far\. `python -m lib.replication run JEM/2` leaves those"):
        models.recorded("JEM/2", NAMES[0])


def test_every_changed_byte_and_every_truncation_is_found(tree):
    content = nets(tree).read_bytes()
    for position in range(0, len(content), 301):
        changed = bytearray(content)
        changed[position] ^= 1
        nets(tree).write_bytes(bytes(changed))
        with pytest.raises(DamagedNets, match=r"is damaged: sha256 .*restore it with git checkout"):
            models.recorded("JEM/2", NAMES[0])
    for length in (0, 1, 8, len(content) // 2, len(content) - 1):
        nets(tree).write_bytes(content[:length])
        with pytest.raises(DamagedNets, match="is damaged"):
            models.recorded("JEM/2", NAMES[0])
    nets(tree).write_bytes(content)
    models.recorded("JEM/2", NAMES[0])


def test_a_missing_file_a_wrong_checksum_and_a_file_without_weights_are_told_apart(tree):
    result = tree / "papers" / "JEM" / "recorded" / "laptop" / "2.json"
    told, content = json.loads(result.read_text()), nets(tree).read_bytes()
    nets(tree).unlink()
    with pytest.raises(DamagedNets, match="is missing, although its result names it"):
        models.recorded("JEM/2", NAMES[0])
    nets(tree).write_bytes(content)
    told["nets"]["sha256"] = 64 * "0"
    result.write_text(json.dumps(told))
    with pytest.raises(DamagedNets, match="recorded 0000000000000000"):
        models.recorded("JEM/2", NAMES[0])
    nets(tree).write_bytes(b"no weights")
    told["nets"]["sha256"] = hashlib.sha256(b"no weights").hexdigest()
    result.write_text(json.dumps(told))
    with pytest.raises(DamagedNets, match="holds no weights"):
        models.recorded("JEM/2", NAMES[0])


def test_the_tiers_are_those_of_the_runner():
    assert (OWN_TIER, *reversed(RECORDED_TIERS)) == tuple(TIERS)


def test_the_example_of_how_to_read_these_pages_runs(tree, capsys):
    page = (repository() / "papers" / "README.md").read_text()
    (example,) = re.findall(r"## The nets\n.*?```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "papers/README.md", "exec"), {})
    labels, attacked = re.findall(r"tensor\(\[.*?\]\)", capsys.readouterr().out, re.DOTALL)
    assert len(labels) > 20 and len(attacked) > 20
