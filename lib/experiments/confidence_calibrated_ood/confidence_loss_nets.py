"""How the nets of `2-confidence-loss` are built again from what `classifier` was asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.confidence_calibrated_ood.confidence_loss import TRAININGS
from lib.experiments.confidence_calibrated_ood.subjects import NETS, in_distribution


def fresh(
    seed: int, training: str, dataset: str, net: str, train_steps: int, **others: Any
) -> tuple[nn.Module, ImageSet, str]:
    """The net of `classifier` before its training, its test images, and what it learnt from."""
    fit, _, test = in_distribution(dataset, seed)
    outliers = {
        "none": "no outliers",
        "noise": "Gaussian noise as outliers",
        "broad": f"outliers from {others['broad_dataset']}",
        "narrow": f"outliers from {others['narrow_dataset']}",
    }[TRAININGS[training].outliers]
    few = f", {others['few_images']} images" if TRAININGS[training].few else ""
    learnt = f"{len(fit):,} images of {fit.name}, {outliers}{few}; {train_steps:,} steps"
    return NETS[net].build(fit.shape, len(fit.classes)), test, learnt
