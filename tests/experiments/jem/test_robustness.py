"""The arms of `5-robustness`, and what its rows, frames and rules are given."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lib.attacks.norms import Norm
from lib.experiments.jem import calibration_rows, training
from lib.experiments.jem import robustness as arms
from lib.experiments.jem import robustness_rows as derive
from lib.experiments.jem.subjects import Protocol
from lib.replication.notebooks import find_notebook
from lib.replication.paper_file import read_paper
from lib.replication.parameters import tier_parameters
from lib.roots import repository

PROTOCOL = {"net": "mlp 2x256", "steps": 60, "sgld_steps": 1, "buffer_size": 100}
TASK: dict[str, Any] = {"pooling": 1, "sizes": [200, 100, 100, 300], "protocol": PROTOCOL}
WHERE: dict[str, Any] = {"pooled_dataset": "digits", "task": TASK, "device": "cpu"}
RADIUS = arms.radii(0.1, 0.5)


@pytest.fixture(scope="module")
def net() -> dict[str, Any]:
    """A short-trained twin, which stands for every net."""
    return training.twin(0, compared="same steps", **WHERE)


@pytest.fixture(scope="module")
def attacked(net) -> dict[str, Any]:
    """What it withstands."""
    return arms.withstood(
        0,
        net=net,
        weights="weights",
        radius=RADIUS,
        steps=4,
        images=60,
        autoattack_images=10,
        autoattack_steps=10,
        **WHERE,
    )


@pytest.fixture(scope="module")
def behind(net) -> dict[str, Any]:
    """The same behind no step and one."""
    settings: dict[str, Any] = {"lengths": [0, 1, 10], "copies": 2, "steps": 3, "images": 20}
    return arms.refined(0, net=net, weights="weights", radius=RADIUS, **settings, **WHERE)


@pytest.fixture(scope="module")
def pushed(net) -> dict[str, Any]:
    """What its distal adversaries are."""
    of = dict.fromkeys(("joint", "same_steps", "adversarial", "judge"), net)
    return arms.distal(0, **of, per_class=2, push_steps=60, confidence=0.6, **WHERE)


def test_accuracy_falls_with_the_radius_and_autoattack_is_no_weaker(attacked):
    for norm in arms.NORMS:
        curve = attacked[norm]["accuracy"]
        assert curve == sorted(curve, reverse=True) and curve[0] <= attacked["clean"] and curve[-1] < curve[0]
        assert attacked[norm]["PGD"] == curve[arms.FACTORS.index(1.0)]
        adds, same = attacked[norm]["AutoAttack adds"], attacked[norm]["PGD, same images"]
        assert 0 <= adds <= same and attacked[norm]["AutoAttack"] >= same - adds - 1e-9


class Linear(nn.Module):
    """Two logits (s, 0) with s = sum of x - 1/2, so that the distance to the boundary is known."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        s = self.scale * (images.flatten(1).sum(1) - 0.5 * images[0].numel())
        return torch.stack([s, torch.zeros_like(s)], 1)


def test_a_net_whose_robustness_is_known():
    """Each of 4 pixels is m above 1/2: the boundary is m away in Linf and 2 m in L2."""
    margins = torch.tensor([0.02, 0.05, 0.15, -0.1])
    images = (0.5 + margins)[:, None, None, None].expand(4, 1, 2, 2).clone()
    on = arms.Target(Linear(), images, torch.zeros(4, dtype=torch.int64))
    radii: list[tuple[Norm, float]] = [("linf", 0.1), ("l2", 0.2)]
    for norm, eps in radii:
        for report in arms.under_pgd(on, eps, norm, 20, 0):
            assert report.robust.tolist() == [False, False, True, False]
            assert report.clean_accuracy == 0.75


def test_a_chain_that_helps_the_attack_is_not_saved_by_straight_through():
    """log p(x) = softplus(s): the chain moves every pixel up by the sigmoid, so all attacks see the same here."""
    images = torch.full((4, 1, 2, 2), 0.52)
    on = arms.Target(Linear(), images, torch.zeros(4, dtype=torch.int64))
    found = arms.after_refinement(on, Protocol("mlp 2x256", 1, sgld_step_size=0.4), 1, 0.05, 5, 2, 0)
    # a / 4 * sigmoid(.08) = .052 per pixel; .52 + .052 - .05 stays above 1/2
    assert found["worst"] == found["straight-through"] == 1.0
    plain = arms.after_refinement(on, Protocol("mlp 2x256", 1), 0, 0.05, 5, 2, 0)
    assert plain["worst"] == 0.0 and plain["clean"] == 1.0


def test_refinement_carries_its_flag_and_the_worst_counts(behind):
    assert list(behind) == ["k = 0", "k = 1", "k = 10"]
    for values in behind.values():
        assert values["worst"] <= min(values[name] for name in derive.ATTACKS)
    assert "gradients at test time" not in behind["k = 0"]["flags"]["straight-through"]
    for k in ("k = 1", "k = 10"):
        assert "gradients at test time" in behind[k]["flags"]["straight-through"]
    text = derive.refinement_flags({"digits": [behind]})
    assert len(text.splitlines()) == 9 and "1 of 1 seeds" in text


def test_the_nets_trained_here_are_nets_of_the_task(net):
    adversarial = arms.adversarial_net(0, eps=0.1, attack_steps=2, **WHERE)
    noisy = arms.strong_noise_net(0, **WHERE)
    for made in (adversarial, noisy):
        assert made["weights"].keys() == net["weights"].keys() and made["accuracy"] > 0.5
    settings: dict[str, Any] = {
        "radius": RADIUS,
        "steps": 5,
        "images": 100,
        "autoattack_images": 0,
        "autoattack_steps": 10,
    }
    plain, hard = (
        arms.withstood(0, net=each, weights="weights", **settings, **WHERE)["linf"]["PGD"]
        for each in (net, adversarial)
    )
    assert hard > plain


def test_distal_images_are_pushed_and_asked_about(pushed):
    for row in arms.DISTAL:
        values = pushed["rows"][row]
        assert values["got confident"] > 0.5 and values["distance moved"] > 0
        # the judge is the net itself, so it sees what was pushed towards
        assert values["judge agrees"] >= values["got confident"]
    assert pushed["rows"][arms.NOISE]["judge agrees"] <= 0.3
    frame = derive.distal_frame([pushed])
    assert len(frame) == len(arms.DISTAL) * arms.SHOWN_CLASSES


def test_every_quantity_of_the_rules_is_measured(attacked, behind, pushed):
    found = derive.derived({"digits": {row: [attacked] for row in arms.ROWS}}, {"digits": [behind]}, [pushed])
    claims = read_paper(repository() / "papers" / "JEM").claims
    for claim in ("C8", "C9", "C10", "C11"):
        rule = claims[claim]
        asked = {term for part in rule.parts for term in part.compared}
        asked |= {gate.quantity for gate in (*rule.gates, *(gate for part in rule.parts for gate in part.gates))}
        asked |= {control.take for control in rule.controls}
        assert {name if claim == "C11" else f"{name}/digits" for name in asked} <= found.keys()
    less = attacked["linf"]["PGD"] - attacked["linf"]["AutoAttack adds"]
    assert found["robust accuracy of JEM less what AutoAttack adds/digits"] == [less]
    assert found["robust accuracy at k=10/digits"] == [behind["k = 10"]["worst"]]


def test_rows_and_frames_hold_what_they_say(attacked, behind):
    measured = {"digits": {arms.JEM: [attacked], arms.LONG: [{**attacked, "linf": {**attacked["linf"]}}]}}
    table = derive.robust_rows(measured)
    assert table["digits: JEM"]["Linf, PGD"] == [attacked["linf"]["PGD"]]
    assert len(derive.radius_frame(measured)) == 2 * 2 * (1 + len(arms.FACTORS))
    assert derive.refinement_rows({"digits": [behind]})["digits: k = 1"]["worst"] == [behind["k = 1"]["worst"]]
    assert len(derive.refinement_frame({"digits": [behind]})) == 3 * len(derive.ATTACKS)
    assert "digits: JEM: " in derive.flags(measured)


def test_the_view_has_the_radius_and_the_steps_that_were_chosen(net):
    see: dict[str, Any] = {"nets": {"joint": net}, "radius": RADIUS, "row": arms.JEM, "count": 20}
    small, large = (arms.viewed(0, factor=factor, k=0, **see, **WHERE) for factor in (0.1, 3.0))
    assert small["robust"] > large["robust"] and large["eps"] == pytest.approx(0.3)
    assert large["pictures"].shape == (2, 8, 1, 8, 8) and len(large["withstood"]) == 8
    assert (large["pictures"][0].int() - large["pictures"][1].int()).abs().max() > 50


@pytest.mark.parametrize("tier", ["reduced", "laptop"])
def test_nets_that_other_pages_have_are_asked_for_in_their_words(tier):
    """The same arguments give the same key, so that no net is trained twice."""
    here, there = asked_for(5, tier), asked_for(3, tier)
    shared = {"digits": "digits, many labels"} if tier == "reduced" else {"cifar10": "cifar10", "mnist": "mnist"}
    assert {mine: here[mine] for mine in shared} == {mine: there[theirs] for mine, theirs in shared.items()}
    if tier == "laptop":
        assert here["cifar10, many labels"] == there["cifar10, many labels"]


def asked_for(number: int, tier: str) -> dict[str, Any]:
    """What a page of JEM makes of its parameters at a tier: the settings of its nets."""
    page = find_notebook(repository(), "JEM", number)
    made: dict[str, Any] = {"training": training, "derived": calibration_rows, "calibration_rows": calibration_rows}
    made |= {"experiment": SimpleNamespace(device="cpu"), **tier_parameters(page, tier)}
    (cell,) = ["".join(c["source"]) for c in page.cells if "\nsettings = {" in "".join(c["source"])]
    exec(cell, made)
    return made["settings"]
