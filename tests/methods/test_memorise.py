import math
from dataclasses import replace

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lib.methods.memorise import DeepMemory, fit_report, hinge_sum, memorise, memorise_deep, project


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(n: int, d: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    return torch.randn(n, d, generator=generator), torch.randint(0, 10, (n,), generator=generator)


# Theorem 1


@pytest.mark.parametrize("d", [1, 20])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 300])
def test_every_label_is_memorised(n, d):
    points, labels = gaussian(n, d)
    report = fit_report(memorise(points, labels, generator=seeded()), points, labels)
    assert report.wrong == 0
    assert report.max_error < 1e-6
    assert (report.points, report.weights) == (n, 2 * n + d)


def test_output_weights_solve_the_triangular_system():
    points, labels = gaussian(12, 5)
    memory = memorise(points, labels, generator=seeded())
    t, order = memory.project(points).sort()
    A = (t[:, None] - memory.b).clamp(min=0)
    assert torch.equal(A, A.tril())
    assert (A.diagonal() > 0).all()
    torch.testing.assert_close(memory.w, torch.linalg.solve(A, labels[order].double()), rtol=1e-8, atol=1e-8)


def test_thresholds_interleave_with_the_projections():
    points, labels = gaussian(50, 5)
    memory = memorise(points, labels, generator=seeded(), placement=0.05)
    t = memory.project(points).sort().values
    assert (memory.b < t).all()
    assert (memory.b[1:] > t[:-1]).all()
    torch.testing.assert_close((memory.b[1:] - t[:-1]) / t.diff(), torch.full((49,), 0.05).double())


def test_the_value_is_the_network_as_the_paper_writes_it():
    points, labels = gaussian(9, 4)
    memory = memorise(points, labels, generator=seeded())
    for x in torch.randn(5, 4, generator=seeded(2)):
        by_hand = sum(
            w * max(math.fsum((a * c).item() for a, c in zip(memory.a, x.double(), strict=True)) - b, 0.0)
            for b, w in zip(memory.b.tolist(), memory.w.tolist(), strict=True)
        )
        assert memory(x[None]).item() == pytest.approx(by_hand, rel=1e-9, abs=1e-9)


def test_labels_may_be_any_real_numbers():
    points, _ = gaussian(40, 6)
    labels = torch.linspace(-3.7, 12.1, 40).double()
    torch.testing.assert_close(memorise(points, labels, generator=seeded())(points), labels, rtol=0, atol=1e-9)


def test_outputs_share_direction_and_thresholds():
    points, labels = gaussian(30, 7)
    one_hot = torch.nn.functional.one_hot(labels, 10)
    memory = memorise(points, one_hot, generator=seeded())
    report = fit_report(memory, points, one_hot)
    assert report.weights == 11 * 30 + 7
    assert report.wrong == 0
    assert torch.equal(memory(points).argmax(dim=1), labels)
    single = memorise(points, one_hot[:, 3], generator=seeded())
    assert torch.equal(memory.b, single.b)
    assert torch.equal(memory.w[:, 3], single.w)


def test_images_are_flattened_and_bytes_scaled():
    images = torch.randint(0, 256, (40, 3, 4, 4), generator=seeded(3), dtype=torch.uint8)
    labels = torch.arange(40) % 10
    memory = memorise(images, labels, generator=seeded())
    assert memory.a.shape == (48,)
    assert fit_report(memory, images, labels).wrong == 0
    torch.testing.assert_close(memory.project(images), (images.flatten(1).double() / 255) @ memory.a)
    torch.testing.assert_close(memory(images.double() / 255), memory(images), rtol=0, atol=1e-6)


def test_the_same_seed_builds_the_same_network():
    points, labels = gaussian(20, 4)
    first, again = (memorise(points, labels, generator=seeded(5)) for _ in range(2))
    other = memorise(points, labels, generator=seeded(6))
    assert torch.equal(first.a, again.a) and torch.equal(first.w, again.w)
    assert not torch.equal(first.a, other.a)


def test_the_direction_kept_has_the_widest_smallest_gap():
    points, labels = gaussian(100, 5)
    generator = seeded(7)
    draws = [torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(6)]
    lines = [project(points, a).sort().values for a in draws]
    gaps = [(t.diff().min() / (t[-1] - t[0])).item() for t in lines]
    kept = memorise(points, labels, generator=seeded(7), directions=6).a
    assert max(gaps) > 2 * gaps[0]
    assert torch.equal(kept, draws[gaps.index(max(gaps))])


def test_the_midpoint_is_marginally_stable_and_beyond_it_the_recursion_diverges():
    points, labels = gaussian(2_000, 20)
    low, middle = (
        fit_report(memorise(points, labels, generator=seeded(), placement=p, directions=1), points, labels)
        for p in (0.05, 0.5)
    )
    assert low.max_error < 1e-6
    assert middle.max_error > 100 * low.max_error
    few, few_labels = points[:200], labels[:200]
    at = {p: memorise(few, few_labels, generator=seeded(), placement=p).w.abs().max().item() for p in (0.05, 0.6)}
    assert at[0.6] > 1e20 * at[0.05]


# The projection and the layer


@pytest.mark.parametrize("d", [1, 100, 3072])
def test_a_point_has_the_same_projection_in_every_batch(d):
    images = torch.randint(0, 256, (400, d), generator=seeded(d), dtype=torch.uint8)
    a = torch.randn(d, generator=seeded(), dtype=torch.float64)
    together = project(images, a)
    for size in (1, 7, 171):
        assert torch.equal(torch.cat([project(part, a) for part in images.split(size)]), together)
    assert torch.equal(project(images.T.contiguous().T, a), together)
    torch.testing.assert_close(together, images.double() @ a / 255, rtol=0, atol=1e-10)


@pytest.mark.parametrize("outputs", [(), (3,)])
def test_tiles_add_up_to_the_whole_layer(outputs):
    generator = seeded()
    t, b = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (300, 1_500))
    w = torch.randn(1_500, *outputs, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(hinge_sum(t, b, w), (t[:, None] - b).clamp(min=0) @ w)


# Corollary 1


def explicit_layers(memory: DeepMemory) -> list[tuple[Tensor, Tensor]]:
    """(weight, bias) of every layer of an ordinary ReLU network; hidden units in the order interval, sum, t."""
    layers, B, m = [], len(memory.b), [len(b) for b in memory.b]
    for j, b in enumerate(memory.b):
        ones, carries = torch.ones(m[j], 1).double(), torch.tensor([[1.0]]).double()
        if j == 0:
            weight = torch.cat([ones, carries]) * memory.a
            bias = -torch.cat([memory.shift + b, torch.tensor([memory.shift], dtype=torch.float64)])
            bias, weight = (bias, weight) if B > 1 else (bias[:-1], weight[:-1])
        else:
            before = m[j - 1] + (j > 1) + 1
            weight = torch.zeros(m[j] + 2, before).double()
            weight[: m[j], -1:] = ones  # t into the units of the interval
            weight[m[j], : m[j - 1]] = memory.w[j - 1]  # the units before into the sum
            weight[m[j], m[j - 1] : -1] = 1  # the sum before into the sum
            weight[m[j] + 1, -1] = 1  # t into t
            bias = torch.cat([-b, torch.zeros(2).double()])
            weight, bias = (weight, bias) if j + 1 < B else (weight[:-1], bias[:-1])
        layers.append((weight, bias))
    top = memory.w[-1] if B == 1 else torch.cat([memory.w[-1], torch.ones(1).double()])
    return [*layers, (top[None], torch.tensor([memory.floor], dtype=torch.float64))]


@pytest.mark.parametrize("depth", [2, 3, 5, 17, 18])
def test_the_deep_network_is_an_ordinary_relu_network_with_that_many_weights(depth):
    points, labels = gaussian(17, 4)
    labels = labels + 0.5  # so that the floor is not zero
    memory = memorise_deep(points, labels, depth=depth, generator=seeded())
    layers = explicit_layers(memory)
    hidden = points.double()
    for weight, bias in layers[:-1]:
        hidden = (hidden @ weight.T + bias).clamp(min=0)
    values = (hidden @ layers[-1][0].T + layers[-1][1]).squeeze(1)
    torch.testing.assert_close(values, memory(points), rtol=0, atol=1e-7)
    torch.testing.assert_close(values, labels.double(), rtol=0, atol=1e-7)
    assert memory.depth == len(layers) == depth
    assert memory.width == max(len(bias) for _, bias in layers[:-1])
    # the direction is shared; at depth 2 the shift is folded into the thresholds of the matrices
    layers = explicit_layers(replace(memory, w=tuple(map(torch.ones_like, memory.w))))  # a weight that is zero counts
    connections = len(memory.a) + sum(w.count_nonzero().item() for w, _ in layers[1:])
    biases = sum(bias.count_nonzero().item() for _, bias in layers) + (depth == 2)
    assert memory.weights == connections + biases


@pytest.mark.parametrize("n", [2, 17, 300])
@pytest.mark.parametrize("depth", [2, 3, 5, "n"])
def test_every_depth_memorises_with_narrow_layers_and_few_weights(n, depth):
    depth = n if depth == "n" else min(depth, n + 1)
    points, labels = gaussian(n, 20)
    memory = memorise_deep(points, labels, depth=depth, generator=seeded())
    report = fit_report(memory, points, labels)
    assert report.wrong == 0
    assert report.max_error < 1e-6
    intervals = depth - 1
    assert memory.width <= math.ceil(n / intervals) + 4
    assert report.weights == memory.weights <= 3 * n + 20 + 8 * intervals


def test_a_single_point_has_one_interval():
    memory = memorise_deep(torch.ones(1, 3), torch.tensor([7]), depth=2, generator=seeded())
    assert memory(torch.ones(1, 3)).item() == pytest.approx(7)


def test_an_intervals_function_vanishes_outside_it():
    points, labels = gaussian(60, 8)
    memory = memorise_deep(points, labels, depth=5, generator=seeded())
    t, order = memory.project(points).sort()
    assert t[0] > 0 and t[-1] <= 1
    line = torch.cat([t, torch.linspace(0, 1.5, 500).double()])
    for j, (b, w) in enumerate(zip(memory.b, memory.w, strict=True)):
        values = hinge_sum(line, b, w)
        assert (values[line <= b[0]] == 0).all()
        if j < 3:
            assert values[line >= memory.b[j + 1][0]].abs().max() < 1e-8
        own = slice(15 * j, 15 * (j + 1))
        assert t[own][0] > b[0] and (j == 3 or t[own][-1] < b[-2])
        torch.testing.assert_close(
            hinge_sum(t[own], b, w), labels[order[own]].double() - memory.floor, rtol=0, atol=1e-8
        )


def test_deep_labels_may_be_negative_or_several():
    points, _ = gaussian(40, 6)
    labels = torch.linspace(-3.7, 12.1, 80).double().view(40, 2)
    memory = memorise_deep(points, labels, depth=6, generator=seeded())
    assert memory.outputs == 2
    torch.testing.assert_close(memory(points), labels, rtol=0, atol=1e-8)
    single = memorise_deep(points, labels[:, 0], depth=6, generator=seeded())
    assert memory.weights == single.weights + sum(map(len, memory.b)) + 4  # one more w for each unit, one more sum


# Both


@settings(deadline=None, max_examples=40)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 25), st.integers(1, 6))).map(lambda x: np.unique(x, axis=0)),
    st.integers(0, 2**31),
    st.data(),
)
def test_any_labels_of_any_distinct_points_are_memorised(bytes_, seed, data):
    points = torch.from_numpy(bytes_)
    n = len(points)
    labels = torch.tensor(data.draw(st.lists(st.integers(-20, 20), min_size=n, max_size=n)))
    depth = data.draw(st.integers(2, n + 1))
    for memory in (
        memorise(points, labels, generator=seeded(seed)),
        memorise_deep(points, labels, depth=depth, generator=seeded(seed)),
    ):
        report = fit_report(memory, points, labels)
        assert report.wrong == 0
        assert report.max_error < 1e-4


BUILDERS = [memorise, lambda points, labels, **arguments: memorise_deep(points, labels, depth=2, **arguments)]


@pytest.mark.parametrize("build", BUILDERS)
def test_equal_points_are_named(build):
    points, labels = gaussian(30, 4)
    points[21] = points[8]
    with pytest.raises(ValueError, match="points 8 and 21 are equal"):
        build(points, labels, generator=seeded())


def test_distinct_points_that_no_direction_separates_in_float64_are_reported():
    points = torch.tensor([[1.0, 1e-30], [1.0, 2e-30]])
    with pytest.raises(ValueError, match="same projection in each of 8 directions"):
        memorise(points, torch.tensor([0, 1]), generator=seeded())


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    ("points", "labels", "arguments", "message"),
    [
        (torch.ones(3), torch.ones(3), {}, r"\(n, 1\) for numbers"),
        (torch.ones(0, 2), torch.ones(0), {}, "n >= 1"),
        (torch.ones(3, 2), torch.ones(4), {}, r"labels must be \(3,\)"),
        (torch.eye(3), torch.tensor([1.0, math.nan, 0.0]), {}, "labels hold a value that is not finite"),
        (torch.full((2, 2), math.inf), torch.ones(2), {}, "points hold a value that is not finite"),
        (torch.eye(3), torch.ones(3), {"placement": 0.0}, "placement"),
        (torch.eye(3), torch.ones(3), {"placement": 1.0}, "placement"),
        (torch.eye(3), torch.ones(3), {"directions": 0}, "directions"),
    ],
)
def test_bad_input_is_explained(build, points, labels, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(points, labels, generator=seeded(), **arguments)


@pytest.mark.parametrize("depth", [1, 5])
def test_depth_must_leave_a_point_in_every_interval(depth):
    with pytest.raises(ValueError, match="from 2 to 4"):
        memorise_deep(torch.eye(3), torch.ones(3), depth=depth, generator=seeded())


def test_points_of_another_size_are_refused():
    memory = memorise(torch.eye(3), torch.ones(3), generator=seeded())
    with pytest.raises(ValueError, match="4 coordinates, the network reads 3"):
        memory(torch.ones(2, 4))


def test_the_report_counts_wrong_labels_and_the_largest_error():
    points, labels = gaussian(20, 4)
    memory = memorise(points, labels, generator=seeded())
    other = labels.clone()
    other[[2, 5]] += torch.tensor([3, -1])
    report = fit_report(memory, points, other)
    assert report.wrong == 2
    assert report.max_error == pytest.approx(3, abs=1e-6)
    assert report.largest_weight == memory.w.abs().max().item()
    one_hot = torch.nn.functional.one_hot(labels, 10)
    columns = fit_report(memorise(points, one_hot, generator=seeded()), points, one_hot.roll(1, dims=1))
    assert columns.wrong == 20
    with pytest.raises(ValueError, match=r"values of shape \(20,\)"):
        fit_report(memory, points, one_hot)
