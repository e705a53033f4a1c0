"""What `1-energies` measures: a shift of logits, chains on a density that is known, and what is learnt from them.

Every arm takes `seed` and returns plain values for that seed. With the seed vary: the images that are classified, the
net and the shifts; of the images of two pixels the direction in which the hills stand, the draws, the start and the
noise of every chain, and the initial weights.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lib.experiments.jem.subjects import Protocol, divide
from lib.experiments.jem.training import classify
from lib.methods import plane, thermometer
from lib.methods.energy import log_density
from lib.methods.jem import Recipe
from lib.methods.jem_training import train_jointly
from lib.methods.logit_shift import effect_of_shift, gates
from lib.methods.plane import Hills
from lib.methods.sgld import Langevin, langevin
from lib.models.inputs import Standardise
from lib.models.mlp import mlp
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate, predict
from lib.training.loop import train
from lib.training.optimisers import adam
from lib.training.schedules import trapezoid

Values = dict[str, Any]

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
SIZES = [10 ** (power / 2) for power in range(15)]  # of the shifts in the figure, up to 1e7
LEVEL = 10.0  # added to all logits of all images alike

WIDE, BOX = (2.0, 160), (1.0, 80)  # grids: all that chains reach, and the range of images; cells of .025 in z
BINS = 10  # a side, of the histograms that are compared
LINE_BINS = 20  # of the histogram of one pixel
COLDEST_ON_GRID = 0.05  # below, p^(1/T) is narrower than a few cells
LOOKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)  # at chains on their way
JUDGED_IMAGES = 4000  # fresh draws that the plane's classifiers are tested on
LEARNING_RATE, BATCH, HIDDEN, BUFFER = 3e-3, 100, (64, 64), 1000  # of the nets for images of two pixels


def shifted(
    seed: int, dataset: str, pooling: int, net: str, train_images: int, test_images: int, training_steps: int,
    shifts: list[float], device: str,
) -> Values:  # fmt: skip
    """Train a classifier, and add a constant of its own to all logits of each test image, in three precisions."""
    p = Protocol(net, training_steps)
    division = divide(dataset, pooling, [train_images, 1, 1, test_images], seed)
    classifier = p.build(division, seed)
    classify(p, classifier, division, p.steps, 0.0, seed, device)
    logits = predict(classifier, division.test.images)  # (N, K) float32; as float64 each keeps its 24 bits
    unit = signed_units(len(logits), seed)
    effects = {
        name: {f"{size:,.0f}": effect_of_shift(logits.to(dtype), (size * unit).to(dtype)) for size in shifts}
        for name, dtype in DTYPES.items()
    }
    exact = effects["float64"].values()
    one_logit, spread = gates(logits.double(), max(shifts) * unit.double())
    return {
        "effects": effects,
        "curve": {
            name: {"size": SIZES, "change": [changed(logits.to(dtype), size * unit) for size in SIZES]}
            for name, dtype in DTYPES.items()
        },
        "worst": {name: max(effect[name] for effect in exact) for name in next(iter(exact))},
        "one logit shifted": one_logit,
        "spread of the shift": spread,
        "accuracy": 1 - error_rate(classifier, division.test.images, division.test.labels),
    }


def signed_units(count: int, seed: int) -> Tensor:
    """Numbers (count,) of either sign, sizes in [1/2, 1): each image's shift in units of the size of all."""
    random = torch.Generator().manual_seed(derived_seed(seed, 1))
    sign = torch.randint(2, (count,), generator=random) * 2 - 1
    return sign * (0.5 + torch.rand(count, generator=random) / 2)


def changed(logits: Tensor, shift: Tensor) -> float:
    """Largest change of p(y|x), in the precision of the logits."""
    return effect_of_shift(logits, shift.to(logits.dtype))["change of p(y|x)"]


def quadrature(seed: int, cells: list[int]) -> Values:
    """Error of log Z of the hills, which is 0: from a grid of cells a side, and from as many uniform draws."""
    hills, side = hills_of(seed).double(), WIDE[0]
    random = torch.Generator().manual_seed(seed)
    errors = {}
    for count in cells:
        lattice = plane.grid(side, count)
        anywhere = plane.images_at((2 * torch.rand((count**2, 2), generator=random, dtype=torch.float64) - 1) * side)
        found = [plane.log_partition(log_density(hills(x)), lattice.cell) for x in (lattice.images, anywhere)]
        errors[f"{count} x {count}"] = {name: abs(z.item()) for name, z in zip(("grid", "draws"), found, strict=True)}
    return errors


def hills_of(seed: int) -> Hills:
    """The hills of a seed, turned by a random angle; for seed 0 the highest stands on the right."""
    return Hills(0.0 if seed == 0 else 2 * math.pi * torch.rand((), generator=seeded("cpu", seed, 2)).item())


def seeded(device: str, seed: int, purpose: int) -> torch.Generator:
    """A generator on the device."""
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose))


def sampled(
    seed: int, step_size: float, temperature: float, chains: int, short_steps: int, sampled_steps: int, device: str
) -> Values:
    """SGLD on the hills from uniform noise, with the noise that asks for this temperature: s = sqrt(2 a T)."""
    hills, random = hills_of(seed).to(device), seeded(device, seed, 3)
    sampler = Langevin(sampled_steps, step_size, math.sqrt(2 * step_size * temperature))
    start = torch.rand((chains, 2, 1, 1), generator=random, device=device)
    film = Film(looks(short_steps, sampled_steps))
    end = langevin(hills, start, sampler, random, look=film).cpu()
    hills = hills.cpu()
    on_the_way = {step: readings(x, hills, 1.0) for step, x in film.kept.items()}
    return {
        **readings(end, hills, temperature),
        "step size": step_size,
        "T asked for": temperature,
        "T of a hill": thermometer.of_a_hill(step_size, sampler.noise, 1 / hills.width**2),
        "steps": list(on_the_way),
        "distance on the way": [found["distance from p"] for found in on_the_way.values()],
        "short": on_the_way[min(short_steps, sampled_steps)],
    }


def looks(short: int, steps: int) -> list[int]:
    """After which of so many steps the chains are looked at: roughly equal ratios, a short chain's, and the last."""
    return sorted({step for step in (*LOOKS, short) if step < steps} | {steps})


class Film:
    """Keeps where the chains are after some of their steps."""

    def __init__(self, steps: list[int]) -> None:
        """`steps`, counted from 1."""
        self.steps, self.now, self.kept = set(steps), 0, dict[int, Tensor]()

    def __call__(self, images: Tensor) -> None:
        """One step later."""
        self.now += 1
        if self.now in self.steps:
            self.kept[self.now] = images.cpu()


def drawn(seed: int, chains: int, sampled_steps: int) -> Values:
    """The control: as many independent draws from the density itself, read like chains at temperature 1."""
    hills = hills_of(seed)
    found = readings(hills.draw(chains, seeded("cpu", seed, 4))[0], hills, 1.0)
    flat = {"steps": [1, sampled_steps], "distance on the way": [found["distance from p"]] * 2}
    return {**found, "T asked for": 1.0, "T of a hill": 1.0, **flat}


def readings(images: Tensor, hills: Hills, temperature: float) -> Values:
    """Both thermometers, and how far images (N, 2, 1, 1) are from p, and from p^(1/T) where a grid holds it."""
    wide, exact = plane.grid(*WIDE), hills.double()
    images = images.double()
    scores, found = log_density(exact(wide.images)), log_density(exact(images))
    of_t = {
        name: plane.log_density_at(scores, wide.cell, t) for name, t in (("p", 1.0), ("p at T", temperature))
        if t >= COLDEST_ON_GRID
    }  # fmt: skip
    on_hill = torch.bincount(exact.nearest(images), minlength=len(exact.weights)) / len(images)
    values = {
        "temperature by curvature": thermometer.by_curvature(exact, images),
        "temperature by energy": thermometer.by_energy(found.mean().item(), scores),
        "mean log p(x)": found.mean().item(),
        "error of the hills' shares": (on_hill - exact.weights).abs().max().item(),
        "one pixel": line_shares(images),
        "one pixel, exact": exact_line_shares(of_t["p"], wide),
        **{f"distance from {name}": distance(images, log_p, wide) for name, log_p in of_t.items()},
    }
    hills.float()
    return values


def distance(images: Tensor, log_p: Tensor, fine: plane.Grid) -> float:
    """Total variation between the histogram of the images and what the density says of its cells."""
    return plane.total_variation(plane.shares(images, BINS), plane.exact_shares(log_p, fine, BINS))


def line_shares(images: Tensor) -> list[float]:
    """Density of the left pixel's z in equal bins of [-1, 1]; what lies outside is left out."""
    counts = torch.histc(plane.points(images)[:, 0], LINE_BINS, -1, 1)
    return (counts / len(images) * LINE_BINS / 2).tolist()


def exact_line_shares(log_p: Tensor, fine: plane.Grid) -> list[float]:
    """What `line_shares` would be with infinitely many draws from the density."""
    mass, column = log_p.exp() * fine.cell, plane.points(fine.images)[:, 0]
    inside = column.abs() < 1
    bins = ((column[inside] + 1) / 2 * LINE_BINS).floor().long()
    return (mass.new_zeros(LINE_BINS).index_add(0, bins, mass[inside]) * LINE_BINS / 2).tolist()


def learned_jointly(
    seed: int, step_size: float, temperature: float, sgld_steps: int, plane_images: int, learning_steps: int,
    device: str,
) -> Values:  # fmt: skip
    """Train a net on draws from the hills by JEM, its chains at this temperature, and compare densities exactly."""
    hills, (images, labels), net = subjects_of(seed, plane_images)
    sampler = Langevin(sgld_steps, step_size, math.sqrt(2 * step_size * temperature), clamp=True)
    run = train_jointly(
        net, images, labels,
        recipe=Recipe(sampler=sampler, data_noise=0.0, clip_norm=1.0, buffer_size=BUFFER),
        steps=learning_steps, batch_size=min(BATCH, plane_images), learning_rate=LEARNING_RATE,
        schedule=schedule(learning_steps), seed=seed, compute=prepare(device, "float32"),
    )  # fmt: skip
    return {**learnt(net.cpu(), hills, seed), "divergences": len(run.divergences)}


def learned_by_cross_entropy(seed: int, plane_images: int, learning_steps: int, device: str) -> Values:
    """The same net, draws, optimiser and steps, by cross-entropy alone; and densities that a shift asks it for."""
    hills, (images, labels), net = subjects_of(seed, plane_images)
    train(
        net, images, labels,
        steps=learning_steps, batch_size=min(BATCH, plane_images), optimiser=adam(net, LEARNING_RATE),
        schedule=schedule(learning_steps), clip_norm=1.0, seed=seed, compute=prepare(device, "float32"),
    )  # fmt: skip
    net = net.cpu()
    found = asked(net, hills)
    farthest = max(wish["log p(x) minus the one asked for"] for wish in found.values())
    return {**learnt(net, hills, seed), "asked": found, "farthest from what was asked for": farthest}


def subjects_of(seed: int, plane_images: int) -> tuple[Hills, tuple[Tensor, Tensor], nn.Module]:
    """The hills of a seed, draws from them to learn from, and a fresh net."""
    hills = hills_of(seed)
    torch.manual_seed(seed)
    net = mlp(HIDDEN, len(hills.weights), (2, 1, 1), activation="silu", inputs=Standardise(0.5, 0.5))
    return hills, hills.draw(plane_images, seeded("cpu", seed, 5)), net


def schedule(steps: int) -> Callable[[int], float]:
    """Of the learning rate, as in notebook 2: warm-up, constant, from half-way falling to 5 %."""
    return trapezoid(steps, warmup=2 / 15, decay=0.5, floor=0.05)


def learnt(net: nn.Module, hills: Hills, seed: int) -> Values:
    """The net's density against the hills', with Z summed: at T = 1, and at the temperature that fits best."""
    box = plane.grid(*BOX)
    p = plane.log_density_at(log_density(hills.double()(box.images)), box.cell)
    test, labels = hills.float().draw(JUDGED_IMAGES, seeded("cpu", seed, 6))
    accuracy = 1 - error_rate(net, test, labels)
    logits = predict(net.double(), box.images)
    scores = log_density(logits)
    level = float((p.exp() * scores).sum() * box.cell)
    fitted = thermometer.by_energy(level, scores)
    return {
        "accuracy": accuracy,
        "nats lost": plane.divergence(p, plane.log_density_at(scores, box.cell), box.cell),
        "fitted temperature": fitted,
        "nats lost at the fitted temperature": plane.divergence(
            p, plane.log_density_at(scores, box.cell, fitted), box.cell
        ),
        "log p(x) of the net": plane.log_density_at(scores, box.cell).float(),
        "log p(x) at the fitted temperature": plane.log_density_at(scores, box.cell, fitted).float(),
        "log p(x) of the hills": p.float(),
        "p(y|x)": logits.softmax(1).float(),
    }


def asked(net: nn.Module, hills: Hills) -> Values:
    """Shift the logits by c(x) = log q(x) - LSE f(x), so that p(x) is q(x); Z says whether it came about."""
    wide = plane.grid(*WIDE)
    z, logits = plane.points(wide.images), predict(net.double(), wide.images)
    before, level = plane.log_density_at(log_density(logits), wide.cell), log_density(logits)
    wishes = {
        "the hills": log_density(hills.double()(wide.images)),
        "a ring": plane.ring(z),
        "one bump": plane.bump(z),
        "as it was, all logits 10 higher": before,
    }
    shifts = {name: wish - level for name, wish in wishes.items()}
    shifts["as it was, all logits 10 higher"] = torch.full_like(level, LEVEL)
    found = {}
    for name, wish in wishes.items():
        moved = logits + shifts[name][:, None]
        after = plane.log_density_at(log_density(moved), wide.cell)
        found[name] = {
            "nats between p(x) after and before": plane.divergence(after, before, wide.cell),
            "log p(x) minus the one asked for": (after - wish).abs().max().item(),
            "change of p(y|x)": (moved.softmax(1) - logits.softmax(1)).abs().max().item(),
        }
    return found


def watched(step_size: float, noise: float, steps: int, chains: int = 300) -> Values:
    """Chains for the interactive view: path of the first, mean log p(x) along the way, histogram of the left pixel.

    Nothing is kept as an artefact; chains that run away, as they do at too long a step, are cut off at the edge.
    """
    hills, random = hills_of(0), torch.Generator().manual_seed(0)
    start, path, heights = torch.rand((chains, 2, 1, 1), generator=random), [], []

    def look(images: Tensor) -> None:
        inside = images.nan_to_num(2.0, 2.0, -1.0).clamp(-1, 2)  # z in [-3, 3]
        path.append(plane.points(inside[:1])[0].tolist())
        heights.append(log_density(hills(inside)).mean().item())

    look(start)
    end = langevin(hills, start, Langevin(steps, step_size, noise), random, look=look)
    wide = plane.grid(*WIDE)
    log_p = plane.log_density_at(log_density(hills.double()(wide.images)), wide.cell)
    return {
        "path": path,
        "mean log p(x)": heights,
        "exact mean log p(x)": float((log_p.exp() * log_p).sum() * wide.cell),
        "one pixel": line_shares(end.nan_to_num(2.0, 2.0, -1.0)),
        "one pixel, exact": exact_line_shares(log_p, wide),
        "map": log_p.exp().view(WIDE[1], WIDE[1]).tolist(),
        "temperature": noise**2 / (2 * step_size),
    }
