"""The noise page's arms on digits and at 32 x 32: sharing, what a plan takes away, losses; what the page derives."""

from typing import Any

import pytest
import torch

from lib.data.augment import crop_and_flip
from lib.data.randaugment import CONVENTIONS
from lib.experiments.noisy_student import noise as arms
from lib.experiments.noisy_student import noise_nets
from lib.experiments.noisy_student import noise_rows as derive
from lib.replication.paper_file import read_paper
from lib.replication.rows import quantities
from lib.roots import repository

SETTING: arms.NoiseSetting = {
    "labelled_images": 50, "unlabelled_images": 200, "test_images": 100, "labelled_batch": 8, "unlabelled_batch": 24,
    "noise": "shift", "dropout": 0.1, "tested_on": "test", "operations": 0, "magnitude": 5,
    "convention": "divided by 10", "stochastic_depth": 0.2,
}  # fmt: skip
PLAN: dict[str, Any] = {"net": "XXS with skips", "steps": 12}
WHERE: dict[str, Any] = {"dataset": "digits", "device": "cpu", "setting": SETTING}


@pytest.fixture(scope="module")
def teacher():
    return arms.supervised(0, "teacher", PLAN | {"steps": 40}, **WHERE)


@pytest.fixture(scope="module")
def labels(teacher):
    return {noised: arms.labelled_by(0, teacher, PLAN, noised, **WHERE) for noised in (False, True)}


def student(teacher, labels, **change):
    return arms.student(0, "student", PLAN | change, teacher, labels, **WHERE)


def test_students_differ_by_their_noise_alone(teacher, labels):
    full, again = (student(teacher, labels[False]) for _ in range(2))
    assert all(torch.equal(value, again["weights"][name]) for name, value in full["weights"].items())
    plans: list[dict[str, Any]] = [
        {},
        {"without": ["augmentation"]},
        {"without": ["dropout"]},
        {"without": ["augmentation"], "everywhere": 1},
    ]
    others = [student(teacher, labels[False], **plan) for plan in plans]
    heads = {other["weights"]["head.1.weight"].sum().item() for other in others}
    assert len(heads) == 4 and len({other["label accuracy"] for other in others}) == 1
    firsts = {student(teacher, labels[False], steps=1, **plan)["losses"]["labelled"][0] for plan in plans[:2]}
    assert len(firsts) == 2  # one forward pass: batch norm lets the labelled images see whether the others are noised


def test_what_a_student_returns(teacher, labels):
    told = student(teacher, labels[False])
    curve = told["losses"]
    assert curve["share"][-1] == 1 and len(curve["share"]) == len(curve["labelled"]) == arms.STRETCHES
    assert curve["unlabelled"][0] == pytest.approx(2.3, abs=0.6)  # ten classes, nothing learnt yet
    assert curve["labelled"][-1] < curve["labelled"][0]
    assert 0 < told["distance"]["pool"] < 3 and 0 < told["distance"]["test"] < 3
    assert told["label accuracy"] == arms.labels_worth(0, labels[False], "digits", SETTING)["right"]


def test_the_teacher_itself_is_at_no_distance(teacher):
    data = arms.draw(SETTING, 0, "digits")
    net, same = (arms.load_teacher(arms.build(PLAN, data, SETTING), teacher["weights"]) for _ in range(2))
    assert arms.distance_to_teacher(net, same, data) == pytest.approx({"pool": 0, "test": 0}, abs=1e-6)


def test_noised_labels_are_others_and_less_sure(teacher, labels):
    clean, noised = (arms.labels_worth(0, labels[kind], "digits", SETTING) for kind in (False, True))
    assert noised["right"] <= clean["right"] and noised["confidence"] < clean["confidence"]
    assert not torch.equal(labels[False]["pool"], labels[True]["pool"])


def test_losses_are_averaged_and_survive_a_checkpoint():
    losses = arms.Losses(16, torch.device("cpu"))
    for step in range(16):
        losses.note(step, torch.tensor(float(step)), torch.tensor(2.0 * step))
    other = arms.Losses(16, torch.device("cpu"))
    other.load_state_dict(losses.state_dict())
    assert other.stretches() == losses.stretches()
    assert losses.stretches()["labelled"] == [0.5 + 2 * part for part in range(8)]
    assert losses.stretches()["unlabelled"][-1] == 29 and losses.stretches()["share"][0] == 1 / 8


def test_strong_noise_is_randaugment_before_the_weak_one():
    images = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8)
    strong = SETTING | {"operations": 2, "noise": "crop and flip"}
    drawn = [arms.input_noise(strong, kind)(images, torch.Generator().manual_seed(1)) for kind in (True, False)]
    assert torch.equal(drawn[1], crop_and_flip(images, torch.Generator().manual_seed(1)))
    assert not torch.equal(drawn[0], drawn[1]) and drawn[0].shape == images.shape


def test_reading_augmented_images_reports_every_operation(teacher):
    read = arms.read_under(0, teacher, PLAN, {"divided by 30": [0, 27]}, **WHERE)["divided by 30"]
    assert set(read["0"]) == set(CONVENTIONS["divided by 30"].ranges)
    assert read["0"]["Rotate"] == {"change": 0.0, "accuracy": pytest.approx(teacher["accuracy"])}
    assert read["27"]["Rotate"]["change"] > 0 and read["27"]["Rotate"]["accuracy"] < teacher["accuracy"]


def test_a_kept_net_is_built_again(teacher):
    net, tests, learnt = noise_nets.fresh(0, PLAN, "digits", SETTING, labels=None, name="student", device="cpu")
    net.load_state_dict(teacher["weights"])
    assert len(tests) == 100 and learnt.endswith("200 without, labelled by a teacher; 12 steps")


def run(accuracy, labelled=(1.0, 0.5), unlabelled=(1.0, 0.8), distance=(0.1, 0.3)):
    losses = {"share": [0.5, 1.0], "labelled": list(labelled), "unlabelled": list(unlabelled)}
    return {"accuracy": accuracy, "losses": losses, "distance": dict(zip(("pool", "test"), distance, strict=True))}


NETS = {
    "teacher": [run(0.71), run(0.72)],
    "teacher, three quarters": [run(0.70), run(0.72)],
    "supervised": [run(0.70), run(0.72)],
    "student": [run(0.75), run(0.76)],
    "student, three quarters": [run(0.74), run(0.76)],
    "without augmentation": [run(0.74), run(0.74)],
    derive.BARE: [run(0.73), run(0.73)],
    derive.NOWHERE: [run(0.72, (1, 0.1), (1, 0.7)), run(0.72, (1, 0.2), (1, 0.75))],
    "noised teacher": [run(0.71), run(0.76)],
}


def test_what_is_judged_is_taken_seed_by_seed():
    judged = quantities(NETS, read_paper(repository() / "papers" / "noisy-student").measured[2]) | derive.derived(NETS)
    assert judged["accuracy of the teacher of the noise page"] == [0.71, 0.72]
    assert judged["accuracy of the noised student"] == [0.75, 0.76]
    assert judged["accuracy without noise on unlabelled images"] == [0.73, 0.73]
    assert judged["gain of that teacher in its last quarter"] == pytest.approx([0.01, 0])
    assert judged["fall of the labelled training loss without noise"] == pytest.approx([0.4, 0.3])
    assert judged["fall of the unlabelled training loss without noise"] == pytest.approx([0.1, 0.05])


def test_rows_and_frames():
    rows = derive.by_kind(NETS)
    assert rows["without augmentation"]["less the student"] == pytest.approx([-0.01, -0.02])
    assert rows["student"]["over the supervised net"] == pytest.approx([0.05, 0.04])
    assert derive.imitation_rows(NETS)["student"]["test less pool"] == pytest.approx([0.2, 0.2])
    assert derive.loss_rows(NETS)[derive.NOWHERE]["fall, labelled"] == pytest.approx([0.4, 0.3])
    frame = derive.loss_frame({"all": NETS["student"]})
    assert len(frame) == 2 * 2 * 2 and set(frame["images"]) == {"labelled", "pseudo-labelled"}
    lengths = {f"{kind}, 5 steps": NETS["student"] for kind in ("student", "without noise")} | NETS
    gains = derive.length_frame(lengths, [5])
    assert gains["gain"].tolist() == pytest.approx([0.04, 0.04] * 2)


def test_magnitude_rows_are_means_over_operations():
    cell = [{"change": 0.0, "accuracy": 1.0}, {"change": 0.2, "accuracy": 0.5}]
    rows = derive.magnitude_rows([{"divided by 10": {"27": {"Invert": cell[0], "Rotate": cell[1]}}}])
    assert rows["27, divided by 10"] == {
        "change of a pixel": [0.1], "teacher's accuracy": [0.75], "operations that change nothing": [1.0]
    }  # fmt: skip
