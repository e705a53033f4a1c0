"""Training throughput against the usual pipeline: a DataLoader that augments image by image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.compare import OURS, Disagreement, Row, Side
from benchmarks.nets import PADDING, Subject, crop_and_flip
from lib.data.torchvision_import import torchvision
from lib.training.batches import epoch_order
from lib.training.loop import train
from lib.training.optimisers import sgd

BATCH, RATE, MOMENTUM = 128, 0.01, 0.9
COMPARED_STEPS, TOLERANCE = 5, 1e-3


@dataclass(frozen=True)
class Task:
    """Images to train on for one epoch, (N, C, H, W) uint8, and whether to augment."""

    images: Tensor
    labels: Tensor
    augment: bool


def rows(subject: Subject) -> dict[str, Callable[[int], Row]]:
    """The row of this file by its key."""
    return {"training": partial(one_epoch, subject)}


def one_epoch(subject: Subject, divide: int) -> Row:
    """An epoch of a few images, augmented; the first call is without, to compare the steps."""
    images, labels = subject.training_images()
    images, labels = images[: 5_000 // divide], labels[: 5_000 // divide]
    sides = {
        OURS: ours,
        "DataLoader, transforms on PIL images": on_pictures,
        "DataLoader, transforms.v2 on tensors": on_tensors,
    }
    return Row(
        key="training",
        measure=f"training, crop and flip, batches of {BATCH}, {len(images):,} images of {subject.name}",
        unit="images",
        goal=3,
        sides={name: partial(side, subject) for name, side in sides.items()},
        rounds=[Task(images, labels, augment=True)] * 3,
        first=Task(images, labels, augment=False),
        count=lambda task: len(task.images),
        check=same_losses,
        note="Forward, backward and optimiser, which both sides need, take 97 % of our time on one thread; what can be "
        "saved is the loading and augmenting of single images. A smaller net or a faster device raises the ratio.",
    )


def ours(subject: Subject) -> Side:
    """The whole set as a tensor, each batch augmented at once."""

    def epoch(task: Task, number: int) -> Tensor:
        net = subject.untrained()
        history = train(
            net,
            task.images,
            task.labels,
            steps=-(-len(task.images) // BATCH),
            batch_size=BATCH,
            optimiser=sgd(net, RATE, MOMENTUM),
            augment=crop_and_flip if task.augment else None,
            progress=lambda run: None,
        )
        return history.losses

    return epoch


def on_pictures(subject: Subject) -> Side:
    """As torchvision's own data sets do: each image becomes a picture, then a tensor."""
    image, t = torchvision("transforms.functional").to_pil_image, torchvision("transforms")
    augment = [t.RandomCrop(subject.side, padding=PADDING), t.RandomHorizontalFlip()]

    def pipeline(task: Task) -> Pipeline:
        transform = t.Compose([image, *(augment if task.augment else []), t.ToTensor()])
        return Pipeline(task.images, task.labels, transform)

    return lambda task, number: usual_epoch(subject.untrained(), pipeline(task))


def on_tensors(subject: Subject) -> Side:
    """The second version of the transforms, without pictures."""
    t = torchvision("transforms.v2")
    augment = [t.RandomCrop(subject.side, padding=PADDING), t.RandomHorizontalFlip()]

    def pipeline(task: Task) -> Pipeline:
        transform = t.Compose([*(augment if task.augment else []), t.ToDtype(torch.float32, scale=True)])
        return Pipeline(task.images, task.labels, transform)

    return lambda task, number: usual_epoch(subject.untrained(), pipeline(task))


class Pipeline(Dataset[tuple[Tensor, int]]):
    """Images by index, each transformed when it is asked for."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Tensor], Tensor]) -> None:
        """Keep the images (N, C, H, W) uint8 as they are."""
        self.images, self.labels, self.transform = images, labels.tolist(), transform

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image (C, H, W) and its label."""
        return self.transform(self.images[index]), self.labels[index]


def usual_epoch(net: nn.Module, data: Pipeline) -> Tensor:
    """The loop that everybody writes, in the order of images of our loop; losses (steps,)."""
    loader = DataLoader(data, BATCH, sampler=epoch_order(len(data), 0, 0).tolist())
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    net.train()
    losses = []
    for images, labels in loader:
        optimiser.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return torch.tensor(losses)


def same_losses(ours: list[Tensor], theirs: list[Tensor]) -> str:
    """Without augmentation both take the same steps; rounding grows with them, so the first ones are compared."""
    apart = (ours[0] - theirs[0])[:COMPARED_STEPS].abs().max().item()
    if not apart <= TOLERANCE:
        raise Disagreement(f"losses of the first steps differ by {apart:.1e}, more than {TOLERANCE:.0e}")
    return f"losses of the first {COMPARED_STEPS} steps, not augmented, equal to {TOLERANCE:.0e}"
