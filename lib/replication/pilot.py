"""A pilot: a notebook at its tier on seeds that the run that counts does not use, to see what that run will cost.

    python -m lib.replication run PAPER/N --tier laptop --first-seed 100

Every choice that looks at results must look at others than those that are judged, or the verdict is about the choice.
"""

import os

from lib.replication import experiment
from lib.replication.experiment import Experiment

FIRST_SEED_VARIABLE = "REPLICATION_FIRST_SEED"  # set by the runner; 0 is the run that counts


def start(paper: str, notebook: int) -> Experiment:
    """As `lib.replication.experiment.start`, on the seeds that the runner has chosen.

    Raises:
        ParameterError: an unknown, misspelt, missing or ill-typed parameter, before any work.
    """
    begun = experiment.start(paper, notebook)
    if first := int(os.environ.get(FIRST_SEED_VARIABLE, "0")):
        begun.seeds = [first + seed for seed in begun.seeds]
        print(f"{in_words(first, len(begun.seeds))}: no verdict of a tier, and nothing to record")
    return begun


def in_words(first_seed: int, count: int) -> str:
    """What the run is called in results and on the scoreboard; empty where it is no pilot."""
    return f"a pilot on seeds {first_seed} to {first_seed + count - 1}" if first_seed else ""
