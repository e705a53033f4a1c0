"""What `1-decision-boundary` measures, one arm after the other: two Gaussian classes in the plane, and outliers.

Lengths are in standard deviations of a class, which are alike. With the seed vary the points of the data, the outliers,
the initial weights and the order; the places where a surface is measured are the same for all.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lib.methods.confidence_loss import confidence_loss
from lib.methods.joint_gan import Form, Gan, Pull, train_gan, train_joint
from lib.models.mlp import mlp
from lib.training.batches import Batch
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate, predict
from lib.training.history import History
from lib.training.loop import train
from lib.training.optimisers import adam

MEANS = torch.tensor([[-5.0, 0.0], [5.0, 0.0]])  # of the two classes
DATA_ENDS = 3.5  # from the nearer mean on, there are outliers; 0.2 % of the data lie further out
RING_ENDS = 8.0
LARGE_BOX, FAR_BOX = 50.0, 500.0  # half widths: of the paper's picture, and ten times that
CORE, BORDER = 2.0, 5.0  # a sample is at the border between these distances, with 13.5 % of the data
SURE = 0.9  # largest probability above which the net counts as sure
VIEWS = (15, 50, 500)  # half widths of the stored pictures
PIXELS = 61  # a side of a stored picture
LOOKS, GAN_LOOKS = 8, 16  # times that a training is looked at
SAMPLES = 2000  # points that shares are measured on
BATCH, LATENT = 64, 8
TEST, GAN, MADE = 1, 2, 3  # purposes of further seeds: test points, nets of the GAN, samples of the generator
UNIT, GAN_UNIT = 10.0, 5.0  # lengths in the nets: the box of the picture has size 5, for the GAN the data have size 1

Values = dict[str, Any]


def two_gaussians(count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points (count, 2) of the two classes in turn, each N(mean, 1), and their labels (count,)."""
    labels = torch.arange(count) % 2
    return MEANS[labels] + torch.randn(count, 2, generator=random), labels


def box_outliers(count: int, half_width: float, random: torch.Generator) -> Tensor:
    """Uniform points (count, 2) of the box [-half_width, half_width]^2, less those on the data, by rejection.

    Raises:
        ValueError: a box that lies on the data altogether.
    """
    if half_width <= DATA_ENDS:
        raise ValueError(
            f"a box of half width {half_width} holds hardly a point off the data; take more than {DATA_ENDS}"
        )
    kept = torch.empty(0, 2)
    while len(kept) < count:
        drawn = half_width * (2 * torch.rand(count, 2, generator=random) - 1)
        kept = torch.cat([kept, drawn[distance(drawn) > DATA_ENDS]])
    return kept[:count]


def distance(points: Tensor) -> Tensor:
    """From each point to the nearer mean: (N, 2) -> (N,)."""
    return torch.cdist(points, MEANS).amin(dim=1)


def surface(
    seed: int, data_points: int, outlier_points: int, half_width: float, beta: float, hidden_units: int,
    learning_rate: float, train_steps: int, device: str,
) -> Values:  # fmt: skip
    """Train a net with outliers from a box, by the confidence loss, and measure its decision surface.

    The outliers are drawn once, as the data are; each step sees as many of them as of the data. With beta = 0 they do
    not matter, and the net is that of cross-entropy.
    """
    random = torch.Generator().manual_seed(seed)
    points, labels = two_gaussians(data_points, random)
    outliers = box_outliers(outlier_points, half_width, random).to(prepare(device).device)
    net = classifier(hidden_units, seed)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        """-log P(y | x) on the data, plus beta KL(U || P) on outliers."""
        which = torch.randint(len(outliers), (BATCH,), generator=batch.generator, device=outliers.device)
        return confidence_loss(model, batch.images, batch.labels, outliers[which], beta=beta)

    history = train(
        net,
        points,
        labels,
        steps=train_steps,
        batch_size=BATCH,
        optimiser=adam(net, lr=learning_rate),
        batch_loss=loss,
        seed=seed,
        compute=prepare(device),
        hooks=[looking(train_steps, LOOKS, confident_outside)],
    )
    return measured_surface(net, history, seed) | {
        "data": points[:200],
        "outliers": outliers[: outlier_points if beta else 0].cpu(),
        "weights": weights(net),
    }


def classifier(hidden_units: int, seed: int) -> nn.Module:
    """The paper's net for two dimensions, two hidden layers of ReLU units, with fresh weights."""
    torch.manual_seed(seed)
    return mlp([hidden_units] * 2, 2, (2,), inputs=Times(1 / UNIT))


def looking(steps: int, looks: int, measure: Callable[[nn.Module], dict[str, float]]) -> Callable[[Any], None]:
    """A hook that records what `measure` finds so many times on the way, the last time at the end."""
    when = {round(steps * look / looks) for look in range(1, looks + 1)}

    def look(run: Any) -> None:
        if run.step in when:
            for name, value in measure(run.model).items():
                run.history.record(name, run.step, value)

    return look


def measured_surface(net: nn.Module, history: History, seed: int) -> Values:
    """Where the net is sure, how that came about along the training, and pictures of it."""
    test, labels = two_gaussians(SAMPLES, torch.Generator().manual_seed(derived_seed(seed, TEST)))
    confident = confident_outside(net) | {"far box": sure(net, regions()["far box"]), "on the data": sure(net, test)}
    curve = {name: [value for _, value in lines] for name, lines in history.values.items()}
    steps = [step for step, _ in history.values["near ring"]]
    return {
        "confident": confident,
        "accuracy": 1 - error_rate(net, test, labels),
        "curve": {"step": steps} | {name: curve[name] for name in ("near ring", "whole box")},
        "fall": {
            name: at(steps, curve[name], 3 * steps[-1] / 4) - curve[name][-1] for name in ("near ring", "whole box")
        },
        "by distance": {"distance": rings(), "confident": [sure(net, circle(radius)) for radius in rings()]},
        "pictures": {str(view): picture(net, view) for view in VIEWS},
    }


def at(steps: list[int], values: list[float], step: float) -> float:
    """The value that was measured last before or at `step`; the first where there is none."""
    return [values[0], *(value for when, value in zip(steps, values, strict=True) if when <= step)][-1]


def confident_outside(net: nn.Module) -> dict[str, float]:
    """The confident share of the ring around the data and of the box of the paper's picture."""
    return {name: sure(net, regions()[name]) for name in ("near ring", "whole box")}


def sure(net: nn.Module, points: Tensor) -> float:
    """Share of the points (N, 2) where the largest probability exceeds 0.9."""
    return (predict(net, points, 4096).softmax(dim=1).amax(dim=1) > SURE).double().mean().item()


def regions() -> dict[str, Tensor]:
    """Equally spaced points of the three regions in which a surface is measured; none of them is on the data.

    The ring lies up to 8 standard deviations from the nearer mean, in the box of the paper's picture; the far box is
    ten times as wide and begins where that box ends.
    """
    near, whole, far = grid(16, 129), grid(LARGE_BOX, 101), grid(FAR_BOX, 101)
    away = distance(near)
    return {
        "near ring": near[(away > DATA_ENDS) & (away < RING_ENDS)],  # points a quarter apart
        "whole box": whole[distance(whole) > DATA_ENDS],
        "far box": far[far.abs().amax(dim=1) > LARGE_BOX],
    }


def grid(half_width: float, side: int) -> Tensor:
    """(side^2, 2) points of the box, row by row from below."""
    line = torch.linspace(-half_width, half_width, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def rings() -> list[float]:
    """Distances from the nearer mean, from the end of the data to ten times the picture, in equal ratios."""
    return [round(DATA_ENDS * (FAR_BOX / DATA_ENDS) ** (i / 20), 2) for i in range(21)]


def circle(radius: float) -> Tensor:
    """Points whose distance from the nearer mean is `radius`: (N, 2), N at most 720."""
    angles = torch.arange(360) * torch.pi / 180
    around = radius * torch.stack([angles.cos(), angles.sin()], dim=1)
    points = (MEANS[:, None] + around).flatten(0, 1)
    return points[distance(points) > radius - 1e-3]


def picture(net: nn.Module, view: float) -> Tensor:
    """Probability of the second class over the box, from 0 to 255: (61, 61) uint8, the first row the lowest."""
    probability = predict(net, grid(view, PIXELS), 4096).softmax(dim=1)[:, 1]
    return (255 * probability).round().to(torch.uint8).view(PIXELS, PIXELS)


def weights(net: nn.Module) -> dict[str, Tensor]:
    """The weights on the CPU."""
    return {name: value.cpu() for name, value in net.state_dict().items()}


class Times(nn.Module):
    """x -> factor x: the unit that a net works in."""

    def __init__(self, factor: float) -> None:
        """Keep the factor, which is not trained."""
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.factor * x


def small_gan(width: int, rate: float, seed: int) -> Gan:
    """Generator and discriminator with two hidden layers of `width`, as the paper's for two dimensions."""
    torch.manual_seed(derived_seed(seed, GAN))
    generator = nn.Sequential(mlp([width, width], 2, (LATENT,), inputs=nn.Identity()), Times(GAN_UNIT))
    discriminator = mlp([width, width], 1, (2,), inputs=Times(1 / GAN_UNIT))
    of_generator, of_discriminator = (adam(net, lr=rate, betas=(0.5, 0.999)) for net in (generator, discriminator))
    return Gan(generator, discriminator, of_generator, of_discriminator, LATENT)


def samples(
    seed: int, net: Values, data_points: int, hidden_units: int, gan_width: int, gan_rate: float, gan_steps: int,
    beta: float, pull_away: float, device: str, form: Form = "non-saturating",
) -> Values:  # fmt: skip
    """Train a GAN beside a classifier that stays as it is, and see where the generator's samples lie.

    `net` is what `surface` returned for this seed. With beta = 0 the classifier has no say, and the GAN is a plain one.
    """
    points, _ = two_gaussians(data_points, torch.Generator().manual_seed(seed))
    fixed, gan = classifier(hidden_units, seed), small_gan(gan_width, gan_rate, seed)
    fixed.load_state_dict(net["weights"])
    compute = prepare(device)
    compute.place(fixed).eval()
    history = train_gan(
        gan,
        points,
        steps=gan_steps,
        batch_size=BATCH,
        pull=Pull(beta, form, pull_away),
        classifier=fixed,
        seed=seed,
        compute=compute,
        hooks=[looking(gan_steps, GAN_LOOKS, lambda _: of_samples(gan, fixed, seed))],
    )
    return measured_samples(gan, history, seed)


def joint(
    seed: int, data_points: int, hidden_units: int, learning_rate: float, gan_width: int, gan_rate: float,
    gan_steps: int, beta: float, device: str,
) -> Values:  # fmt: skip
    """Train classifier, generator and discriminator in turn: the outliers are made on the way, and none is given."""
    points, labels = two_gaussians(data_points, torch.Generator().manual_seed(seed))
    net, gan = classifier(hidden_units, seed), small_gan(gan_width, gan_rate, seed)

    def look(net: nn.Module) -> dict[str, float]:
        return confident_outside(net) | of_samples(gan, net, seed)

    history = train_joint(
        net,
        adam(net, lr=learning_rate),
        gan,
        points,
        labels,
        steps=gan_steps,
        batch_size=BATCH,
        pull=Pull(beta),
        seed=seed,
        compute=prepare(device),
        hooks=[looking(gan_steps, GAN_LOOKS, look)],
    )
    return measured_surface(net, history, seed) | measured_samples(gan, history, seed)


def of_samples(gan: Gan, net: nn.Module, seed: int) -> dict[str, float]:
    """Where the samples lie at present, and the share that the classifier is sure of."""
    made = drawn(gan, SAMPLES, seed)
    return where(made) | {"sure": sure(net, made)}


def measured_samples(gan: Gan, history: History, seed: int) -> Values:
    """Where the samples lie, on the mean over the second half of the game, how that came about, and some of them."""
    names = [name for name in history.values if name not in ("near ring", "whole box")]
    steps = [step for step, _ in history.values["border"]]
    along = {name: [value for _, value in history.values[name]] for name in names}
    late = [place for place, step in enumerate(steps) if step > steps[-1] / 2]
    return {
        "where": {name: sum(values[place] for place in late) / len(late) for name, values in along.items()},
        "game": {"step": steps} | along,
        "samples": drawn(gan, SAMPLES, seed)[:200],
    }


def drawn(gan: Gan, count: int, seed: int) -> Tensor:
    """Samples of the generator on the CPU, without a graph and without a trace on the training: (count, 2)."""
    device = next(gan.generator.parameters()).device
    random = torch.Generator(device).manual_seed(derived_seed(seed, MADE))
    with torch.no_grad():
        return gan.samples(count, random).cpu()


def where(made: Tensor) -> dict[str, float]:
    """Shares of the samples (N, 2) by their distance from the nearer mean, and on the mode that has fewer of them.

    The outer border is the share of the samples at the border that lie beyond the mean, as seen from the other class.
    A sample beyond the border belongs to no mode; a mode counts as covered with a tenth of the samples.
    """
    away, of = torch.cdist(made, MEANS).min(dim=1)
    shares = [((of == mode) & (away < BORDER)).double().mean().item() for mode in range(len(MEANS))]
    at_border, away_from_other = (away >= CORE) & (away < BORDER), made[:, 0].abs() > MEANS[:, 0].abs().max()
    core, near = ((away < end).double().mean().item() for end in (CORE, BORDER))
    return {
        "core": core,
        "border": near - core,
        "beyond": 1 - near,
        "on or at the border": near,
        "outer border": (away_from_other & at_border).double().sum().item() / max(1, int(at_border.sum())),
        "rarer mode": min(shares),
        "both modes": float(min(shares) >= 0.1),
    }


def data(seed: int) -> Values:
    """The same numbers for fresh points of the data themselves: what a perfect generator would have."""
    fresh, _ = two_gaussians(SAMPLES, torch.Generator().manual_seed(derived_seed(seed, MADE)))
    return {"where": where(fresh), "samples": fresh[:200]}
