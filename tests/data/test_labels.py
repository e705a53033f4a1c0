import pytest
import torch

from lib.data import labels as noisy

COUNT = 40_000


@pytest.fixture
def truth():
    return torch.arange(COUNT) % 10


@pytest.mark.parametrize(("exclude_true", "changed"), [(False, 0.6 * 0.9), (True, 0.6)])
def test_corrupted_fraction(truth, generator, exclude_true, changed):
    result = noisy.corrupt_labels(truth, 0.6, 10, generator, exclude_true=exclude_true)
    rate = (result != truth).double().mean().item()
    assert abs(rate - changed) < 5 * (changed * (1 - changed) / COUNT) ** 0.5


@pytest.mark.parametrize("exclude_true", [False, True])
def test_new_labels_are_uniform(truth, generator, exclude_true):
    result = noisy.corrupt_labels(truth, 1.0, 10, generator, exclude_true=exclude_true)
    shift = ((result - truth) % 10).bincount(minlength=10).double() / COUNT
    expected = torch.full((10,), 0.1) if not exclude_true else torch.tensor([0.0] + [1 / 9] * 9)
    assert (shift - expected).abs().max() < 5 * (0.1 * 0.9 / COUNT) ** 0.5


def test_zero_noise_changes_nothing_and_the_input_stays(truth, generator):
    before = truth.clone()
    assert torch.equal(noisy.corrupt_labels(truth, 0.0, 10, generator), truth)
    noisy.corrupt_labels(truth, 1.0, 10, generator)
    assert torch.equal(truth, before)


def test_seeds_are_respected(truth):
    draws = [noisy.random_labels(truth, 10, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_uniform_matrix_keeps_its_share_of_the_true_class():
    matrix = noisy.uniform_noise_matrix(0.4, 4)
    assert torch.allclose(matrix, 0.6 * torch.eye(4) + 0.1)


def test_flip_matrix_moves_all_noise_to_one_other_class(generator):
    matrix = noisy.flip_noise_matrix(0.3, 7, generator)
    assert torch.allclose(matrix.diagonal(), torch.full((7,), 0.7))
    assert ((matrix > 0).sum(1) == 2).all()
    assert torch.allclose(matrix.sum(1), torch.ones(7))


def test_hierarchical_matrix_stays_inside_the_superclass():
    matrix = noisy.hierarchical_noise_matrix(0.4, [0, 1, 0, 1, 0])
    assert torch.allclose(matrix[0], torch.tensor([0.6, 0.0, 0.2, 0.0, 0.2]))
    assert torch.allclose(matrix[1], torch.tensor([0.0, 0.6, 0.0, 0.4, 0.0]))
    with pytest.raises(ValueError, match="at least two classes"):
        noisy.hierarchical_noise_matrix(0.4, [0, 1, 1])


@pytest.mark.parametrize("make", [noisy.uniform_noise, noisy.flip_noise])
def test_drawn_labels_follow_their_matrix(truth, generator, make):
    result, matrix = make(truth, 0.4, 10, generator)
    for label in range(10):
        drawn = result[truth == label].bincount(minlength=10).double() / (COUNT / 10)
        assert (drawn - matrix[label]).abs().max() < 5 * (0.25 / (COUNT / 10)) ** 0.5
        assert drawn[matrix[label] == 0].sum() == 0


def test_a_class_with_no_mass_is_never_drawn(generator):
    matrix = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    result = noisy.labels_from_matrix(torch.arange(3).repeat(1000), matrix, generator)
    assert set(result[0::3].tolist()) == {1}
    assert set(result[1::3].tolist()) == {0, 2}
    assert set(result[2::3].tolist()) == {2}


@pytest.mark.parametrize(
    "call",
    [
        lambda truth, generator: noisy.corrupt_labels(truth, 40, 10, generator),
        lambda truth, generator: noisy.corrupt_labels(truth, 0.4, 1, generator),
        lambda truth, generator: noisy.corrupt_labels(truth, 0.4, 5, generator),
        lambda truth, generator: noisy.uniform_noise_matrix(-0.1, 10),
        lambda truth, generator: noisy.labels_from_matrix(truth, torch.ones(10, 10), generator),
    ],
)
def test_bad_input_is_refused(truth, generator, call):
    with pytest.raises(ValueError, match=r"must lie in|at least two|must be a distribution"):
        call(truth, generator)
