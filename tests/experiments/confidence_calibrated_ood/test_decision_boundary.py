"""The arms of `1-decision-boundary`: data, outliers, regions and shares by hand; what must not matter does not."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from lib.experiments.confidence_calibrated_ood import decision_boundary as arms
from lib.experiments.confidence_calibrated_ood import decision_boundary_rows as frames
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.replication.verdicts import judge
from lib.roots import repository
from lib.training.history import History

NET: dict[str, Any] = {"data_points": 80, "hidden_units": 8, "device": "cpu"}
TRAINED: dict[str, Any] = NET | {"outlier_points": 30, "learning_rate": 0.01, "train_steps": 16}
GAME: dict[str, Any] = NET | {"gan_width": 8, "gan_rate": 0.002, "gan_steps": 16}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


class Slope(nn.Module):
    """Logits (0, x or y): sure, above 0.9, where that coordinate is further from 0 than log 9."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def forward(self, points):
        value = points[:, self.axis]
        return torch.stack([torch.zeros_like(value), value], dim=1)


def test_distance_is_to_the_nearer_mean():
    points = torch.tensor([[-5.0, 0.0], [5.0, 2.0], [0.0, 0.0], [9.0, 3.0]])
    torch.testing.assert_close(arms.distance(points), torch.tensor([0.0, 2.0, 5.0, 5.0]))


def test_two_classes_of_unit_spread():
    points, labels = arms.two_gaussians(20_000, random())
    for label, mean in enumerate(arms.MEANS):
        own = points[labels == label]
        assert len(own) == 10_000
        torch.testing.assert_close(own.mean(0), mean, atol=0.05, rtol=0)
        torch.testing.assert_close(own.std(0), torch.ones(2), atol=0.05, rtol=0)


@pytest.mark.parametrize("half_width", [10.0, 50.0])
def test_outliers_fill_their_box_and_spare_the_data(half_width):
    outliers = arms.box_outliers(2000, half_width, random())
    assert outliers.shape == (2000, 2)
    assert (arms.distance(outliers) > 3.5).all() and outliers.abs().max() <= half_width
    assert outliers.abs().amax(0).min() > 0.95 * half_width
    assert outliers.mean(0).abs().max() < 0.06 * half_width


def test_a_box_on_the_data_is_refused():
    with pytest.raises(ValueError, match=r"take more than 3\.5"):
        arms.box_outliers(10, 3.0, random())


def test_area_of_the_near_ring():
    """Two discs of radius 8 at a distance of 10, less their overlap and less two discs of radius 3.5."""
    overlap = 2 * 8**2 * math.acos(5 / 8) - 5 * math.sqrt(4 * 8**2 - 10**2)
    area = 2 * math.pi * 8**2 - overlap - 2 * math.pi * 3.5**2
    spacing = 32 / 128
    assert len(arms.regions()["near ring"]) * spacing**2 == pytest.approx(area, rel=0.01)
    assert area == pytest.approx(270, rel=0.02)  # as the page says


def test_regions_lie_where_they_are_said_to():
    regions = arms.regions()
    away = {name: arms.distance(points) for name, points in regions.items()}
    assert all(distances.min() > 3.5 for distances in away.values())
    assert away["near ring"].max() < 8
    assert regions["whole box"].abs().max() == 50 and len(regions["whole box"]) > 10_000
    assert regions["far box"].abs().amax(1).min() > 50 and regions["far box"].abs().max() == 500


def test_share_of_sure_places_by_hand():
    points = torch.tensor([[0.0, 2.1], [0.0, 2.3], [0.0, -2.3], [9.0, 0.0]])  # log 9 = 2.197
    assert arms.sure(Slope(1), points) == 0.5
    assert arms.sure(Slope(0), points) == 0.25


def test_the_whole_box_of_a_straight_boundary():
    """Sure but for a strip of half width log 9, in which lie 5 of the 101 columns of the grid."""
    assert arms.confident_outside(Slope(0))["whole box"] == pytest.approx(96 / 101, abs=0.002)


def test_a_picture_has_its_first_row_below():
    picture = arms.picture(Slope(1), 15)
    assert picture.shape == (61, 61) and picture.dtype == torch.uint8
    assert (picture[0] == 0).all() and (picture[30] == 128).all() and (picture[-1] == 255).all()


@pytest.mark.parametrize("radius", [3.5, 5.0, 40.0])
def test_a_circle_has_its_distance(radius):
    points = arms.circle(radius)
    assert len(points) > 300
    torch.testing.assert_close(arms.distance(points), torch.full((len(points),), radius), atol=2e-3, rtol=0)


def test_what_was_measured_last_before_a_step():
    assert arms.at([10, 20, 30], [1.0, 2.0, 3.0], 25) == 2.0
    assert arms.at([10, 20, 30], [1.0, 2.0, 3.0], 20) == 2.0
    assert arms.at([10, 20, 30], [1.0, 2.0, 3.0], 5) == 1.0


def test_where_samples_lie_by_hand():
    left, right = [-5.0, 1.0], [5.0, 0.0]
    made = torch.tensor([left, left, left, left, left, [-5.0, 3.0], [-5.0, -4.0], right, [5.0, 2.5], [0.0, 30.0]])
    found = arms.where(made)
    assert found["core"] == pytest.approx(0.6) and found["border"] == pytest.approx(0.3)
    assert found["beyond"] == pytest.approx(0.1) and found["on or at the border"] == pytest.approx(0.9)
    assert found["rarer mode"] == pytest.approx(0.2) and found["both modes"] == 1
    assert found["outer border"] == 0  # straight above and below a mean is not beyond it
    assert arms.where(torch.tensor([[8.0, 0.0], [2.0, 0.0], [-7.0, 3.0], [5.0, 0.5]]))["outer border"] == pytest.approx(
        2 / 3
    )
    assert arms.where(torch.tensor([left] * 19 + [right]))["both modes"] == 0


def test_the_data_themselves_have_13_5_per_cent_at_the_border():
    found = arms.data(0)["where"]
    assert found["outer border"] == pytest.approx(0.5, abs=0.1)
    assert found["border"] == pytest.approx(math.exp(-2), abs=0.03)  # P(r > 2) of a Gaussian in the plane
    assert found["rarer mode"] == pytest.approx(0.5, abs=1e-3) and found["beyond"] < 0.002


def test_the_seed_decides_the_numbers():
    first, again, other = (
        arms.surface(seed, half_width=20.0, beta=1.0, **TRAINED)["by distance"]["confident"] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_without_beta_the_outliers_do_not_matter():
    near, far = (arms.surface(0, half_width=width, beta=0.0, **TRAINED)["weights"] for width in (20.0, 50.0))
    assert all(torch.equal(near[name], far[name]) for name in near)
    taught = arms.surface(0, half_width=20.0, beta=1.0, **TRAINED)["weights"]
    assert not all(torch.equal(near[name], taught[name]) for name in near)


def test_the_fall_is_from_three_quarters_to_the_end():
    found = arms.surface(0, half_width=20.0, beta=1.0, **TRAINED)
    assert found["curve"]["step"] == list(range(2, 17, 2))
    ring = found["curve"]["near ring"]
    assert found["fall"]["near ring"] == ring[5] - ring[7]  # step 12 and step 16
    assert ring[7] == found["confident"]["near ring"]


def test_in_a_plain_gan_the_classifier_has_no_say():
    nets = [arms.surface(0, half_width=20.0, beta=beta, **TRAINED) for beta in (0.0, 1.0)]
    plain = [arms.samples(0, net=net, beta=0.0, pull_away=0.0, **GAME)["samples"] for net in nets]
    assert torch.equal(*plain)
    drawn = [arms.samples(0, net=net, beta=1.0, pull_away=0.0, **GAME)["samples"] for net in nets]
    assert not torch.equal(*drawn)


def test_shares_are_means_over_the_second_half_of_the_game():
    net = arms.surface(0, half_width=20.0, beta=1.0, **TRAINED)
    found = arms.samples(0, net=net, beta=1.0, pull_away=1.0, **GAME)
    steps, border = found["game"]["step"], found["game"]["border"]
    assert steps == list(range(1, 17))
    assert found["where"]["border"] == pytest.approx(sum(border[8:]) / 8)


def test_all_three_in_turn_measures_both():
    found = arms.joint(0, beta=1.0, learning_rate=0.01, **GAME)
    assert {"confident", "where", "pictures", "samples"} <= set(found)
    assert found["curve"].keys() == {"step", "near ring", "whole box"}


def small_runs():
    """What the arms return at their smallest, under the names of the page."""
    boxes = {"large box": 50.0, "small box": 20.0}
    runs: dict[str, Any] = {
        name: [arms.surface(seed, half_width=width, beta=1.0, **TRAINED) for seed in range(3)]
        for name, width in boxes.items()
    }
    small = enumerate(runs["small box"])
    runs["plain GAN"] = [arms.samples(seed, net=net, beta=0.0, pull_away=0.0, **GAME) for seed, net in small]
    runs["KL term, beta 1"] = runs["plain GAN"]
    runs["data"] = [arms.data(seed) for seed in range(3)]
    return runs


def test_rules_find_what_they_compare():
    paper = read_paper(repository() / "papers" / "confidence-calibrated-OOD")
    runs = small_runs()
    for name, ring in (("large box", 0.6), ("small box", 0.2)):
        for seed, run in enumerate(runs[name]):
            run["confident"] |= {"near ring": ring + seed / 100, "whole box": 0.03, "on the data": 1.0}
            run["fall"] = {"near ring": 0.0, "whole box": 0.01}
    for name, border in (("plain GAN", 0.2), ("KL term, beta 1", 0.6), ("data", 0.135)):
        runs[name] = [
            {"where": {"border": border + seed / 100, "on or at the border": 0.95, "rarer mode": 0.45 + seed / 100}}
            for seed in range(3)
        ]
    values = quantities(runs, paper.measured[1])
    of_ring = values["confident share after outliers from the large box/near ring"]
    assert of_ring == pytest.approx([0.6, 0.61, 0.62])
    verdicts = {claim.id: judge(claim, values, set()) for claim in paper.claims.values() if claim.notebook == 1}
    assert {name: verdict.status for name, verdict in verdicts.items()} == dict.fromkeys(verdicts, "reproduced")
    assert set(verdicts) == {"C2", "C7", "C7b"}
    assert [part.status for part in verdicts["C2"].parts] == ["reproduced", "not reproduced"]

    values["data at the border"] = [0.9] * 3  # no gain over the data: right against the plain GAN alone
    assert judge(paper.claims["C7"], values, set()).status == "partly"
    values["confident share on the data after outliers from the small box"] = [0.5] * 3
    assert judge(paper.claims["C2"], values, set()).status == "not testable at this tier"


def test_a_training_is_looked_at_to_its_end():
    history = History.of(30, torch.device("cpu"))
    look = arms.looking(30, 8, lambda net: {"a": 1.0})
    for step in range(1, 31):
        look(SimpleNamespace(model=nn.Identity(), step=step, history=history))
    assert [step for step, _ in history.values["a"]] == [4, 8, 11, 15, 19, 22, 26, 30]


def test_frames_hold_pictures_and_points():
    run = arms.surface(0, half_width=20.0, beta=1.0, **TRAINED)
    frame = frames.surface_frame({"small box": [run]}, [15, 50])
    assert dict(frame["kind"].value_counts()) == {"surface": 122, "data": 80, "outlier": 30}
    line = frame[(frame["view"] == 50) & (frame["line"] == 60)]["pixels"].item()
    assert list(bytes.fromhex(line)) == run["pictures"]["50"][60].tolist()

    shown = frames.samples_frame({"data": [arms.data(seed) for seed in range(4)]})
    assert len(shown) == 3 * 150 and list(shown.columns) == ["generator", "seed", "x", "y"]
