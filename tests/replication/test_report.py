"""A paper's README: what stands in its table of claims."""

import json

from lib.replication.notebooks import find_notebook
from lib.replication.report import claims_table
from tests import tiny

MEASURED = {"status": "reproduced", "mean": 0.05, "low": 0.04, "high": 0.06, "margin": 0.01, "seeds": 3}


def laptop_column(tree, verdict):
    """The cell of the miniature's one claim for a run at `laptop` with this verdict."""
    result = {
        "paper": "JEM", "notebook": 1, "tier": "laptop", "exhibits": {}, "commit": "c", "values": {},
        "parameters": {"tier": "laptop", "seeds": 3, "dataset": "cifar10", "device": "cpu"},
        "claims": {"C1": {"rule": {}, "verdict": {"name": "C1", "unit": "points", **verdict}}},
        "cost": {"arms": []},
    }  # fmt: skip
    path = find_notebook(tree, "JEM", 1).path.parent / "recorded" / "laptop" / "1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return claims_table(tree, "JEM").splitlines()[2].split(" | ")[3].removesuffix(" |")


def test_a_claim_whose_parts_have_papers_numbers_of_their_own_shows_its_parts(tmp_path):
    tree = tiny.make_tree(tmp_path)
    parts = [
        {
            "name": f"C1/{name}",
            **MEASURED,
            "unit": "points",
            "paper": {"effect": effect, "unit": "points", "source": ""},
        }
        for name, effect in (("x", 1.0), ("y", 2.0))
    ]
    whole = "reproduced: 5.0 [4.0, 6.0] points, margin 1, 3 seeds"
    assert laptop_column(tree, MEASURED) == whole
    shown = laptop_column(tree, {**MEASURED, "parts": parts})
    assert shown == f"{whole}<br>x: 5.0 [4.0, 6.0] points; y: 5.0 [4.0, 6.0] points"
    stand_in = laptop_column(tree, {**MEASURED, "parts": parts, "stand_in": ["digits"]})
    assert stand_in == "reproduced (stand-in data)"
