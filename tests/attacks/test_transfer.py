from functools import partial

import torch

from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from lib.attacks.transfer import from_source
from tests.attacks.nets import Masked


def test_images_made_on_a_source_break_a_masked_copy_of_it(plain_net, digits):
    images, labels = digits[0][:200], digits[1][:200]
    attack = partial(pgd, eps=0.15, steps=10, generator=torch.Generator().manual_seed(0))
    masked = Masked(plain_net)
    white = robust_accuracy(masked, images, labels, attack, batch_size=200)
    transferred = robust_accuracy(masked, images, labels, from_source(plain_net, attack), batch_size=200)
    assert transferred.accuracy < 0.5 < white.accuracy


def test_the_target_gives_no_gradient(plain_net, robust_net, digits):
    images, labels = digits[0][:50], digits[1][:50]
    attack = from_source(plain_net, partial(pgd, eps=0.1, steps=5))
    report = robust_accuracy(robust_net, images, labels, attack, batch_size=50)
    correct = round(report.clean_accuracy * 50)
    assert report.backward_passes == 0 and report.forward_passes == 50 + correct


def test_weaker_than_the_attack_on_the_target_itself(plain_net, robust_net, digits):
    images, labels = digits[0][:300], digits[1][:300]
    attack = partial(pgd, eps=0.18, steps=10, generator=torch.Generator().manual_seed(0))
    direct = robust_accuracy(robust_net, images, labels, attack, batch_size=300).accuracy
    transferred = robust_accuracy(robust_net, images, labels, from_source(plain_net, attack), batch_size=300).accuracy
    assert direct < transferred < 1
