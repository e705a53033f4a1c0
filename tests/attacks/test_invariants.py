"""What every attack promises, on random small nets and on linear models whose optimum is known."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lib.attacks.apgd import apgd
from lib.attacks.fab import fab
from lib.attacks.fgsm import fgsm
from lib.attacks.norms import size
from lib.attacks.pgd import pgd
from lib.attacks.square import square
from tests.attacks.nets import Linear


def fgsm_like_the_others(model, images, labels, *, eps, norm, generator):
    return fgsm(model, images, labels, eps=eps)


ATTACKS: dict[str, Callable[..., Tensor]] = {
    "fgsm": fgsm_like_the_others,
    "pgd": partial(pgd, steps=3),
    "pgd-early": partial(pgd, steps=3, restarts=2, stop_early=True),
    "pgd-targeted": partial(pgd, steps=3, restarts=2, targeted=True),
    "pgd-margin": partial(pgd, steps=3, loss="margin", random_start=False),
    "pgd-batch-statistics": partial(pgd, steps=2, batch_statistics=True),
    "apgd-ce": partial(apgd, steps=5),
    "apgd-dlr": partial(apgd, steps=5, loss="dlr", stop_early=False),
    "apgd-t": partial(apgd, steps=3, loss="targeted_dlr", target_classes=2, restarts=2),
    "fab-t": partial(fab, steps=3, target_classes=2, restarts=2),
    "square": partial(square, queries=12, restarts=2),
}


def random_net(shape: tuple[int, int, int], dtype: torch.dtype, seed: int) -> nn.Module:
    """Convolution, batch norm with random statistics, dropout, linear layer: five classes; in training mode."""
    torch.manual_seed(seed)
    channels, height, width = shape
    net = nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * height * width, 5),
    ).to(dtype)
    net.get_buffer("1.running_mean").normal_()
    net.get_buffer("1.running_var").uniform_(0.1, 2)
    net.get_parameter("0.bias").requires_grad_(False)
    return net.train()


def state_of(net: nn.Module) -> tuple[list[bool], list[bool], list[Tensor], list[Tensor | None]]:
    """Modes, requires_grad, a copy of every weight and buffer, and the weights' gradients."""
    weights = list(net.parameters())
    tensors = [tensor.detach().clone() for tensor in [*weights, *net.buffers()]]
    modes = [module.training for module in net.modules()]
    return modes, [w.requires_grad for w in weights], tensors, [w.grad for w in weights]


@settings(deadline=None, max_examples=8)
@given(
    shape=st.sampled_from([(1, 8, 8), (3, 5, 7), (2, 3, 3), (3, 32, 32), (1, 28, 28), (3, 28, 32)]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    norm=st.sampled_from(["linf", "l2"]),
    eps=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(1e-6, 1.0)),
    count=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_keeps_its_promises(name, shape, dtype, norm, eps, count, seed):
    norm = "linf" if name == "fgsm" else norm
    net, generator = random_net(shape, dtype, seed), torch.Generator().manual_seed(seed)
    images = torch.rand(count, *shape, generator=generator, dtype=dtype)
    images[:, :, 0] = images[:, :, 0].round()  # some pixels lie on the box
    labels = torch.randint(5, (count,), generator=generator)  # most images are misclassified
    before, before_labels, (modes, trained, tensors, _) = images.clone(), labels.clone(), state_of(net)

    found = ATTACKS[name](net, images, labels, eps=eps, norm=norm, generator=generator)

    assert found.shape == images.shape and found.dtype == dtype and not found.requires_grad
    assert found.data_ptr() != images.data_ptr()
    assert torch.equal(images, before) and torch.equal(labels, before_labels)
    assert found.min() >= 0 and found.max() <= 1
    assert size(found.double() - images.double(), norm).max() <= eps + torch.finfo(dtype).eps * max(1, eps)
    if eps == 0:
        assert torch.equal(found, images)
    after = state_of(net)
    assert after[0] == modes and after[1] == trained
    assert all(torch.equal(now, then) for now, then in zip(after[2], tensors, strict=True))
    assert after[3] == [None] * len(trained)


class Summed(nn.Module):
    """A linear layer on the sums over all pixels: every pixel's gradient is one and the same number in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(images.sum((2, 3)) / 100)  # small enough for a loss with a gradient
        return logits


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", ATTACKS)
def test_gradients_that_share_memory(name, norm):
    norm = "linf" if name == "fgsm" else norm
    torch.manual_seed(0)
    net, images = Summed(), torch.rand(4, 3, 28, 32)
    labels = net(images).argmax(1)
    generator = torch.Generator().manual_seed(0)
    found = ATTACKS[name](net, images, labels, eps=0.3, norm=norm, generator=generator)
    assert not torch.equal(found, images) or name == "fab-t"


@pytest.mark.parametrize("name", ATTACKS)
def test_outputs_are_checked_in_our_words(name):
    """Called directly: a tuple, one output, a label too many, a diverged net."""
    images, labels = torch.rand(6, 1, 5, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    net = nn.Sequential(nn.Flatten(), nn.Linear(25, 5))
    attack = partial(ATTACKS[name], eps=0.1, norm="linf", generator=torch.Generator().manual_seed(0))

    class Tupled(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return net(images), images

    for model, message in [
        (Tupled(), "must return logits .* found a tuple"),
        (nn.Sequential(nn.Flatten(), nn.Linear(25, 1)), "the model has one output"),
        (nn.Sequential(nn.Flatten(), nn.Linear(25, 4)), "4 classes and a label is 4"),
        (nn.Sequential(net, nn.LogSigmoid(), nn.Threshold(0, float("nan"))), "not finite for 6 of 6 images"),
    ]:
        with pytest.raises(ValueError, match=message):
            attack(model, images, labels)
        assert not model._forward_hooks
    assert attack(net, images, labels).shape == images.shape
    assert not net._forward_hooks


@pytest.mark.parametrize("name", ATTACKS)
def test_a_forgotten_division_by_255_is_refused(name):
    images, labels = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"at most 1, .*found 8; .*eps=8 / 255"):
        ATTACKS[name](nn.Flatten(), images, labels, eps=8, norm="linf", generator=None)
    if name != "fgsm":
        with pytest.raises(ValueError, match=r"at most 55\.4256.*found 128; .*eps=128 / 255"):
            ATTACKS[name](nn.Flatten(), images, labels, eps=128, norm="l2", generator=None)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_generator_gives_the_same_images(name):
    net, images = random_net((1, 8, 8), torch.float32, 0), torch.rand(6, 1, 8, 8)
    labels = net.eval()(images).argmax(1)
    first, again = (
        ATTACKS[name](net, images, labels, eps=0.02, norm="linf", generator=torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    assert torch.equal(first, again)


def largest_margin(model: Linear, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Closed form, per image: max over the Linf ball and the box of max_c (z_c - z_y)."""
    margins = []
    for other in range(len(model.bias)):
        slope = model.weight[other] - model.weight[labels]  # (N, d)
        x = images.flatten(1)
        reach = torch.minimum(torch.where(slope > 0, 1 - x, x), torch.tensor(eps, dtype=x.dtype))
        start = (slope * x).sum(1) + model.bias[other] - model.bias[labels]
        margins.append(torch.where(labels == other, -torch.inf, start + (slope.abs() * reach).sum(1)))
    return torch.stack(margins, 1).amax(1).detach()


STRONG: dict[str, Callable[..., Tensor]] = {
    "pgd": partial(pgd, steps=20, stop_early=True),
    "apgd-ce": partial(apgd, steps=30),
    "apgd-dlr": partial(apgd, steps=30, loss="dlr"),
    "apgd-t": partial(apgd, steps=30, loss="targeted_dlr"),
    "fab-t": partial(fab, steps=30),
    "square": partial(square, queries=50),
}


@settings(deadline=None, max_examples=10)
@given(
    classes=st.integers(2, 5),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    eps=st.sampled_from([0.02, 0.1, 0.3, 1.0]),
    seed=st.integers(0, 2**31),
)
@pytest.mark.parametrize("name", STRONG)
def test_linear_models_are_broken_where_the_closed_form_says_so(name, classes, dtype, eps, seed):
    """Two classes: exactly there. More: nowhere else, and the targeted attacks, which try each class, exactly there.

    FAB steps 5 % beyond the boundary and comes back towards it, so at the very edge of the ball it may miss.
    """
    classes = max(classes, {"apgd-dlr": 3, "apgd-t": 4}.get(name, 2))
    generator = torch.Generator().manual_seed(seed)
    model = Linear((1, 4, 4), classes, generator, dtype)
    images = torch.rand(10, 1, 4, 4, generator=generator, dtype=dtype)
    with torch.no_grad():
        labels = model(images).argmax(1)
        optimum = largest_margin(model, images, labels, eps)
        within = largest_margin(model, images, labels, 0.95 * eps) if name == "fab-t" else optimum
        found = STRONG[name](model, images, labels, eps=eps, norm="linf", generator=generator)
        broken = model(found).argmax(1) != labels
    assert not (broken & (optimum < -1e-4)).any()  # 1e-4: beyond rounding
    if name in ("apgd-t", "fab-t") or (classes == 2 and name != "square"):
        assert broken[within > 1e-4].all()


@settings(deadline=None, max_examples=10)
@given(eps=st.sampled_from([0.05, 0.2, 0.5]), seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", ["pgd", "apgd-ce", "fab-t"])
def test_l2_reaches_the_distance_to_the_hyperplane_and_no_further(name, eps, seed):
    """Two classes, images in the middle of the box: broken exactly where |margin| / |slope| < eps."""
    generator = torch.Generator().manual_seed(seed)
    model = Linear((1, 4, 4), 2, generator, torch.float64)
    images = 0.5 + 0.02 * torch.randn(10, 1, 4, 4, generator=generator, dtype=torch.float64).clamp(-2, 2)
    with torch.no_grad():
        model.bias.sub_(model(images).mean(0))  # the boundary runs through the batch
        logits = model(images)
        labels = logits.argmax(1)
        distance = (logits[:, 0] - logits[:, 1]).abs() / (model.weight[0] - model.weight[1]).norm()
        found = STRONG[name](model, images, labels, eps=eps, norm="l2", generator=generator)
        broken = model(found).argmax(1) != labels
    clear = (distance - eps).abs() > 0.02 * eps
    assert torch.equal(broken[clear], (distance < eps)[clear])
