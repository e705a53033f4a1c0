"""How the nets of `4-detection` and `5-calibration` are built again from what their arms were asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.pretraining_robustness.label_noise_nets import on_source
from lib.experiments.pretraining_robustness.learners import target
from lib.experiments.pretraining_robustness.sources import new_net


def fresh(seed: int, net: str, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """The net of `source` or `learnt` before its training, its test images, what it learnt."""
    if "source_dataset" in others:
        return on_source(seed, net, **others)
    images, _, tests = target(others["target_dataset"], others["sizes"], seed)
    learnt = f"{len(images):,} images of {images.name}"
    if others.get("pretrained") is not None:
        learnt += f", after {others['pretrained'].arguments['source_dataset']}"
    return new_net(net, images, seed), tests, learnt
