import json
import math
import zipfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.models import mlp, small_cnn
from lib.training import Diverged, every, exponential, fitted, measure, muon, sgd, supervised, train
from lib.training.checkpoint import read_checkpoint


def linear_model(inputs=3, classes=2):
    torch.manual_seed(0)
    return mlp((), classes, (inputs,), inputs=nn.Identity())


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def toy(count=12, inputs=3, classes=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, inputs, generator=generator), torch.arange(count) % classes


def fit(model, images, labels, **options):
    settings = {"steps": 6, "batch_size": 4, "optimiser": sgd(model, 0.1, momentum=0.0), "seed": 1, **options}
    return train(model, images, labels, **settings)


def test_full_batches_are_gradient_descent_by_hand():
    images, labels = toy()
    model, reference = linear_model(), linear_model()
    history = fit(model, images, labels, batch_size=12, schedule=exponential(0.5, every=2))
    losses = []
    for step in range(6):
        value = F.cross_entropy(reference(images), labels)
        losses.append(value.item())
        gradients = torch.autograd.grad(value, list(reference.parameters()))
        for parameter, gradient in zip(reference.parameters(), gradients, strict=True):
            parameter.data -= 0.1 * 0.5 ** (step // 2) * gradient
    torch.testing.assert_close(weights(model), weights(reference))
    torch.testing.assert_close(history.losses, torch.tensor(losses))
    assert not model.training


def test_soft_targets_of_certainty_are_class_indices():
    images, labels = toy()
    hard, soft = linear_model(), linear_model()
    fit(hard, images, labels)
    fit(soft, images, F.one_hot(labels, 2).float())
    torch.testing.assert_close(weights(soft), weights(hard))


def test_soft_targets_enter_the_loss():
    images, _ = toy()
    targets = torch.rand(12, 2, generator=torch.Generator().manual_seed(3))
    model = linear_model()
    expected = -(targets * model(images).log_softmax(1)).sum(1).mean()
    assert fit(model, images, targets, batch_size=12, steps=1).losses.item() == pytest.approx(expected.item())


def test_uint8_and_float_images_train_alike():
    images = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 3
    found = []
    for version in (images, images / 255):
        torch.manual_seed(0)
        model = small_cnn(3, (4, 4, 4))
        fit(model, version, labels, optimiser=muon(model, batch_size=4))
        found.append(weights(model))
    torch.testing.assert_close(found[0], found[1])


def test_loss_may_be_replaced():
    images, labels = toy()
    model, reference = linear_model(), linear_model()
    fit(model, images, labels, loss=lambda logits, y: F.cross_entropy(logits, y, label_smoothing=0.2))
    fit(reference, images, labels, batch_loss=supervised(lambda a, y: F.cross_entropy(a, y, label_smoothing=0.2)))
    assert torch.equal(weights(model), weights(reference))
    fit(other := linear_model(), images, labels)
    assert not torch.equal(weights(model), weights(other))


def test_batch_loss_sees_the_whole_batch():
    """Weights per image by index, a second data set, random choices: all in one plain callable."""
    images, labels = toy()
    per_image = torch.linspace(0, 1, 12)
    unlabelled = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    seen = []

    def loss(model, batch):
        seen.append((batch.step, len(batch.indices)))
        assert torch.equal(batch.images, images[batch.indices]) and torch.equal(batch.labels, labels[batch.indices])
        more = unlabelled[torch.randint(5, (2,), generator=batch.generator)]
        logits = model(torch.cat([batch.images, more]))
        known = F.cross_entropy(logits[: len(batch.images)], batch.labels, reduction="none")
        return (known * per_image[batch.indices]).mean() + logits[len(batch.images) :].square().mean()

    model, again = linear_model(), linear_model()
    fit(model, images, labels, batch_loss=loss, batch_size=5)
    fit(again, images, labels, batch_loss=loss, batch_size=5)
    assert seen == [(step, (5, 5, 2)[step % 3]) for step in range(6)] * 2
    assert torch.equal(weights(model), weights(again))


def test_batch_loss_may_attack_the_net_with_gradients_of_its_own():
    images, labels = toy()

    def adversarial(model, batch):
        inputs = batch.images.clone().requires_grad_()
        gradient = torch.autograd.grad(F.cross_entropy(model(inputs), batch.labels), inputs)[0]
        return F.cross_entropy(model(batch.images + 0.1 * gradient.sign()), batch.labels)

    plain, robust = linear_model(), linear_model()
    first = fit(plain, images, labels, batch_size=12).losses[0]
    second = fit(robust, images, labels, batch_size=12, batch_loss=adversarial).losses[0]
    assert second > first


def test_augmentation_gets_bytes_and_its_own_generator():
    images = torch.arange(48, dtype=torch.uint8).reshape(4, 3, 2, 2)
    seen = []

    def augment(batch, generator):
        seen.append((batch.dtype, torch.rand(1, generator=generator).item()))
        return batch.flip(3)

    model = mlp((), 2, (3, 2, 2))
    for _ in range(2):
        fit(model, images, torch.tensor([0, 1, 0, 1]), augment=augment, steps=3)
    assert {dtype for dtype, _ in seen} == {torch.uint8}
    numbers = [number for _, number in seen]
    assert numbers[:3] == numbers[3:] and len(set(numbers)) == 3


def test_clipping_bounds_the_step():
    images, labels = toy()
    model = linear_model()
    before = weights(model)
    fit(model, images * 100, labels, steps=1, clip_norm=0.01)
    assert (weights(model) - before).norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_frozen_parts_stay():
    images, labels = toy()
    model = mlp((4,), 2, (3,), inputs=nn.Identity())
    model.layers[0].requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, images, labels, optimiser=sgd(model, 0.1))
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["layers.3.weight", "layers.3.bias"]


def test_hooks_run_after_each_step_and_training_mode_is_on_whatever_it_was():
    images, labels = toy()
    model = linear_model().eval()
    steps, modes = [], []

    def hook(run):
        steps.append(run.step)
        modes.append(run.model.training)

    history = fit(model, images, labels, hooks=[hook, every(3, measure("norm", lambda m: weights(m).norm().item()))])
    assert steps == [1, 2, 3, 4, 5, 6] and all(modes)
    assert [step for step, _ in history.values["norm"]] == [3, 6]
    assert history.last("norm") == pytest.approx(weights(model).norm().item())


def test_stopping_rule_ends_training_when_everything_is_fitted():
    images, labels = toy()
    images = images + 10 * F.one_hot(labels, 3)
    history = fit(linear_model(), images, labels, steps=500, stop=every(5, fitted(images, labels)))
    assert history.stopped and len(history.losses) % 5 == 0 and len(history.losses) < 500
    assert history.losses.isfinite().all()
    assert not fit(linear_model(), images, labels, steps=2, stop=every(5, fitted(images, labels))).stopped


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_divergence_keeps_the_last_good_state(tmp_path: Path, bad: float):
    """Batch-norm statistics, weights, momentum and generators are those before the bad step, in memory and on disk."""
    images = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 3

    def poisoned(model, batch):
        value = F.cross_entropy(model(batch.images + torch.rand(1)), batch.labels)
        return value * bad if batch.step == 4 and poison else value

    def start(steps, checkpoint):
        torch.manual_seed(0)
        model = small_cnn(3, (4, 4, 4), dropout=0.5)
        optimiser = muon(model, batch_size=8)
        train(
            model,
            images,
            labels,
            steps=steps,
            batch_size=8,
            optimiser=optimiser,
            batch_loss=poisoned,
            checkpoint=checkpoint,
            seed=2,
        )
        return model

    poison = False
    whole = start(6, None).state_dict()
    four_steps = start(4, None).state_dict()
    poison = True
    path = tmp_path / "run.ckpt"
    with pytest.raises(Diverged, match=r"at step 4: loss (nan|inf|-inf)") as error:
        start(6, path)
    assert error.value.step == 4 and not math.isfinite(error.value.loss)
    assert path.exists()
    with pytest.raises(Diverged):  # it goes on where it was, and meets the same end
        start(6, path)
    poison = False
    found = start(6, path).state_dict()
    assert all(torch.equal(found[name], whole[name]) for name in whole)

    poison = True
    torch.manual_seed(0)
    model = small_cnn(3, (4, 4, 4), dropout=0.5)
    with pytest.raises(Diverged):
        train(
            model,
            images,
            labels,
            steps=6,
            batch_size=8,
            optimiser=muon(model, batch_size=8),
            batch_loss=poisoned,
            seed=2,
        )
    state = model.state_dict()
    assert all(torch.equal(state[name], four_steps[name]) for name in four_steps)


def test_a_bad_gradient_under_a_good_loss_is_caught_before_the_update():
    images, labels = toy()
    model = linear_model()
    before = weights(model)

    def loss(model, batch):
        return F.cross_entropy(model(batch.images), batch.labels) + (model(batch.images) * 0).square().sum().sqrt()

    with pytest.raises(Diverged, match="gradient norm nan"):
        fit(model, images, labels, batch_loss=loss)
    assert torch.equal(weights(model), before)


def test_weights_that_the_last_update_broke_are_not_returned(tmp_path: Path):
    """Loss and gradient are finite, a rate of 1e39 is not in float32; no further loss would show it."""
    images, labels = toy()
    model, path = linear_model(), tmp_path / "run.ckpt"
    with pytest.raises(Diverged, match="step 0"):
        fit(model, images, labels, steps=1, optimiser=sgd(model, 1e39, momentum=0.0), checkpoint=path)
    assert not path.exists()


def test_broken_weights_do_not_replace_the_checkpoint(tmp_path: Path):
    images, labels = toy()
    model, path = linear_model(), tmp_path / "run.ckpt"
    rates = {"schedule": lambda step: 1e42 if step == 3 else 1.0, "checkpoint": path, "checkpoint_seconds": 0.0}
    with pytest.raises(Diverged, match="step 3"):
        fit(model, images, labels, **rates)
    saved, stopped = linear_model(), linear_model()
    assert read_checkpoint(path, json.loads(zipfile.ZipFile(path).read("about.json")), saved) is not None
    fit(stopped, images, labels, stop=lambda run: run.step == 3)
    assert torch.equal(weights(saved), weights(stopped))


def test_broken_weights_found_by_the_next_loss_do_not_replace_the_checkpoint(tmp_path: Path):
    images, labels = toy()
    model, path = linear_model(), tmp_path / "run.ckpt"
    with pytest.raises(Diverged, match="step 4"):
        fit(model, images, labels, schedule=lambda step: 1e42 if step == 3 else 1.0, checkpoint=path)
    assert not path.exists()


def test_a_last_batch_of_one_is_refused_before_the_first_step():
    """Batch norm on vectors needs two; it would fail at the end of the first epoch."""
    images, labels = toy(count=13)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before, state = weights(model), torch.get_rng_state()
    with pytest.raises(ValueError, match=r"a single image, .*drop_last=True"):
        fit(model, images, labels)
    assert torch.equal(weights(model), before) and torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match=r"a single image, .*drop_last=True"):  # a loss of one's own shows it late
        fit(model, images, labels, batch_loss=supervised())
    assert len(fit(model, images, labels, drop_last=True).losses) == 6
    assert len(fit(model, images, labels, steps=3).losses) == 3  # the epoch's last batch is not come to
    pictures = torch.rand(13, 3, 32, 32)
    fit(small_cnn(2), pictures, labels, optimiser=sgd(small_cnn(2), 0.1))  # 16 places of one image are enough


def test_a_second_run_with_the_same_optimiser_starts_from_its_full_rate():
    images, labels = toy()
    model = linear_model()
    optimiser = sgd(model, 0.1)
    rates = []
    for _ in range(2):
        fit(
            model,
            images,
            labels,
            optimiser=optimiser,
            schedule=exponential(0.5, every=1),
            hooks=[lambda run: rates.append(run.optimiser.param_groups[0]["lr"])],
        )
    assert rates == pytest.approx([0.1 * 0.5**step for step in range(6)] * 2)


def test_history_counts_images_and_time():
    images, labels = toy()
    history = fit(linear_model(), images, labels, batch_size=5)
    assert history.images == 24 and len(history.losses) == 6
    assert 0 < history.compute_seconds <= history.seconds
    assert 0 < history.compute_share <= 1 and history.images_per_second > 0 and history.cpu_seconds >= 0


def test_data_must_fit():
    images, labels = toy()
    with pytest.raises(ValueError, match="12 images and 11 labels"):
        fit(linear_model(), images, labels[:11])


def test_torchs_generator_is_left_alone():
    images, labels = toy()
    model = linear_model()
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    fit(model, images, labels, batch_loss=lambda m, batch: m(batch.images + torch.rand(1)).square().mean())
    assert torch.equal(torch.rand(1), expected)
