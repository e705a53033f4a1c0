"""What `3-calibration` measures: whether the confidence of the nets of `2-training` can be believed.

The nets are those of `lib/experiments/jem/training.py`, handed over as artefacts; one more is trained here, the twin
that is watched on its way and stopped early. Every arm takes `seed` and returns plain values for that seed. With the
seed vary: the labelled and the held-out images (of embedded sets also the test images), the initial weights, the order
of the batches, all noise and all chains.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.experiments.jem.subjects import Division, Protocol, loaded
from lib.experiments.jem.training import Task, classify, opened
from lib.methods.jem import noisy
from lib.metrics.calibration import (
    calibration_error,
    calibration_noise_floor,
    fit_temperature,
    reliability_curve,
    signed_confidence_error,
)
from lib.metrics.classification import accuracy, confidence_and_correct, nll_from_logits, softmax
from lib.training.evaluate import predict
from lib.training.history import Run
from lib.training.hooks import every
from lib.training.keep_best import KeepBest

Values = dict[str, Any]

BINS = 20  # of equal width, as in the paper's figure
WATCHES = 20  # looks at the twin on its way
WATCHED_IMAGES = 2000  # test images that a look is at
DRAWS = 200  # simulated nets of a noise floor

JEM, TWIN, LONG = "JEM", "classifier alone, same steps", "classifier alone, same passes"
NOISY, EARLY = "classifier alone, same data noise", "classifier alone, stopped early"
BLURRED = "JEM, noise on the test images"
# row -> its net, the name of the weights in it, and the noise on the test images
ROWS: dict[str, tuple[str, str, float]] = {
    JEM: ("joint", "weights", 0.0),
    TWIN: ("same_steps", "weights", 0.0),
    LONG: ("same_passes", "weights", 0.0),
    NOISY: ("same_data_noise", "weights", 0.0),
    EARLY: ("watched", "early weights", 0.0),
    BLURRED: ("joint", "weights", Protocol.data_noise),
}


def watched_twin(seed: int, pooled_dataset: str, task: Task, device: str, checkpoint: Path | None = None) -> Values:
    """Train the twin of as many steps as JEM once more, look at its calibration on the way, and stop it early.

    The end is bit for bit that of `training.twin`, which keeps no weights but the last. What is kept here are those of
    the lowest negative log-likelihood on held-out images: the usual way to stop a net before it is over-confident.
    """
    p, division = opened(pooled_dataset, task, seed)
    net, held_out = p.build(division, seed), division.validation
    best = KeepBest(lambda model: -nll_from_logits(predict(model, held_out.images).numpy(), held_out.labels.numpy()))
    looks = [every(max(1, p.steps // WATCHES), hook) for hook in (best, Watch(division.test))]
    history = classify(
        p, net, division, p.steps, 0.0, seed, device, hooks=looks, checkpoint=checkpoint, stateful={"best": best}
    )
    path = {name: [value for _, value in found] for name, found in history.values.items()}
    return {
        "weights": net.state_dict(),
        "early weights": best.weights,
        "early share": best.step / p.steps,
        "path": {"share of the steps": [step / p.steps for step, _ in history.values["accuracy"]], **path},
        "cpu seconds": history.cpu_seconds,
    }


class Watch:
    """Hook that notes accuracy and calibration on the first of some images."""

    def __init__(self, images: ImageSet) -> None:
        """Take the images, of which the first `WATCHED_IMAGES` are looked at."""
        self.images, self.labels = images.images[:WATCHED_IMAGES], images.labels[:WATCHED_IMAGES]

    def __call__(self, run: Run) -> None:
        """Note what the net is like after this step."""
        for name, value in calibration(predict(run.model, self.images), self.labels, draws=0).items():
            run.history.record(name, run.step, value)


def assessed(
    seed: int, pooled_dataset: str, task: Task, joint: Task, same_steps: Task, same_passes: Task, same_data_noise: Task,
    watched: Task, device: str,
) -> Values:  # fmt: skip
    """Every row of `ROWS` on the test images, as the net comes and after a temperature fitted to held-out images."""
    nets = {
        **{"joint": joint, "same_steps": same_steps, "same_passes": same_passes},
        **{"same_data_noise": same_data_noise, "watched": watched},
    }
    p, division = opened(pooled_dataset, task, seed)
    model = p.build(division, seed)
    return {
        row: assessment(answered_by(loaded(model, nets[net][weights], device), division, seed, sigma))
        for row, (net, weights, sigma) in ROWS.items()
    }


def answers(seed: int, pooled_dataset: str, task: Task, net: Task, weights: str, device: str) -> Values:
    """What a trained net answers; `net` is what its arm returned, `weights` the name of the weights in it."""
    p, division = opened(pooled_dataset, task, seed)
    return answered_by(loaded(p.build(division, seed), net[weights], device), division, seed)


def answered_by(model: nn.Module, division: Division, seed: int, sigma: float = 0.0) -> Values:
    """Logits for test and held-out images, (N, K) float32 each, with the labels.

    `sigma` is the noise on the test images, for images in [-1, 1], that the released code evaluates with.
    """
    test = division.test.images
    return {
        "test": predict(model, noisy(test, sigma, torch.Generator().manual_seed(seed)) if sigma else test),
        "labels": division.test.labels,
        "held out": predict(model, division.validation.images),
        "held-out labels": division.validation.labels,
    }


def assessment(answered: Values) -> Values:
    """One row: calibration with and without the temperature, the temperature, and the bins of the diagram."""
    logits, labels, temperature = answered["test"], answered["labels"], fitted(answered)
    return {
        "as it comes": calibration(logits, labels),
        "scaled": calibration(logits, labels, temperature),
        "temperature": temperature,
        "diagram": diagram(logits, labels),
    }


def fitted(answered: Values) -> float:
    """The temperature of the highest likelihood on held-out images; the test images have no part in it."""
    return fit_temperature(answered["held out"].numpy(), answered["held-out labels"].numpy())


def calibration(
    logits: Tensor, labels: Tensor, temperature: float = 1.0, bins: int = BINS, draws: int = DRAWS
) -> dict[str, float]:
    """How far confidence and accuracy lie apart, of softmax(logits / T), (N, K) logits and (N,) labels.

    Returns:
        Accuracy, calibration error and mean confidence minus accuracy as fractions, negative log-likelihood in nats;
        unless `draws` is 0, also the calibration error that chance alone leaves to a net of these confidences.
    """
    probabilities = softmax(logits.numpy(), temperature=temperature)  # (N, K)
    confidence, correct = confidence_and_correct(probabilities, labels.numpy())  # (N,), (N,)
    found = {
        "accuracy": accuracy(logits.numpy(), labels.numpy()),
        "confidence minus accuracy": signed_confidence_error(confidence, correct),
        "calibration error": calibration_error(confidence, correct, bins=bins),
        "negative log-likelihood": nll_from_logits(logits.numpy(), labels.numpy(), temperature=temperature),
    }
    return found | ({"chance alone": calibration_noise_floor(confidence, bins=bins, draws=draws)} if draws else {})


def diagram(logits: Tensor, labels: Tensor, temperature: float = 1.0, bins: int = BINS) -> dict[str, list[float]]:
    """The bins of a reliability diagram that hold an answer: borders, mean confidence, accuracy, number of answers."""
    probabilities = softmax(logits.numpy(), temperature=temperature)
    curve = reliability_curve(*confidence_and_correct(probabilities, labels.numpy()), bins=bins)
    return {name: column.tolist() for name, column in curve._asdict().items()}


def viewed(answered: Mapping[str, Values], net: str, bins: int, temperature: float) -> Values:
    """What the interactive view shows of one net: its diagram and its numbers, with these bins and this temperature."""
    asked = answered[net]["test"], answered[net]["labels"], temperature, bins
    return {
        "diagram": diagram(*asked),
        **calibration(*asked, draws=20),
        "fitted temperature": fitted(answered[net]),
    }
