"""The two nets that are attacked, trained once on real images and kept in `.cache`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lib.attacks.pgd import pgd
from lib.data import augment
from lib.data.files import MissingData
from lib.data.image_set import to_float
from lib.data.load import load
from lib.models.small_cnn import small_cnn
from lib.training.batches import Batch
from lib.training.loop import train
from lib.training.optimisers import muon
from lib.training.schedules import linear

CACHE = Path(__file__).parent / ".cache"
BATCH, PADDING = 128, 4
TRAINING_STEPS_OF_PGD = 3

# Padded with zeros, as torchvision's transforms do it.
crop_and_flip = partial(augment.crop_and_flip, padding=PADDING, mode="zero")


@dataclass(frozen=True)
class Recipe:
    """How a net is trained and at which radius it is attacked."""

    steps: int
    eps: float  # of the evaluation: chosen so that PGD leaves between 20 and 80 % of the images
    training_eps: float = 0.0  # 0: no adversarial training


@dataclass(frozen=True)
class Subject:
    """A set of real images, and for each kind of net its recipe."""

    name: str
    recipes: dict[str, Recipe]
    channels: int = 3
    side: int = 32
    strides: Sequence[int] = (2, 2, 2)
    widths: Sequence[int] = (24, 48, 96)
    crop_and_flip: bool = True
    attacked: str = "test"

    def attacked_images(self, count: int) -> tuple[Tensor, Tensor]:
        """The first so many images of the split that is attacked, float32 in [0, 1], and labels."""
        attacked = load(self.name, self.attacked)
        return to_float(attacked.images[:count]), attacked.labels[:count]

    def training_images(self) -> tuple[Tensor, Tensor]:
        """All training images as uint8, and labels."""
        training = load(self.name, "train")
        return as_bytes(training.images), training.labels

    def untrained(self) -> nn.Module:
        """The same initial weights each time."""
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            return small_cnn(10, self.widths, self.channels, strides=self.strides)

    def trained(self, kind: str) -> nn.Module:
        """The net of this kind, "plain" or "adversarial", from the cache or trained now."""
        recipe, net = self.recipes[kind], self.untrained()
        path = CACHE / f"{self.name}-{kind}-{recipe.steps}-{recipe.training_eps:.4f}.safetensors"
        if not path.exists():
            print(f"training the {kind} net on {self.name} ...", flush=True)
            fit(net, self, recipe)
            CACHE.mkdir(exist_ok=True)
            save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path)
        net.load_state_dict(load_file(path))
        return net.eval()


CIFAR10 = Subject(
    "cifar10",
    {
        "plain": Recipe(steps=600, eps=1 / 255),
        "adversarial": Recipe(steps=400, eps=4 / 255, training_eps=4 / 255),
    },
)
DIGITS = Subject(
    "digits",
    {
        "plain": Recipe(steps=300, eps=0.1),
        "adversarial": Recipe(steps=300, eps=0.25, training_eps=0.2),
    },
    channels=1,
    side=8,
    strides=(1, 2, 1),
    widths=(8, 16, 32),
    crop_and_flip=False,
    attacked="train",  # its test split has 500 images; for comparing attacks it matters little which are attacked
)


def subject() -> Subject:
    """CIFAR-10 where it is, else the embedded digits."""
    try:
        load(CIFAR10.name, "test")
    except MissingData:
        return DIGITS
    return CIFAR10


def fit(net: nn.Module, on: Subject, recipe: Recipe) -> None:
    """Train, on the attacked batch where the recipe says so."""
    images, labels = on.training_images()
    attacked = partial(loss_under_attack, eps=recipe.training_eps) if recipe.training_eps else None
    train(
        net,
        images,
        labels,
        steps=recipe.steps,
        batch_size=BATCH,
        optimiser=muon(net, batch_size=BATCH),
        schedule=linear(recipe.steps),
        batch_loss=attacked,
        augment=crop_and_flip if on.crop_and_flip else None,
    )


def loss_under_attack(net: nn.Module, batch: Batch, *, eps: float) -> Tensor:
    """Cross-entropy at the end of a short PGD (Madry et al. 2018)."""
    found = pgd(net, to_float(batch.images), batch.labels, eps=eps, steps=TRAINING_STEPS_OF_PGD)
    return F.cross_entropy(net(found), batch.labels)


def as_bytes(images: Tensor) -> Tensor:
    """Images as uint8 in 0..255."""
    return images if images.dtype == torch.uint8 else (255 * images).round().to(torch.uint8)
