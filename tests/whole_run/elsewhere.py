"""Train the teachers of noisy-student 1 at `reduced` and print their accuracies; `planted` climbs the loss."""

import sys

import torch.nn.functional as F

from lib.experiments.noisy_student.self_training import trained
from lib.instruction_set import computing
from lib.replication.notebooks import find_notebook
from lib.replication.parameters import tier_parameters
from lib.roots import repository
from lib.training.loop import train


def main(planted: bool) -> None:
    """As the notebook does, by its own parameters."""
    p = tier_parameters(find_notebook(repository(), "noisy-student", 1), "reduced")
    setting = {
        **{name: p[name] for name in ("labelled_images", "unlabelled_images", "test_images", "noise", "dropout")},
        **{"labelled_batch": p["labelled_batch_images"], "unlabelled_batch": p["unlabelled_batch_images"]},
        "tested_on": "test",
    }
    if planted:
        defaults = train.__kwdefaults__ or {}
        assert defaults["loss"] is F.cross_entropy
        defaults["loss"] = lambda logits, labels: -F.cross_entropy(logits, labels)
    print(computing())
    lineage = [{"net": p["small_net"], "steps": p["teacher_steps"]}]
    for seed in range(p["seeds"]):
        found = trained(seed, "teacher", lineage, None, p["dataset"], "cpu", setting)  # type: ignore[arg-type]
        print(found["accuracy"])


if __name__ == "__main__":
    main("planted" in sys.argv[1:])
