"""Self-training killed in the middle of its second round, and run again; prints as JSON what became of it.

A script, because forking is safe only without threads: `python -m tests.experiments.killing_rounds FOLDER`.
"""

import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from lib.experiments.noisy_student import self_training
from lib.experiments.noisy_student.lineages import Lineage, Setting, title
from lib.replication.artefacts import Artefact

SETTING: Setting = {
    "labelled_images": 50, "unlabelled_images": 200, "test_images": 100, "labelled_batch": 8, "unlabelled_batch": 24,
    "noise": "shift", "dropout": 0.1, "tested_on": "test",
}  # fmt: skip
TEACHER, STUDENT = {"net": "XXS", "steps": 40}, {"net": "XXS", "steps": 30}
LINEAGE = [TEACHER, STUDENT, STUDENT]  # two rounds


def grown(lineage: Lineage, setting: Setting, seed: int = 0) -> Artefact:
    """The last net of a lineage of digits, whose labels come from the net before it."""
    where: dict[str, Any] = {"seed": seed, "dataset": "digits", "device": "cpu", "setting": setting}
    labels = None
    if ancestors := lineage[:-1]:
        teacher = {"teacher": grown(ancestors, setting, seed), "plan": ancestors[-1]}
        labels = Artefact(self_training.labelled_by, teacher | where)
    return Artefact(self_training.trained, {"name": title(lineage), "lineage": lineage, "labels": labels} | where)


def run(folder: Path, kill_at: int | None) -> str:
    """Both rounds into `folder`; with `kill_at`, killed at that step of the second. SHA-256 of weights and numbers."""
    os.environ["REPLICATION_OUTPUT"] = str(folder)
    second_round = grown(LINEAGE, SETTING)
    original, trainings = self_training.train, []

    def watched(*arguments: Any, **options: Any) -> Any:
        trainings.append(options["checkpoint"].name)

        def kill(run: Any) -> None:
            if options["checkpoint"] == second_round.path.with_suffix(".partial") and run.step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        return original(*arguments, **options, hooks=[kill], checkpoint_seconds=0.0)

    self_training.train = watched
    value = second_round.value()
    digest = hashlib.sha256()
    for name, weight in sorted(value.pop("weights").items()):
        digest.update(name.encode() + weight.contiguous().numpy().tobytes())
    digest.update(json.dumps(value, sort_keys=True).encode())
    return json.dumps({"digest": digest.hexdigest(), "trainings": trainings, "accuracy": value["accuracy"]})


def child(folder: Path, kill_at: int | None) -> dict[str, Any]:
    """`run` in a process of its own: how it ended, what it left and what it said."""
    folder.mkdir(exist_ok=True)
    said = folder / "said.json"
    number = os.fork()
    if not number:
        code = 1
        try:
            said.write_text(run(folder, kill_at))
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(code)
    ending = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    artefacts = folder / "artefacts"
    left = {
        "finished": len(list(artefacts.glob("*.safetensors"))),
        "partial": len(list(artefacts.glob("*.partial"))),
    }
    return {"ending": ending, **left, "said": json.loads(said.read_text()) if said.exists() else None}


def main(folder: Path) -> None:
    """One undisturbed run; one killed at step 17 of round 2, then at step 24, then left alone."""
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)], lr=0.1)  # torch loads its compiler now, once, and not in every child
    killed = [child(folder / "killed", at) for at in (17, 24, None)]
    results = {"whole": [child(folder / "whole", None)], "killed": killed}
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
