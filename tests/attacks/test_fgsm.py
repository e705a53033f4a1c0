import foolbox
import pytest
import torch

from lib.attacks.fgsm import fgsm
from tests.attacks.nets import Linear


@pytest.mark.parametrize("eps", [0.03, 0.2])
def test_equals_foolbox(plain_net, digits, eps):
    images, labels = digits[0][:200], digits[1][:200]
    peer = foolbox.PyTorchModel(plain_net.eval(), bounds=(0, 1), device="cpu")
    _, theirs, _ = foolbox.attacks.LinfFastGradientAttack(random_start=False)(peer, images, labels, epsilons=eps)
    torch.testing.assert_close(fgsm(plain_net, images, labels, eps=eps), theirs, rtol=0, atol=1e-6)


def test_two_linear_classes_reach_the_closed_form_optimum():
    generator = torch.Generator().manual_seed(0)
    model = Linear((1, 3, 3), 2, generator, torch.float64)
    images, labels = torch.rand(6, 1, 3, 3, generator=generator, dtype=torch.float64), torch.tensor([0, 1] * 3)
    # With two classes the margin is linear, so its largest value in ball and box is at a corner.
    towards = (model.weight[1 - labels] - model.weight[labels]).sign().view_as(images)
    torch.testing.assert_close(fgsm(model, images, labels, eps=0.3), (images + 0.3 * towards).clamp(0, 1))


def test_targeted_steps_towards_the_label(plain_net, digits):
    images, targets = digits[0][:100], (digits[1][:100] + 1) % 10
    moved = fgsm(plain_net, images, targets, eps=0.1, targeted=True)
    with torch.no_grad():
        rows = torch.arange(100)
        gain = plain_net(moved).log_softmax(1)[rows, targets] - plain_net(images).log_softmax(1)[rows, targets]
    assert gain.mean() > 0 and (gain > 0).double().mean() > 0.9
