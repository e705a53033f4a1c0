"""Distances by closed form."""

import pytest
import torch
from torch import nn

from lib.methods.sample_quality import features, frechet_distance, nearest, square_root
from lib.models.small_cnn import norm_free_cnn


def test_frechet_distance_of_gaussians():
    """|m1 - m2|^2 + sum (s1 - s2)^2 for diagonal covariances."""
    random = torch.Generator().manual_seed(0)
    first = torch.randn(40_000, 3, generator=random) * torch.tensor([1.0, 2.0, 0.5])
    second = torch.randn(40_000, 3, generator=random) * torch.tensor([1.0, 1.0, 2.0]) + torch.tensor([1.0, 0.0, -2.0])
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 0 + 1 + 2.25, rel=0.03)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_with_fewer_images_than_features():
    few = torch.randn(5, 20, generator=torch.Generator().manual_seed(1))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(few, few + 1) == pytest.approx(20, rel=1e-6)


def test_square_root():
    matrix = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    assert torch.allclose(square_root(matrix) @ square_root(matrix), matrix)


def test_nearest_in_the_scale_of_the_paper():
    images = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(2, 1, 1, 2)
    among = torch.tensor([[1.0, 0.5], [0.0, 0.1]]).view(2, 1, 1, 2)
    distance, index = nearest(images, among)
    assert index.tolist() == [1, 0] and distance.tolist() == pytest.approx([0.2, 1.0])


def test_features_are_what_the_last_layer_sees():
    torch.manual_seed(0)
    net, images = norm_free_cnn(4, (4, 6), in_channels=1).eval(), torch.rand(7, 1, 8, 8)
    found = features(net, images, batch_size=3)
    last = next(module for module in net.modules() if isinstance(module, nn.Linear))
    assert found.shape == (7, 6) and torch.allclose(last(found), net(images), atol=1e-6)
    assert not last._forward_pre_hooks
