"""Networks that memorise any labels: Theorem 1 and Corollary 1 of Zhang et al. 2017, built instead of trained.

Theorem 1 (section 4, proof in appendix C): a two-layer ReLU network with 2n + d weights represents any function on
any n distinct points in R^d. Corollary 1: so does a network of any depth k >= 2 and width O(n/k), with O(n + d)
weights.

Both proofs send every point to a number on a line, t = <a, x>, and then draw a piecewise-linear function through the
n pairs (t_i, y_i). Two projections of 50,000 images may lie 1e-9 apart and carry different labels, so the function is
very steep there: everything is float64.
"""

import time
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

ROWS, COLUMNS = 256, 1024  # one tile of hidden activations, 2 MB of float64: the n x n matrix is never held
NUMBERS_PER_BLOCK = 2**19  # pixels converted to float64 at a time while projecting


def project(points: Tensor, a: Tensor) -> Tensor:
    """The projections t = <a, x> in float64, the same bits for a point whatever batch it comes in.

    A matrix product sums in an order that depends on the shape of the batch, which changes the last bits of t (2e-13
    on CIFAR-10). The function drawn through 50,000 images has slopes of 1e8 to 1e10, so that this would show in its
    values. So each row is multiplied and summed by itself, on the CPU wherever the points are.

    Args:
        points: (N, ...) images or vectors, flattened to (N, d). uint8 is divided by 255; other types are taken as
            they are.
        a: (d,) float64.

    Returns:
        (N,) float64 on the device of `a`.

    Raises:
        ValueError: if the points have another number of coordinates than `a`.
    """
    rows = points.detach().flatten(1).cpu().contiguous()  # (N, d)
    if rows.shape[1] != len(a):
        raise ValueError(f"the points have {rows.shape[1]} coordinates, the network reads {len(a)}")
    scale, direction = 255.0 if points.dtype == torch.uint8 else 1.0, a.cpu()
    blocks = rows.split(max(1, NUMBERS_PER_BLOCK // len(a)))
    # numpy sums a contiguous row in an order that depends on d alone; torch may split a single long row among threads
    sums = [torch.from_numpy((block.double() / scale * direction).numpy().sum(axis=1)) for block in blocks]
    return torch.cat(sums).to(a.device)


def hinge_sum(t: Tensor, b: Tensor, w: Tensor) -> Tensor:
    """A layer of ReLU units and its output weights, sum_j w_j max(t - b_j, 0), every unit evaluated, tile by tile.

    Args:
        t: (N,) positions on the line.
        b: (m,) thresholds.
        w: (m,) output weights, or (m, K) for K outputs.

    Returns:
        (N,) or (N, K).
    """
    total = torch.zeros(len(t), *w.shape[1:], dtype=torch.float64, device=t.device)
    for rows, sums in zip(t.split(ROWS), total.split(ROWS), strict=True):
        for thresholds, weights in zip(b.split(COLUMNS), w.split(COLUMNS), strict=True):
            hidden = (rows[:, None] - thresholds).clamp_(min=0)  # (rows, units)
            sums += hidden @ weights
    return total


@dataclass(frozen=True)
class TwoLayerMemory:
    """The network of Theorem 1: c(x) = sum_j w_j max(<a, x> - b_j, 0).

    Attributes:
        a: (d,) the direction that all hidden units share.
        b: (n,) thresholds, ascending.
        w: (n,) output weights, or (n, K) for K outputs that share a and b.
    """

    a: Tensor
    b: Tensor
    w: Tensor

    @property
    def weights(self) -> int:
        """Number of weights: d + n + n = 2n + d, the theorem's count (d + n + Kn with K outputs)."""
        return self.a.numel() + self.b.numel() + self.w.numel()

    def project(self, points: Tensor) -> Tensor:
        """Position of each point on the line, t = <a, x>, shape (N,)."""
        return project(points, self.a)

    def along(self, t: Tensor) -> Tensor:
        """The piecewise-linear function itself, at positions t (N,) on the line: what a figure draws.

        From each point to the threshold after it the function goes on with the slope that it had, so after a steep
        gap it overshoots.
        """
        return hinge_sum(t, self.b, self.w)

    def __call__(self, points: Tensor) -> Tensor:
        """The network's values, (N,) or (N, K) in float64, for points (N, ...)."""
        return self.along(self.project(points))


@dataclass(frozen=True)
class DeepMemory:
    """The network of Corollary 1: B hidden layers, each of which draws the function on one interval of the line.

    Hidden layer j holds the units max(t - b_j, 0) of interval j, one unit that carries t on (t >= 0, so its ReLU
    changes nothing) and one that carries the sum of the intervals before (labels above the floor are >= 0, so its
    ReLU changes nothing at the memorised points; between them it cuts off what falls below the floor). A linear
    output adds the last interval and the floor. The first layer reads t = <a, x> - shift with the shared direction of
    Theorem 1; a network without shared weights spends one more layer, of one unit, on it.

    Attributes:
        a: (d,) direction, scaled so that the memorised points lie in (0, 1].
        shift: what is subtracted from <a, x>.
        b: B tensors of thresholds, ascending within and across intervals.
        w: B tensors of output weights, (m_j,) or (m_j, K).
        floor: the smallest label, added to the output.
    """

    a: Tensor
    shift: float
    b: tuple[Tensor, ...]
    w: tuple[Tensor, ...]
    floor: float

    @property
    def depth(self) -> int:
        """Layers of weights, as the paper counts: B hidden layers and the output. Theorem 1 has depth 2."""
        return len(self.b) + 1

    @property
    def outputs(self) -> int:
        """Number K of outputs, and so of units that carry a sum."""
        return self.w[0][0].numel()

    @property
    def width(self) -> int:
        """Units in the widest hidden layer: n/B, two to close the interval, one to carry t, K to carry the sums."""
        last = len(self.b) - 1
        return max(len(b) + (j < last) + self.outputs * (j > 0) for j, b in enumerate(self.b))

    @property
    def weights(self) -> int:
        """Number of weights, the connections fixed at one included: at most 3n + d + 8B for one output.

        Stored numbers: a, shift, thresholds, output weights, floor. Fixed at one: t into every unit after the first
        layer, t into each unit that carries it on, each sum into the next.
        """
        units, later, carries = sum(map(len, self.b)), sum(map(len, self.b[1:])), len(self.b) - 1
        stored = len(self.a) + 1 + units + self.outputs * units + 1
        return stored + later + max(carries - 1, 0) + self.outputs * carries

    def project(self, points: Tensor) -> Tensor:
        """Position of each point on the line, t = <a, x> - shift, shape (N,); in (0, 1] for the memorised points."""
        return project(points, self.a) - self.shift

    def along(self, t: Tensor) -> Tensor:
        """The network after its projection, layer by layer, at positions t (N,) on the line: what a figure draws."""
        carried, total = t, torch.zeros((), dtype=torch.float64, device=t.device)
        for b, w in zip(self.b, self.w, strict=True):
            total = total.clamp(min=0) + hinge_sum(carried, b, w)  # the sum carried on, and this interval's units
            carried = carried.clamp(min=0)  # t carried on
        return total + self.floor

    def __call__(self, points: Tensor) -> Tensor:
        """The network's values, (N,) or (N, K) in float64, for points (N, ...)."""
        return self.along(self.project(points))


def memorise(
    points: Tensor, labels: Tensor, *, generator: torch.Generator, placement: float = 0.05, directions: int = 8
) -> TwoLayerMemory:
    """Theorem 1: a two-layer ReLU network with 2n + d weights that takes the value y_i at z_i, for any labels y.

    1. A Gaussian direction a makes the projections t_i = <a, z_i> distinct; sort them.
    2. Interleave thresholds: b_1 < t_1 < b_2 < t_2 < ... < b_n < t_n.
    3. A_ij = max(t_i - b_j, 0) is then lower triangular with the diagonal t_i - b_i > 0, so A w = y has a solution.

    The proof takes any thresholds that interleave; rounding does not. With b_i = t_{i-1} + p (t_i - t_{i-1}) the
    slopes obey

        s_i = (y_i - y_{i-1}) / ((1 - p)(t_i - t_{i-1})) - p / (1 - p) s_{i-1}.

    At the midpoint, p = 1/2, the factor of s_{i-1} is -1: the steepest slope so far never fades, and every later
    weight is as large as it (beyond the midpoint it grows). At p = 0.05 the factor is -1/19 and a steep gap is
    forgotten at once.

    Values are sums of terms as large as max|w| times the length of the line, which cancel down to a label. float64
    keeps about 1e-16 of them, so the error is governed by the smallest gap between projections; `directions` draws
    are made and the one with the widest smallest gap kept. With random labels for all 50,000 training images of
    CIFAR-10 the largest error is 1.5e-5 to 8e-5 (five seeds) at p = 0.05, and 5e-2 at the midpoint.

    Args:
        points: (n, ...) distinct points: images (uint8 is divided by 255) or vectors.
        labels: (n,) values to memorise, such as class indices; or (n, K), such as one-hot rows, for K outputs that
            share a and b.
        generator: draws the directions.
        placement: p above, in (0, 1).
        directions: how many directions to draw, at least 1.

    Returns:
        The network, on the device of `points`.

    Raises:
        ValueError: if two points are equal (it names them), shapes do not match, a value is not finite, or an
            argument is out of range.
    """
    y = _targets(points, labels)
    _check_placement(placement)
    a, t = _separating_direction(points, generator, directions)
    t, order = t.sort()
    first = t[:1] - _spread(t) / len(t)  # b_1: one mean gap below t_1
    b = torch.cat([first, t[:-1] + placement * t.diff()])
    return TwoLayerMemory(a, b, _solve(t, b, y[order]))


def memorise_deep(
    points: Tensor,
    labels: Tensor,
    *,
    depth: int,
    generator: torch.Generator,
    placement: float = 0.05,
    directions: int = 8,
) -> DeepMemory:
    """Corollary 1: the same for any depth k from 2 to n + 1, with width n/(k - 1) + O(1) and O(n + d) weights.

    The line is cut into B = k - 1 intervals of n/B consecutive points. On each, Theorem 1 gives a function through
    its points. The paper gates every interval's output with a soft indicator of the interval, a small ReLU network of
    its own, and adds what passes (a multiplexer on top of the layers). Here the indicator is folded into the
    function: two more thresholds in the gap after the interval's last point bring it to zero and keep it there, so
    that the functions are simply added. In the triangular system these are two more rows with label zero.

    Args:
        points: (n, ...) distinct points, as in `memorise`.
        labels: (n,) or (n, K) values to memorise.
        depth: layers of weights, 2 <= depth <= n + 1; 2 is the network of Theorem 1.
        generator: draws the directions.
        placement: where a threshold stands in its gap, in (0, 1), as in `memorise`.
        directions: how many directions to draw, at least 1.

    Returns:
        The network, on the device of `points`.

    Raises:
        ValueError: as `memorise`, and if the depth leaves an interval without a point.
    """
    y = _targets(points, labels)
    _check_placement(placement)
    if not 2 <= depth <= len(y) + 1:
        raise ValueError(f"depth {depth} with {len(y)} points: choose a depth from 2 to {len(y) + 1}")
    a, shift, t = _unit_line(points, generator, directions)
    t, order = t.sort()
    floor = y.min().item()
    points_of, labels_of = t.tensor_split(depth - 1), (y[order] - floor).tensor_split(depth - 1)
    # interval j starts at three quarters of the gap before it, the first one at zero, which is below every point
    starts = [torch.zeros_like(t[:1])]
    starts += [left[-1:] + 0.75 * (right[:1] - left[-1:]) for left, right in pairwise(points_of)]
    b, w = [], []
    for t_j, y_j, start, end in zip(points_of, labels_of, starts, [*starts[1:], None], strict=True):
        t_j, b_j, y_j = _interval(t_j, y_j, start, end, placement)
        b.append(b_j)
        w.append(_solve(t_j, b_j, y_j))
    return DeepMemory(a, shift, tuple(b), tuple(w), floor)


@dataclass(frozen=True)
class FitReport:
    """How well a network holds its labels.

    Attributes:
        points: how many points were evaluated.
        weights: number of weights of the network.
        largest_weight: max |w| over the output weights.
        max_error: largest |c(z_i) - y_i|, as a number of classes where labels are class indices.
        wrong: points with a label that differs after rounding to the nearest integer.
        seconds: time of the evaluation.
    """

    points: int
    weights: int
    largest_weight: float
    max_error: float
    wrong: int
    seconds: float


def fit_report(memory: TwoLayerMemory | DeepMemory, points: Tensor, labels: Tensor) -> FitReport:
    """Evaluates the network, every hidden unit on every point, and compares with the labels.

    Args:
        memory: the network.
        points: (n, ...) the points it was built on.
        labels: (n,) or (n, K) integer labels, as they were given when it was built.

    Returns:
        The report; `wrong` counts a point once, whatever the number of outputs.

    Raises:
        ValueError: if shapes do not match.
    """
    y = _targets(points, labels)
    started = time.perf_counter()
    values = memory(points).cpu()  # waits for an accelerator to finish
    seconds = time.perf_counter() - started
    y = y.cpu()
    if values.shape != y.shape:
        raise ValueError(f"the network gives values of shape {tuple(values.shape)}, the labels have {tuple(y.shape)}")
    wrong = (values.round() != y).reshape(len(y), -1).any(dim=1).sum().item()
    layers = memory.w if isinstance(memory.w, tuple) else (memory.w,)
    largest = max(w.abs().max().item() for w in layers)
    return FitReport(len(y), memory.weights, largest, (values - y).abs().max().item(), int(wrong), seconds)


def _solve(t: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """Solves A w = y, A_ij = max(t_i - b_j, 0), for y (n,) or (n, K); t and b ascending, b_i < t_i <= b_{i+1}."""
    if not (b < t).all():
        raise ValueError("two projections have no float64 number between them: take other points or another seed")
    if y.ndim == 1:
        return _forward_substitution(t, b, y)
    return torch.stack([_forward_substitution(t, b, column) for column in y.unbind(dim=1)], dim=1)


def _forward_substitution(t: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """One column of labels, in O(n): row i fixes the slope s_i that follows b_i, and w_i is the change of slope."""
    w = []
    slope, t_before, y_before = 0.0, 0.0, 0.0  # the function is zero before the first threshold
    for t_i, b_i, y_i in zip(t.tolist(), b.tolist(), y.tolist(), strict=True):
        f_b = y_before + slope * (b_i - t_before)  # f(b_i), by the thresholds before
        slope_i = (y_i - f_b) / (t_i - b_i)  # s_i = (y_i - f(b_i)) / (t_i - b_i)
        w.append(slope_i - slope)  # w_i = s_i - s_{i-1}
        slope, t_before, y_before = slope_i, t_i, y_i
    return torch.tensor(w, dtype=torch.float64, device=t.device)


def _interval(
    t: Tensor, y: Tensor, start: Tensor, end: Tensor | None, placement: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The triangular system of one interval: points (m,), thresholds (m,) and labels (m,) or (m, K).

    Before another interval, which starts at `end`, two points with label zero are added. After the interval's last
    point the function is led to zero at two thirds of the way to `end`, where the second extra threshold stands; with
    zero at `end` too, it stays zero from there on.
    """
    b = torch.cat([start, t[:-1] + placement * t.diff()])
    if end is None:
        return t, b, y
    zero = t[-1:] + 2 * (end - t[-1:]) / 3
    closing = torch.cat([t[-1:] + placement * (zero - t[-1:]), zero])
    return torch.cat([t, zero, end]), torch.cat([b, closing]), torch.cat([y, y.new_zeros(2, *y.shape[1:])])


def _separating_direction(points: Tensor, generator: torch.Generator, directions: int) -> tuple[Tensor, Tensor]:
    """Of several Gaussian directions (d,), the one whose smallest gap is the widest, and the projections (n,) on it."""
    if directions < 1:
        raise ValueError(f"directions must be at least 1, not {directions}")
    best, widest = None, 0.0
    for _ in range(directions):
        gaussian = torch.randn(points[0].numel(), generator=generator, dtype=torch.float64, device=generator.device)
        a = gaussian.to(points.device)
        t = project(points, a)
        gap = _smallest_gap(points, t)
        if gap > widest:
            best, widest = (a, t), gap
    if best is None:
        raise ValueError(f"two distinct points have the same projection in each of {directions} directions: draw more")
    return best


def _smallest_gap(points: Tensor, t: Tensor) -> float:
    """Smallest gap of the projections as a part of the line: zero if two coincide, an error if points are equal."""
    if len(t) == 1:
        return 1.0
    ascending, order = t.sort()
    gaps = ascending.diff()
    for i in gaps.eq(0).nonzero().flatten().tolist():  # equal points have equal projections
        first, second = sorted(order[i : i + 2].tolist())
        if torch.equal(points[first], points[second]):
            raise ValueError(f"points {first} and {second} are equal: only distinct points can be given any labels")
    return (gaps.min() / _spread(t)).item() if gaps.min() > 0 else 0.0


def _unit_line(points: Tensor, generator: torch.Generator, directions: int) -> tuple[Tensor, float, Tensor]:
    """Direction, shift and positions t = <a, z> - shift in (0, 1], the first of them one mean gap above zero."""
    gaussian, t = _separating_direction(points, generator, directions)
    a = gaussian / (_spread(t) * (1 + 1 / len(t)))
    t = project(points, a)
    shift = t.min().item() - 1 / (len(t) + 1)
    return a, shift, t - shift


def _spread(t: Tensor) -> float:
    """Length of the line that the projections take up; 1 for a single point."""
    return (t.max() - t.min()).item() if len(t) > 1 else 1.0


def _targets(points: Tensor, labels: Tensor) -> Tensor:
    """Labels as float64 on the device of the points, checked."""
    if points.ndim < 2 or len(points) == 0:
        raise ValueError(f"points must be (n, ...) with n >= 1, found shape {tuple(points.shape)}: (n, 1) for numbers")
    if labels.ndim not in (1, 2) or len(labels) != len(points):
        raise ValueError(f"labels must be ({len(points)},) or ({len(points)}, K), found shape {tuple(labels.shape)}")
    for name, values in (("points", points), ("labels", labels)):
        if not values.isfinite().all():
            raise ValueError(f"the {name} hold a value that is not finite")
    return labels.to(points.device, torch.float64)


def _check_placement(placement: float) -> None:
    if not 0 < placement < 1:
        raise ValueError(f"placement is a fraction of a gap, in (0, 1), not {placement}")
