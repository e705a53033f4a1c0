"""Every attack where the net is: nothing is left on the CPU, and what no chance decides is what the CPU finds."""

from functools import partial

import pytest
import torch

from lib.attacks.apgd import apgd
from lib.attacks.autoattack import autoattack
from lib.attacks.fab import fab
from lib.attacks.fgsm import fgsm
from lib.attacks.fooling import fooling_images
from lib.attacks.harness import robust_accuracy
from lib.attacks.norms import size
from lib.attacks.pgd import pgd
from lib.attacks.square import square
from lib.models.small_cnn import small_cnn

EPS = 8 / 255
ATTACKS = {
    "fgsm": lambda net, x, y, g: fgsm(net, x, y, eps=EPS),
    "pgd": lambda net, x, y, g: pgd(net, x, y, eps=EPS, steps=3, generator=g),
    "pgd, l2": lambda net, x, y, g: pgd(net, x, y, eps=0.5, steps=3, norm="l2", generator=g),
    "apgd": lambda net, x, y, g: apgd(net, x, y, eps=EPS, steps=5, generator=g),
    "fab": lambda net, x, y, g: fab(net, x, y, eps=EPS, steps=3, generator=g),
    "square": lambda net, x, y, g: square(net, x, y, eps=EPS, queries=20, generator=g),
}


def subjects(device):
    """A net for 32x32 colour images with images and labels, the same on every device, and a generator there."""
    torch.manual_seed(0)
    net = small_cnn(10, (8, 16, 32), 3, strides=(2, 2, 2)).eval()
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(6)
    return net.to(device), images.to(device), labels.to(device), torch.Generator(device).manual_seed(2)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_on_device_stay_there_and_in_the_ball(attack, device):
    net, images, labels, generator = subjects(device)
    found = attack(net, images, labels, generator)
    assert found.device.type == device.type and found.dtype == torch.float32
    far = size(found - images, "l2") / 0.5 if attack is ATTACKS["pgd, l2"] else size(found - images, "linf") / EPS
    assert far.max().item() <= 1 + 1e-5
    assert found.min().item() >= 0 and found.max().item() <= 1


def test_an_attack_on_device_without_chance_is_that_of_the_cpu(device):
    net, images, labels, _ = subjects("cpu")
    there = subjects(device)
    here = pgd(net, images, labels, eps=EPS, steps=5, random_start=False)
    found = pgd(*there[:3], eps=EPS, steps=5, random_start=False).cpu()
    assert ((found - here).abs() < 1e-4).double().mean().item() > 0.98  # rounding flips a sign here and there


def test_the_harness_on_device_takes_images_of_the_cpu_and_counts_alike(device):
    attack = partial(pgd, eps=0.5 / 255, steps=2, random_start=False)
    here, images, labels, _ = subjects("cpu")
    labels = here(images).argmax(1)  # right, until the attack succeeds
    expected = robust_accuracy(here, images, labels, attack, batch_size=4).accuracy
    assert robust_accuracy(subjects(device)[0], images, labels, attack, batch_size=4).accuracy == expected


def test_the_suite_on_device(device):
    net, images, _, generator = subjects(device)
    labels = net(images).argmax(1)
    report = autoattack(net, images, labels, eps=0.5, steps=5, queries=10, batch_size=6, generator=generator)
    assert report.accuracy < 1 and len(report.members) == 4


def test_fooling_images_on_device(device):
    net, images, labels, _ = subjects(device)
    found = fooling_images(net, images, labels, steps=3)
    assert found.device.type == device.type and found.shape == images.shape
