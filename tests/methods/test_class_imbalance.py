"""The methods for imbalanced classes: cases by hand, and imbalanced-learn and scikit-learn as peers."""

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from lib.methods.class_imbalance import class_weights, nearest, over_sampled, smote, under_sampled, weighted_loss
from lib.training.batches import Batch

LABELS = torch.tensor([0] * 20 + [1] * 8 + [2] * 3)[torch.randperm(31, generator=torch.Generator().manual_seed(0))]
POINTS = torch.randn(31, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def random(seed: int = 3) -> np.random.RandomState:
    return np.random.RandomState(seed)


def test_weights_by_hand_and_as_scikit_learn():
    weights = class_weights(torch.tensor([0, 0, 0, 0, 1, 1, 2, 2]), 3)
    assert weights.tolist() == pytest.approx([8 / 12, 8 / 6, 8 / 6])
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=LABELS.numpy())
    assert class_weights(LABELS, 3).tolist() == pytest.approx(theirs.tolist())
    assert class_weights(LABELS, 4)[3] == 0


def test_every_class_has_the_same_share_of_the_weights():
    weights = class_weights(LABELS, 3)[LABELS]
    assert [weights[c == LABELS].sum().item() for c in range(3)] == pytest.approx([31 / 3] * 3)


def test_weighted_loss_by_hand():
    """Two images, two classes, p = 1/2 each: (3 log 2 + 1 log 2) / 2."""
    net = nn.Linear(2, 2)
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    batch = Batch(torch.ones(2, 2), torch.tensor([0, 1]), torch.arange(2), 0, torch.Generator())
    assert weighted_loss(torch.tensor([3.0, 1.0]))(net, batch).item() == pytest.approx(2 * np.log(2))


def test_over_sampling_equals_imbalanced_learn():
    peer = RandomOverSampler(random_state=random())
    peer.fit_resample(POINTS.numpy(), LABELS.numpy())
    assert over_sampled(LABELS, random()).tolist() == peer.sample_indices_.tolist()
    assert LABELS[over_sampled(LABELS, random())].bincount().tolist() == [20, 20, 20]


def test_under_sampling_is_a_draw_without_repetition():
    kept = under_sampled(LABELS, random())
    assert LABELS[kept].bincount().tolist() == [3, 3, 3] and len(kept.unique()) == 9
    peer = RandomUnderSampler(random_state=random())
    peer.fit_resample(POINTS.numpy(), LABELS.numpy())
    # The peer draws nothing for the smallest class; before it the two draw alike.
    assert kept[:6].tolist() == peer.sample_indices_[:6].tolist()


def test_smote_equals_imbalanced_learn():
    points, labels = smote(POINTS, LABELS, random(), neighbours=2)
    theirs, named = SMOTE(k_neighbors=2, random_state=random()).fit_resample(POINTS.numpy(), LABELS.numpy())
    assert labels.tolist() == named.tolist()
    assert np.allclose(points.numpy(), theirs, atol=1e-12)


def test_smote_by_hand_lies_between_the_two_images_of_a_class():
    points, labels = smote(
        torch.tensor([[0.0], [1.0], [9.0], [5.0], [7.0]]), torch.tensor([0, 0, 0, 1, 1]), random(), neighbours=5
    )
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert points[:5].flatten().tolist() == [0, 1, 9, 5, 7] and 5 <= points[5].item() <= 7


def test_smote_never_leaves_the_class_and_copies_a_lone_image():
    points, labels = smote(torch.tensor([[0.0], [1.0], [2.0], [50.0]]), torch.tensor([0, 0, 0, 1]), random())
    assert points[labels == 1].flatten().tolist() == [50.0] * 3


def test_nearest_by_hand_leaves_out_the_point_itself():
    assert nearest(torch.tensor([[0.0], [1.0], [3.0]]), 1).flatten().tolist() == [1, 0, 1]
