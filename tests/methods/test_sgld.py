"""The sampler against its equation, against the obvious way, and against a density that is known; the buffer."""

import pytest
import torch
from torch import Tensor, nn

from lib.methods.energy import log_density_gradient
from lib.methods.sgld import Langevin, ReplayBuffer, langevin, langevin_the_obvious_way
from lib.models.inputs import Standardise
from lib.models.small_cnn import norm_free_cnn


class Bowl(nn.Module):
    """One logit -|z - m|^2 / 2 of the image z in [-1, 1]: log p(z) is that of a Gaussian around m."""

    def __init__(self, m: float = 0.0) -> None:
        super().__init__()
        self.inputs, self.m = Standardise(0.5, 0.5), nn.Parameter(torch.tensor(m))
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.modes.append((self.training, self.m.requires_grad))
        return -0.5 * (self.inputs(images) - self.m).square().sum(dim=(1, 2, 3))[:, None]


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_step_size_and_noise_refer_to_images_from_minus_one_to_one():
    """The trap of a model that takes [0, 1]: there the same numbers would make a step four times as long."""
    x, sampler = torch.rand(5, 1, 3, 3, generator=drawn(1)), Langevin(steps=1, step_size=0.3, noise=0.02)
    moved = 2 * langevin(Bowl(0.25), x, sampler, drawn()) - 1
    z, xi = 2 * x - 1, torch.randn(x.shape, generator=drawn())
    assert torch.allclose(moved, z + 0.3 * (0.25 - z) + 0.02 * xi, atol=1e-6)


def test_eval_mode_and_frozen_weights_while_sampling_and_as_before_after():
    bowl = Bowl().train()
    langevin(bowl, torch.rand(2, 1, 2, 2), Langevin(steps=3), drawn())
    assert bowl.modes == [(False, False)] * 3
    assert bowl.training and bowl.m.requires_grad and bowl.m.grad is None


def test_no_graph_outlives_the_chains_and_the_start_is_untouched():
    start = torch.rand(2, 1, 2, 2)
    before = start.clone()
    seen: list[Tensor] = []
    end = langevin(Bowl(), start, Langevin(steps=4), drawn(), look=seen.append)
    assert torch.equal(start, before) and not end.requires_grad and end.grad_fn is None
    assert len(seen) == 4 and torch.equal(seen[-1], end)


def test_matched_noise_samples_the_density_and_small_noise_a_colder_one():
    """At s^2 = 2 a the chains have the variance 1 of the bowl; otherwise T = s^2 / 2a of it (up to the step's size)."""
    for sampler in (Langevin(200, 0.05, 0.1**0.5), Langevin(200, 0.05, 0.1)):
        end = 2 * langevin(Bowl(), torch.rand(800, 1, 2, 2, generator=drawn(3)), sampler, drawn()) - 1
        discrete = 1 / (1 - sampler.step_size / 2)  # exact for the discrete chain on a Gaussian
        assert end.var().item() == pytest.approx(sampler.temperature * discrete, rel=0.1)
    assert Langevin(20, 1.0, 0.01).temperature == pytest.approx(5e-5)


@pytest.mark.parametrize("classes", [None, torch.arange(6) % 4])
@pytest.mark.parametrize("clamp", [False, True])
def test_frozen_weights_give_the_samples_of_the_obvious_way(classes, clamp):
    torch.manual_seed(0)
    net, start = norm_free_cnn(4, (6, 8), in_channels=1), torch.rand(6, 1, 14, 14)
    sampler = Langevin(8, 1.0, 0.01, clamp)
    ours = langevin(net, start, sampler, drawn(), classes)
    theirs = langevin_the_obvious_way(net, start, sampler, drawn(), classes)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.allclose(ours, start, atol=1e-3)
    assert any(parameter.grad is not None for parameter in net.parameters())  # what the obvious way also computes


@pytest.mark.parametrize("classes", [None, torch.arange(6) % 4])
def test_another_way_to_the_gradient_is_asked_with_the_same_images_and_classes(classes):
    torch.manual_seed(0)
    net, start = norm_free_cnn(4, (6, 8), in_channels=1), torch.rand(6, 1, 14, 14)
    sampler, asked = Langevin(3), []

    def gradient(*inputs):
        asked.append(len(inputs))
        return log_density_gradient(net, *inputs)

    found = langevin(net, start, sampler, drawn(), classes, gradient=gradient)
    assert torch.equal(found, langevin(net, start, sampler, drawn(), classes))
    assert asked == [1 if classes is None else 2] * 3


def test_clamped_chains_stay_images():
    free, clamped = (
        langevin(Bowl(9.0), torch.rand(3, 1, 2, 2), Langevin(5, 0.5, 0.01, clamp), drawn()) for clamp in (False, True)
    )
    assert free.max() > 1 and clamped.min() >= 0 and clamped.max() <= 1


def test_a_visit_goes_on_where_the_last_one_stopped():
    buffer = ReplayBuffer(10, (1, 2, 2), drawn(), restart=0.0)
    places, start = buffer.draw(10, drawn(1))
    assert sorted(places.tolist()) == list(range(10))  # without repetition, so nothing is written twice
    assert torch.equal(start, buffer.images[places])
    buffer.put(places, start + 1)
    again, later = buffer.draw(10, drawn(2))
    assert torch.equal(later[again.argsort()], (start + 1)[places.argsort()])


def test_restarts_are_uniform_noise_at_the_given_rate():
    buffer = ReplayBuffer(4000, (1, 1, 1), drawn(), restart=0.05)
    buffer.images.fill_(7.0)
    _, start = buffer.draw(4000, drawn(1))
    fresh = start[start < 7]
    assert len(fresh) / 4000 == pytest.approx(0.05, abs=0.015)
    assert fresh.mean().item() == pytest.approx(0.5, abs=0.1) and fresh.min() >= 0 and fresh.max() < 1


def test_every_chain_keeps_its_class():
    buffer = ReplayBuffer(20, (1, 1, 1), drawn(), classes=4)
    assert buffer.class_of(torch.tensor([0, 5, 18])).tolist() == [0, 1, 2]
    assert torch.bincount(buffer.class_of(torch.arange(20))).tolist() == [5, 5, 5, 5]


def test_a_buffer_smaller_than_a_batch_is_refused():
    with pytest.raises(ValueError, match="8 chains wanted, the buffer has 4"):
        ReplayBuffer(4, (1, 1, 1), drawn()).draw(8, drawn())


def test_chains_drawn_for_labels_are_of_these_classes_and_none_is_drawn_twice():
    random = torch.Generator().manual_seed(0)
    buffer = ReplayBuffer(203, (1, 14, 14), random, restart=0.0, classes=10)
    labels = torch.randint(10, (64,), generator=random)
    places, starts = buffer.draw_for(labels, random)
    assert torch.equal(buffer.class_of(places), labels)
    assert len(places.unique()) == 64 and places.max() < 203
    assert torch.equal(starts, buffer.images[places])
    again, _ = buffer.draw_for(labels, random)
    assert not torch.equal(again, places)


def test_a_class_with_more_labels_than_chains_is_refused():
    random = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="7 chains of one class wanted, the buffer has 2"):
        ReplayBuffer(20, (1, 14, 14), random).draw_for(torch.full((7,), 3), random)
