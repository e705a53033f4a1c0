"""How the nets of `2-label-noise` are built again from what their arms were asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.data.load import load
from lib.data.splits import split
from lib.experiments.pretraining_robustness.label_noise import noisy_target
from lib.experiments.pretraining_robustness.sources import new_net
from lib.experiments.pretraining_robustness.subjects import unrelated


def fresh(seed: int, net: str, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """The net of `source` or `plain` before its training, its test images, what it learnt."""
    if "source_dataset" in others:
        return on_source(seed, net, **others)
    noise, strength = others["noise"], others["strength"]
    target = noisy_target(seed, others["target_dataset"], others["sizes"], noise, strength)
    learnt = f"{len(target.images):,} images of {target.images.name}, {noise} label noise of strength {strength:g}"
    if others.get("pretrained") is not None:
        learnt += f", after {others['pretrained'].arguments['source_dataset']}"
    return new_net(net, target.images, seed), target.tests, learnt


def on_source(
    seed: int, net: str, source_dataset: str, classes: str, test_images: int, **others: Any
) -> tuple[nn.Module, ImageSet, str]:
    """The same of `source`."""
    images, tests = load(source_dataset), load(source_dataset, "test")
    if classes == "unrelated":
        images, tests = unrelated(images, source_dataset), unrelated(tests, source_dataset)
    (tests,) = split(tests, (min(len(tests), test_images),), seed)
    return new_net(net, images, seed), tests, f"{len(images):,} images of {images.name}, {classes} classes"
