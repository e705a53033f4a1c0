"""The arms of `1-energies`."""

from typing import Any

import pytest
import torch

from lib.experiments.jem import energies, energies_rows
from lib.methods import plane
from lib.methods.plane import Hills

CLASSIFIER: dict[str, Any] = {
    "dataset": "digits", "pooling": 1, "net": "mlp 2x256", "train_images": 100, "test_images": 50, "training_steps": 20,
    "shifts": [10.0, 1e7], "device": "cpu",
}  # fmt: skip
CHAINS: dict[str, Any] = {"step_size": 0.005, "chains": 400, "short_steps": 5, "sampled_steps": 30, "device": "cpu"}
LEARNING: dict[str, Any] = {"plane_images": 300, "learning_steps": 20, "device": "cpu"}


def test_the_seed_decides_the_numbers():
    first, again, other = (energies.sampled(seed, temperature=1.0, **CHAINS) for seed in (0, 0, 1))
    assert first == again != other
    first, again, other = (energies.shifted(seed, **CLASSIFIER) for seed in (0, 0, 1))
    assert first == again != other


def test_the_shift_is_seen_by_the_density_and_not_by_the_classifier():
    run = energies.shifted(0, **CLASSIFIER)
    assert run["worst"]["change of p(y|x)"] < 1e-6 and run["worst"]["change of log p(x) minus the shift"] < 1e-6
    assert run["effects"]["float64"]["10"]["p(y|x) same to the last bit"] == 1
    assert run["effects"]["float32"]["10,000,000"]["change of p(y|x)"] > 1e-3
    assert run["one logit shifted"] > 0.5 and run["spread of the shift"] > 1
    for name, curve in run["curve"].items():
        assert len(curve["size"]) == len(curve["change"]) == len(energies.SIZES), name


def test_shifts_have_either_sign_and_the_size_they_are_said_to_have():
    unit = energies.signed_units(2000, 3)
    assert unit.abs().min() >= 0.5 and unit.abs().max() < 1
    assert (unit > 0).double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_grid_finds_z_and_draws_do_not():
    errors = energies.quadrature(1, [10, 40])
    assert errors["40 x 40"]["grid"] < 1e-13 < 1e-4 < errors["40 x 40"]["draws"]


def test_the_control_reads_one_and_chains_read_what_they_have():
    drawn = energies.drawn(0, 3000, 30)
    assert drawn["temperature by curvature"] == pytest.approx(1, abs=0.1)
    assert drawn["temperature by energy"] == pytest.approx(1, abs=0.1)
    assert drawn["distance from p"] == drawn["distance from p at T"] < 0.1
    run = energies.sampled(0, temperature=0.0001, **CHAINS | {"sampled_steps": 150})
    assert run["temperature by curvature"] == pytest.approx(run["T of a hill"], rel=0.15)
    assert "distance from p at T" not in run, "no grid holds a density that narrow"
    assert run["distance from p"] > 0.4


def test_chains_are_looked_at_on_their_way():
    run = energies.sampled(0, temperature=1.0, **CHAINS)
    assert run["steps"] == [1, 2, 5, 10, 20, 30]
    assert run["distance on the way"][-1] == run["distance from p"]
    assert run["short"]["distance from p"] == run["distance on the way"][2]
    assert energies.looks(20, 2) == [1, 2] and energies.looks(7, 10) == [1, 2, 5, 7, 10]


def test_shares_of_one_pixel_by_hand():
    left = plane.images_at(torch.tensor([[-0.95, 0.0], [-0.95, 0.5], [0.05, 0.9], [1.5, 0.0]]))
    found = energies.line_shares(left)
    assert found[0] == pytest.approx(5.0) and found[10] == pytest.approx(2.5) and sum(found) == pytest.approx(7.5)
    wide = plane.grid(*energies.WIDE)
    exact = energies.exact_line_shares(energies.log_density(Hills().double()(wide.images)), wide)
    assert sum(exact) / 10 == pytest.approx(1, abs=2e-3)  # a little of the right hill lies outside


def test_a_density_that_is_asked_for_comes_about():
    run = energies.learned_by_cross_entropy(0, **LEARNING)
    assert run["farthest from what was asked for"] < 1e-6
    for name in ("a ring", "one bump", "the hills"):
        assert run["asked"][name]["change of p(y|x)"] < 1e-12
        assert run["asked"][name]["nats between p(x) after and before"] > 1
    same = run["asked"]["as it was, all logits 10 higher"]
    assert same["nats between p(x) after and before"] < 1e-12 and same["change of p(y|x)"] < 1e-12


def test_a_net_that_is_the_hills_loses_nothing():
    hills = Hills()
    found = energies.learnt(Hills(), hills, 0)
    assert found["nats lost"] < 1e-9 and found["fitted temperature"] == pytest.approx(1, abs=1e-3)
    assert found["accuracy"] > 0.98


def test_a_net_with_twice_the_energy_is_read_as_temperature_two():
    class Twice(Hills):
        def forward(self, images):  # LSE of twice the mixture's log density
            return 2 * super().forward(images).logsumexp(1, keepdim=True).expand(-1, 3)

    found = energies.learnt(Twice(), Hills(), 0)
    assert found["fitted temperature"] == pytest.approx(2, abs=1e-3)
    assert found["nats lost"] > 0.1 > 1e-6 > found["nats lost at the fitted temperature"]


def test_learning_from_matched_chains_beats_a_flat_density():
    run = energies.learned_jointly(0, step_size=0.005, temperature=1.0, sgld_steps=5, plane_images=500,
                                   learning_steps=150, device="cpu")  # fmt: skip
    assert run["nats lost"] < 1.2 and run["accuracy"] > 0.95 and run["divergences"] == 0


def test_what_the_view_shows():
    seen = energies.watched(0.005, 0.1, 10, chains=20)
    assert len(seen["path"]) == len(seen["mean log p(x)"]) == 11
    assert seen["temperature"] == pytest.approx(1)
    runaway = energies.watched(0.06, 0.1, 2000, chains=5)
    assert all(abs(z) <= 3.001 for point in runaway["path"] for z in point)


def test_maps_have_their_top_row_first():
    side = energies.BOX[1]
    values = torch.full((side * side,), -50.0)
    values[-side:] = 0.0  # the last row of a grid is the top one
    tile = energies_rows.averaged(values)
    assert tile["shape"] == f"1x{side // 2}x{side // 2}"
    picture = torch.tensor(list(bytes.fromhex(tile["pixels"]))).view(side // 2, side // 2)
    assert (picture[0] == 128).all() and (picture[1:] == 0).all()  # averaged with the row beneath
    classes = torch.nn.functional.one_hot(torch.zeros(side * side, dtype=torch.long), 3).float()
    assert energies_rows.averaged(classes)["shape"].startswith("3x")


def test_frames_hold_a_line_for_each_bin_and_map():
    run = energies.sampled(0, temperature=1.0, **CHAINS)
    frame = energies_rows.histogram_frame({"T = 1": [run]})
    assert list(frame.columns) == ["setting", "z", "density"] and len(frame) == 2 * energies.LINE_BINS
    net = energies.learned_by_cross_entropy(0, **LEARNING)
    assert energies_rows.maps_frame(energies_rows.maps_of_shifts(net))["name"].iloc[0].startswith("p(y|x)")
    assert len(energies_rows.maps_frame(energies_rows.maps_of_learning({"a": [net]}))) == 2
