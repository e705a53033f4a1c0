import numpy as np
import pytest

from lib.experiments.confidence_calibrated_ood import confidence_loss_rows as derive
from lib.experiments.confidence_calibrated_ood.confidence_loss import TRAININGS
from lib.metrics.detection import auroc
from lib.replication.paper_file import read_paper
from lib.roots import repository
from tests.experiments.confidence_calibrated_ood.logits import run


@pytest.fixture
def nets():
    return {training: [run(10 * i + seed) for seed in range(3)] for i, training in enumerate(TRAININGS)}


def test_a_metric_is_a_mean_over_the_sets_of_a_role(nets):
    runs = nets["CE"]
    both = derive.detected(runs, auroc, "noise/")
    each = [derive.detected(runs, auroc, name) for name in ("noise/gaussian", "noise/uniform")]
    np.testing.assert_allclose(both, np.mean(each, axis=0))
    expected = auroc(
        derive.softmax_score(runs[0]["logits"]["test"]), derive.softmax_score(runs[0]["logits"]["far/mnist"])
    )
    assert derive.detected(runs, auroc, "far/")[0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="no tested set"):
        derive.detected(runs, auroc, "elsewhere/")


def test_seen_and_unseen_never_share_a_column(nets):
    rows = derive.by_role(nets)
    roles = ["broad set", "near sets", "narrow set", "far sets", "Gaussian noise", "other noise"]
    seen = {"KL broad": "broad set", "KL few": "broad set", "KL narrow": "narrow set", "KL noise": "Gaussian noise"}
    for training, columns in rows.items():
        assert list(columns) == [f"{role} (seen)" if seen.get(training) == role else role for role in roles]
    np.testing.assert_allclose(rows["CE"]["other noise"], derive.detected(nets["CE"], auroc, "noise/uniform"))
    frame = derive.set_frame(nets)
    assert set(frame[frame["seen"]]["set"]) == {"CIFAR-100", "SVHN", "Gaussian noise"}
    assert not frame[frame["training"].isin(["CE", "CEx"])]["seen"].any()


def test_rows_of_table_1_stand_beside_the_papers(nets):
    rows = derive.table_1(nets, "cifar10")
    papers = read_paper(repository() / "papers" / "confidence-calibrated-OOD").exhibits["table-1"].values
    for row in ("CIFAR-10 in", "CIFAR-10 in, SVHN (seen)", "CIFAR-10 in, TinyImageNet", "CIFAR-10 in, Gaussian noise"):
        assert rows[row].keys() <= papers[row].keys(), row


def test_calibration_is_repaired_by_a_temperature_and_accuracy_kept(nets):
    too_sure = run(0, sure=2.0)
    too_sure["logits"] = {name: 4 * logits for name, logits in too_sure["logits"].items()}
    row = derive.price({name: [too_sure] for name in nets})["CE"]
    assert row["confidence - accuracy"][0] > 0.03 and row["T"][0] > 1.5
    assert row["NLL after T"][0] < row["NLL"][0] and row["ECE after T"][0] < row["ECE"][0]
    assert row["accuracy"] == derive.test_accuracy([run(0, sure=2.0)])


def test_the_sweep_falls_below_the_exact_auroc_where_confidence_saturates(nets):
    rows = derive.evaluators(nets["CE"], factors=(1, 64))
    np.testing.assert_allclose(rows["logits x 1"]["AUROC, 2018"], rows["logits x 1"]["AUROC, exact"], atol=0.01)
    fallen = np.subtract(rows["logits x 64"]["AUROC, exact"], rows["logits x 64"]["AUROC, 2018"])
    assert (fallen > 0.1).all()


def test_histograms_and_roc_are_shares(nets):
    frame = derive.confidence_frame(nets)
    np.testing.assert_allclose(frame.groupby(["training", "set"])["share"].sum(), 1)
    curves = derive.roc_frame(nets)
    assert (curves.groupby("training")["TPR"].max() == 1).all() and (curves["TPR"] >= 0).all()
