"""The paper's effects follow from the tables they name, and every claim of the paper has a rule."""

import pytest

from lib.replication.paper_file import read_paper
from lib.roots import repository

PAPER = read_paper(repository() / "papers" / "JEM")


def test_every_claim_is_there():
    assert {f"C{number}" for number in range(1, 16)} | {"C1b", "C4b", "C14b"} == set(PAPER.claims)


def test_effects_follow_from_the_tables_they_name():
    table, samples = PAPER.exhibits["table-1"].values, PAPER.exhibits["table-1-samples"].values
    calibration = PAPER.exhibits["calibration"].values
    accuracy = {name: float(str(row["accuracy"])) for name, row in table.items()}
    jem = accuracy["cifar10: JEM"]
    expected = {
        "C1": jem - accuracy["cifar10: classifier alone, same steps"],
        "C3": jem - accuracy["cifar10: p(x|y) alone"],
        "C4": float(str(calibration["cifar100: classifier alone, same steps"]["calibration error"]))
        - float(str(calibration["cifar100: JEM"]["calibration error"])),
    }
    for name, effect in expected.items():
        found = [part.paper.effect for part in PAPER.claims[name].parts if part.paper is not None]
        assert found == pytest.approx([effect]), name
    scores = {part.name: part.paper.effect for part in PAPER.claims["C2"].parts if part.paper is not None}
    assert scores["inception score"] == pytest.approx(
        float(str(samples["JEM"]["IS"])) - float(str(samples["SNGAN"]["IS"]))
    )
    distance = float(str(samples["JEM"]["FID"])) - float(str(samples["IGEBM"]["FID"]))
    assert scores["frechet inception distance"] == pytest.approx(distance)


def test_numbers_from_memory_feed_no_rule():
    for name in ("C1b", "C5", "C6", "C7", "C10"):
        assert all(part.paper is None or not part.paper.counts for part in PAPER.claims[name].parts), name
