"""Lineages of nets: what they cost, what they learn from, that an unfit teacher stops them, that kill -9 does not."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from lib.experiments.noisy_student import self_training as arms
from lib.experiments.noisy_student import self_training_rows as derive
from lib.experiments.noisy_student.lineages import Setting, forward_passes, of_equal_cost, title
from lib.experiments.noisy_student.subjects import divide
from lib.methods.self_training import ChanceTeacher, MissingTeacher
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository
from lib.training.batches import Batches
from tests.experiments.killing_rounds import grown

SETTING: Setting = {
    "labelled_images": 50, "unlabelled_images": 300, "test_images": 200, "labelled_batch": 8, "unlabelled_batch": 24,
    "noise": "shift", "dropout": 0.1, "tested_on": "test",
}  # fmt: skip
S: dict[str, Any] = {"net": "XXS", "steps": 30}
M: dict[str, Any] = {"net": "XS", "steps": 20}
CONSISTENT = {"method": "consistency"}
TEACHER: dict[str, Any] = {"net": "XXS", "steps": 40}


@pytest.fixture(autouse=True)
def own_output(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path_factory.getbasetemp() / "noisy-student"))


def net(lineage, seed=0):
    return grown(lineage, SETTING, seed).value()


def test_titles_tell_lineages_apart():
    assert title([TEACHER, S | {"labels": "hard"}]) == "XXS 40 > XXS 30 labels hard"
    variants: list[dict[str, Any]] = [
        {},
        {"noise": False},
        {"weighting": "code"},
        {"selection": "code"},
        {"method": "distillation"},
    ]
    assert len({title([TEACHER, S | variant]) for variant in variants}) == len(variants)


def test_forward_passes_of_a_lineage_are_those_of_all_its_trainings_and_labellings():
    assert forward_passes([TEACHER], SETTING) == 40 * 32
    assert forward_passes([TEACHER, S], SETTING) == 40 * 32 + 300 + 30 * 32
    assert forward_passes([TEACHER, S, S], SETTING) == 40 * 32 + 2 * (300 + 30 * 32)
    assert forward_passes([M, S | {"method": "distillation"}], SETTING) == 20 * 32 + 50 + 30 * 32
    for rival, per_step in ([S | CONSISTENT], 8 + 2 * 24), ([M, S | {"method": "distillation"}], 8 + 24):
        equal = of_equal_cost(rival, [TEACHER, S], SETTING)
        assert equal[:-1] == rival[:-1] and equal[-1] | {"steps": 30} == rival[-1]
        assert abs(forward_passes(equal, SETTING) - forward_passes([TEACHER, S], SETTING)) <= per_step / 2
    assert of_equal_cost([M, S], [TEACHER], SETTING)[-1]["steps"] == 11  # (40 - 20) steps less 300 / 32


def test_the_parts_of_a_seed_are_disjoint_and_another_seed_tests_on_others():
    parts = [divide(seed, "digits", 50, 300, 200, "test") for seed in (0, 1)]
    # a digit is told by its pixels; the set has no two that are alike
    keys = [[{image.numpy().tobytes() for image in part.images} for part in parts[seed]] for seed in (0, 1)]
    for labelled, pool, test in keys:
        assert (len(labelled), len(pool), len(test)) == (50, 300, 200)
        assert not labelled & pool and not labelled & test and not pool & test
    assert keys[0][2] != keys[1][2]
    assert set(parts[0].labelled.labels.bincount().tolist()) <= {4, 5, 6}  # in proportion, to within one


def test_planning_touches_no_test_image():
    planned = divide(0, "fake:cifar10", 20, 30, 20, "validation")
    test = {image.numpy().tobytes() for image in divide(0, "fake:cifar10", 20, 30, 20, "test").test.images}
    for part in planned:
        assert not test & {image.numpy().tobytes() for image in part.images}


def test_the_student_is_told_what_its_teacher_says():
    """The pool's own labels must not reach the training: with others in their place the weights are the same."""
    honest = net([TEACHER, S])
    data = divide(0, "digits", 50, 300, 200, "test")
    shuffled = data._replace(pool=data.pool.with_labels(data.pool.labels.flip(0)))
    labels = grown([TEACHER, S], SETTING).arguments["labels"].value()
    task = arms.Task([TEACHER, S], labels, shuffled, SETTING, 0, "cpu", None)
    torch.manual_seed(task.seed)
    again = arms.build(S, data, SETTING)
    told = arms.student(again, task)
    assert all(torch.equal(value, honest["weights"][name]) for name, value in again.state_dict().items())
    assert told["label accuracy"] < honest["label accuracy"]


def test_rounds_and_rivals_train_and_are_tested():
    first = net([TEACHER, S])
    assert 0.2 < first["label accuracy"] <= 1 and first["chosen"] == 300
    assert first["accuracy"] > 0.2
    assert sum(first["reliability"]["size"]) == 200
    second = net([TEACHER, S, S])
    assert not torch.equal(first["weights"]["head.1.weight"], second["weights"]["head.1.weight"])
    chosen = net([TEACHER, S | {"selection": "published"}])["chosen"]
    assert chosen % 30 == 0 and chosen <= 300  # 30 of each class that was predicted at all
    assert net([M, S | {"method": "distillation"}])["accuracy"] > 0.2
    assert 0 <= net([S | CONSISTENT])["sure of"] < 0.5  # thirty steps make nobody sure


def test_every_batch_is_full_with_few_labelled_images_too(monkeypatch):
    """Fifty labelled images in batches of 32 and of 8 used to leave 18 and 2 for the last batch of each epoch."""
    sizes, at = [], Batches.at

    def counted(batches, step, generator):
        sizes.append(len((batch := at(batches, step, generator)).images))
        return batch

    monkeypatch.setattr(Batches, "at", counted)
    net([TEACHER], seed=7)
    assert set(sizes) == {32}
    sizes.clear()
    net([TEACHER, S], seed=7)
    assert set(sizes) == {8, 24} and len(sizes) == 2 * 30


def test_a_teacher_that_was_never_trained_stops_the_lineage():
    untrained = {"net": "XXS", "steps": 0}
    told = r"right on \d+\.\d% of 50 labelled images, where the commonest class makes 1\d\.0%"
    for method in ({}, {"method": "distillation"}):
        with pytest.raises(ChanceTeacher, match=told):
            net([untrained, S | method])


def test_a_student_without_a_teacher_is_refused():
    with pytest.raises(MissingTeacher, match="found a student without ancestors; put the teacher before it"):
        net([S | {"method": "student"}])


def runs(*accuracies, sure=0.0):
    return [{"accuracy": accuracy, "sure of": sure} for accuracy in accuracies]


def judged(nets, lineages, setting):
    measured = read_paper(repository() / "papers" / "noisy-student").measured[1]
    return quantities(nets, measured) | derive.derived(nets, lineages, setting)


def test_what_is_judged_is_taken_seed_by_seed():
    nets = {
        "teacher": runs(0.5, 0.6), "supervised": runs(0.6, 0.6), "student": runs(0.7, 0.65), "round 2": runs(0.8, 0.6),
        "larger, supervised": runs(0.65, 0.7), "larger student": runs(0.75, 0.72),
        "student of the larger student": runs(0.71, 0.68), "teacher, twice as long": runs(0.52, 0.59),
        "student, three quarters": runs(0.66, 0.65), "supervised, three quarters": runs(0.61, 0.57),
    }  # fmt: skip
    lineages = {"student": [TEACHER, S]}
    values = judged(nets, lineages, SETTING)
    assert values["student accuracy"] == [0.7, 0.65]
    assert values["gain of self-training at the larger size"] == pytest.approx([0.1, 0.02])
    assert values["gain of the larger size without it, or none"] == pytest.approx([0.05, 0.1])
    assert values["lead of the larger teacher"] == pytest.approx([0.25, 0.12])
    assert values["forward passes of consistency training over those of self-training"] == [0.0, 0.0]
    assert values["gain of a teacher trained twice as long"] == pytest.approx([0.02, -0.01])
    assert values["gain of the student in its last quarter"] == pytest.approx([0.04, 0.0])
    assert values["gain of the supervised net in its last quarter"] == pytest.approx([-0.01, 0.03])
    assert values["larger nets trained"] == [1.0, 1.0] and values["rounds of self-training"] == [2.0, 2.0]
    small = {name: net for name, net in nets.items() if "larger" not in name and "round" not in name}
    fewer = judged(small, lineages, SETTING)
    assert fewer["larger nets trained"] == [0.0, 0.0] and fewer["rounds of self-training"] == [1.0, 1.0]
    rival = {"consistency": of_equal_cost([S | CONSISTENT], lineages["student"], SETTING)}
    values = judged(nets | {"consistency": runs(0.5, 0.5, sure=0.3)}, lineages | rival, SETTING)
    assert values["accuracy of consistency training"] == [0.5, 0.5]
    assert values["share of the pool that consistency training labels in the end"] == [0.3, 0.3]
    worse = judged(nets | {"larger, supervised": runs(0.5, 0.7)}, lineages, SETTING)
    assert worse["gain of the larger size without it, or none"] == pytest.approx([0.0, 0.1])
    assert all(ratio >= 0.95 for ratio in values["forward passes of consistency training over those of self-training"])
    frame = derive.gain_frame(nets)
    assert set(frame["arm"]) == set(nets) - {"supervised", "larger, supervised", *derive.AXIS}
    own = frame[frame["arm"] == "larger student"]
    assert own["gain"].tolist() == pytest.approx([0.1, 0.02]) and (own["low"] < 0.02).all()


@pytest.mark.slow
def test_killed_in_the_second_round_and_run_again(tmp_path):
    command = [sys.executable, "-m", "tests.experiments.killing_rounds", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=repository(), env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    (whole,), (first, second, last) = outcome["whole"], outcome["killed"]
    assert whole["ending"] == 0 and len(whole["said"]["trainings"]) == 3
    for killed in (first, second):  # two nets and their labels are kept, round 2 is half done
        assert (killed["ending"], killed["finished"], killed["partial"], killed["said"]) == (-9, 4, 1, None)
    assert (last["ending"], last["finished"], last["partial"]) == (0, 5, 0)
    assert len(last["said"]["trainings"]) == 1, "earlier rounds are not trained again"
    assert last["said"]["digest"] == whole["said"]["digest"]
