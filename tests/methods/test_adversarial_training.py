"""Adversarial training: the loss against closed forms, and the traps of this paper's code as regressions."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.methods.adversarial_training import adversarial_loss, freeze_trunk, last_linear, passes, transplant
from lib.models.small_cnn import small_cnn
from lib.models.wide_resnet import wide_resnet
from lib.training.batches import Batch
from lib.training.loop import train
from lib.training.optimisers import sgd

EPS = 0.1


def a_batch(count: int = 6, classes: int = 3, shape: tuple[int, ...] = (1, 8, 8), grey: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.full((count, *shape), 0.5) if grey else torch.rand(count, *shape, generator=generator)
    labels = torch.arange(count) % classes
    return Batch(images, labels, torch.arange(count), 0, generator)


def net_with_norms(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return small_cnn(classes, (4, 4, 4), 1, strides=(2, 2, 1)).train()


def seen_by(model: nn.Module) -> list[Tensor]:
    """Every batch that the model is given from now on."""
    seen: list[Tensor] = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    return seen


@pytest.mark.parametrize("targeted", [False, True])
def test_on_a_linear_model_the_loss_is_that_of_the_worst_corner(targeted: bool):
    """With two classes, away from the own class is towards the other; the corner is x - eps sign(w_y - w_other)."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    batch = a_batch(count=4, classes=2, shape=(1, 2, 2), grey=True)
    weight = model[1].weight
    assert isinstance(weight, Tensor)
    own, other = weight[batch.labels], weight[1 - batch.labels]
    corner = batch.images.flatten(1) - EPS * (own - other).sign()  # inside [0, 1], since the images are grey
    margin = (corner * (own - other)).sum(1)
    expected = torch.log1p(torch.exp(-margin)).mean()
    loss = adversarial_loss(eps=EPS, steps=3, targeted=targeted)(model, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.item() > F.cross_entropy(model(batch.images), batch.labels).item()


def test_radius_zero_is_ordinary_training():
    model, batch = net_with_norms(), a_batch()
    expected = F.cross_entropy(model(batch.images), batch.labels)
    assert adversarial_loss(eps=0.0, steps=3)(model, batch).item() == pytest.approx(expected.item())


def test_uint8_images_are_divided_by_255():
    model, batch = net_with_norms(), a_batch()
    as_bytes = batch._replace(images=(batch.images * 255).round().to(torch.uint8))
    seen = seen_by(model)
    adversarial_loss(eps=EPS, steps=1)(model, as_bytes)
    assert all(images.min() >= 0 and images.max() <= 1 for images in seen)


@pytest.mark.parametrize(("as_published", "reach"), [(False, EPS), (True, 2 * EPS)])
def test_the_ball_lies_around_the_untouched_image_unless_as_published(as_published: bool, reach: float):
    """The released code adds the random start to the batch in place: its ball is centred on the noised image."""
    model, batch = net_with_norms(), a_batch(grey=True)
    before, seen = batch.images.clone(), seen_by(model)
    adversarial_loss(eps=EPS, steps=10, as_published=as_published)(model, batch)
    assert torch.equal(batch.images, before)  # neither version touches the batch here
    distance = (seen[-1] - before).abs().max().item()
    assert distance <= reach + 1e-6
    assert (distance > EPS + 0.05) == as_published


def test_running_statistics_move_once_a_step_by_the_images_trained_on():
    model, batch = net_with_norms(), a_batch()
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    into: list[Tensor] = []
    norm.register_forward_pre_hook(lambda module, inputs: into.append(inputs[0].detach()))
    adversarial_loss(eps=EPS, steps=5)(model, batch)
    assert norm.num_batches_tracked == 1 and norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, 0.1 * into[-1].mean(dim=(0, 2, 3)))
    assert model.training


def test_the_attack_in_training_sees_the_batch_statistics():
    """In eval mode a fresh net normalises with mean 0 and variance 1, so the two attacks find different images."""
    found = []
    for frozen in (False, True):
        model, seen = net_with_norms(), []
        seen = seen_by(model)
        adversarial_loss(eps=EPS, steps=1, frozen_trunk=frozen)(model, a_batch())
        found.append(seen[-1])
    assert not torch.equal(*found)


def test_tuning_the_last_layer_changes_nothing_else():
    model, batch = net_with_norms(), a_batch(12)
    freeze_trunk(model)
    head = last_linear(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(
        model,
        batch.images,
        batch.labels,
        steps=3,
        batch_size=12,
        optimiser=sgd(model, 0.1),
        batch_loss=adversarial_loss(eps=EPS, steps=2, frozen_trunk=True),
    )
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{head}.weight", f"{head}.bias"}  # running statistics are not among them


@pytest.mark.parametrize(
    "build",
    [lambda classes: small_cnn(classes, (4, 4, 4), 1), lambda classes: wide_resnet(10, 1, classes, in_channels=1)],
)
def test_a_transplant_takes_the_trunk_and_leaves_the_new_head(build):
    torch.manual_seed(0)
    source, net = build(7), build(3)
    for buffer in source.buffers():
        buffer.add_(1)
    head = {name: net.state_dict()[f"{last_linear(net)}.{name}"].clone() for name in ("weight", "bias")}
    transplant(net, source.state_dict())
    for name, value in net.state_dict().items():
        part = name.rpartition(".")[2]
        expected = head[part] if name.startswith(f"{last_linear(net)}.") else source.state_dict()[name]
        assert torch.equal(value, expected), name


def test_a_transplant_between_different_trunks_is_refused():
    with pytest.raises(ValueError, match=r"differ beyond their last layer: features\.0"):
        transplant(small_cnn(3, (4, 4, 4), 1), small_cnn(3, (5, 4, 4), 1).state_dict())
    with pytest.raises(ValueError, match="differ beyond"):
        transplant(nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict())
    with pytest.raises(ValueError, match="no linear layer"):
        freeze_trunk(nn.Sequential(nn.Flatten()))


def test_passes_count_the_attack_and_the_training_step():
    assert passes(256 * 800, 2) == 614_400  # source of the laptop tier
    assert passes(100, 0) == 100
    assert math.isclose(passes(128, 10) / passes(128, 0), 11)
