"""The arms of `3-joint-gan`: images by role, trainings, games that break or are killed, and the quantities of rules."""

from typing import Any

import pytest
import torch
from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.confidence_calibrated_ood import joint_gan as arms
from lib.experiments.confidence_calibrated_ood import joint_gan_rows as rows
from lib.replication.paper_file import read_paper
from lib.replication.verdicts import judge
from lib.roots import repository
from lib.training.checkpoint import Keeper
from lib.training.history import History

SETS = {
    **{"dataset": "digits", "broad_dataset": "letters", "narrow_dataset": "patches"},
    **{"near_dataset": "letters", "far_dataset": "patches"},
}
TASK: dict[str, Any] = {
    **{"pooling": 1, "held_out_classes": 2, "few_images": 20, "ood_images": 30, "sample_images": 20},
}
PLAN: dict[str, Any] = {
    **{"net": "mlp", "train_steps": 20, "batch_images": 16, "learning_rate": 1e-3, "gan_rate": 1e-3},
}
WHERE: dict[str, Any] = {"task": TASK, "plan": PLAN, "device": "cpu", **SETS}


@pytest.fixture(scope="module")
def plain_net():
    return arms.classifier(0, "CE", 0.1, **WHERE)


def same(one, other):
    """Whether two trees are equal to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_held_out_classes_are_in_no_part_that_is_learnt_from():
    images = arms.opened(3, TASK, **SETS)
    assert len(images.fit.classes) == 8 and images.fit.classes == images.test.classes
    assert sorted(images.fit.labels.unique().tolist()) == list(range(8))
    whole, out = {str(number) for number in range(10)}, "near/held-out digits"
    assert len(whole - set(images.fit.classes)) == 2 and len(images.tested[out]) == 30
    known = {image.numpy().tobytes() for image in (*images.fit.images, *images.test.images)}
    assert not any(image.numpy().tobytes() in known for image in images.tested[out])


def test_another_seed_holds_out_other_classes():
    classes = [arms.opened(seed, TASK, **SETS).fit.classes for seed in range(4)]
    assert len(set(classes)) > 1


def test_labels_are_counted_anew_by_hand():
    images = ImageSet(torch.zeros(5, 1, 2, 2), torch.tensor([0, 1, 2, 3, 1]), ("a", "b", "c", "d"), "x", "sum")
    kept, out = arms.parted(images, torch.tensor([1]))
    assert kept.labels.tolist() == [0, 1, 2] and kept.classes == ("a", "c", "d") and len(out) == 2


def test_outliers_that_are_seen_are_not_tested():
    images = arms.opened(0, TASK | {"ood_images": 5000, "few_images": 5000}, **SETS)
    for pool, tested in (("broad", "broad/letters"), ("broad", "near/letters"), ("narrow", "narrow/patches")):
        seen = {image.numpy().tobytes() for image in images.pools[pool]}
        assert not any(image.numpy().tobytes() in seen for image in images.tested[tested]), (pool, tested)


def test_squares_of_pixels_become_their_mean():
    image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    image[0, :, 1:3, 1:3] = torch.tensor([30, 60, 90], dtype=torch.uint8)[:, None, None]
    assert arms.pooled(image, 2)[0, 2].tolist() == [[22, 22], [22, 22]]  # 90 / 4


@pytest.mark.parametrize("training", ["CEx", "KL narrow", "KL broad", "KL noise"])
def test_every_training_has_what_the_page_takes(training, plain_net):
    found = arms.classifier(0, training, 1.0, **WHERE)
    assert found["TNR95"].keys() == {"near", "far", "noise"} and found["along"]["step"] == list(range(1, 21))
    assert found["accuracy"] != plain_net["accuracy"] or found["confidence"] != plain_net["confidence"]
    assert found["gain"] == found["along"]["accuracy"][-1] - found["along"]["accuracy"][14]


def test_without_a_weight_the_outliers_do_not_matter(plain_net):
    """Nor does dropout, whose draws they would shift: the nets differ by the passes that the images do not see."""
    one, other = (arms.classifier(0, name, 0.0, **WHERE)["confidence"] for name in ("KL narrow", "KL broad"))
    assert one == pytest.approx(other, abs=1e-6)


def test_samples_of_a_plain_gan_need_a_generator(plain_net):
    with pytest.raises(ValueError, match="pass what generator_beside returned"):
        arms.classifier(0, "KL plain GAN", 0.1, **WHERE)
    made = arms.generator_beside(0, 0.0, judged_by=plain_net, **WHERE)
    found = arms.classifier(0, "KL plain GAN", 0.1, generator=made, **WHERE)
    assert found["on samples"].keys() == {"TNR95", "AUROC", "KL"}
    assert made["samples"].shape == made["nearest"].shape == (20, 1, 8, 8)


def test_a_fixed_classifier_has_a_say_only_with_a_weight(plain_net):
    taught = arms.classifier(0, "KL noise", 1.0, **WHERE)
    plain, silent, pulled = (
        arms.generator_beside(0, beta, judged_by=plain_net, net=net, **WHERE)["samples"]
        for beta, net in ((0.0, None), (0.0, taught), (1.0, taught))
    )
    assert torch.equal(plain, silent) and not torch.equal(plain, pulled)


def test_test_images_are_at_the_border_by_construction(plain_net):
    """13.5 % of them, to an image."""
    late = arms.test_images(0, judged_by=plain_net, **WHERE)["late"]
    assert late["border"] + late["beyond"] == pytest.approx(0.135, abs=0.01) and late["spread"] == pytest.approx(1)


def test_the_objective_by_hand():
    """Nets that answer nothing: log K + beta 0 - log 4, the value of a game in balance."""

    class Silent(nn.Module):
        def __init__(self, outputs):
            super().__init__()
            self.weight, self.outputs = nn.Parameter(torch.zeros(1)), outputs

        def forward(self, images):
            return self.weight.expand(len(images), self.outputs)

    images = arms.opened(0, TASK, **SETS)
    gan = arms.fresh_gan(PLAN, images, 0)
    gan.discriminator = Silent(1)
    found = arms.objective(Silent(8), gan, images, TASK, 0.1, 0)
    log = torch.tensor([8.0, 4.0]).log()
    assert found["confidence loss"] == pytest.approx(log[0].item()) and found["game"] == pytest.approx(-log[1].item())
    assert found["objective"] == pytest.approx((log[0] - log[1]).item()) and found["KL on samples"] == pytest.approx(0)


def test_the_other_weight_of_the_released_code():
    assert [arms.other_weight(beta) for beta in (0.1, 1.0)] == [1.0, 0.1]


def test_rises_by_hand():
    assert arms.risen([3.0, 2.0, 2.5, 2.5, 1.0]) == 1 / 4
    history = History.of(4, torch.device("cpu"))
    for step, (accuracy, objective) in enumerate(((0.1, 3.0), (0.2, 2.0), (0.5, 2.5), (0.7, 1.0)), start=1):
        history.record("accuracy", step, accuracy)
        history.record("objective", step, objective)
    found = arms.course(history)
    assert found["gain"] == pytest.approx(0.2) and found["rises"]["objective"] == 1 / 3
    assert found["late"]["objective"] == 1.75  # steps 3 and 4


def test_a_game_that_breaks_is_a_result(plain_net):
    """A rate at which everything overflows: the run says so and has every value that the page asks for."""
    where = WHERE | {"plan": PLAN | {"learning_rate": 1e30, "gan_rate": 1e30}}
    found = arms.joint(0, 1.0, judged_by=plain_net, **where)
    whole = arms.joint(0, 1.0, judged_by=plain_net, **WHERE)
    assert found["diverged"] == 1 and whole["diverged"] == 0 and found.keys() == whole.keys()
    assert found["late"].keys() == whole["late"].keys()
    assert all(torch.tensor(values, dtype=torch.float64).isfinite().all() for values in found["along"].values())


def test_a_collapsed_generator_shows(plain_net):
    images = arms.opened(0, TASK, **SETS)
    gan, eye = arms.fresh_gan(PLAN, images, 0), arms.judge_of(plain_net, PLAN, images, torch.device("cpu"))
    before = arms.of_samples(gan, eye, images, TASK, 0)
    for parameter in gan.generator.parameters():
        parameter.data.zero_()
    after = arms.of_samples(gan, eye, images, TASK, 0)
    assert after["spread"] < 1e-5 < before["spread"]
    assert after["classes covered"] == pytest.approx(1 / 8)


def test_a_killed_game_goes_on_bit_for_bit(plain_net, tmp_path, monkeypatch):
    """Killed after step 12 with the state of step 11 on the disk, without a chance to say goodbye."""

    class Killed(BaseException):
        pass

    whole = arms.joint(0, 0.1, judged_by=plain_net, **WHERE)
    monkeypatch.setattr(Keeper, "is_due", lambda keeper: True)
    record = arms.Watch.record

    def kill(watch, step, net):
        if step == 12:
            raise Killed
        record(watch, step, net)

    with monkeypatch.context() as patched:
        patched.setattr(arms.Watch, "record", kill)
        with pytest.raises(Killed):
            arms.joint(0, 0.1, judged_by=plain_net, checkpoint=tmp_path / "kept", **WHERE)
    assert (tmp_path / "kept").exists()
    assert same(arms.joint(0, 0.1, judged_by=plain_net, checkpoint=tmp_path / "kept", **WHERE), whole)


def run_of(tnr95, accuracy=0.9, border=0.3, rises=0.0, core=0.5):
    """What the rules read of a run, for each of the seeds."""
    found = {
        "accuracy": accuracy, "gain": 0.0, "TNR95": dict.fromkeys(("near", "far", "unseen far", "noise"), tnr95),
        "late": {"border": border, "core": core, "classes covered": 0.9}, "rises": {"objective": rises},
    }  # fmt: skip
    return [found | {"accuracy": accuracy + seed / 1000} for seed in range(3)]


def worlds(**changed):
    detected = {"CE": 0.2, "CEx": 0.25, "KL narrow": 0.3, "KL broad": 0.35, "KL plain GAN": 0.1, "joint": 0.5}
    runs = {name: run_of(value) for name, value in detected.items()}
    runs |= {"plain GAN": run_of(0, border=0.2), "KL term, fixed classifier": run_of(0, border=0.4)}
    runs |= {"test images": run_of(0, border=0.135)}
    return {"mnist": runs | changed, "fake:cifar10": runs}


def verdicts(found):
    paper = read_paper(repository() / "papers" / "confidence-calibrated-OOD")
    values = rows.derived(found)
    return {claim.id: judge(claim, values, {"mnist"}) for claim in paper.claims.values() if claim.notebook == 3}


def test_rules_find_what_they_compare():
    found = verdicts(worlds())
    assert {name: each.status for name, each in found.items()} == {
        **dict.fromkeys(("C7c", "C7d", "C8", "C9", "C10", "C11", "C14"), "reproduced")
    }
    judged = [part.name for part in found["C8"].parts if part.status == "reproduced"]
    assert judged == ["C8/mnist in, near", "C8/mnist in, far", "C8/mnist in, noise"]  # a stand-in is no CIFAR-10


@pytest.mark.parametrize(
    ("changed", "claim", "status"),
    [
        ({"KL broad": run_of(0.9)}, "C9", "partly"),  # beats the narrow outliers alone
        ({"CEx": run_of(0.9)}, "C8", "partly"),
        ({"CE": run_of(0.9)}, "C10", "partly"),  # better only because samples of a plain GAN do harm
        ({"CEx": run_of(0.2, accuracy=0.95)}, "C11", "partly"),
        ({"joint": run_of(0.5, rises=0.1)}, "C14", "not reproduced"),
        ({"plain GAN": run_of(0, border=0.2, core=0.3)}, "C7c", "not testable at this tier"),
        ({"plain GAN": run_of(0, border=0.2, core=0.3)}, "C10", "not testable at this tier"),
        ({"test images": run_of(0, border=0.4)}, "C7d", "partly"),
    ],
)
def test_controls_and_gates_are_asked(changed, claim, status):
    assert verdicts(worlds(**changed))[claim].status == status


def test_the_largest_share_of_rises_counts():
    assert rows.rising({"a": {"joint": run_of(0, rises=0.2)}, "b": {"joint": run_of(0, rises=0.5)}}) == [0.5] * 3


def test_frames_and_names():
    named = rows.named(worlds(), ["CE", "not run"])
    assert list(named) == ["MNIST: CE", "CIFAR-10: CE"]
    assert rows.titled_set("near, held-out mnist") == "near, held-out mnist"
    run = {"sets": {"narrow, svhn-sample": {"TNR95": 0.5}}}
    frame = rows.set_frame({"CE": [run], "KL narrow": [run]})
    assert frame["set"].unique().tolist() == ["narrow, SVHN"]
    assert frame.set_index("training")["seen"].to_dict() == {"CE": False, "KL narrow": True}
