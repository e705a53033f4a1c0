"""Kernel interpolation: cases by hand, dense solves, scikit-learn's kernels and ridge regression, scipy's solver."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from lib.methods import kernels


def drawn(n=70, d=5, outputs=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
    return torch.randn(n, d, **draw), torch.randn(n, outputs, **draw), torch.randn(20, d, **draw)


def test_two_points_by_hand():
    """Points 0 and 1 on the line, values 1 and 0, exp(-gamma) = 1/2: alpha = K^-1 y = (4/3, -2/3), norm^2 = 4/3."""
    points, y = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[1.0], [0.0]]).double()
    gamma = math.log(2)
    found = kernels.interpolate(points, y, gamma, tolerance=1e-14)
    torch.testing.assert_close(found.alpha, torch.tensor([[4 / 3], [-2 / 3]]).double())
    assert kernels.norm_of(found.alpha, y) == pytest.approx(math.sqrt(4 / 3))
    between = kernels.evaluate(torch.tensor([[0.5]]).double(), points, found.alpha, gamma).item()
    assert between == pytest.approx((4 / 3 - 2 / 3) * 2**-0.25)


def test_the_kernel_is_scikit_learns():
    points, _, others = drawn()
    ours = kernels.gaussian(points, others, 0.3).numpy()
    np.testing.assert_allclose(ours, rbf_kernel(points.numpy(), others.numpy(), gamma=0.3), rtol=1e-12)


def test_equal_points_are_at_distance_zero_and_never_below():
    points = 1e4 + drawn()[0]
    assert (kernels.squared_distances(points, points) >= 0).all()


def test_the_median_is_over_pairs_of_different_points():
    points = torch.tensor([[0.0], [1.0], [3.0]]).double()  # squared distances 1, 4, 9
    assert kernels.median_squared_distance(points) == 4.0


@pytest.mark.parametrize("size", [1, 7, 16, 70, 100])
def test_blocks_of_any_size_factorise_multiply_and_solve_as_the_whole(size):
    points, y, _ = drawn()
    whole = kernels.gaussian(points, points, 0.2) + 0.01 * torch.eye(70, dtype=torch.float64)
    blocks = kernels.Triangle(70, lambda rows, columns: whole[rows, columns].clone(), size)
    torch.testing.assert_close(blocks.times(y), whole @ y)
    factor = blocks.cholesky_()
    torch.testing.assert_close(factor.solve(y), torch.from_numpy(scipy.linalg.solve(whole.numpy(), y.numpy())))
    lower = torch.linalg.cholesky(whole)
    for i, row in enumerate(factor.blocks):
        for j, block in enumerate(row):
            torch.testing.assert_close(block, lower[i * size : (i + 1) * size, j * size : (j + 1) * size])


def test_a_triangle_takes_half_the_memory():
    points = drawn(n=kernels.BLOCK * 2)[0].float()
    held = kernels.gram(points, 0.1).bytes
    assert held == 3 * kernels.BLOCK**2 * 4  # of four blocks three


def test_products_without_the_matrix_are_those_with_it(monkeypatch):
    monkeypatch.setattr(kernels, "BLOCK", 16)
    points, y, _ = drawn()
    dense = kernels.gaussian(points, points, 0.2)
    torch.testing.assert_close(kernels.gram_times(points, 0.2, y), dense @ y)
    distances = kernels.distance_triangle(points)
    torch.testing.assert_close(
        kernels.symmetric_product(70, kernels.kernel_of(distances, 0.2), y, distances.size), dense @ y
    )


def test_conjugate_gradients_end_after_as_many_steps_as_there_are_eigenvalues():
    matrix = torch.diag(torch.tensor([1.0, 1.0, 4.0, 4.0, 9.0]).double())
    y = torch.ones(5, 2, dtype=torch.float64)
    alpha, fitted, steps = kernels.conjugate_gradients(
        lambda x: matrix @ x, lambda r: r, y, tolerance=1e-12, max_steps=9
    )
    assert steps == 3
    torch.testing.assert_close(alpha, torch.linalg.solve(matrix, y))
    torch.testing.assert_close(fitted, matrix @ alpha)


def test_a_column_that_is_solved_stays_solved():
    matrix = torch.diag(torch.tensor([1.0, 4.0]).double())
    y = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).double()
    alpha, _, _ = kernels.conjugate_gradients(lambda x: matrix @ x, lambda r: r, y, tolerance=1e-12, max_steps=9)
    assert alpha[:, 0].tolist() == [0, 0] and alpha.isfinite().all()


def test_refinement_reaches_what_float32_cannot():
    points, y, _ = drawn(n=300)
    exact = torch.linalg.solve(kernels.gaussian(points, points, 0.5), y)
    found = kernels.interpolate(points, y, 0.5, tolerance=1e-12)
    single = kernels.gram(points.float(), 0.5).cholesky_().solve(y)
    assert found.residual < 1e-11 and found.products <= 6
    anew = kernels.gram_times(points, 0.5, found.alpha)
    assert (found.fitted - anew).norm() / y.norm() < 1e-12, "the sum of the products is K alpha"
    assert found.residual == pytest.approx(((y - anew).norm() / y.norm()).item(), abs=1e-12)
    assert (found.alpha - exact).norm() / exact.norm() < 1e-9 < (single - exact).norm() / exact.norm()


def test_a_matrix_that_cannot_be_factorised_gets_a_jitter():
    """Two points of which float32 sees one, as it may: conjugate gradients on the exact matrix do the rest."""
    points = torch.tensor([[0.0], [1e-5], [1.0]]).double()
    y = torch.tensor([[1.0], [1.0], [0.0]]).double()
    found = kernels.interpolate(points, y, 0.5, tolerance=1e-10)
    assert found.residual < 1e-9
    nearly = torch.tensor([[1.0, 1.0], [1.0, 1 - 1e-6]])  # one eigenvalue below zero
    _, jitter = kernels.factorised(lambda: kernels.Triangle(2, lambda rows, columns: nearly.clone(), 2))
    assert jitter > 0
    with pytest.raises(ValueError, match="not positive definite"):
        kernels.factorised(lambda: kernels.Triangle(1, lambda rows, columns: torch.tensor([[-1.0]]), 1))


def test_ridge_regression_is_scikit_learns():
    points, y, others = drawn()
    alpha = kernels.gram(points, 0.2).add_to_diagonal_(0.1).cholesky_().solve(y)
    fitted = KernelRidge(alpha=0.1, kernel="rbf", gamma=0.2).fit(points.numpy(), y.numpy())
    ours = kernels.evaluate(others, points, alpha, 0.2).numpy()
    np.testing.assert_allclose(ours, fitted.predict(others.numpy()), rtol=1e-8, atol=1e-10)


def test_with_all_points_as_landmarks_the_preconditioner_holds_the_upper_eigenvalues():
    points, y, _ = drawn()
    dense = kernels.gaussian(points, points, 0.05)
    apply = kernels.nystrom_preconditioner(points, 0.05, 70, torch.Generator().manual_seed(0))
    values, vectors = torch.linalg.eigh(dense)
    top = vectors[:, -3:]  # M^-1 K is a multiple of the identity there
    torch.testing.assert_close(apply(dense @ top) / values[35], top, rtol=1e-6, atol=1e-8)
    plain = kernels.conjugate_gradients(lambda x: dense @ x, lambda r: r, y, tolerance=1e-3, max_steps=200)[2]
    with_it = kernels.conjugate_gradients(lambda x: dense @ x, apply, y, tolerance=1e-3, max_steps=200)[2]
    assert with_it < plain


def test_the_minimum_norm_is_numpys_pseudo_inverse():
    x, y, _ = drawn(n=4, d=9)
    np.testing.assert_allclose(kernels.minimum_norm(x, y).numpy(), np.linalg.pinv(x.numpy()) @ y.numpy(), atol=1e-12)


def test_a_step_of_sgd_by_hand_and_its_end():
    """From zero at x = (3, 4), y = 10: w = y x / |x|^2 = (1.2, 1.6), which is the minimum-norm interpolant."""
    x, y = torch.tensor([[3.0, 4.0]]).double(), torch.tensor([[10.0]]).double()
    (w,) = kernels.sgd(x, y, torch.zeros(2, 1).double(), epochs=1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(w, torch.tensor([[1.2], [1.6]]).double())


def test_sgd_from_zero_finds_the_minimum_norm_and_from_elsewhere_does_not():
    x, y, _ = drawn(n=6, d=40)
    goal = kernels.minimum_norm(x, y)
    start = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for begin, orthogonal in ((torch.zeros_like(goal), 0.0), (start, None)):
        *_, w = kernels.sgd(x, y, begin, epochs=300, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(x @ w, y)
        kept = begin - x.T @ torch.linalg.solve(x @ x.T, x @ begin)  # what no step can change
        torch.testing.assert_close(w, goal + kept)
        assert (kept.norm().item() == 0) == (orthogonal == 0)


def test_kernel_sgd_ends_at_the_interpolant():
    points, y, _ = drawn(n=20)
    matrix = kernels.gaussian(points, points, 1.0)
    alpha = kernels.kernel_sgd(matrix, y, epochs=400, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(alpha, torch.linalg.solve(matrix, y), rtol=1e-6, atol=1e-8)


def test_the_hessian_is_autograds():
    x, y, _ = drawn(n=8, d=4)
    w = torch.randn(4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    by_autograd = torch.autograd.functional.hessian(lambda w: torch.log(torch.cosh(x @ w - y[:, 0])).mean(), w)
    torch.testing.assert_close(kernels.log_cosh_hessian(x, y[:, 0], w), by_autograd)


def test_targets_and_errors_by_hand():
    assert kernels.one_hot(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert kernels.error_of(
        torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.0, 1.0]]), torch.tensor([1, 1, 1])
    ) == pytest.approx(1 / 3)
