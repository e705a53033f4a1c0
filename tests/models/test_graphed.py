"""The rules of replaying, tried with a recording that computes on the CPU, and with real graphs where CUDA is there."""

import pytest
import torch

from lib.models.graphed import COMPARED_AT, SHAPES, Graph, Graphed


def pretended(function, inputs):
    """A recording that reads its own inputs and writes its own output, as a graph does."""
    own = tuple(tensor.clone() for tensor in inputs)
    output = function(*own).clone()
    return Graph(lambda: output.copy_(function(*own)), own, output)


def frozen_constant(function, inputs):
    """A faulty recording: what was computed when it was made comes back for ever."""
    output = function(*inputs).clone()
    return Graph(lambda: None, tuple(tensor.clone() for tensor in inputs), output)


def double(x):
    return 2 * x


def test_a_replay_is_the_function_and_its_result_the_callers_own():
    graphed = Graphed(double, pretended)
    first, second = torch.rand(3, 2), torch.rand(3, 2)
    found = graphed(first)
    assert torch.equal(graphed(second), 2 * second)
    assert torch.equal(found, 2 * first) and not graphed.plain


def test_a_recorded_constant_is_noticed_at_once_and_said(capsys):
    graphed = Graphed(double, frozen_constant)
    x = torch.rand(3, 2)
    assert torch.equal(graphed(x), 2 * x) and graphed.plain
    assert "CUDA graphs are left out: a replay is" in capsys.readouterr().err


def test_weights_recorded_as_constants_are_noticed_when_they_have_changed():
    scale = torch.tensor(1.0)

    def of_old_weights(function, inputs):
        old, own = scale.clone(), tuple(tensor.clone() for tensor in inputs)
        output = own[0] * old
        return Graph(lambda: output.copy_(own[0] * old), own, output)

    graphed = Graphed(lambda x: x * scale, of_old_weights)
    x = torch.rand(3, 2)
    graphed(x)
    scale.fill_(2.0)
    for _ in range(COMPARED_AT[1]):
        graphed(x)
    assert graphed.plain and torch.equal(graphed(x), 2 * x)


def test_nan_is_never_taken_for_equal():
    graphed = Graphed(lambda x: x * torch.nan, pretended)
    assert graphed(torch.rand(2)).isnan().all() and graphed.plain


def test_what_raises_is_computed_plainly(capsys):
    def refused(function, inputs):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    graphed = Graphed(double, refused)
    assert torch.equal(graphed(torch.ones(2)), torch.full((2,), 2.0)) and graphed.plain
    assert capsys.readouterr().err.endswith("stream is capturing\n")


def test_each_shape_has_its_graph_up_to_a_few():
    graphed = Graphed(double, pretended)
    for size in range(1, SHAPES + 3):
        for _ in range(2):
            assert torch.equal(graphed(torch.ones(size)), torch.full((size,), 2.0))
    assert len(graphed.graphs) == SHAPES and not graphed.plain


def test_without_cuda_the_function_is_called():
    if not torch.cuda.is_available():
        assert Graphed(double).plain


if torch.cuda.is_available():  # no case without a GPU, rather than one that is skipped

    @pytest.mark.parametrize("autocast", [False, True])
    def test_a_real_graph_follows_images_and_weights(autocast):
        from functools import partial

        from lib.methods.energy import frozen, log_density_gradient
        from lib.models.small_cnn import norm_free_cnn

        net = norm_free_cnn(10).cuda().eval()
        graphed = Graphed(partial(log_density_gradient, net))
        with frozen(net), torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            for _ in range(3):
                x = torch.rand(16, 3, 32, 32, device="cuda")
                torch.testing.assert_close(graphed(x), log_density_gradient(net, x), rtol=0.05, atol=1e-4)
                torch._foreach_mul_(list(net.parameters()), 1.1)  # in place, as an optimiser does
        assert not graphed.plain
