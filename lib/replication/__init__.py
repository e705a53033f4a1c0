"""The path from a notebook's parameters to a verdict, and the runner that walks it for many notebooks."""

from lib.replication.experiment import Experiment, in_short, show
from lib.replication.pilot import start
from lib.replication.rows import by_name, differences, frame, per_seed, rows

__all__ = ["Experiment", "by_name", "differences", "frame", "in_short", "per_seed", "rows", "show", "start"]
