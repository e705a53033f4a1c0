"""The path from a notebook's parameters to a verdict, and the runner that walks it for many notebooks."""

from lib.replication.experiment import Experiment, in_short, show
from lib.replication.pilot import start

__all__ = ["Experiment", "in_short", "show", "start"]
