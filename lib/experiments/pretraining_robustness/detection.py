"""What `4-detection` measures: how well the largest probability of a net tells other images from test images.

The nets are those of `learners.py`, handed over as artefacts; nothing is trained here. With the seed vary the nets, the
test images, the noise, and which other images are drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.data.image_set import to_float
from lib.data.load import load
from lib.data.noise_sets import NOISES
from lib.experiments.pretraining_robustness.learners import target
from lib.experiments.pretraining_robustness.moments import (
    COMPUTE,
    PRETRAINED,
    SCRATCH,
    SHORT,
    Values,
    asked_once,
    compared,
    moments_of,
)
from lib.experiments.pretraining_robustness.sources import new_net
from lib.metrics.detection import ThresholdCurve, aupr, auroc, curve, fpr_at_tpr
from lib.metrics.prevalence import aupr_at_share
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import predict

Scores = np.ndarray[Any, np.dtype[np.float64]]

TESTS, SEEN = "test images", "source"
ROLES = ("near", "far", "noise")
PER_TEST_IMAGE = 0.2  # other images to one test image, as in the released code
DRAWS = 5
KEPT = 200  # scores of each set that the histograms are drawn from


def assessed(
    seed: int,
    target_dataset: str,
    sizes: Sequence[int],
    source_dataset: str,
    near_datasets: Sequence[str],
    far_datasets: Sequence[str],
    noises: Sequence[str],
    net: str,
    pretrained: Values,
    scratch: Values,
    short: Values,
    compute: Values,
    device: str,
) -> Values:
    """Every net of the page under the maximum softmax probability, on every set.

    Returns:
        `nets`: name -> clean error, when it was stopped, and scores under `published` and `exact` definitions;
        `looks`: training -> at each look, clean error and exact AUROC of each set; `kept`: net -> set -> first scores.
    """
    images, _, tests = target(target_dataset, sizes, seed)
    others = other_images(tests.images, source_dataset, near_datasets, far_datasets, noises, seed)
    model = new_net(net, images, seed)
    prepare(device).place(model)
    trainings = {PRETRAINED: pretrained, SCRATCH: scratch, SHORT: short, COMPUTE: compute}
    moments = compared(pretrained, scratch, short, compute)
    wanted = [*moments.values(), *(moment for run in trainings.values() for moment in moments_of(run))]
    scores_of = asked_once(wanted, lambda weights: certainties(model, weights, tests.images, others))
    scored = {name: scores_of(moment) for name, moment in moments.items()}
    return {
        "nets": {
            name: moment.told() | {"confidence": float(scored[name][TESTS].mean())} | detection(scored[name], seed)
            for name, moment in moments.items()
        },
        "looks": {
            name: over_training(run["looks"], [scores_of(moment) for moment in moments_of(run)])
            for name, run in trainings.items()
        },
        "kept": {name: {place: values[:KEPT].tolist() for place, values in of.items()} for name, of in scored.items()},
    }


def other_images(
    tests: Tensor,
    source_dataset: str,
    near_datasets: Sequence[str],
    far_datasets: Sequence[str],
    noises: Sequence[str],
    seed: int,
) -> dict[str, Tensor]:
    """`role/set` -> other images (N, C, H, W), no more than there are test images, in their shape.

    Near sets are of the same kind as the target: given ones, means of two test images, and grey images on their side,
    which for a digit is another sign. Under `source` are images of the source, which a tuned net has learnt: the paper
    leaves such sets out, and no rule uses it.
    """
    inside = to_float(tests)
    count, channels, height, width = inside.shape
    order = torch.randperm(count, generator=generator(seed, 1))
    sets = {"near/means of two": (inside[order] + inside[order.roll(1)]) / 2}
    if channels == 1:
        sets["near/rotated"] = inside.rot90(1, (2, 3))
    given = {f"near/{name}": name for name in near_datasets} | {f"far/{name}": name for name in far_datasets}
    for place, name in (given | {f"{SEEN}/{source_dataset}": source_dataset}).items():
        images = load(name, "test").images
        if images.shape[1:] != tests.shape[1:]:
            raise ValueError(f"{name} has images of {tuple(images.shape[1:])}, the target of {tuple(tests.shape[1:])}")
        chosen = torch.randperm(len(images), generator=generator(seed, 2))[:count]
        sets[place.replace("fake:", "")] = images[chosen]
    for kind in noises:
        sets[f"noise/{kind}"] = NOISES[kind](count, (channels, height, width), generator(seed, 3))
    return sets


def generator(seed: int, purpose: int) -> torch.Generator:
    """The generator of one choice among the other images."""
    return torch.Generator().manual_seed(derived_seed(seed, 42, purpose))


def certainties(
    model: nn.Module, weights: Mapping[str, Tensor], tests: Tensor, others: Mapping[str, Tensor]
) -> dict[str, Scores]:
    """Set -> max_y p(y|x), (N,), of a net with these weights, higher for what it takes for the target."""
    model.load_state_dict(weights)
    return {place: max_softmax(predict(model, images)) for place, images in {TESTS: tests, **others}.items()}


def max_softmax(logits: Tensor) -> Scores:
    """The largest probability of each row, in float64, where fewer of them are exactly 1: (N, K) -> (N,)."""
    largest: Scores = logits.double().softmax(dim=1).amax(dim=1).cpu().numpy()
    return largest


def detection(scored: Mapping[str, Scores], seed: int) -> Values:
    """Role -> set -> score, under both definitions, and under `mean` of each role that of its sets."""
    random = np.random.default_rng(derived_seed(seed, 43))
    found: Values = {"published": {}, "exact": {}}
    for place, values in scored.items():
        if place == TESTS:
            continue
        role, name = place.split("/")
        found["published"].setdefault(role, {})[name] = as_published(scored[TESTS], values, random)
        found["exact"].setdefault(role, {})[name] = exactly(curve(scored[TESTS], values))
    for definition in found.values():
        for role, sets in definition.items():
            measures = next(iter(sets.values()))
            mean = {measure: float(np.mean([of[measure] for of in sets.values()])) for measure in measures}
            definition[role] = {"mean": mean, **sets}
    return found


def as_published(inside: Scores, outside: Scores, random: np.random.Generator) -> dict[str, float]:
    """Means over five draws of one other image to five test images; the other images are the positive class."""
    count = min(len(outside), round(PER_TEST_IMAGE * len(inside)))
    curves = [curve(inside, random.choice(outside, count, replace=False)) for _ in range(DRAWS)]
    return {
        "AUROC": float(np.mean([auroc(c) for c in curves])),
        "AUPR": float(np.mean([aupr(c, positive="ood") for c in curves])),
        "FPR": float(np.mean([fpr_at_tpr(c, positive="ood", definition="nearest") for c in curves])),
    }


def exactly(c: ThresholdCurve) -> dict[str, float]:
    """The same from all images at once, at the same ratio, and with the test images as the positive class."""
    share = PER_TEST_IMAGE / (1 + PER_TEST_IMAGE)
    return {
        "AUROC": auroc(c),
        "AUPR": aupr_at_share(c, positive="ood", share=share),
        "FPR": fpr_at_tpr(c, positive="ood"),
        "AUPR, test images positive": aupr_at_share(c, positive="id", share=1 - share),
        "FPR, test images positive": fpr_at_tpr(c, positive="id"),
    }


def over_training(looks: Values, scored: Sequence[Mapping[str, Scores]]) -> Values:
    """At each look of a training, whose scores are `scored`: the step, the clean error, each set's exact AUROC."""
    places = [place for place in scored[0] if place != TESTS]
    return {
        "step": looks["step"],
        "clean error": looks["test error"],
        "AUROC": {place: [auroc(of[TESTS], of[place]) for of in scored] for place in places},
    }
