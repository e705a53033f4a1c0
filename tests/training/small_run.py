"""A run of a second with all that makes resuming hard: batch norm, dropout, augmentation, momentum, soft targets."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.models import small_cnn
from lib.training import History, KeepBest, every, linear, measure, muon, prepare, seed_everything, train

STEPS = 40


def data() -> tuple[Tensor, Tensor]:
    """70 images (N, 1, 8, 8) uint8 and soft targets (N, 3)."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (70, 1, 8, 8), dtype=torch.uint8, generator=generator)
    return images, torch.softmax(torch.randn(70, 3, generator=generator), dim=1)


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift all images by the same random number of pixels."""
    shift = int(torch.randint(-2, 3, (1,), generator=generator))
    return images.roll(shift, dims=3)


def weight_sum(model: nn.Module) -> float:
    """A number that depends on every weight."""
    return sum(parameter.double().sum().item() for parameter in model.parameters())


def run(checkpoint: Path | None = None, **options: Any) -> tuple[nn.Module, History, KeepBest]:
    """Train the net from its seed, or go on from the checkpoint."""
    seed_everything(1)
    model = small_cnn(3, (6, 8, 10), in_channels=1, strides=(1, 2, 1), dropout=0.3)
    images, labels = data()
    images, labels = options.pop("images", images), options.pop("labels", labels)
    best = KeepBest(weight_sum)
    settings: dict[str, Any] = {
        "steps": STEPS,
        "batch_size": 16,
        "optimiser": muon(model, batch_size=16),
        "schedule": linear(STEPS),
        "augment": jitter,
        "seed": 3,
        "compute": prepare("cpu", threads=1),
        "checkpoint": checkpoint,
        "stateful": {"best": best},
        "hooks": [every(10, measure("sum", weight_sum)), every(7, best)],
        **options,
    }
    return model, train(model, images, labels, **settings), best


def fingerprint(model: nn.Module, history: History, best: KeepBest) -> str:
    """SHA-256 of every number that the run leaves behind, except times."""
    digest = hashlib.sha256()
    for name, value in [*sorted(model.state_dict().items()), *sorted(best.weights.items()), ("losses", history.losses)]:
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    digest.update(repr((sorted(history.values.items()), history.images, history.stopped, best.step)).encode())
    return digest.hexdigest()
