import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from lib.methods.guided_gradients import edges, gradient, guided_gradient, likeness, output
from lib.models.small_cnn import norm_free_cnn, small_cnn
from lib.models.vgg13 import vgg13
from lib.models.wide_resnet import wide_resnet

SHAPE = (6, 3, 32, 32)


def net(build):
    torch.manual_seed(0)
    return build(10).eval()


def images(seed=0):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


class PositiveOnly(torch.autograd.Function):
    """The rule written another way: a rectifier of its own in place of hooks."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, above):
        (z,) = ctx.saved_tensors
        return above * (z > 0) * (above > 0)


@pytest.mark.parametrize("build", [small_cnn, vgg13, lambda k: wide_resnet(10, 1, k)], ids=["small", "vgg", "wrn"])
@pytest.mark.parametrize("of", ["logit", "log odds", "log probability"])
def test_hooks_do_what_a_rectifier_of_its_own_does_on_images_of_real_size(build, of, monkeypatch):
    model, x = net(build), images()
    ours, plain = guided_gradient(model, x, of, batch_size=4), gradient(model, x, of)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            monkeypatch.setattr(module, "forward", PositiveOnly.apply)
    own = x.clone().requires_grad_()
    (theirs,) = torch.autograd.grad(output(model(own), of).sum(), own)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    assert ours.shape == SHAPE and (ours - plain).abs().max() > 1e-3 * plain.abs().max()


def test_the_model_is_left_as_it_was():
    model, x = net(small_cnn).train(), images()
    before = gradient(model, x)
    guided_gradient(model, x)
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    torch.testing.assert_close(gradient(model, x), before, rtol=0, atol=0)


def test_log_odds_alone_ignore_a_constant_of_the_image():
    class Lifted(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x) + 100 * x.mean(dim=(1, 2, 3), keepdim=True)[:, :, 0, 0]

    inner, x = net(small_cnn), images()
    lifted = Lifted(inner)
    torch.testing.assert_close(gradient(lifted, x, "log odds"), gradient(inner, x, "log odds"), rtol=1e-3, atol=1e-5)
    moved = gradient(lifted, x, "logit") - gradient(inner, x, "logit")
    torch.testing.assert_close(moved, torch.full(SHAPE, 100 / (3 * 32 * 32)), rtol=1e-3, atol=1e-5)


def test_log_odds_are_not_flat_where_the_net_is_sure():
    logits = torch.tensor([[200.0, 0.0, 1.0]], requires_grad=True)
    assert torch.autograd.grad(output(logits, "log probability").sum(), logits)[0].abs().max() == 0
    slope = torch.autograd.grad(output(logits, "log odds").sum(), logits)[0][0]
    assert slope[0] == 1 and slope[1:].tolist() == pytest.approx((-F.softmax(logits[0, 1:], 0)).tolist())


def test_likeness_is_spearmans_with_ties():
    a, b = images(1).mul(8).round(), images(2)
    b = b + 0.5 * a
    expected = [spearmanr(one.sum(0).flatten(), two.sum(0).flatten()).statistic for one, two in zip(a, b, strict=True)]
    assert likeness(a, b).tolist() == pytest.approx(expected, abs=1e-6)
    assert likeness(a, a).tolist() == pytest.approx([1.0] * len(a))
    assert likeness(a, torch.ones(SHAPE)).abs().max() == 0


def test_edges_are_found_where_brightness_changes():
    half = torch.zeros(1, 3, 32, 32)
    half[..., 16:] = 1
    found = edges(half)[0, 0]
    assert found[:, 15:17].unique().tolist() == [4.0] and found[:, :15].abs().max() == 0 == found[:, 17:].abs().max()


def test_other_activations_and_unknown_outputs_are_refused():
    with pytest.raises(ValueError, match=r"defined for ReLU, and the model has SiLU"):
        guided_gradient(net(norm_free_cnn), images())
    with pytest.raises(ValueError, match=r"no nn.ReLU module"):
        guided_gradient(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), images())
    with pytest.raises(ValueError, match=r"'energy' cannot be differentiated"):
        gradient(net(small_cnn), images(), "energy")  # type: ignore[arg-type]
