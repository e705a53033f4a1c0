"""The model card says of each kept net what the record says, and a card that says something else is found."""

import json

import pytest

from lib.replication import cards, report
from lib.roots import repository
from tests import tiny
from tests.models.kept_nets import write

DEVIATIONS = """
deviations:
  network:
    {piece: net, paper: Large, code: Large, follows: otherwise, ours: A small net, why: w, notebook: 2, source: s}
  data:
    {piece: data, paper: Ten, code: Ten, follows: paper, ours: As the paper, why: w, notebook: 2, source: s}
"""


@pytest.fixture
def tree(tmp_path):
    """One paper with notebook 2, whose record at `laptop` keeps nets."""
    folder = tmp_path / "papers" / "JEM"
    folder.mkdir(parents=True)
    (folder / "paper.yaml").write_text(tiny.PAPER)
    tiny.write_notebook(tmp_path, 2, extra="experiment.keep({}, fresh)")
    write(folder / "recorded" / "laptop" / "2.json")
    (folder / "recorded" / "reduced").mkdir()
    (folder / "recorded" / "reduced" / "2.json").write_text(json.dumps({"values": {}}))
    return tmp_path


def card(tree) -> str:
    return cards.model_card(tree, "JEM")


def edit(tree, **changes):
    path = tree / "papers" / "JEM" / "recorded" / "laptop" / "2.json"
    told = json.loads(path.read_text())
    told["nets"] |= changes
    for name, values in changes.pop("of", {}).items():
        told["nets"]["kept"][name] |= values
    path.write_text(json.dumps(told))


def test_a_card_lists_the_nets_with_architecture_data_accuracy_and_how_to_load_them(tree):
    text = card(tree)
    assert "## [2-tiny](2-tiny.ipynb), recorded at `laptop`" in text
    assert 'models.recorded("JEM/2", "jem, mnist", seed=0)\n# in eval mode: images (N, 1, 14, 14) in [0, 1]' in text
    line = "| **jem, mnist** | 1,000 images | 1 x 14 x 14, 10 classes | 1,234 | 90.0 %, 90.0 %; 500 test images |"
    assert line in text and text.index(line) < text.index("| **classifier, mnist** |"), "in the order of the page"
    assert "`norm_free_cnn(num_classes=10, widths=[4, 6], in_channels=1, activation='silu', mean=0.5, std=0.5)`" in text
    assert "`lib.experiments.jem.training.twin`" in text
    assert "Kept are seeds 0, 1 of 3, in float32: they answer bit for bit as they did." in text
    assert "## What they are for" in text and "not for use on anything else" in text


def test_float16_what_was_left_out_and_what_was_measured_are_said(tree):
    of = {
        "jem, mnist": {"measured": {"robust": [0.4, 0.5, 0.6]}, "largest change of a logit": 0.0123},
        "classifier, mnist": {"largest change of a logit": 0.001},
    }
    edit(tree, precision="float16", **{"left out": ["judge"]}, of=of)
    text = card(tree)
    assert "filters and matrices in float16, which moves a logit by at most 0.0123." in text
    assert "There was no room for judge." in text
    assert "| accuracy, seeds 0, 1 | robust |" in text
    assert "| 50 ± 17 % |" in text and "| – |" in text


def test_a_net_that_does_not_follow_the_paper_says_how_it_differs(tree):
    (tree / "papers" / "JEM" / "paper.yaml").write_text(tiny.PAPER + DEVIATIONS)
    text = card(tree)
    assert "- *network*: A small net" in text and "As the paper" not in text


def test_a_paper_without_kept_nets_has_a_card_that_says_so(tree):
    (tree / "papers" / "JEM" / "recorded" / "laptop" / "2.json").write_text(json.dumps({"values": {}}))
    assert "No recorded run has kept a net" in card(tree) and "run JEM`" in card(tree)
    tiny.write_notebook(tree, 2)
    assert "No net of this paper is kept" in card(tree)


def test_a_missing_and_an_edited_card_are_stale_until_it_is_written(tree):
    page = tree / "papers" / "JEM" / "MODELS.md"
    (tree / "README.md").write_text(
        "".join(
            f"<!-- generated: {p} -->\n\n<!-- end of generated: {p} -->\n" for p in ("scoreboard", "false reproduced")
        )
    )
    report.write_readmes(tree)
    assert page.read_text() == card(tree) and report.stale(tree) == []
    page.write_text(card(tree).replace("90.0 %", "91.0 %"))
    assert report.stale(tree) == [page]
    page.unlink()
    assert report.stale(tree) == [page]


def test_every_paper_of_the_repository_has_its_card():
    assert all(path.exists() for path in cards.model_cards(repository()))
