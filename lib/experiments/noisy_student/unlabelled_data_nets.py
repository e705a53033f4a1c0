"""How the students of `4-unlabelled-data` are built again from what their arm was asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.noisy_student import self_training_nets
from lib.experiments.noisy_student.lineages import Plan, Setting
from lib.experiments.noisy_student.self_training import build
from lib.experiments.noisy_student.subjects import draw


def fresh(seed: int, dataset: str, setting: Setting, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """A net before its training, its test images, and what it was trained on; shared ones as notebook 1 has them."""
    if "lineage" in others:
        return self_training_nets.fresh(seed, others.pop("lineage"), dataset, setting, **others)
    plan: Plan = others["plan"]
    data = draw(setting, seed, dataset)
    told = f"{len(data.labelled):,} labelled images of {data.labelled.name}, and pseudo-labels: {others['name']}"
    return build(plan, data, setting), data.test, f"{told}; {plan['steps']:,} steps"
