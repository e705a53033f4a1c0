"""The page of unlabelled images: parts of the pool, weights to start from, what arms return and the page derives."""

import itertools
from typing import Any

import pytest
import torch

from lib.experiments.noisy_student import self_training, unlabelled_data_nets
from lib.experiments.noisy_student import unlabelled_data as arms
from lib.experiments.noisy_student import unlabelled_data_rows as derive
from lib.experiments.noisy_student.lineages import Setting
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository

SETTING: Setting = {
    "labelled_images": 50, "unlabelled_images": 400, "test_images": 100, "labelled_batch": 16, "unlabelled_batch": 16,
    "noise": "shift", "dropout": 0.1, "tested_on": "test",
}  # fmt: skip
PLAN: dict[str, Any] = {"net": "XXS", "steps": 8}
WHERE: dict[str, Any] = {"dataset": "digits", "device": "cpu", "setting": SETTING}


@pytest.fixture(scope="module")
def teacher():
    return self_training.trained(0, "t", [PLAN | {"steps": 40}], None, "digits", "cpu", SETTING)


@pytest.fixture(scope="module")
def labels(teacher):
    return self_training.labelled_by(0, teacher, PLAN, "digits", "cpu", SETTING)


def student(labels, **how):
    plan = PLAN | {name: how.pop(name) for name in ("share", "steps") if name in how}
    return arms.student(0, "student", plan, labels, **WHERE, **how)


def alike(a, b):
    return all(torch.equal(value, b["weights"][name]) for name, value in a["weights"].items())


def test_a_smaller_part_lies_in_a_larger_one_and_the_seed_decides_which():
    parts = [set(arms.part_of_pool(1200, 1 / part, 0).tolist()) for part in (128, 16, 4, 1)]
    assert [len(part) for part in parts] == [9, 75, 300, 1200]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(parts))
    assert set(arms.part_of_pool(1200, 1 / 16, 1).tolist()) != parts[1]
    assert len(arms.part_of_pool(20, 1 / 128, 0)) == 1


def test_the_student_of_the_whole_pool_learns_what_notebook_1s_learns(labels):
    """Another order of the pool, so other bits; the same images, labels and number of steps."""
    lineage = [PLAN | {"steps": 40}, PLAN | {"steps": 60}]
    shared = self_training.trained(0, "s", lineage, labels, "digits", "cpu", SETTING)
    ours = student(labels, steps=60)
    assert ours["chosen"] == shared["chosen"] == 400 and ours["label accuracy"] == shared["label accuracy"]
    assert ours["accuracy"] == pytest.approx(shared["accuracy"], abs=0.15)


def test_students_differ_by_their_part_and_by_where_they_start(labels, teacher):
    first, again, part = student(labels), student(labels), student(labels, share=1 / 16)
    warm = student(labels, start=teacher, steps=1)
    assert alike(first, again) and not alike(first, part)
    assert part["chosen"] == 25 and 0 <= part["label accuracy"] <= 1

    # one step from the teacher's weights leaves them nearer to it than fresh ones are
    def away(run):
        return sum((w - teacher["weights"][n]).double().pow(2).sum() for n, w in run["weights"].items() if w.dim() > 1)

    assert away(warm) < away(student(labels, steps=1)) / 2
    before = {name: value.clone() for name, value in teacher["weights"].items()}
    student(labels, start=teacher)
    assert all(torch.equal(value, teacher["weights"][name]) for name, value in before.items()), "the teacher stays"


def test_the_ratio_is_that_of_the_setting(labels, monkeypatch):
    seen = []

    def stopped(labelled, noise):
        seen.append(labelled.batch_size)
        raise InterruptedError

    monkeypatch.setattr(arms, "joint_loss", stopped)
    for labelled, unlabelled in ((16, 48), (32, 32)):
        batches = SETTING | {"labelled_batch": labelled, "unlabelled_batch": unlabelled}
        with pytest.raises(InterruptedError):
            arms.student(0, "student", PLAN, labels, "digits", "cpu", batches)
    assert seen == [16, 32]


def test_pre_training_sees_no_label_and_fine_tuning_no_pseudo_label(labels):
    pretrained = arms.pretrained(0, "p", PLAN, labels, **WHERE)
    wrong = {"pool": labels["pool"].roll(1, dims=1), "labelled": labels["labelled"]}
    assert not alike(pretrained, arms.pretrained(0, "p", PLAN, wrong, **WHERE))
    tuned = arms.continued(0, "f", PLAN | {"rate": 0.3}, pretrained, **WHERE)
    assert not alike(tuned, pretrained) and 0 <= tuned["right on the pool"] <= 1


def test_a_lower_rate_moves_the_weights_less(teacher):
    def moved(rate):
        run = arms.continued(0, "f", PLAN | {"rate": rate}, teacher, **WHERE)
        return sum((w - teacher["weights"][n]).double().abs().sum() for n, w in run["weights"].items() if w.dim() > 1)

    assert moved(0.01) < moved(0.1) < moved(1.0)


def test_long_arms_go_on_from_a_checkpoint(labels, teacher, monkeypatch, tmp_path):
    """Each hands its checkpoint to the training, told by plan and setting."""
    given = []
    monkeypatch.setattr(arms, "train", lambda *a, **how: given.append((how["checkpoint"], how["fingerprint"])))
    monkeypatch.setattr(self_training, "train", lambda *a, **how: given.append((how["checkpoint"], how["fingerprint"])))
    place = tmp_path / "run.partial"
    arms.student(0, "s", PLAN, labels, **WHERE, checkpoint=place)
    arms.pretrained(0, "p", PLAN, labels, **WHERE, checkpoint=place)
    arms.continued(0, "c", PLAN | {"rate": 0.1}, teacher, **WHERE, checkpoint=place)
    assert [where for where, _ in given] == [place] * 3
    assert all(str(SETTING) in told for _, told in given) and "'rate': 0.1" in given[2][1]


def test_a_net_to_be_kept_is_built_again(labels):
    net, test, told = unlabelled_data_nets.fresh(0, plan=PLAN, name="one in 16", **WHERE)
    net.load_state_dict(student(labels)["weights"])
    assert len(test) == 100 and "50 labelled images of digits" in told and "one in 16; 8 steps" in told


def runs(*accuracies, **more):
    return [{"accuracy": a, "parameters": 100.0, "chosen": 75.0, "label accuracy": 0.8} | more for a in accuracies]


@pytest.fixture
def nets():
    made = {name: runs(0.8, 0.9) for name in ("teacher", "teacher, three quarters", "three quarters", "supervised")}
    made |= {"all of the pool": runs(0.9, 0.92, chosen=1200.0), "one in 128": runs(0.8, 0.85, chosen=9.0)}
    made |= {"one in 16": runs(0.88, 0.91), "from the teacher": runs(0.9, 0.9), "fine-tuned": runs(0.7, 0.7)}
    made["teacher, trained on"] = runs(0.86, 0.88)
    made |= {"XXS, 1 to 1": runs(0.9, 0.9), "XXS, 3 to 1": runs(0.91, 0.92)}
    return made | {"XS, 1 to 1": runs(0.9, 0.9, parameters=390.0), "XS, 3 to 1": runs(0.95, 0.95, parameters=390.0)}


def test_rules_find_what_they_compare(nets):
    ratios = {"smaller": ("XXS, 1 to 1", "XXS, 3 to 1"), "larger": ("XS, 1 to 1", "XS, 3 to 1")}
    paper = read_paper(repository() / "papers" / "noisy-student")
    found = derive.derived(nets, ratios) | quantities(nets, paper.measured[4])
    assert found["gain by a higher ratio for the larger net"] == pytest.approx([0.05, 0.05])
    assert found["gain by a higher ratio for the smaller net"] == pytest.approx([0.01, 0.02])
    assert found["weights of the larger net over those of the smaller"] == [3.9, 3.9]
    assert found["gain from 1/128 to 1/16 of the pool/then no longer"] == pytest.approx([0.08, 0.06])
    assert found["gain from 1/16 to all of the pool/then no longer"] == pytest.approx([0.02, 0.01])
    assert found["accuracy with 1/16 of the pool/more helps"] == [0.88, 0.91]
    assert found["accuracy with 1/16 of the pool/more than none"] == [0.88, 0.91]
    assert found["supervised accuracy/more than none"] == [0.8, 0.9]
    assert found["accuracy of the teacher trained on"] == [0.86, 0.88]
    judged = [claim.id for claim in paper.claims.values() if claim.notebook == 4]
    assert judged == ["C9", "C14", "C15", "C16"]


def test_the_table_of_amounts_counts_passes(nets):
    rows = derive.amount_rows(nets, ["one in 128", "all of the pool"], looks=7200)
    assert (
        rows["one in 128"]["passes over each"] == [800.0, 800.0] and rows["all of the pool"]["passes over each"][0] == 6
    )
    assert rows["one in 128"]["over the supervised net"] == pytest.approx([0.0, -5.0])
    frame = derive.amount_frame(nets, ["one in 128", "all of the pool"])
    assert frame["gain"].tolist() == pytest.approx([0.0, -5.0, 10.0, 2.0]) and frame["images"].nunique() == 2
    assert [derive.amount(share) for share in (1 / 128, 1 / 16, 1)] == [derive.LEAST, derive.MIDDLE, derive.ALL]


def test_the_best_rate_is_chosen_seed_by_seed_on_the_pool():
    tried = {"a": [{"right on the pool": 0.7, "n": 1}, {"right on the pool": 0.9, "n": 2}],
             "b": [{"right on the pool": 0.8, "n": 3}, {"right on the pool": 0.6, "n": 4}]}  # fmt: skip
    assert [run["n"] for run in derive.best_rate(tried, ["a", "b"])] == [3, 2]
