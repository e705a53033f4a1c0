"""The one place that imports torchvision, late and also on a torch it was not built for."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import torch


def torchvision(submodule: str = "") -> ModuleType:
    """The module torchvision, or `torchvision.<submodule>`.

    The wheel on PyPI is built for CUDA; beside a CPU build of torch its compiled operators cannot be loaded and its
    import fails. In that case the two operators that the import asks for are declared first. Data sets, transforms,
    classification models and StochasticDepth then work; `ops.nms`, detection models and `torchvision.io` do not.

    Args:
        submodule: e.g. "datasets", "transforms.v2" or "models".
    """
    if not extension_loads():
        declare_operators()
    return importlib.import_module(f"torchvision.{submodule}" if submodule else "torchvision")


def extension_loads() -> bool:
    """Whether torchvision's compiled operators fit this torch; loads them if so."""
    specification = importlib.util.find_spec("torchvision")
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError("torchvision is not installed; pip install torchvision -c constraints.txt")
    extensions = sorted(Path(specification.origin).parent.glob("_C.*"))
    try:
        torch.ops.load_library(str(extensions[0]))
    except (OSError, IndexError):
        return False
    return True


def declare_operators() -> None:
    """Declare `nms` and `qnms` without an implementation, unless that was done before."""
    signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", signature)
