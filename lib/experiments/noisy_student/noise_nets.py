"""How the nets of `2-noise` are built again from what their arms were asked for, to be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.noisy_student.lineages import Plan
from lib.experiments.noisy_student.noise import NoiseSetting, build
from lib.experiments.noisy_student.subjects import draw


def fresh(seed: int, plan: Plan, dataset: str, setting: NoiseSetting, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """The net of `supervised` or of `student` before its training, its test images, what it learnt."""
    data = draw(setting, seed, dataset)
    learnt = f"{len(data.labelled):,} labelled images of {data.labelled.name}"
    if "labels" in others:
        learnt += f", and {len(data.pool):,} without, labelled by a teacher"
    return build(plan, data, setting), data.test, f"{learnt}; {plan['steps']:,} steps"
