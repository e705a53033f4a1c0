"""Tables, frames and judged quantities from runs written by hand."""

import pytest
import torch

from lib.experiments.jem import training_rows as derived
from lib.replication.paper_file import read_paper
from lib.replication.rows import per_seed, quantities
from lib.roots import repository


def diverged(*steps: int, restarts: int = 0, past: int = 0) -> dict:
    found = [{"step": step, "back_to": 0, "cause": "drift", "line": step} for step in steps]
    trace = torch.tensor([[float(i), 2.0 * i, 0.5, 1.0] for i in range(12)], dtype=torch.float64)
    told = {"restarts that tell": restarts, "restarts that got past": past}
    return {"divergences": found, **told, "trace": trace, "steps": 12, "accuracy": 0.5}


def test_divergences_are_counted_per_seed():
    values = derived.divergence_values([diverged()] * 3, [diverged(3, 4, restarts=2, past=1), diverged(5), diverged()])
    assert values["diverged with the kit"] == [0.0, 0.0, 0.0]
    assert values["diverged without the kit"] == [1.0, 1.0, 0.0]
    assert values["restarts that tell"] == [2, 0, 0]
    assert values["share of restarts that got past"] == [0.5, 0.5, 0.5]  # one of two; nothing told


def test_the_log_of_divergences_has_a_row_for_each_trial():
    rows = derived.divergence_rows({"kit off: another seed": [diverged(3, restarts=1, past=1), diverged()]})
    assert rows["kit off: another seed"]["divergences"] == [1, 0]
    assert rows["kit off: another seed"]["of them got past"] == [1, 0]


def test_the_frame_keeps_every_marked_line():
    frame = derived.divergence_frame({"wild": [diverged(4, 10)]}, thin=5)
    assert frame["taken"].tolist() == [0, 4, 5, 10] and frame["mark"].tolist() == ["", "drift", "", "drift"]
    assert frame["gap"].tolist() == [-0.5, 7.5, 9.5, 19.5]


def test_frames_of_images_hold_their_bytes():
    mosaic = torch.arange(4 * 2 * 3, dtype=torch.uint8).reshape(4, 2, 1, 1, 3)
    frame = derived.mosaic_frame([{"mosaic": mosaic}])
    assert len(frame) == 8 and set(frame["shape"]) == {"1x1x3"} and frame["pixels"].iloc[0] == "000102"
    film = torch.zeros(4, 2, 1, 1, 3, dtype=torch.uint8)
    chains = derived.chain_frame([{"film": film, "log density": torch.arange(8.0).reshape(4, 2)}])
    assert chains["step"].tolist() == [0, 1, 2, 3] * 2 and chains["log density"].iloc[-1] == 7.0


def run(accuracy, gained=0.0, fitted=0.0):
    early = {"accuracy": accuracy - 0.01}
    return {"accuracy": accuracy, "accuracy with noise": 0.0, "gain of the last quarter": gained, "early": early,
            "constants fitted": fitted}  # fmt: skip


def test_what_is_judged_is_taken_from_the_arm_that_its_name_says():
    arms = {
        "joint": [run(0.9, 0.02)], "conditional": [run(0.4, 0.03, fitted=0.8)], "conditional by place": [run(0.1)],
        "same steps": [run(0.85, 0.01)], "same passes": [run(0.86)], "same data noise": [run(0.87)],
    }  # fmt: skip
    recognised = {"JEM, fresh chains": 0.7, "uniform noise": 0.1, "classifier alone, fresh chains": 0.3}
    quality = [{"quality": {name: {"judge agrees": share} for name, share in recognised.items()}}]
    cost = [{"K = 5": {"seconds over a classifier's": 5.2, "passes over a classifier's": 16 / 3}}]
    trial = [{"divergences": [], "restarts that tell": 0, "restarts that got past": 0}]
    trials = {derived.KIT_ON: trial, derived.KIT_OFF: trial}
    paths = read_paper(repository() / "papers" / "JEM").measured[2]
    read = quantities(arms | {"chains": quality, "step": per_seed(cost, "K = 5")}, paths)
    values = read | derived.derived({"mnist": arms}, trials)
    assert values["accuracy of JEM"] == values["accuracy of JEM/mnist"] == [0.9]
    assert values["accuracy of p(x|y) alone"] == [0.4], "with chains of the labels, not of their places"
    assert values["accuracy of p(x|y) alone with its constants fitted"] == [0.8]
    assert values["gain of JEM in its last quarter/mnist"] == values["gain of JEM in its last quarter"] == [0.02]
    assert values["gain of p(x|y) alone in its last quarter"] == [0.03]
    assert values["gain of the twin in its last quarter/mnist"] == [0.01]
    assert values["accuracy of the twin/mnist"] == [0.85]
    assert values["accuracy of the twin with the same passes/mnist"] == [0.86]
    assert values["accuracy of the twin with the data noise/mnist"] == [0.87]
    assert values["accuracy of the twin stopped early/mnist"] == pytest.approx([0.84])
    assert values["accuracy of the twin with the same passes, stopped early/mnist"] == pytest.approx([0.85])
    assert values["lowest accuracy of a twin"] == [0.85]
    assert values["share recognised of fresh chains"] == [0.7]
    assert values["share recognised of uniform noise"] == [0.1]
    assert values["share recognised of chains of the twin"] == [0.3]
    assert values["seconds of a JEM step over a classifier's"] == [5.2]
    assert values["passes of a JEM step over a classifier's"] == [16 / 3]
