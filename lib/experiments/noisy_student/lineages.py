"""A net by its lineage: the list of trainings that lead to it, oldest first.

teacher = [{"net": "S", "steps": 600}]                     # supervised
student = [*teacher, {"net": "S", "steps": 1200}]          # round 1
second = [*student, {"net": "S", "steps": 1200}]           # round 2: the student is the next teacher
"""

from typing import Any, TypedDict

Plan = dict[str, Any]  # net, steps; a student may add labels, noise, weighting, selection; any may name its method
Lineage = list[Plan]


class Setting(TypedDict):
    """What all nets of one comparison share."""

    labelled_images: int
    unlabelled_images: int
    test_images: int
    labelled_batch: int  # labelled images in a student's batch; a supervised net has both numbers of labelled ones
    unlabelled_batch: int
    noise: str  # key of NOISES
    dropout: float  # before the classifier
    tested_on: str  # "test", or "validation" for planning: then all images are training images of the set


def title(lineage: Lineage) -> str:
    """What a table calls a net, its ancestors first: `S 600 > S 1200 labels hard`."""
    return " > ".join(" ".join([f"{plan['net']} {plan['steps']}", *_options(plan)]) for plan in lineage)


def _options(plan: Plan) -> list[str]:
    """Whatever a plan says beyond its net and its steps."""
    return [f"{name} {value}" for name, value in plan.items() if name not in {"net", "steps"}]


def batch_images(setting: Setting) -> int:
    """Images in a batch of a supervised net, and of a student."""
    return setting["labelled_batch"] + setting["unlabelled_batch"]


def forward_passes(lineage: Lineage, setting: Setting) -> int:
    """Images that went through a net until the last of a lineage was trained: training and labelling, not testing."""
    n, m = setting["labelled_batch"], setting["unlabelled_batch"]
    per_step = {"consistency": n + 2 * m}  # the clean view too
    labelling = {"student": setting["unlabelled_images"], "distillation": setting["labelled_images"]}
    methods = [plan.get("method", "student" if position else "supervised") for position, plan in enumerate(lineage)]
    return sum(
        plan["steps"] * per_step.get(method, n + m) + labelling.get(method, 0)
        for plan, method in zip(lineage, methods, strict=True)
    )


def of_equal_cost(rival: Lineage, lineage: Lineage, setting: Setting) -> Lineage:
    """`rival` with so many steps of its last training that it makes as many forward passes as `lineage` does."""
    none, one = (forward_passes([*rival[:-1], rival[-1] | {"steps": steps}], setting) for steps in (0, 1))
    steps = round((forward_passes(lineage, setting) - none) / (one - none))
    return [*rival[:-1], rival[-1] | {"steps": max(1, steps)}]
