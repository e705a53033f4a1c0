"""Tables, frames and judged quantities from runs written by hand."""

import torch

from lib.experiments.jem import training_summary as summary


def diverged(*steps: int, restarts: int = 0, past: int = 0) -> dict:
    found = [{"step": step, "back_to": 0, "cause": "drift", "line": step} for step in steps]
    trace = torch.tensor([[float(i), 2.0 * i, 0.5, 1.0] for i in range(12)], dtype=torch.float64)
    told = {"restarts that tell": restarts, "restarts that got past": past}
    return {"divergences": found, **told, "trace": trace, "steps": 12, "accuracy": 0.5}


def test_divergences_are_counted_per_seed():
    values = summary.divergence_values([diverged()] * 3, [diverged(3, 4, restarts=2, past=1), diverged(5), diverged()])
    assert values["diverged with the kit"] == [0.0, 0.0, 0.0]
    assert values["diverged without the kit"] == [1.0, 1.0, 0.0]
    assert values["restarts that tell"] == [2, 0, 0]
    assert values["share of restarts that got past"] == [0.5, 0.5, 0.5]  # one of two; nothing told


def test_the_log_of_divergences_has_a_row_for_each_trial():
    rows = summary.divergence_rows({"kit off: another seed": [diverged(3, restarts=1, past=1), diverged()]})
    assert rows["kit off: another seed"]["divergences"] == [1, 0]
    assert rows["kit off: another seed"]["of them got past"] == [1, 0]


def test_the_frame_keeps_every_marked_line():
    frame = summary.divergence_frame({"wild": [diverged(4, 10)]}, thin=5)
    assert frame["taken"].tolist() == [0, 4, 5, 10] and frame["mark"].tolist() == ["", "drift", "", "drift"]
    assert frame["gap"].tolist() == [-0.5, 7.5, 9.5, 19.5]


def test_frames_of_images_hold_their_bytes():
    mosaic = torch.arange(4 * 2 * 3, dtype=torch.uint8).reshape(4, 2, 1, 1, 3)
    frame = summary.mosaic_frame([{"mosaic": mosaic}])
    assert len(frame) == 8 and set(frame["shape"]) == {"1x1x3"} and frame["pixels"].iloc[0] == "000102"
    film = torch.zeros(4, 2, 1, 1, 3, dtype=torch.uint8)
    chains = summary.chain_frame([{"film": film, "log density": torch.arange(8.0).reshape(4, 2)}])
    assert chains["step"].tolist() == [0, 1, 2, 3] * 2 and chains["log density"].iloc[-1] == 7.0
