"""The path from a notebook's parameters to a verdict, and the runner that walks it for many notebooks."""

from lib.replication.experiment import Experiment, show
from lib.replication.pilot import start

__all__ = ["Experiment", "show", "start"]
