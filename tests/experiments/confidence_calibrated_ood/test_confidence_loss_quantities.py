import pytest

from lib.experiments.confidence_calibrated_ood.confidence_loss import TRAININGS
from lib.experiments.confidence_calibrated_ood.confidence_loss_rows import TWO_LENGTHS, derived, detected, tnr95
from lib.replication.paper_file import read_paper
from lib.replication.verdicts import NOT_TESTABLE, judge
from lib.roots import repository
from tests.experiments.confidence_calibrated_ood.logits import run


@pytest.mark.parametrize(("svhn_in", "far"), [(False, True), (True, True), (False, False)])
def test_every_rule_of_the_notebook_finds_its_quantities(svhn_in, far):
    nets = {name: [run(seed, sure=40.0, far=far) for seed in range(3)] for name in TRAININGS}  # all gates open
    svhn = {name: nets[name] for name in ("CE", "CEx", "KL broad")} if svhn_in else {}
    values = derived(nets, {name: nets[name] for name in TWO_LENGTHS}, svhn)
    paper = read_paper(repository() / "papers" / "confidence-calibrated-OOD")
    claims = [claim for claim in paper.claims.values() if claim.notebook == 2]
    verdicts = {claim.id: judge(claim, values, {"cifar10", *(["svhn"] if svhn_in else [])}) for claim in claims}
    untestable = {name for name, verdict in verdicts.items() if verdict.status == NOT_TESTABLE}
    assert list(verdicts) == ["C1", "C1b", "C3", "C3b", "C4", "C4b", "C4c", "C5", "C6"]
    assert untestable == (set() if svhn_in else {"C3", "C3b"}) | (set() if far else {"C4b"})
    assert far or "far sets beside the seen one is 0" in verdicts["C4b"].reason


def test_what_is_accepted_is_what_is_not_rejected():
    nets = {name: [run(10 * i + seed) for seed in range(3)] for i, name in enumerate(TRAININGS)}
    values = derived(nets, {}, {})
    rejected = detected(nets["CEx"], tnr95, "narrow/", "far/")
    assert values["pictures accepted by CEx/far"] == [1 - share for share in rejected]
    assert values["far TNR95 with CEx"] == detected(nets["CEx"], tnr95, "far/")  # without the set that may be seen


def test_what_the_last_quarter_brought_is_the_accuracy_over_that_of_three_quarters_of_the_steps():
    nets = {name: [run(seed) for seed in range(3)] for name in TRAININGS}
    shorter = {"CE": [{**found, "labels": {"test": found["logits"]["test"].argmin(1)}} for found in nets["CE"]]}
    values = derived(nets, shorter, {})
    right = [(r["logits"]["test"].argmax(1) == r["labels"]["test"]).double().mean().item() for r in nets["CE"]]
    assert values["gain of CE in its last quarter"] == pytest.approx(right) and min(right) > 0
