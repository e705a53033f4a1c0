"""The area under error against strength: by hand, against NumPy, and against the paper's own figure and table."""

import numpy as np
import pytest

from lib.metrics.area import mean_over_strengths
from lib.replication.paper_file import read_paper
from lib.roots import repository


def test_area_by_hand_and_against_numpy():
    assert mean_over_strengths([0.0, 0.4, 0.8], [0.1, 0.3, 0.5]) == pytest.approx(0.3)
    assert mean_over_strengths([0.4], [0.25]) == 0.25
    at, errors = np.array([0.0, 0.1, 0.5, 0.8]), np.array([0.05, 0.1, 0.3, 0.9])
    assert mean_over_strengths(at, errors) == pytest.approx(np.trapezoid(errors, at) / 0.8)
    with pytest.raises(ValueError, match="increasing"):
        mean_over_strengths([0.4, 0.0], [0.1, 0.2])


ROWS = {"no correction": "No correction", "forward": "Forward", "gold 5 %": "Gold loss correction, 5 % trusted"}


@pytest.mark.parametrize("data", ["CIFAR-10", "CIFAR-100"])
@pytest.mark.parametrize("start", ["scratch", "pre-trained"])
@pytest.mark.parametrize("method", ROWS)
def test_the_papers_curves_have_the_papers_areas(data: str, start: str, method: str):
    exhibits = read_paper(repository() / "papers" / "pretraining-robustness").exhibits
    curve = exhibits["figure-2"].values[f"{data}, {method}, {start}"]
    table = exhibits["table-1" if data == "CIFAR-10" else "table-1-cifar-100"].values[ROWS[method]]
    strengths = sorted(float(at) for at in curve)
    by_strength = {float(at): float(str(value)) / 100 for at, value in curve.items()}
    area = mean_over_strengths(strengths, [by_strength[at] for at in strengths])
    assert 100 * area == pytest.approx(float(str(table[start])), abs=0.06)
