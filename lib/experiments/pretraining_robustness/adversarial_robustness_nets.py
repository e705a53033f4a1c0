"""How the nets of `1-adversarial-robustness` are built again from what their arms were asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.data.load import load
from lib.data.splits import split
from lib.experiments.pretraining_robustness.subjects import new_net, target_sets, unrelated


def fresh(seed: int, net: str, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """The net of `pretrain`, `tune`, `scratch` or `annealed` before its training, its test images, what it learnt."""
    if "source_dataset" in others:
        return on_source(seed, net, **others)
    images, _, tests, _ = target_sets(others["target_dataset"], others["sizes"], seed)
    learnt = f"{len(images):,} images of {images.name} under attack, radius {others['eps']:.3g}"
    if "pretrained" in others:
        learnt += f", after {others['pretrained'].arguments['source_dataset']}"
    return new_net(net, images, seed), tests, learnt


def on_source(
    seed: int, net: str, source_dataset: str, source: str, eps: float, test_images: int, **others: Any
) -> tuple[nn.Module, ImageSet, str]:
    """The same of `pretrain`, whose images are those of the source."""
    images, tests = load(source_dataset), load(source_dataset, "test")
    if source == "unrelated classes":
        images, tests = unrelated(images, source_dataset), unrelated(tests, source_dataset)
    (tests,) = split(tests, (min(len(tests), test_images),), seed)
    attack = "without attack" if source == "clean" else f"under attack, {source}, radius {eps:.3g}"
    return new_net(net, images, seed), tests, f"{len(images):,} images of {images.name} {attack}"
