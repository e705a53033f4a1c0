import numpy as np
import pytest
import torch

from lib.experiments.confidence_calibrated_ood import confidence_loss_summary as summary
from lib.experiments.confidence_calibrated_ood.confidence_loss import TRAININGS
from lib.metrics.detection import auroc
from lib.replication.claims import read_paper
from lib.replication.verdicts import NOT_TESTABLE, judge
from lib.roots import repository

SETS = ["test", "validation", "test, batch statistics", "broad/cifar100", "narrow/svhn-sample"]
SETS += ["near/tiny-imagenet-pretrain", "far/mnist", "noise/gaussian", "noise/uniform"]


def run(seed, sure=4.0, far=True):
    """Logits that are sure of the right class inside, and of nothing much outside."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (200,), generator=generator)
    logits = {}
    for name in SETS:
        noise = torch.randn(200, 3, generator=generator)
        inside = not name.partition("/")[2]
        logits[name] = noise + (sure * torch.nn.functional.one_hot(labels, 3) if inside else 0)
    if not far:
        del logits["far/mnist"]
    return {"logits": logits, "labels": {"test": labels, "validation": labels}, "cpu seconds": 1.0}


@pytest.fixture
def nets():
    return {training: [run(10 * i + seed) for seed in range(3)] for i, training in enumerate(TRAININGS)}


def test_a_metric_is_a_mean_over_the_sets_of_a_role(nets):
    runs = nets["CE"]
    both = summary.per_seed(runs, auroc, "noise/")
    each = [summary.per_seed(runs, auroc, name) for name in ("noise/gaussian", "noise/uniform")]
    np.testing.assert_allclose(both, np.mean(each, axis=0))
    expected = auroc(
        summary.softmax_score(runs[0]["logits"]["test"]), summary.softmax_score(runs[0]["logits"]["far/mnist"])
    )
    assert summary.per_seed(runs, auroc, "far/")[0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="no tested set"):
        summary.per_seed(runs, auroc, "elsewhere/")


def test_seen_and_unseen_never_share_a_column(nets):
    rows = summary.by_role(nets)
    assert list(rows["CE"]) == [
        *("unseen: CIFAR-100", "unseen: TinyImageNet", "unseen: SVHN", "unseen: coloured MNIST"),
        "unseen: Gaussian noise, uniform noise",
    ]
    for training, kind in {"KL broad": "CIFAR-100", "KL narrow": "SVHN", "KL noise": "Gaussian noise"}.items():
        assert f"seen: {kind}" in rows[training]
        assert not any(kind in column for column in rows[training] if column.startswith("unseen"))
    frame = summary.set_frame(nets)
    assert set(frame[frame["seen"]]["set"]) == {"CIFAR-100", "SVHN", "Gaussian noise"}
    assert not frame[frame["training"].isin(["CE", "CEx"])]["seen"].any()


def test_rows_of_table_1_stand_beside_the_papers(nets):
    rows = summary.table_1(nets, "cifar10")
    papers = read_paper(repository() / "papers" / "confidence-calibrated-OOD").exhibits["table-1"].values
    for row in ("CIFAR-10 in", "CIFAR-10 in, SVHN (seen)", "CIFAR-10 in, TinyImageNet", "CIFAR-10 in, Gaussian noise"):
        assert rows[row].keys() <= papers[row].keys(), row


def test_calibration_is_repaired_by_a_temperature_and_accuracy_kept(nets):
    too_sure = run(0, sure=2.0)
    too_sure["logits"] = {name: 4 * logits for name, logits in too_sure["logits"].items()}
    row = summary.price({name: [too_sure] for name in nets})["CE"]
    assert row["confidence - accuracy"][0] > 0.03 and row["T"][0] > 1.5
    assert row["NLL after T"][0] < row["NLL"][0] and row["ECE after T"][0] < row["ECE"][0]
    assert row["accuracy"] == summary.test_accuracy([run(0, sure=2.0)])


def test_the_sweep_falls_below_the_exact_auroc_where_confidence_saturates(nets):
    rows = summary.evaluators(nets["CE"], factors=(1, 64))
    np.testing.assert_allclose(rows["logits x 1"]["AUROC, 2018"], rows["logits x 1"]["AUROC, exact"], atol=0.01)
    fallen = np.subtract(rows["logits x 64"]["AUROC, exact"], rows["logits x 64"]["AUROC, 2018"])
    assert (fallen > 0.1).all()


def test_histograms_and_roc_are_shares(nets):
    frame = summary.confidence_frame(nets)
    np.testing.assert_allclose(frame.groupby(["training", "set"])["share"].sum(), 1)
    curves = summary.roc_frame(nets)
    assert (curves.groupby("training")["TPR"].max() == 1).all() and (curves["TPR"] >= 0).all()


@pytest.mark.parametrize(("svhn_in", "far"), [(False, True), (True, True), (False, False)])
def test_every_rule_of_the_notebook_finds_its_quantities(svhn_in, far):
    nets = {name: [run(seed, sure=40.0, far=far) for seed in range(3)] for name in TRAININGS}  # all gates open
    svhn = {name: nets[name] for name in ("CE", "CEx", "KL broad")} if svhn_in else {}
    values = summary.confidence_values(nets, svhn)
    paper = read_paper(repository() / "papers" / "confidence-calibrated-OOD")
    claims = [claim for claim in paper.claims.values() if claim.notebook == 2]
    verdicts = {claim.id: judge(claim, values, {"cifar10", *(["svhn"] if svhn_in else [])}) for claim in claims}
    untestable = {name for name, verdict in verdicts.items() if verdict.status == NOT_TESTABLE}
    assert list(verdicts) == ["C1", "C1b", "C3", "C3b", "C4", "C4b", "C4c", "C5", "C6"]
    assert untestable == (set() if svhn_in else {"C3", "C3b"}) | (set() if far else {"C4b"})
    assert far or "far sets beside the seen one is 0" in verdicts["C4b"].reason
