"""How the nets of `1-self-training` are built again from what `trained` was asked for, so that they can be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.noisy_student.lineages import Lineage, Setting, title
from lib.experiments.noisy_student.self_training import build
from lib.experiments.noisy_student.subjects import draw


def fresh(
    seed: int, lineage: Lineage, dataset: str, setting: Setting, **others: Any
) -> tuple[nn.Module, ImageSet, str]:
    """The last net of a lineage before its training, its test images, and what it was trained on."""
    data, plan = draw(setting, seed, dataset), lineage[-1]
    learnt = f"{len(data.labelled):,} labelled images of {data.labelled.name}"
    if len(lineage) > 1:
        learnt += f", and {len(data.pool):,} without, labelled by the net {title(lineage[:-1])}"
    return build(plan, data, setting), data.test, f"{learnt}; {plan['steps']:,} steps"
