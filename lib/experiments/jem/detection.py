"""What `4-detection` measures: which score tells other images from those a net was trained on.

The nets are those of `lib/experiments/jem/training.py` and `calibration.watched_twin`, handed over as artefacts;
nothing is trained here. With the seed vary the nets, the test images of embedded sets, and the other images.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lib.data.load import load
from lib.data.noise_sets import NOISES
from lib.data.pixels import shuffled_pixels, spatial_permutation
from lib.experiments.jem.calibration import BLURRED, EARLY, JEM, LONG, NOISY, ROWS, TWIN
from lib.experiments.jem.subjects import loaded, part, pooled
from lib.experiments.jem.training import Task, opened
from lib.methods.detection_scores import image_scores, net_scores
from lib.methods.jem import noisy
from lib.metrics.detection import auroc
from lib.training.device import derived_seed

__all__ = ["BLURRED", "EARLY", "JEM", "LONG", "NOISY", "ROWS", "TWIN"]

Values = dict[str, Any]
INSIDE = "test images"
NOISE_KINDS = ("uniform", "blobs")  # drawn at the pooled size
# Of the same kind as what the nets know; every other loaded set is far.
NEAR = ("letters", "omniglot-small", "cifar100")
KEPT = 300  # scores of each set that the histograms are drawn from


def assessed(
    seed: int, pooled_dataset: str, task: Task, out_datasets: list[str], out_images: int, joint: Task,
    same_steps: Task, same_passes: Task, same_data_noise: Task, watched: Task, device: str,
) -> Values:  # fmt: skip
    """AUROC of every row of `ROWS` under every score on every set, and of the scores that need no net.

    Returns:
        `rows`: row -> score -> role -> set -> AUROC, `no net`: score -> role -> set -> AUROC, and `scores`: row ->
        score -> set -> the first `KEPT` scores, for JEM and its twin.
    """
    nets = {
        **{"joint": joint, "same_steps": same_steps, "same_passes": same_passes},
        **{"same_data_noise": same_data_noise, "watched": watched},
    }
    p, division = opened(pooled_dataset, task, seed)
    model, inside = p.build(division, seed), division.test.images
    outside = other_images(inside, out_datasets, task["pooling"], out_images, seed)
    rows, scores = {}, {}
    for row, (net, weights, sigma) in ROWS.items():
        scored = all_scores(loaded(model, nets[net][weights], device), inside, outside, sigma, seed)
        rows[row] = ranked(scored)
        if row in (JEM, TWIN):
            scores[row] = {score: {name: v[:KEPT] for name, v in of.items()} for score, of in scored.items()}
    return {"rows": rows, "no net": ranked(scores_without_a_net(inside, outside)), "scores": scores}


def other_images(inside: Tensor, out_datasets: list[str], pooling: int, count: int, seed: int) -> dict[str, Tensor]:
    """`role/set` -> at most `count` images (N, C, H, W) in [0, 1] of the shape of the test images `inside`.

    Sets of another number of channels are left out; the others are averaged over as many pixels as the training images.
    """
    channels, height, width = inside.shape[1:]
    shape = (channels, height, width)
    some = part(inside, count, derived_seed(seed, 41))
    sets = {"near/interpolations": interpolations(some, seed)}
    # A photograph on its side shows what it showed, a digit another sign; a grey digit is what it was.
    sets |= (
        {"near/rotated": some.rot90(1, (2, 3))} if shape[0] == 1 else {"far/grey": some.mean(1, True).expand_as(some)}
    )
    for name in out_datasets:
        known = load(name, "test")
        if known.shape[0] != shape[0]:
            continue
        images = pooled(known, pooling).images
        if tuple(images.shape[1:]) != shape:
            raise ValueError(f"{name} has images of {tuple(images.shape[1:])} after pooling, not of {shape}")
        plain = name.removeprefix("fake:")
        sets[f"{'near' if plain in NEAR else 'far'}/{plain}"] = part(images, count, derived_seed(seed, 42))
    generator = torch.Generator().manual_seed(derived_seed(seed, 43))
    sets |= {f"noise/{kind}": NOISES[kind](len(some), shape, generator) for kind in NOISE_KINDS}
    sets["noise/shuffled pixels"] = shuffled_pixels(some, spatial_permutation(height, width, generator))
    return sets


def interpolations(images: Tensor, seed: int) -> Tensor:
    """(x_i + x_j) / 2 of random pairs of different images, as many as there are images (N, C, H, W)."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(derived_seed(seed, 44)))
    mixed = torch.empty_like(images)
    mixed[order] = (images[order] + images[order.roll(1)]) / 2
    return mixed


def all_scores(
    model: nn.Module, inside: Tensor, outside: dict[str, Tensor], sigma: float, seed: int
) -> dict[str, dict[str, Tensor]]:
    """Score -> set -> (N,), with noise of deviation `sigma` on all images, for images in [-1, 1], where it is not 0."""
    generator = torch.Generator().manual_seed(seed)
    found = {
        name: net_scores(model, noisy(images, sigma, generator) if sigma else images)
        for name, images in {INSIDE: inside, **outside}.items()
    }
    return {score: {name: of[score] for name, of in found.items()} for score in found[INSIDE]}


def scores_without_a_net(inside: Tensor, outside: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The same of the scores that look at the image alone."""
    found = {name: image_scores(images) for name, images in {INSIDE: inside, **outside}.items()}
    return {score: {name: of[score] for name, of in found.items()} for score in found[INSIDE]}


def ranked(scored: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, dict[str, float]]]:
    """Score -> role -> set -> AUROC against the test images; equal scores count half."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for score, of in scored.items():
        found[score] = {"near": {}, "far": {}, "noise": {}}
        for place, values in of.items():
            if place != INSIDE:
                role, name = place.split("/")
                found[score][role][name] = auroc(of[INSIDE].numpy(), values.numpy())
    return found
