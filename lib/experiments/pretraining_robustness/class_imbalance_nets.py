"""How the nets of `3-class-imbalance` are built again from what their arms were asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.pretraining_robustness.class_imbalance import target_of
from lib.experiments.pretraining_robustness.sources import new_net


def fresh(seed: int, net: str, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """The net of `fit` before its training, its test images, what it learnt."""
    asked = ("target_dataset", "largest", "smallest_share", "gamma", "parts")
    target = target_of(seed, *(others[name] for name in asked))
    learnt = f"{len(target.images):,} images of {target.images.name}, gamma {others['gamma']:g}, {others['method']}"
    if others.get("pretrained") is not None:
        learnt += f", after {others['pretrained'].arguments['source_dataset']}"
    return new_net(net, target.images, seed), target.tests, learnt
