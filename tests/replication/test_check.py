"""Every rule that `check` states is broken once, and named; what is committed is in order."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.replication.__main__ import main
from lib.replication.check import check_paper
from lib.replication.notebooks import papers
from lib.roots import repository

NOTEBOOK = "2-training.ipynb"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(repository() / "papers" / "JEM", tmp_path / "papers" / "JEM")
    return tmp_path


@pytest.mark.parametrize("name", papers(repository()))
def test_the_committed_papers_are_in_order(name):
    assert check_paper(repository(), name)[0] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("paper.yaml", "kind: no harm", "kind: harmless", "JEM/paper.yaml: claim C1: unknown kind 'harmless'"),
        ("paper.yaml", "    plateau: The claim is of the samples that a net has; C1 has the gate.\n", "",
         "JEM/2-training: claim C2: state `plateau`"),
        ("paper.yaml", "  2: training", "  2: longer-training", "calls notebook 2 'longer-training'"),
        ("paper.yaml", "piece: optimiser", "piece: loss", "lists no deviation of its optimiser"),
        ("paper.yaml", "  seeds:\n", "  other-seeds:\n", "no deviation called seeds"),
        ("paper.yaml", "venue: ICLR 2020", "venue: FILL IN", "paper.yaml still says 'FILL IN' in 1 place"),
        ("README.md", "<!-- generated: cost -->", "", "README.md has no marks for the generated part 'cost'"),
        ("tiers/gpu.yaml", "2:", "7:", "tiers/gpu.yaml: 7 is none of the notebooks in paper.yaml"),
        ("tiers/gpu.yaml", "  buffer_size", "  bufer_size", "did you mean 'buffer_size'"),
        ("tiers/laptop.yaml", "  provoked_steps: 250", "  seeds: 2", "at laptop: 2 seeds; allowed are 3 to 10"),
        ("tiers/laptop.yaml", "  buffer_size: 2000", "  device: cpu", "at laptop: device must be 'auto'"),
        ("tiers/laptop.yaml", "2:", "2: [", "tiers/laptop.yaml is not valid YAML"),
        ("choices.yaml", "  recipe: [stabilised, as published]\n", "", "does not say what the parameter 'recipe'"),
        ("choices.yaml", "  recipe:", "  recipes: [a]\n  recipe:", "speaks of 'recipes'.*did you mean 'recipe'"),
        ("choices.yaml", "2:", "2: 5\n7:", "choices.yaml: expected the number of a notebook"),
        (NOTEBOOK, 'device = \\"auto\\"\\n', "", "parameters cell lacks device"),
        (NOTEBOOK, '\\"mlp 2x256\\"', '\\"mlp 3x256\\"', "did you mean 'mlp 2x256'"),
        (NOTEBOOK, "# Training a classifier", "# FILL IN", "2-training.ipynb still says"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(tree, file, old, new, complaint):
    path = tree / "papers" / "JEM" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) if file == "paper.yaml" else text.replace(old, new, 1))
    faults, _ = check_paper(tree, "JEM")
    assert faults
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError("\n".join(faults))


@pytest.mark.parametrize(
    "file", ["README.md", "choices.yaml", "tiers/laptop.yaml", "tiers/gpu.yaml", "tiers/paper.yaml"]
)
def test_a_file_that_is_missing_is_named(tree, file):
    (tree / "papers" / "JEM" / file).unlink()
    assert any(f"JEM/{file} is missing" in fault for fault in check_paper(tree, "JEM")[0])


def test_a_notebook_without_settings_is_named(tree):
    path = tree / "papers" / "JEM" / "tiers" / "gpu.yaml"
    text = path.read_text()
    path.write_text(text[: text.index("\n5:\n") + 1])
    assert any("5-robustness has no settings for tier 'gpu'" in fault for fault in check_paper(tree, "JEM")[0])


def test_a_notebook_without_a_claim_is_named(tree):
    path = tree / "papers" / "JEM" / "paper.yaml"
    path.write_text(path.read_text().replace("    notebook: 2\n", "    notebook: 3\n"))
    faults = check_paper(tree, "JEM")[0]
    assert any("no claim in paper.yaml is its" in fault for fault in faults)


def test_the_command_says_what_is_in_order_and_knows_its_papers(capsys):
    assert main(["check", "JEM"]) == 0
    notebooks = len(list((repository() / "papers" / "JEM").glob("[0-9]-*.ipynb")))
    assert capsys.readouterr().out == f"JEM: 18 claims, {notebooks} notebooks: in order\n"
    assert main(["check", "JEN"]) == 2
    assert "has no paper 'JEN'" in capsys.readouterr().err


def test_it_needs_no_torch():
    code = (
        "import sys; from lib.replication.__main__ import main; main(['check']); "
        "sys.exit(bool({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=repository(), check=False).returncode == 0
