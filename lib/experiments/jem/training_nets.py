"""How the nets of `2-training` are built again from what their arms were asked for, so that they can be kept."""

from typing import Any

from torch import nn

from lib.data.image_set import ImageSet
from lib.experiments.jem.training import Task, opened


def fresh(seed: int, pooled_dataset: str, task: Task, **others: Any) -> tuple[nn.Module, ImageSet, str]:
    """The net of `joint_net`, `twin` or `judge_net` before its training, its test images, and what it learnt from."""
    p, division = opened(pooled_dataset, task, seed)
    learnt = division.judge if "judge_steps" in others else division.train
    by = task["pooling"]
    averaged = f", averaged over {by} x {by} pixels" if by > 1 else ""
    return p.build(division, seed), division.test, f"{len(learnt):,} labelled images of {learnt.name}{averaged}"
