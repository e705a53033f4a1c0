"""Scores computed by hand."""

import pytest
import torch
from torch import nn

from lib.methods import detection_scores as scores


class Linear(nn.Module):
    """Two logits of the two pixels: 3 a + 4 b, and so much that softmax gives it nothing."""

    def __init__(self, second: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[3.0, 0.0], [4.0, 0.0]]))
        self.second = second

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ self.weight + torch.tensor([0.0, self.second])


def test_the_approximate_mass_by_hand():
    images = torch.tensor([0.0, 0.0]).view(1, 1, 1, 2)
    # LSE is 3 a + 4 b alone: the gradient (3, 4) by images in [0, 1] is (1.5, 2) by those in [-1, 1], of length 2.5
    assert scores.approximate_mass(Linear(-1e4), images).tolist() == pytest.approx([-2.5])
    # Two equal logits: softmax halves the gradient.
    found = scores.net_scores(Linear(0.0), images)
    assert found["approximate mass"].tolist() == pytest.approx([-1.25])
    assert found["log p(x)"].tolist() == pytest.approx([torch.tensor(2.0).log().item()])
    assert found["max p(y|x)"].tolist() == [0.5]


def test_total_variation_by_hand():
    image = torch.tensor([[0.0, 1.0], [0.5, 0.5]])[None, None]
    # down |.5 - 0|, |.5 - 1| -> mean .5; across 1, 0 -> mean .5
    assert scores.minus_total_variation(image).tolist() == [-1.0]


def test_what_is_flat_is_smooth_and_noise_is_not():
    images = torch.cat([torch.full((1, 1, 8, 8), 0.3), torch.rand(1, 1, 8, 8)])
    flat, rough = scores.smoothness(images).tolist()
    assert flat == pytest.approx(0, abs=1e-5) and rough < -0.5


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        scores.net_scores(Linear(0.0), torch.zeros(0, 1, 1, 2))
