"""One training loop, its optimisers, schedules and hooks, and prediction with what was trained."""

from lib.training.batches import Batch
from lib.training.checkpoint import CheckpointMismatch
from lib.training.device import Compute, prepare, seed_everything
from lib.training.evaluate import error_rate, predict
from lib.training.history import History, Run
from lib.training.hooks import every, fitted, measure
from lib.training.keep_best import KeepBest
from lib.training.loop import Diverged, supervised, train
from lib.training.optimisers import adam, muon, sgd
from lib.training.progress import progress_line
from lib.training.schedules import constant, cosine, exponential, linear, step_decay, trapezoid

__all__ = [
    "Batch",
    "CheckpointMismatch",
    "Compute",
    "Diverged",
    "History",
    "KeepBest",
    "Run",
    "adam",
    "constant",
    "cosine",
    "error_rate",
    "every",
    "exponential",
    "fitted",
    "linear",
    "measure",
    "muon",
    "predict",
    "prepare",
    "progress_line",
    "seed_everything",
    "sgd",
    "step_decay",
    "supervised",
    "train",
    "trapezoid",
]
