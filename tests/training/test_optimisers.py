import pytest
import torch
from torch import nn

from lib.models import mlp, small_cnn
from lib.training.optimisers import NEWTON_SCHULZ, adam, muon, newton_schulz, sgd


def some_gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def twins(build):
    torch.manual_seed(0)
    first, second = build(), build()
    second.load_state_dict(first.state_dict())
    return first, second


def assert_same_weights(first, second, **tolerance):
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_by_hand(nesterov: bool):
    ours, theirs = twins(lambda: mlp((4,), 3, (2,), inputs=nn.Identity()))
    optimiser = sgd(ours, 0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    buffers = [torch.zeros_like(p) for p in theirs.parameters()]
    for seed in range(3):
        some_gradients(ours, seed)
        some_gradients(theirs, seed)
        optimiser.step()
        for p, b in zip(theirs.parameters(), buffers, strict=True):
            assert p.grad is not None
            g = p.grad + 0.01 * p.data
            b.mul_(0.9).add_(g)
            p.data -= 0.1 * (g + 0.9 * b if nesterov else b)
    assert_same_weights(ours, theirs)


def test_adam_by_hand():
    ours, theirs = twins(lambda: mlp((4,), 3, (2,), inputs=nn.Identity()))
    optimiser = adam(ours, 0.01, betas=(0.8, 0.9))
    m = [torch.zeros_like(p) for p in theirs.parameters()]
    v = [torch.zeros_like(p) for p in theirs.parameters()]
    for t in (1, 2, 3):
        some_gradients(ours, t)
        some_gradients(theirs, t)
        optimiser.step()
        for i, p in enumerate(theirs.parameters()):
            assert p.grad is not None
            m[i] = 0.8 * m[i] + 0.2 * p.grad
            v[i] = 0.9 * v[i] + 0.1 * p.grad.square()
            p.data -= 0.01 * (m[i] / (1 - 0.8**t)) / ((v[i] / (1 - 0.9**t)).sqrt() + 1e-8)
    assert_same_weights(ours, theirs)


@pytest.mark.parametrize("build", [lambda m, d: sgd(m, 0.1, 0.0, weight_decay=0.5, decay_vectors=d)])
def test_weight_decay_can_spare_biases_and_norms(build):
    for spare in (False, True):
        model = small_cnn(3, (2, 2, 2))
        before = [p.detach().clone() for p in model.parameters()]
        for parameter in model.parameters():
            parameter.data.add_(1)
            parameter.grad = torch.zeros_like(parameter)
        build(model, not spare).step()
        for old, new in zip(before, model.parameters(), strict=True):
            shrunk = new.ndim > 1 or not spare
            torch.testing.assert_close(new.data, (old + 1) * (0.95 if shrunk else 1.0))


def test_adam_can_spare_them_too():
    groups = adam(small_cnn(3, (2, 2, 2)), 0.1, weight_decay=0.5, decay_vectors=False).param_groups
    decays = {p.ndim > 1: group["weight_decay"] for group in groups for p in group["params"]}
    assert decays == {True: 0.5, False: 0.0}


def test_frozen_parameters_are_left_out_and_a_frozen_model_is_refused():
    model = mlp((4,), 3, (2,), inputs=nn.Identity())
    first = model.layers[0]
    assert isinstance(first, nn.Linear)
    first.requires_grad_(False)
    chosen = {id(p) for group in sgd(model, 0.1).param_groups for p in group["params"]}
    assert chosen == {id(p) for p in model.layers[-1].parameters()}
    with pytest.raises(ValueError, match="no trainable parameter"):
        adam(model.requires_grad_(False), 0.1)


def polynomial(s: float, steps: int = 3) -> float:
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return s


def test_newton_schulz_of_a_diagonal_matrix_by_hand():
    # Norm 5 and singular values 3 / 5, 4 / 5: each goes through the polynomial three times.
    found = newton_schulz(torch.tensor([[3.0, 0, 0], [0, -4.0, 0]]))
    expected = torch.tensor([[polynomial(0.6), 0, 0], [0, -polynomial(0.8), 0]])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (7, 7)])
def test_newton_schulz_keeps_the_singular_vectors(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    mapped = torch.tensor([polynomial(float(value / s.norm())) for value in s], dtype=torch.float64)
    torch.testing.assert_close(newton_schulz(matrix), u @ torch.diag(mapped) @ vt, atol=1e-5, rtol=1e-5)
    assert mapped.min() > 0.3 and mapped.max() < 1.3


def test_muon_step_is_the_recipe():
    ours, theirs = twins(lambda: small_cnn(3, (4, 6, 8)))
    optimiser = muon(ours, 0.2, batch_size=100, momentum=0.6, head_lr=0.5, vector_lr=0.05, head_momentum=0.85)
    buffers = [torch.zeros_like(p) for p in theirs.parameters()]
    for seed in range(2):
        some_gradients(ours, seed)
        some_gradients(theirs, seed)
        optimiser.step()
        for p, b in zip(theirs.parameters(), buffers, strict=True):
            assert p.grad is not None
            if p.ndim == 4:
                b.mul_(0.6).add_(p.grad)
                p.data *= len(p) ** 0.5 / p.data.norm()
                # Columns in torch's order here: their order does not matter to the result.
                p.data -= 0.2 * newton_schulz((p.grad + 0.6 * b).reshape(len(p), -1)).reshape(p.shape)
            else:
                g = p.grad + 2e-4 * p.data
                b.mul_(0.85).add_(g)
                p.data -= (0.5 if p.ndim == 2 else 0.05) * (g + 0.85 * b)
    assert_same_weights(ours, theirs, rtol=1e-4, atol=1e-5)


def test_muon_of_the_rest_is_torchs_nesterov_sgd():
    ours, theirs = twins(lambda: mlp((4,), 3, (2,), inputs=nn.Identity()))
    optimiser = muon(ours, batch_size=50, head_lr=0.05)
    reference = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.85, nesterov=True, weight_decay=1e-4)
    for seed in range(3):
        some_gradients(ours, seed)
        some_gradients(theirs, seed)
        optimiser.step()
        reference.step()
    assert_same_weights(ours, theirs)


def test_muon_does_not_depend_on_the_order_in_memory():
    ours, theirs = twins(lambda: small_cnn(3, (4, 6, 8)))
    theirs.to(memory_format=torch.channels_last)
    for model in (ours, theirs):
        some_gradients(model, 0)
        muon(model, batch_size=8).step()
    assert_same_weights(ours, theirs)


def test_every_parameter_is_in_one_group():
    model = small_cnn(3)
    for optimiser in (sgd(model, 0.1), adam(model, 0.1), muon(model, batch_size=8)):
        chosen = [id(p) for group in optimiser.param_groups for p in group["params"]]
        assert sorted(chosen) == sorted(id(p) for p in model.parameters())
