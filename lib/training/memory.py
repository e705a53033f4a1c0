"""How much memory a stretch of a program took at its peak."""

import contextlib
import resource
import sys
from pathlib import Path
from types import TracebackType

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """`with PeakMemory(device) as peak: ...`, then `peak.bytes`.

    On a GPU what torch held at most within; on the CPU the process's resident memory at most, data and libraries
    included. Where the system cannot forget an earlier peak, that one may be it.

    Attributes:
        bytes: the peak, once the block is left; 0 before.
    """

    def __init__(self, device: str) -> None:
        """Measure on this device."""
        self.on_gpu = torch.device(device).type == "cuda"
        self.bytes = 0

    def __enter__(self) -> "PeakMemory":
        """Forget earlier peaks."""
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            with contextlib.suppress(OSError):
                RESET.write_text("5")  # Linux: VmHWM falls to what is resident now
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """Read the peak."""
        self.bytes = torch.cuda.max_memory_allocated() if self.on_gpu else _resident_peak()


def _resident_peak() -> int:
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
