"""Minimum-norm interpolation with a Gaussian kernel at any size that memory allows (Zhang et al. 2017, section 5).

Of all functions of the kernel's space that take the values y_i at the points x_i, the one of smallest norm is

    f(x) = sum_i alpha_i k(x_i, x),    K alpha = y,    K_ij = k(x_i, x_j) = exp(-gamma |x_i - x_j|^2),

and its norm is sqrt(y^T alpha), summed over outputs. K is symmetric, so that its lower triangle in square blocks is all
that is held: `Triangle`. A triangle of float64 takes 4 n^2 bytes, 14.4 GB at n = 60,000; one of float32 half of it, and
is a preconditioner of conjugate gradients that compute K anew in float64, block by block, and never hold it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 1000  # rows of a block: large enough for the matrix product, small enough that what is beside it is cheap
JITTERS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)  # added to the diagonal of a float32 preconditioner until it can be factorised

Apply = Callable[[Tensor], Tensor]  # (n, K) -> (n, K)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2, (n, m), of vectors (n, d) and (m, d), in their type; rounding never takes it below zero."""
    inner = torch.addmm((b * b).sum(1), a, b.T, alpha=-2)
    return inner.add_((a * a).sum(1)[:, None]).clamp_(min=0)


def gaussian(a: Tensor, b: Tensor, gamma: float) -> Tensor:
    """The kernel matrix exp(-gamma |a_i - b_j|^2), (n, m)."""
    return squared_distances(a, b).mul_(-gamma).exp_()


def median_squared_distance(points: Tensor, sample: int = 1000) -> float:
    """The median over pairs of different points among the first `sample`, the natural unit of 1 / gamma."""
    first = points[:sample]
    i, j = torch.triu_indices(len(first), len(first), offset=1, device=points.device)
    pairs = squared_distances(first, first)[i, j]
    return pairs.median().item()


class Triangle:
    """The lower triangle of a symmetric (n, n) matrix, diagonal included, in square blocks: half the memory.

    Attributes:
        n: Rows.
        blocks: `blocks[i][j]`, j <= i, holds rows i BLOCK.. and columns j BLOCK..; those on the diagonal are whole.
    """

    def __init__(self, n: int, block: Callable[[slice, slice], Tensor], size: int) -> None:
        """Fill every block by `block(rows, columns)`."""
        self.n, self.size, self.slices = n, size, _slices(n, size)
        self.blocks = [[block(rows, columns) for columns in self.slices[: i + 1]] for i, rows in enumerate(self.slices)]

    @property
    def bytes(self) -> int:
        """Memory of the blocks."""
        return sum(block.numel() * block.element_size() for row in self.blocks for block in row)

    def at(self, rows: slice, columns: slice) -> Tensor:
        """The block of these rows and columns."""
        return self.blocks[rows.start // self.size][columns.start // self.size]

    def add_to_diagonal_(self, value: float) -> "Triangle":
        """K + value I, in place."""
        for row in self.blocks:
            row[-1].diagonal().add_(value)
        return self

    def cholesky_(self) -> "Triangle":
        """Replace the matrix by its factor L, K = L L^T, column of blocks by column of blocks and in place.

        Raises:
            torch.linalg.LinAlgError: a block is not positive definite in this precision.
        """
        for j in range(len(self.blocks)):
            for i in range(j, len(self.blocks)):
                block = self.blocks[i][j]
                for k in range(j):  # K_ij - sum_k L_ik L_jk^T: n^3 / 3 operations, nearly all of them here
                    block.addmm_(self.blocks[i][k], self.blocks[j][k].T, alpha=-1)
                if i == j:  # L_jj
                    block.copy_(torch.linalg.cholesky(block))
                else:  # L_ij = (...) L_jj^-T
                    block.copy_(torch.linalg.solve_triangular(self.blocks[j][j].T, block, upper=True, left=False))
        return self

    def solve(self, y: Tensor) -> Tensor:
        """K^-1 y of (n, K) values, where this is the factor of K: forward, then backward substitution."""
        x = y.to(self.blocks[0][0].dtype, copy=True)
        parts, last = [x[rows] for rows in self.slices], len(self.blocks) - 1
        for i, row in enumerate(self.blocks):
            for j in range(i):
                parts[i].addmm_(row[j], parts[j], alpha=-1)
            parts[i].copy_(torch.linalg.solve_triangular(row[i], parts[i], upper=False))
        for i in range(last, -1, -1):
            for k in range(i + 1, last + 1):
                parts[i].addmm_(self.blocks[k][i].T, parts[k], alpha=-1)
            parts[i].copy_(torch.linalg.solve_triangular(self.blocks[i][i].T, parts[i], upper=True))
        return x.to(y.dtype)

    def times(self, x: Tensor) -> Tensor:
        """K x of (n, K) values, where this is K: a block below the diagonal counts twice, once transposed."""
        return symmetric_product(self.n, self.at, x, self.size)


def gram(points: Tensor, gamma: float) -> Triangle:
    """The triangle of the Gaussian kernel matrix of points (n, d), in their type."""
    return Triangle(len(points), lambda rows, columns: gaussian(points[rows], points[columns], gamma), BLOCK)


def distance_triangle(points: Tensor) -> Triangle:
    """The triangle of squared distances of points (n, d): what kernels of different widths have in common."""
    return Triangle(len(points), lambda rows, columns: squared_distances(points[rows], points[columns]), BLOCK)


def kernel_of(distances: Triangle, gamma: float) -> Callable[[slice, slice], Tensor]:
    """Blocks of the kernel matrix at `gamma` from those of the squared distances, computed when asked for."""
    return lambda rows, columns: torch.exp(-gamma * distances.at(rows, columns))


def gram_times(points: Tensor, gamma: float, x: Tensor) -> Tensor:
    """K x of (n, K) values without K: each block is computed, used for itself and its mirror image, and dropped."""
    return symmetric_product(
        len(points), lambda rows, columns: gaussian(points[rows], points[columns], gamma), x, BLOCK
    )


def symmetric_product(n: int, block: Callable[[slice, slice], Tensor], x: Tensor, size: int) -> Tensor:
    """A x for a symmetric (n, n) matrix A of which `block` gives the lower triangle, x (n, K)."""
    product = torch.zeros_like(x)
    for i, rows in enumerate(slices := _slices(n, size)):
        for columns in slices[: i + 1]:
            part = block(rows, columns)
            product[rows].addmm_(part, x[columns])
            if rows != columns:
                product[columns].addmm_(part.T, x[rows])
    return product


def _slices(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def conjugate_gradients(
    times: Apply, precondition: Apply, y: Tensor, *, tolerance: float, max_steps: int
) -> tuple[Tensor, Tensor, int]:
    """Solve K alpha = y for all columns of y (n, K) at once by preconditioned conjugate gradients (Hestenes, Stiefel).

    Args:
        times: alpha -> K alpha, K symmetric and positive definite.
        precondition: r -> M^-1 r, M close to K, symmetric and positive definite.
        y: right-hand sides.
        tolerance: of the residual |y - K alpha| over |y|, all columns together.
        max_steps: products with K at most.

    Returns:
        alpha (n, K); K alpha (n, K), the sum of the products that led to alpha, since K is linear; their number.
    """
    alpha, fitted = torch.zeros_like(y), torch.zeros_like(y)
    residual = y
    direction = z = precondition(residual)
    rho = (residual * z).sum(0)
    for step in range(1, max_steps + 1):
        image = times(direction)
        length = _ratio(rho, (direction * image).sum(0))  # exact minimum along the direction, column by column
        alpha += length * direction
        fitted += length * image
        residual = y - fitted  # a new tensor: `precondition` may have handed the old one back
        if residual.norm() <= tolerance * y.norm():
            return alpha, fitted, step
        z = precondition(residual)
        rho, before = (residual * z).sum(0), rho
        direction = z + _ratio(rho, before) * direction  # conjugate to all directions before
    return alpha, fitted, max_steps


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 for a column that is solved already."""
    return torch.where(b > 0, a / b, 0)


def factorised(build: Callable[[], Triangle]) -> tuple[Triangle, float]:
    """The factor of K + jitter I with the least jitter that lets it be factorised; `build` makes K anew each time."""
    for jitter in JITTERS:
        try:
            return build().add_to_diagonal_(jitter).cholesky_(), jitter
        except torch.linalg.LinAlgError:
            continue
    raise ValueError(f"not positive definite, even with {JITTERS[-1]} on the diagonal: are two points the same?")


def nystrom_preconditioner(points: Tensor, gamma: float, landmarks: int, generator: torch.Generator) -> Apply:
    """M^-1 from the kernel matrix of some points drawn at random (Frangella, Tropp, Udell 2023).

    The upper half of its eigenvalues, scaled up by n / landmarks, and their eigenvectors stand for those of K; all that
    is orthogonal to them is taken as if it had the smallest eigenvalue kept.
    """
    n = len(points)
    chosen = torch.randperm(n, generator=generator)[:landmarks].to(points.device)
    values, vectors = torch.linalg.eigh(gaussian(points[chosen], points[chosen], gamma))
    kept = slice(len(values) // 2, None)  # ascending
    basis = gaussian(points, points[chosen], gamma) @ (vectors[:, kept] / values[kept])  # (n, kept), nearly orthogonal
    basis, _ = torch.linalg.qr(basis)
    spectrum = values[kept] * (n / landmarks)
    return lambda r: basis @ ((spectrum.min() / spectrum)[:, None] * (basis.T @ r)) + r - basis @ (basis.T @ r)


@dataclass(frozen=True)
class Solution:
    """alpha of a kernel interpolant, and what it took to find it.

    Attributes:
        alpha: (n, K), one column for each output.
        fitted: K alpha in float64.
        residual: |y - K alpha| over |y|, from it.
        products: Products with K that conjugate gradients took.
        jitter: What the preconditioner has on its diagonal.
        bytes: Of the preconditioner's triangle.
    """

    alpha: Tensor
    fitted: Tensor
    residual: float
    products: int
    jitter: float
    bytes: int


def interpolate(points: Tensor, y: Tensor, gamma: float, *, tolerance: float = 1e-8, max_steps: int = 20) -> Solution:
    """Solve K alpha = y at any size: a float32 factor of K as preconditioner, all products with K in float64.

    The factor is K to about seven digits, so each step of conjugate gradients gains several. Distances do not change
    when the mean is subtracted, and float32 then loses less of them.

    Args:
        points: (n, d), float64.
        y: (n, K), float64.
        gamma: Of the kernel.
        tolerance: Of the residual.
        max_steps: Products with K at most.
    """
    centred = (points - points.mean(0)).float()
    factor, jitter = factorised(lambda: gram(centred, gamma))
    alpha, fitted, products = conjugate_gradients(
        lambda x: gram_times(points, gamma, x), factor.solve, y, tolerance=tolerance, max_steps=max_steps
    )
    residual = (y - fitted).norm() / y.norm()
    return Solution(alpha, fitted, residual.item(), products, jitter, factor.bytes)


def evaluate(x: Tensor, points: Tensor, alpha: Tensor, gamma: float) -> Tensor:
    """f(x) = sum_i alpha_i k(x_i, x), the values (m, K) at x (m, d)."""
    return torch.cat([gaussian(part, points, gamma) @ alpha for part in x.split(BLOCK)])


def norm_of(alpha: Tensor, image: Tensor) -> float:
    """Norm in the kernel's space, sqrt(trace alpha^T K alpha), `image` = K alpha; over all outputs together."""
    return (alpha * image).sum().clamp(min=0).sqrt().item()


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Targets (n, K) in float64: 1 in the label's column, 0 elsewhere; not centred."""
    return torch.nn.functional.one_hot(labels, classes).double()


def error_of(values: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest value is not the label's."""
    return values.argmax(1).ne(labels).double().mean().item()


def minimum_norm(x: Tensor, y: Tensor) -> Tensor:
    """The linear interpolant of minimum norm, w = X^T (X X^T)^-1 y, (d, K), of X (n, d) with independent rows."""
    return x.T @ torch.linalg.solve(x @ x.T, y)


def sgd(features: Tensor, y: Tensor, start: Tensor, *, epochs: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Stochastic gradient descent on the squared loss of a linear model, one example a step; w after each epoch.

    w <- w - eta (w^T x_i - y_i) x_i, with eta = 1 / |x_i|^2: every step fits its example (Kaczmarz). From w = 0 all
    steps stay in the span of the examples, which holds one interpolant only, that of minimum norm.

    Args:
        features: X (n, d).
        y: (n, K).
        start: w (d, K).
        epochs: Passes over the examples, each in an order of its own.
        generator: For the orders.
    """
    w, lengths = start.clone(), (features * features).sum(1)
    for _ in range(epochs):
        for i in torch.randperm(len(features), generator=generator).tolist():
            error = features[i] @ w - y[i]  # e_i, (K,)
            w.addr_(features[i], error, alpha=-1 / lengths[i].item())
        yield w


def kernel_sgd(gram_matrix: Tensor, y: Tensor, *, epochs: int, generator: torch.Generator) -> Tensor:
    """The same in the features of a kernel, from zero: w = sum_i alpha_i phi(x_i), so a step changes alpha_i alone.

    Args:
        gram_matrix: K (n, n).
        y: (n, K).
        epochs: Passes over the examples.
        generator: For the orders.

    Returns:
        alpha (n, K).
    """
    alpha = torch.zeros_like(y)
    for _ in range(epochs):
        for i in torch.randperm(len(y), generator=generator).tolist():
            alpha[i] -= (gram_matrix[i] @ alpha - y[i]) / gram_matrix[i, i]
    return alpha


def log_cosh_hessian(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """The Hessian (d, d) of the mean over examples of log cosh(w^T x_i - y_i), y (n,), w (d,): (1/n) X^T diag(beta) X.

    beta_i = 1 / cosh^2(w^T x_i - y_i) is 1 at every interpolant and smaller elsewhere.
    """
    beta = torch.cosh(x @ w - y).pow(-2)
    return x.T @ (beta[:, None] * x) / len(x)
