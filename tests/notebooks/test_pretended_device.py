"""Every arm of every notebook at the settings of tier `gpu`, with tiny budgets, on a pretended GPU."""

import importlib
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from lib.attacks import harness
from lib.data import perturbations
from lib.experiments.confidence_calibrated_ood import decision_boundary, detectors
from lib.experiments.jem import robustness
from lib.experiments.noisy_student import robustness as student_robustness
from lib.models.fast_resnet import Group
from lib.replication.dry import DryRunFailed, dry_run
from lib.replication.notebooks import all_notebooks, find_notebook
from lib.roots import repository
from lib.training import loop
from lib.training.batches import Batches
from tests.pretended_device import DeviceFault, Generator, pretended_gpu

NOTEBOOKS = all_notebooks(repository())
REGIONS = decision_boundary.regions()
FEWER = (
    (decision_boundary, "PIXELS", 9),
    (decision_boundary, "SAMPLES", 100),
    (decision_boundary, "regions", lambda: {name: points[::50] for name, points in REGIONS.items()}),
    (detectors, "SETTINGS", [detectors.SOFTMAX, detectors.AUTHORS]),
    (harness, "FRESH", 1),
    (robustness, "COPIES", 2),
    (robustness, "FACTORS", (0.5, 1.0)),
    (student_robustness, "sequence", partial(perturbations.sequence, frames=3)),
)


@pytest.fixture(autouse=True)
def without_graphs(monkeypatch):
    monkeypatch.delenv("REPLICATION_CUDA_GRAPHS", raising=False)


@pytest.fixture(autouse=True)
def unpainted(monkeypatch):
    """Figures are put together and not even laid out, unlike in the dry runs: where a label ends up tells no device."""

    def pixel(figure, file, *, format="png", **how):
        Image.new("RGB", (1, 1)).save(file, format=format)

    monkeypatch.setattr(Figure, "savefig", pixel)


class Widening(Group):
    """A group of the fast net without its pair, whose layers are those of the stem again."""

    def __init__(self, in_channels: int, out: int, drop_branch: float) -> None:
        super().__init__(in_channels, out, drop_branch)
        self.pair = nn.Sequential()


@pytest.fixture
def narrow(monkeypatch):
    """Wide residual nets of depth 10 and width 1, others with few filters; a device meets every kind of layer."""
    module = importlib.import_module("lib.models.wide_resnet")
    blocks, head = module.residual_blocks, module.head
    monkeypatch.setattr(module, "residual_blocks", lambda depth, width, *rest: blocks(min(depth, 10), 1, *rest))
    monkeypatch.setattr(module, "head", lambda channels, *rest: head(64, *rest))
    monkeypatch.setattr(importlib.import_module("lib.models.fast_resnet"), "Group", Widening)
    monkeypatch.setattr(importlib.import_module("lib.models.vgg13"), "STAGES", (4, 4, 4, 4, 512))
    monkeypatch.setattr(importlib.import_module("lib.models.alexnet"), "WIDTHS", (4, 4, 4, 4, 4))


@pytest.fixture
def brief(monkeypatch):
    """Few of what is done many times over: the hundredth query or frame meets the devices of the second."""
    apgd, fab, square = (importlib.import_module(f"lib.attacks.{name}") for name in ("apgd", "fab", "square"))
    ranks, search = apgd.target_ranks, square._search
    for module in (apgd, fab):
        monkeypatch.setattr(module, "target_ranks", lambda model, images, count: ranks(model, images, min(count, 2)))
    monkeypatch.setattr(
        square, "_search", lambda *args, queries, **rest: search(*args, queries=min(queries, 4), **rest)
    )
    for module, name, fewer in FEWER:
        monkeypatch.setattr(module, name, fewer)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_runs_on_a_pretended_gpu(notebook, narrow, brief):
    with pretended_gpu() as marks:
        dry_run(notebook, "gpu")
    assert marks.made > 100, "the notebook computed on the CPU"


def small_notebook():
    return find_notebook(repository(), "rethinking-generalization", 3)


def test_a_generator_left_on_the_cpu_is_found(monkeypatch):
    @contextmanager
    def on_the_cpu(seed, device):
        yield torch.Generator().manual_seed(seed)

    monkeypatch.setattr(loop, "own_randomness", on_the_cpu)
    monkeypatch.setattr(Batches, "at", with_noise(Batches.at))
    with (
        pretended_gpu(),
        pytest.raises(DryRunFailed, match=r"DeviceFault.*generator on cpu draws for a tensor on cuda"),
    ):
        dry_run(small_notebook(), "gpu")


def with_noise(at):
    """As a step that draws on the images' device."""

    def drawn(self, step, generator):
        batch = at(self, step, generator)
        torch.rand(batch.images.shape, generator=generator, device=batch.images.device)
        return batch

    return drawn


def test_labels_left_on_the_cpu_are_found(monkeypatch):
    at = Batches.at
    monkeypatch.setattr(Batches, "at", lambda self, *given: (b := at(self, *given))._replace(labels=b.labels.cpu()))
    with pretended_gpu(), pytest.raises(DryRunFailed, match=r"DeviceFault.*tensors of two devices"):
        dry_run(small_notebook(), "gpu")


def cuda(*shape):
    return torch.zeros(shape, device="cuda")


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5)).to("cuda")


FAULTS = {
    "two devices meet": lambda: cuda(3) + torch.ones(3),
    "a number on a GPU joins tensors on the CPU": lambda: cuda() + torch.ones(3),
    "labels on the CPU": lambda: F.cross_entropy(net()(cuda(2, 3, 8, 8)), torch.zeros(2, dtype=torch.long)),
    "images on the CPU": lambda: net()(torch.zeros(2, 3, 8, 8)),
    "joined with a number of the CPU": lambda: torch.stack([cuda(), torch.tensor(1.0)]),
    "a generator of the CPU": lambda: torch.rand(3, device="cuda", generator=torch.Generator()),
    "a generator of the GPU": lambda: torch.rand(3, generator=torch.Generator("cuda")),
    "drawn in place": lambda: cuda(3).normal_(generator=torch.Generator()),
    "NumPy": lambda: cuda(3).numpy(),
    "NumPy by its own function": lambda: np.asarray(cuda(3)),
    "an index on the CPU": lambda: cuda(3)[torch.tensor([0])],
    "an index on the GPU": lambda: torch.ones(3)[torch.tensor([0], device="cuda")],
    "index_select": lambda: cuda(3).index_select(0, torch.tensor([0])),
    "a write by an index": lambda: cuda(3).index_put_((torch.tensor([0], device="cuda"),), torch.ones(1)),
    "a copy of a net": lambda: __import__("copy").deepcopy(net())(torch.zeros(2, 3, 8, 8)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_fails_on_a_gpu_fails_here(fault):
    with pretended_gpu(), pytest.raises(DeviceFault):
        fault()


def test_what_a_gpu_allows_passes():
    with pretended_gpu():
        model = net()
        optimiser = torch.optim.AdamW(model.parameters())
        images = torch.rand(2, 3, 8, 8, device="cuda", generator=torch.Generator("cuda").manual_seed(1))
        with torch.autocast("cuda", torch.bfloat16):
            loss = F.cross_entropy(model(images).float(), torch.zeros(2, dtype=torch.long, device="cuda"))
        loss.backward()
        optimiser.step()
        assert {parameter.grad.device.type for parameter in model.parameters()} == {"cuda"}
        assert optimiser.state_dict()["state"][0]["exp_avg"].device.type == "cuda"
        assert F.one_hot(torch.tensor([1], device="cuda"), 3).device.type == "cuda"
        assert (images * torch.tensor(2.0)).cpu().numpy().shape == images.shape  # a number of the CPU may join
        assert isinstance(torch.Generator(), Generator) and images.to("cpu").device.type == "cpu"
    assert torch.zeros(1).device.type == "cpu" and not isinstance(torch.Generator(), Generator)
