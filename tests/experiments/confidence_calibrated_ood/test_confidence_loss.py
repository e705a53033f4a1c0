import pytest
import torch
from torch import nn

from lib.experiments.confidence_calibrated_ood.confidence_loss import (
    TRAININGS,
    classifier,
    loss_of,
    outlier_source,
    with_batch_statistics,
)
from lib.experiments.confidence_calibrated_ood.subjects import NETS
from lib.training.batches import Batch

TINY = {
    "dataset": "digits", "broad_dataset": "letters", "narrow_dataset": "patches", "near_datasets": ["letters"],
    "far_datasets": [], "noises": ["gaussian", "uniform"], "net": "small cnn", "seen_share": 0.5, "few_images": 20,
    "beta": 1.0, "train_steps": 2, "batch_images": 16, "outlier_images": 8, "ood_images": 30, "device": "cpu",
}  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs():
    return {training: classifier(seed=0, training=training, **TINY) for training in TRAININGS}  # type: ignore[arg-type]


def test_every_training_is_tested_on_the_same_images(runs):
    first = runs["CE"]
    for run in runs.values():
        assert run["logits"].keys() == first["logits"].keys()
        assert all(run["logits"][name].shape == first["logits"][name].shape for name in first["logits"])
        assert torch.equal(run["labels"]["test"], first["labels"]["test"])
    assert list(first["logits"]) == [
        *("test", "validation", "broad/letters", "narrow/patches", "near/letters", "noise/gaussian", "noise/uniform"),
        "test, batch statistics",
    ]


def test_trainings_differ_and_a_run_repeats_itself(runs):
    logits = [run["logits"]["test"] for run in runs.values()]
    assert not any(torch.equal(a, b) for i, a in enumerate(logits) for b in logits[:i])
    again = classifier(seed=0, training="KL few", **TINY)  # type: ignore[arg-type]
    assert torch.equal(again["logits"]["test"], runs["KL few"]["logits"]["test"])
    other = classifier(seed=1, training="KL few", **TINY)  # type: ignore[arg-type]
    assert not torch.equal(other["labels"]["test"], runs["KL few"]["labels"]["test"])


def drawn(training, augment=None, seed=0):
    pools = {"broad": torch.arange(100.0).view(100, 1, 1, 1), "narrow": -torch.arange(1.0, 101.0).view(100, 1, 1, 1)}
    source = outlier_source(TRAININGS[training], pools, (1, 1, 1), 20, augment, seed, CPU)
    assert source is not None
    return source(2_000, torch.Generator().manual_seed(1)).flatten()


def test_few_and_narrow_outliers_are_equally_many():
    assert len(drawn("KL few").unique()) == len(drawn("KL narrow").unique()) == 20
    assert len(drawn("KL broad").unique()) == 100
    assert (drawn("KL narrow") < 0).all() and (drawn("KL few") >= 0).all()
    assert set(drawn("KL few", seed=1).tolist()) != set(drawn("KL few").tolist())


def test_noise_never_repeats_and_plain_training_has_no_outliers():
    noise = drawn("KL noise")
    inner = noise[(noise > 0) & (noise < 1)]
    assert len(inner.unique()) > 0.99 * len(inner)
    assert outlier_source(TRAININGS["CEx"], {}, (1, 1, 1), 5, None, 0, CPU) is None


def test_outliers_are_augmented_as_the_images_are():
    assert (drawn("KL broad", augment=lambda images, generator: images + 1_000) >= 1_000).all()


def test_a_step_takes_as_many_images_with_more_data_as_with_outliers():
    seen = []

    class Counted(nn.Module):
        def forward(self, images):
            seen.append(len(images))
            return images.flatten(1)[:, :2] * 1.0

    def take(training, count):
        images = torch.rand(count, 1, 1, 4)
        batch = Batch(images, torch.zeros(count, dtype=torch.int64), torch.arange(count), 0, torch.Generator())
        how = TRAININGS[training]
        source = outlier_source(how, {"broad": images, "narrow": images}, (1, 1, 4), 5, None, 0, CPU)
        loss_of(how, source, 1.0, 8)(Counted(), batch)

    take("KL broad", 16)
    assert seen == [24]
    take("KL noise, two passes", 16)
    assert seen == [24, 16, 8]


@pytest.mark.parametrize(("training", "images"), [("CE", 16), ("CEx", 24), ("KL broad", 16)])
def test_the_control_takes_its_own_images_in_place_of_the_outliers(training, images, monkeypatch):
    class Begun(Exception):
        pass

    def begin(*_, batch_size, **__):
        raise Begun(batch_size)

    monkeypatch.setattr("lib.experiments.confidence_calibrated_ood.confidence_loss.train", begin)
    with pytest.raises(Begun, match=f"^{images}$"):
        classifier(seed=0, training=training, **TINY)  # type: ignore[arg-type]


def test_batch_statistics_leave_the_net_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)).eval()
    images = torch.rand(600, 1, 2, 2) + 5
    before = {name: value.clone() for name, value in net.state_dict().items()}
    logits = with_batch_statistics(net, images)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not net.training
    flat = images.flatten(1)[:500]
    normalised = (flat - flat.mean(0)) / (flat.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(logits[:500], net[3](normalised), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("net", "parameters"), [("small cnn", 158_266), ("wrn-16-4", 2_748_218), ("vgg-13", 9_940_000)]
)
def test_nets_have_the_size_that_is_said(net, parameters):
    with torch.device("meta"):
        built = NETS[net].build((3, 32, 32), 10)
    assert sum(p.numel() for p in built.parameters()) == pytest.approx(parameters, rel=1e-3)
