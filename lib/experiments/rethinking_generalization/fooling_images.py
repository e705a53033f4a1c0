"""What `5-fooling-images` measures, one arm after the other.

With the seed vary: which images are trained, held out and tested on, the initial weights and the order of every net,
and every draw of evolution and of the starts of gradient ascent.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.attacks.cppn import Patterns
from lib.attacks.evolution import Encoding, Evolved, Pixels, evolve, log_odds, uniform
from lib.attacks.fab import fab
from lib.attacks.fooling import fooling_images
from lib.attacks.regularised_ascent import regularised_ascent
from lib.data.image_set import to_float
from lib.data.load import load
from lib.data.parts import parts
from lib.data.pixels import gaussian_pixels, random_pixels
from lib.experiments.rethinking_generalization.fooled_nets import build as build_net
from lib.experiments.rethinking_generalization.fooled_nets import fitted, loaded, unsure_of_random_images
from lib.metrics.calibration import fit_temperature
from lib.training.device import derived_seed
from lib.training.evaluate import answers, predict
from lib.training.recipe import Shape

SURE = 0.99  # what the paper calls certain
ENOUGH = 0.9999  # confidence at which gradient ascent stops
SCENES = 24  # generations kept to watch
RECORDED = 40  # generations whose champions may become images of the eleventh class
ENCODINGS = ("direct encoding", "cppn")
KINDS = {"plain": 0, "other start": 1, "unsure": 2, "untrained": 3}  # of a net -> what its seed is derived with

Values = dict[str, Any]


class Tempered(nn.Module):
    """A net whose logits are divided by a temperature."""

    def __init__(self, net: nn.Module, temperature: float) -> None:
        """Take both."""
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        return self.net(images) / self.temperature


def trained(
    seed: int,
    dataset: str,
    net: str,
    kind: str,
    n_images: int,
    n_held_out_images: int,
    n_test_images: int,
    n_steps: int,
    device: str,
    checkpoint: Path | None = None,
) -> Values:
    """Train a net and fit its temperature on the held-out images.

    Of the kinds, "other start" differs from "plain" in weights and order alone, "unsure" is trained with the confidence
    loss on random images beside the digits, and "untrained" keeps its random weights.
    """
    fit, held_out, test = parts(dataset, (n_images, n_held_out_images, n_test_images), seed)
    own = derived_seed(seed, 10, KINDS[kind])
    if kind == "untrained":
        torch.manual_seed(own)
        model, gain = build_net(net, fit.shape, len(fit.classes), float(to_float(fit.images).mean())).to(device), 0.0
    else:
        loss = unsure_of_random_images(fit.shape, own, device) if kind == "unsure" else None
        model, gain = fitted(
            net, fit.images, fit.labels, len(fit.classes), held_out,
            seed=own, steps=n_steps, device=device, batch_loss=loss, checkpoint=checkpoint,
        )  # fmt: skip
    logits = predict(model, to_float(held_out.images)).cpu()
    tested = predict(model, to_float(test.images)).cpu()
    return {
        "weights": model.state_dict(),
        "test accuracy": _share(answers(tested) == test.labels),
        "gain in the last quarter": gain,
        "temperature": fit_temperature(logits.double().numpy(), held_out.labels.numpy()),
        "confidence on test images": tested.softmax(1).max(1).values.double().mean().item(),
    }


def evolved(
    seed: int,
    dataset: str,
    net: str,
    fooled: Values,
    encoding: str,
    coordinates: str,
    tempered: bool,
    n_generations: int,
    n_population: int,
    device: str,
    checkpoint: Path | None = None,
) -> Values:
    """Evolve an image for each class of the net, whose logits are divided by its temperature where `tempered`."""
    shape, classes = _kind_of(dataset)
    model: nn.Module = loaded(net, shape, classes, fooled["weights"], device)
    found = evolve(
        Tempered(model, fooled["temperature"]) if tempered else model,
        _encoding(encoding, shape, coordinates),
        classes=classes,
        generations=n_generations,
        population=n_population,
        seed=derived_seed(seed, 20, ENCODINGS.index(encoding)),
        device=device,
        film_at=scenes(n_generations),
        checkpoint=checkpoint,
    )
    film = torch.stack([predict(model, images) for images in found.film]).softmax(2)  # (R, K, classes)
    return summary(found) | {
        "images": found.images,
        "film": found.film,
        "film at": list(found.film_at),
        "film probabilities": film,
    }


def scenes(generations: int) -> list[int]:
    """About two dozen generations from the first to the last, closer together where most happens."""
    return sorted({round(generations * (place / (SCENES - 1)) ** 2) for place in range(SCENES)})


def summary(found: Evolved) -> Values:
    """How sure the net is of the champions, at the end and on the way."""
    confidences = found.history.double().sigmoid()  # (G + 1, K)
    medians, lowest = confidences.quantile(0.5, dim=1), confidences.min(1).values
    return measured(found.log_odds) | {
        "best random image": {"median confidence": medians[0].item(), "lowest confidence": lowest[0].item()},
        "generations until sure": {"median": _first(medians >= SURE), "every class": _first(lowest >= SURE)},
        "curve": {
            "generation": list(range(len(medians))),
            "median confidence": medians.tolist(),
            "lowest confidence": lowest.tolist(),
        },
    }


def measured(odds: Tensor) -> Values:
    """Confidence in the class that was aimed at, over the classes: log odds (K,) -> values."""
    odds = odds.double().clamp(-1e4, 1e4)
    confidence = odds.sigmoid()
    return {
        "confidence": confidence.tolist(),
        "median confidence": confidence.quantile(0.5).item(),
        "lowest confidence": confidence.min().item(),
        "share that is sure": _share(confidence >= SURE),
        "median log odds": odds.quantile(0.5).item(),
    }


def ascended(
    seed: int,
    dataset: str,
    net: str,
    fooled: Values,
    start: str,
    decay_rate: float,
    blur: float,
    n_images: int,
    n_held_out_images: int,
    n_steps: int,
    device: str,
) -> Values:
    """Climb the log probability of each class, from the mean image or from noise, as it is or with decay and blur."""
    shape, classes = _kind_of(dataset)
    model = loaded(net, shape, classes, fooled["weights"], device)
    generator = torch.Generator(device).manual_seed(derived_seed(seed, 30))
    aims = torch.arange(classes, device=device)
    begin = uniform((classes, *shape), generator)
    if start == "mean image":
        fit, *_ = parts(dataset, (n_images, n_held_out_images, 1), seed)
        noise = torch.randn(begin.shape, generator=generator, device=begin.device) / 255
        begin = (to_float(fit.images).mean(0).to(begin.device) + noise).clamp(0, 1)
    step = 0.1 * shape[-1] / 28  # 0.1 on 28 x 28, and as much for each pixel elsewhere
    if decay_rate or blur:
        images = regularised_ascent(model, begin, aims, steps=n_steps, step_size=step, decay=decay_rate, blur=blur)
    else:
        images = fooling_images(model, begin, aims, confidence=ENOUGH, steps=n_steps, step_size=step)
    return _of_images(model, images) | {"images": images}


def compared(
    seed: int,
    dataset: str,
    net: str,
    other_net: str,
    fooled: Values,
    same: Values,
    other: Values,
    found: Values,
    n_images: int,
    n_held_out_images: int,
    n_test_images: int,
    n_random_images: int,
    device: str,
) -> Values:
    """What other nets see in the images of `found`, how far they are from digits, and what is left of them shuffled."""
    shape, classes = _kind_of(dataset)
    model = loaded(net, shape, classes, fooled["weights"], device)
    images = found["images"].to(device)
    aims = torch.arange(classes, device=device)
    judges = {"same architecture": (net, same), "other architecture": (other_net, other)}
    seen = {
        name: predict(loaded(kind, shape, classes, of["weights"], device), images)
        for name, (kind, of) in judges.items()
    }
    fit, _, test = parts(dataset, (n_images, n_held_out_images, n_test_images), seed)
    nearest = nearest_distance(images.cpu(), to_float(fit.images))
    usual = nearest_distance(to_float(test.images), to_float(fit.images)).quantile(0.5)
    generator = torch.Generator(device).manual_seed(derived_seed(seed, 40))
    shuffled = random_pixels(images.repeat(max(1, n_random_images // classes), 1, 1, 1), generator)
    tempered = predict(model, images) / fooled["temperature"]
    return {
        "same label": {name: _share(answers(logits) == aims) for name, logits in seen.items()},
        "sure of the same": {
            name: _share(log_odds(logits, classes).diagonal().sigmoid() >= SURE) for name, logits in seen.items()
        },
        "distance ratio": (nearest.quantile(0.5) / usual).item(),
        "tempered": measured(log_odds(tempered, classes).diagonal()),
        "shuffled": random_confidence(model, shuffled),
    }


def nearest_distance(images: Tensor, others: Tensor) -> Tensor:
    """Distance to the nearest of `others` once every image is centred and scaled to length 1: (N, ...) -> (N,).

    It is sqrt(2 - 2 r) with r the largest correlation of pixels. An image of one grey has no direction and counts as
    uncorrelated with everything.
    """

    def unit(values: Tensor) -> Tensor:
        flat = values.flatten(1).double()
        flat = flat - flat.mean(1, keepdim=True)
        return flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-6)

    a, b = unit(images), unit(others).T
    nearest = torch.cat([(part @ b).max(1).values for part in a.split(500)])
    return (2 - 2 * nearest).clamp(min=0).sqrt()


def random_images(
    seed: int,
    dataset: str,
    net: str,
    fooled: Values,
    n_images: int,
    n_held_out_images: int,
    n_test_images: int,
    n_random_images: int,
    device: str,
) -> dict[str, Values]:
    """How sure the net is of images that nobody optimised: what evolution begins with, and digits taken apart."""
    shape, classes = _kind_of(dataset)
    model = loaded(net, shape, classes, fooled["weights"], device)
    *_, test = parts(dataset, (n_images, n_held_out_images, n_test_images), seed)
    generator = torch.Generator(device).manual_seed(derived_seed(seed, 50))
    digits = to_float(test.images[:n_random_images]).to(device)
    patterns = Patterns(shape)
    kinds = {
        "uniform noise": uniform((n_random_images, *shape), generator),
        "random CPPNs": patterns.images(patterns.first(n_random_images, generator)),
        "Gaussian pixels with the digits' mean and variance": gaussian_pixels(digits, generator).clamp(0, 1),
        "test digits, pixels shuffled": random_pixels(digits, generator),
        "test digits": digits,
    }
    return {name: random_confidence(model, images) for name, images in kinds.items()}


def random_confidence(model: nn.Module, images: Tensor) -> Values:
    """Largest probability of each image, over images."""
    largest = predict(model, images).softmax(1).max(1).values.double()
    return {"mean confidence": largest.mean().item(), "share that is sure": _share(largest >= SURE)}


def retrained(
    seed: int,
    dataset: str,
    net: str,
    fooled: Values,
    encoding: str,
    coordinates: str,
    rounds: int,
    n_images: int,
    n_held_out_images: int,
    n_test_images: int,
    n_steps: int,
    n_generations: int,
    n_population: int,
    n_fooling_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> dict[str, list[Any]]:
    """Evolve, put the images into an eleventh class, train a new net on everything so far, and evolve again.

    Returns one value for each round, the first being the net that knows ten classes.
    """
    fit, held_out, test = parts(dataset, (n_images, n_held_out_images, n_test_images), seed)
    shape, classes = fit.shape, len(fit.classes)
    model = loaded(net, shape, classes, fooled["weights"], device)
    generator = torch.Generator().manual_seed(derived_seed(seed, 60))
    learnt: list[Tensor] = []  # fooling images trained on
    kept: list[Tensor] = []  # held out of it
    old: list[Tensor] = []  # the champions of each round
    told: list[Values] = []
    for number in range(rounds + 1):
        found = evolve(
            model,
            _encoding(encoding, shape, coordinates),
            classes=classes,
            generations=n_generations,
            population=n_population,
            seed=derived_seed(seed, 61, ENCODINGS.index(encoding), number),
            device=device,
            film_at=second_half(n_generations),
            checkpoint=_stage(checkpoint, f"evolution{number}"),
        )
        right = answers(predict(model, to_float(test.images).to(device)))[: len(test)].cpu() == test.labels
        told.append(after_a_round(model, found, old, kept, classes, device) | {"test accuracy": _share(right)})
        if number == rounds:
            break
        old.append(found.images.cpu())
        drawn = found.film.flatten(0, 1).cpu()
        drawn = drawn[torch.randperm(len(drawn), generator=generator)[:n_fooling_images]]
        held = max(1, len(drawn) // 5)
        learnt.append(drawn[held:])
        kept.append(drawn[:held])
        extra = torch.cat(learnt)
        model, _ = fitted(
            net,
            torch.cat([to_float(fit.images), extra]),
            torch.cat([fit.labels, torch.full((len(extra),), classes)]),
            classes + 1,
            held_out,
            seed=derived_seed(seed, 62, number),
            steps=n_steps,
            device=device,
            checkpoint=_stage(checkpoint, f"training{number}"),
        )
    return {name: [values[name] for values in told] for name in told[0]}


def second_half(generations: int) -> list[int]:
    """Generations of the second half of a run, 40 at most, the last among them."""
    half = generations / 2
    return sorted({round(half + half * (place + 1) / RECORDED) for place in range(RECORDED)})


def after_a_round(
    model: nn.Module, found: Evolved, old: list[Tensor], kept: list[Tensor], classes: int, device: str
) -> Values:
    """New champions, what the net makes of the old ones, and of the held-out images how many it sees through."""
    values = summary(found)
    ten = {"old fooling images": 1.0, "seen through": 0.0}  # a net of ten classes has seen none
    if old:
        odds = torch.cat([log_odds(predict(model, images.to(device)), classes).diagonal() for images in old])
        seen = answers(predict(model, torch.cat(kept).to(device))) == classes
        ten = {"old fooling images": odds.double().sigmoid().quantile(0.5).item(), "seen through": _share(seen)}
    names = ("median confidence", "lowest confidence", "share that is sure", "generations until sure")
    return {name: values[name] for name in names} | ten | {"images": found.images.cpu()}


def perturbed(
    seed: int,
    dataset: str,
    net: str,
    other_net: str,
    fooled: Values,
    same: Values,
    other: Values,
    n_images: int,
    n_held_out_images: int,
    n_test_images: int,
    n_perturbed_images: int,
    device: str,
) -> Values:
    """The nearest images to test digits that the net labels otherwise: the other kind of adversarial image."""
    shape, classes = _kind_of(dataset)
    model = loaded(net, shape, classes, fooled["weights"], device)
    fit, _, test = parts(dataset, (n_images, n_held_out_images, n_test_images), seed)
    digits, labels = (t[:n_perturbed_images].to(device) for t in (to_float(test.images), test.labels))
    generator = torch.Generator(device).manual_seed(derived_seed(seed, 70))
    radius = shape[-1] / 2  # half the way from black to white, more than it ever takes
    moved = fab(model, digits, labels, eps=radius, steps=30, norm="l2", target_classes=3, generator=generator)
    now = answers(predict(model, moved))
    judges = {"same architecture": (net, same), "other architecture": (other_net, other)}
    seen = {
        name: answers(predict(loaded(kind, shape, classes, of["weights"], device), moved))
        for name, (kind, of) in judges.items()
    }
    usual = nearest_distance(to_float(test.images), to_float(fit.images)).quantile(0.5)
    return {
        "digits": digits,
        "images": moved,
        "labels": labels.tolist(),
        "answers": now.tolist(),
        "confidence": predict(model, moved).softmax(1).max(1).values.double().tolist(),
        "median confidence": predict(model, moved).softmax(1).max(1).values.double().quantile(0.5).item(),
        "share mistaken": _share(now != labels),
        "distance from the digit": (moved - digits).flatten(1).norm(dim=1).double().quantile(0.5).item(),
        "length of a digit": digits.flatten(1).norm(dim=1).double().quantile(0.5).item(),
        "distance ratio": (nearest_distance(moved.cpu(), to_float(fit.images)).quantile(0.5) / usual).item(),
        "same label": {name: _share(what == now) for name, what in seen.items()},
        "true label": {name: _share(what == labels) for name, what in seen.items()},
    }


def _encoding(name: str, shape: Shape, coordinates: str) -> Encoding:
    return Pixels(shape) if name == "direct encoding" else Patterns(shape, coordinates)  # type: ignore[arg-type]


def _kind_of(dataset: str) -> tuple[Shape, int]:
    """Shape of an image and number of classes."""
    images = load(dataset, "test")
    return images.shape, len(images.classes)


def _of_images(model: nn.Module, images: Tensor) -> Values:
    """Confidence in class k of image k."""
    return measured(log_odds(predict(model, images), len(images)).diagonal())


def _first(reached: Tensor) -> float:
    """The first generation at which something holds; one more than there are where it never does."""
    return float(reached.nonzero()[0, 0] if reached.any() else len(reached))


def _share(of: Tensor) -> float:
    return of.double().mean().item()


def _stage(checkpoint: Path | None, name: str) -> Path | None:
    """A file of its own beside the arm's checkpoint, which is removed with it."""
    return None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.{name}")
