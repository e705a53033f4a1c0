"""The methods where the net is: losses, chains, pseudo-labels, and the numbers of the CPU where no chance decides."""

import pytest
import torch

from lib.data.augment import crop_and_flip
from lib.methods.adversarial_training import adversarial_loss
from lib.methods.class_constants import fit_class_constants
from lib.methods.confidence_loss import confidence_loss
from lib.methods.energy import log_density, log_density_gradient
from lib.methods.jem import FACTORISATIONS, Recipe, jem_loss, noisy
from lib.methods.kernels import interpolate, median_squared_distance, nystrom_preconditioner, one_hot
from lib.methods.label_correction import corrected_loss, gold_matrix
from lib.methods.sample_quality import nearest
from lib.methods.self_training import consistency_loss, joint_loss, pseudo_labels
from lib.methods.sgld import Langevin, ReplayBuffer, langevin
from lib.models.small_cnn import norm_free_cnn, small_cnn
from lib.training.batches import Batch, Batches


def subjects(device):
    """A net for 32x32 colour images with images and labels, the same on every device, and a generator there."""
    torch.manual_seed(0)
    net = small_cnn(10, (8, 16, 32), 3, strides=(2, 2, 2))
    images = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return net.to(device), images.to(device), (torch.arange(12) % 10).to(device), drawn(device)


def drawn(device):
    return torch.Generator(device).manual_seed(2)


def learnt(loss, net):
    """A loss whose gradient reaches the net, all of it finite."""
    loss.backward()
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    assert gradients and all(bool(gradient.isfinite().all()) for gradient in gradients)
    return loss.item()


def test_the_corrected_loss_on_device_is_that_of_the_cpu(device):
    matrix = gold_matrix(torch.full((10, 10), 0.1), torch.arange(10))
    trusted = torch.arange(12) < 3
    losses = []
    for place in ("cpu", device):
        net, images, labels, generator = subjects(place)
        batch = Batch(images, labels, torch.arange(12, device=images.device), 0, generator)
        losses.append(learnt(corrected_loss(matrix, trusted)(net.train(), batch), net))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_the_confidence_loss_on_device_is_that_of_the_cpu(device):
    found = []
    for where in ("cpu", device):
        net, images, labels, _ = subjects(where)
        found.append(learnt(confidence_loss(net, images, labels, images.flip(3)), net))
    assert found[1] == pytest.approx(found[0], rel=1e-3)


@pytest.mark.parametrize("targeted", [False, True])
def test_adversarial_training_on_device(targeted, device):
    net, images, labels, generator = subjects(device)
    batch = Batch(images, labels, torch.arange(12, device=device), 0, generator)
    learnt(adversarial_loss(eps=8 / 255, steps=2, targeted=targeted)(net.train(), batch), net)


@pytest.mark.parametrize("loss", ["joint", "consistency"])
def test_self_training_on_device(loss, device):
    net, images, labels, generator = subjects(device)
    labelled = Batches(images, labels, 6, 0, device)
    soft = pseudo_labels(net, images)
    assert soft.device.type == device.type and soft.shape == (12, 10)
    made = (
        joint_loss(labelled, crop_and_flip)
        if loss == "joint"
        else consistency_loss(labelled, crop_and_flip, threshold=0.0)
    )
    learnt(made(net.train(), Batch(images, soft, torch.arange(12, device=device), 0, generator)), net)


@pytest.mark.parametrize("factorisation", FACTORISATIONS)
def test_jem_on_device(factorisation, device):
    torch.manual_seed(0)
    net = norm_free_cnn(10).to(device)
    _, images, labels, generator = subjects(device)
    sampler = Langevin(steps=2)
    buffer = ReplayBuffer(120, (3, 32, 32), generator)
    places, start = buffer.draw_for(labels, generator)
    chains = langevin(net, start, sampler, generator, labels if "y)" in factorisation else None)
    recipe = Recipe(sampler=sampler, factorisation=factorisation)
    loss, data, sampled = jem_loss(net, noisy(images, 0.03, generator), labels, chains, labels, recipe)
    assert chains.device.type == places.device.type == device.type and bool((data - sampled).isfinite())
    learnt(loss, net)


def test_the_energy_and_its_gradient_on_device_are_those_of_the_cpu(device):
    found = []
    for where in ("cpu", device):
        torch.manual_seed(0)
        net, images = norm_free_cnn(10).to(where).eval(), subjects(where)[1]
        found.append((log_density(net(images)).detach().cpu(), log_density_gradient(net, images).cpu()))
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-5)


def test_kernels_on_device_are_those_of_the_cpu(device):
    points = torch.rand(40, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(40) % 4
    gamma = 1 / median_squared_distance(points)
    here = interpolate(points, one_hot(labels, 4), gamma)
    assert median_squared_distance(points.to(device)) == pytest.approx(1 / gamma)
    there = interpolate(points.to(device), one_hot(labels.to(device), 4), gamma)
    torch.testing.assert_close(there.alpha.cpu(), here.alpha, rtol=1e-5, atol=1e-7)
    precondition = nystrom_preconditioner(points.to(device), gamma, 20, torch.Generator().manual_seed(0))
    assert precondition(there.alpha).device.type == device.type


def test_constants_and_neighbours_on_device(device):
    net, images, labels, _ = subjects(device)
    constants, temperature = fit_class_constants(net.eval()(images).detach(), labels, rounds=5)
    assert len(constants) == 10 and temperature > 0
    distance, which = nearest(images[:3], images)
    assert which.tolist() == [0, 1, 2] or bool((distance < 1e-3).all())
