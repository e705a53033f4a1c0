import torch
from torch import nn

from lib.attacks.folding import inference_copy
from tests.attacks.nets import Noisy, small_net


def stirred(net: nn.Module) -> nn.Module:
    """Batch norms with statistics other than the initial ones."""
    net.train()
    for _ in range(3):
        net(torch.rand(32, 1, 8, 8) * 3 - 1)
    return net.eval()


class Branching(nn.Module):
    """Control flow that no tracer follows; one batch norm is fed twice, one convolution's output is used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.shared = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 5)

    def forward(self, images):
        if images.mean() < -1e9:
            raise ValueError("dark")
        x = self.first_norm(self.first(images)).relu()
        x = self.shared(self.second(x)).relu() + self.shared(x)
        return self.head(x.mean((2, 3)))


def batch_norms(net):
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def test_batch_norms_are_folded_and_the_logits_stay():
    net, images = stirred(small_net()), torch.rand(5, 1, 8, 8)
    fast = inference_copy(net, images)
    assert batch_norms(net) == 2 and batch_norms(fast) == 0
    torch.testing.assert_close(fast(images), net(images), rtol=1e-4, atol=1e-5)


def test_folding_in_float64_is_exact_to_1e_9():
    net, images = stirred(small_net()).double(), torch.rand(5, 1, 8, 8, dtype=torch.float64)
    fast = inference_copy(net, images)
    assert batch_norms(fast) == 0
    torch.testing.assert_close(fast(images), net(images), rtol=1e-9, atol=1e-9)


def test_control_flow_and_shared_layers():
    torch.manual_seed(0)
    net, images = stirred(Branching()), torch.rand(5, 1, 8, 8)
    fast = inference_copy(net, images)
    assert batch_norms(fast) == 1  # the shared one stays
    torch.testing.assert_close(fast(images), net(images), rtol=1e-4, atol=1e-5)


def test_a_convolution_whose_output_is_used_twice_is_not_folded():
    class Skip(Branching):
        def forward(self, images):
            x = self.first(images)
            return self.head((self.first_norm(x) + 10 * x).mean((2, 3)))

    torch.manual_seed(0)
    net, images = stirred(Skip()), torch.rand(5, 1, 8, 8)
    fast = inference_copy(net, images)
    assert fast is not net and batch_norms(fast) == 2
    torch.testing.assert_close(fast(images), net(images), rtol=1e-4, atol=1e-5)


def test_a_randomised_model_is_left_as_it_is():
    net = Noisy(stirred(small_net()), 0.5)
    assert inference_copy(net, torch.rand(5, 1, 8, 8)) is net


def test_the_model_keeps_its_weights_and_hooks():
    net, images = stirred(small_net()), torch.rand(5, 1, 8, 8)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    inference_copy(net, images)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_model_without_convolutions():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(inference_copy(net, images)(images), net(images))
