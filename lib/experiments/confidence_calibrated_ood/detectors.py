"""What `4-detectors` measures: several detectors on nets of notebook 2, and on a second kind of net trained alike.

With the seed vary the nets and the images, as in notebook 2, and of the detectors the outliers that are made to choose
their settings on. What does not vary: the published test images.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.data.made_outliers import made_outliers
from lib.experiments.confidence_calibrated_ood.confidence_loss import TRAININGS, fitted, outlier_source
from lib.experiments.confidence_calibrated_ood.subjects import (
    NETS,
    NOT_AUGMENTED,
    augmentation,
    in_distribution,
    out_of_distribution,
    outlier_pools,
)
from lib.methods.confidence_loss import energy_score
from lib.methods.odin import AUTHORS, Setting, choose, largest_logit, scores
from lib.metrics.detection import auroc, fpr_at_tpr
from lib.models.alexnet import alexnet
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate, predict
from lib.training.optimisers import adam
from lib.training.recipe import Recipe, Shape
from lib.training.schedules import step_decay

Values = dict[str, Any]
Rates = dict[Setting, float]

SOFTMAX = Setting(1.0, 0.0)  # ODIN without either of its two ideas is maximum softmax
TEMPERATURES = (1.0, 10.0, 1000.0)
STEPS = (0.0, 0.0014, 0.0056, 0.0224)  # in units of images in [0, 1]: the authors', and fourfold each time
SETTINGS = [Setting(temperature, step) for temperature in TEMPERATURES for step in STEPS]  # SOFTMAX and AUTHORS in it

BESIDE = {"small cnn": "narrow alexnet", "wrn-16-4": "alexnet", "vgg-13": "alexnet"}  # the first net -> the second


def narrow_alexnet(shape: Shape, classes: int) -> nn.Module:
    """AlexNet with a quarter of its filters for 32 x 32 images, an eighth for 8 x 8, and small linear layers.

    Of 64 units half cannot be spared: the smallest one has less dropout.
    """
    narrowing, hidden, dropout = (4, 256, 0.5) if shape[1] >= 28 else (8, 64, 0.2)
    return alexnet(
        classes, in_channels=shape[0], image_side=shape[1], narrowing=narrowing, hidden=hidden, dropout=dropout
    )


SECOND_NETS = {
    "narrow alexnet": Recipe(narrow_alexnet, lambda net, batch, rate=1e-3: adam(net, rate)),
    "alexnet": Recipe(  # as the paper trains its VGG-13
        lambda shape, classes: alexnet(classes, in_channels=shape[0], image_side=shape[1]),
        lambda net, batch, rate=2e-4: adam(net, rate),
        lambda steps: step_decay([round(0.6 * steps)]),
    ),
}
UNAUGMENTED = NOT_AUGMENTED | {"alexnet"}


def second_classifier(
    seed: int,
    training: str,
    dataset: str,
    broad_dataset: str,
    narrow_dataset: str,
    net: str,
    seen_share: float,
    few_images: int,
    beta: float,
    train_steps: int,
    batch_images: int,
    outlier_images: int,
    device: str,
    checkpoint: Path | None = None,
) -> Values:
    """One of the `SECOND_NETS` trained as `classifier` of notebook 2 trains its own: its weights and its accuracy."""
    how, recipe = TRAININGS[training], SECOND_NETS[net]
    fit, _, test = in_distribution(dataset, seed)
    seen = outlier_pools(fit.shape, seed, broad_dataset, narrow_dataset, seen_share)
    augment = None if net in UNAUGMENTED else augmentation(dataset)
    compute = prepare(device)
    outliers = outlier_source(how, seen, fit.shape, few_images, augment, seed, compute.device)
    model, _ = fitted(
        seed, how, recipe, fit, outliers, augment, beta, train_steps, batch_images, outlier_images, compute, checkpoint,
        fingerprint=f"{training}, {net}, beta {beta}, {outlier_images} outliers of {few_images}",
    )  # fmt: skip
    return {
        "accuracy": 1 - error_rate(model, test.images, test.labels),
        "weights": {name: value.cpu() for name, value in model.state_dict().items()},
    }


def detection(
    seed: int,
    trained: Values,
    dataset: str,
    broad_dataset: str,
    narrow_dataset: str,
    near_datasets: list[str],
    far_datasets: list[str],
    noises: list[str],
    net: str,
    seen_share: float,
    tested_images: int,
    device: str,
) -> Values:
    """TNR95 and AUROC of every detector on a net, by role of the sets, and what ODIN's settings were chosen to be.

    The settings are chosen before the first test set is looked at. Of every test set the first half of its images
    serves one detector alone, "ODIN, tested kind", for which they choose; all numbers are on the second half.
    """
    fit, held_out, own = in_distribution(dataset, seed)
    model = rebuilt(net, fit, trained["weights"], device)
    held = held_out.images[:tested_images]
    known = scores(model, held, SETTINGS)
    chosen, on_made = choice(model, held, known, seed)

    _, tested = out_of_distribution(
        fit.shape, seed, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, seen_share, tested_images
    )
    inside = Scored(model, own.images[:tested_images])
    by_role: dict[str, list[Values]] = {}
    for name, images in tested.items():
        if name.startswith("broad/"):  # seen by some of the nets, and not what any claim here is about
            continue
        half = len(images) // 2
        for_choice = rates(known, scores(model, images[:half], SETTINGS))
        found = compared(inside, Scored(model, images[half:]), chosen, choose(for_choice))
        by_role.setdefault(name.partition("/")[0], []).append(found)
    return {
        "accuracy": 1 - error_rate(model, own.images, own.labels),
        "chosen": chosen._asdict(),
        "settings": [setting._asdict() for setting in on_made],
        "over settings": {"made outliers": list(on_made.values())}
        | {role: mean_of([found["over settings"] for found in each]) for role, each in by_role.items()},
        **{
            metric: {
                detector: {role: mean([found[metric][detector] for found in each]) for role, each in by_role.items()}
                for detector in DETECTORS
            }
            for metric in METRICS
        },
    }


def rebuilt(net: str, fit: ImageSet, weights: Mapping[str, Tensor], device: str) -> nn.Module:
    """A trained net on the device, in eval mode."""
    model = (NETS | SECOND_NETS)[net].build(fit.shape, len(fit.classes))
    model.load_state_dict(weights)
    return model.to(prepare(device).device).eval()


def choice(model: nn.Module, images: Tensor, known: Mapping[Setting, Tensor], seed: int) -> tuple[Setting, Rates]:
    """The setting of the highest mean TNR95 on outliers made of the net's own held-out images, and that of each.

    `known` are the scores of these images at every setting. No image of a test set comes in here, so that none can be
    chosen for.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, 6))
    made = [rates(known, scores(model, outliers, known)) for outliers in made_outliers(images, generator).values()]
    means = {setting: mean([of_kind[setting] for of_kind in made]) for setting in known}
    return choose(means), means


def tnr95(inside: Tensor, outside: Tensor) -> float:
    """Share of outliers rejected where 95 % of the in-distribution images are accepted."""
    return 1 - fpr_at_tpr(inside.numpy(), outside.numpy(), positive="id")


def rates(inside: Mapping[Setting, Tensor], outside: Mapping[Setting, Tensor]) -> Rates:
    """TNR95 at every setting."""
    return {setting: tnr95(inside[setting], outside[setting]) for setting in inside}


class Scored:
    """Images as all detectors see them: ODIN's score at every setting, the energy and the largest logit."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        """Score the images (N, C, H, W)."""
        logits = predict(model, images)
        self.odin = scores(model, images, SETTINGS)
        self.plain = {"energy": energy_score(logits), "largest logit": largest_logit(logits)}

    def under(self, detector: str, setting: Setting) -> Tensor:
        """The scores (N,) of a detector, which for ODIN are those at a setting."""
        return self.plain[detector] if detector in self.plain else self.odin[setting]


METRICS = {"TNR95": tnr95, "AUROC": lambda inside, outside: auroc(inside.numpy(), outside.numpy())}
DETECTORS = (
    "maximum softmax",
    "energy",
    "largest logit",
    "ODIN",
    "ODIN, tested kind",
    "ODIN, its authors' settings",
)


def compared(inside: Scored, outside: Scored, chosen: Setting, flattered: Setting) -> Values:
    """Every metric of every detector on one set, and TNR95 over all settings of ODIN."""
    setting = {"ODIN": chosen, "ODIN, tested kind": flattered, "ODIN, its authors' settings": AUTHORS}
    found: Values = {
        metric: {
            detector: measure(*(of.under(detector, setting.get(detector, SOFTMAX)) for of in (inside, outside)))
            for detector in DETECTORS
        }
        for metric, measure in METRICS.items()
    }
    return found | {"over settings": list(rates(inside.odin, outside.odin).values())}


def mean(values: list[float]) -> float:
    """Their mean."""
    return sum(values) / len(values)


def mean_of(lists: list[list[float]]) -> list[float]:
    """Place by place."""
    return [mean(list(values)) for values in zip(*lists, strict=True)]
