"""What `5-calibration` measures: whether a net that says 80 % is right four times in five, and on which side it errs.

The nets are those of `learners.py`, handed over as artefacts; nothing is trained here. With the seed vary the nets, the
held-out images, which the temperature is fitted to, and the test images.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.experiments.pretraining_robustness.learners import target
from lib.experiments.pretraining_robustness.moments import (
    COMPUTE,
    PRETRAINED,
    SCRATCH,
    SHORT,
    Moment,
    Values,
    asked_once,
    compared,
    moments_of,
)
from lib.experiments.pretraining_robustness.sources import new_net
from lib.metrics.calibration import (
    calibration_error,
    calibration_noise_floor,
    fit_temperature,
    mad_calibration_error,
    reliability_curve,
    rms_calibration_error,
    signed_confidence_error,
)
from lib.metrics.classification import brier, confidence_and_correct, nll_from_logits, softmax
from lib.training.device import prepare
from lib.training.evaluate import predict

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
Answers = dict[str, Numbers]  # "held out" and "tests" -> logits (N, K)

BIN = 100  # answers in a bin, as in the paper
BOUNDS = (0.2, 5.0)  # between which the released code looks for the temperature
DRAWS = 100  # of the floor: to 2 %
SHOWN = (PRETRAINED, SCRATCH, SHORT, COMPUTE)


def assessed(
    seed: int,
    target_dataset: str,
    sizes: Sequence[int],
    net: str,
    pretrained: Values,
    scratch: Values,
    short: Values,
    compute: Values,
    device: str,
) -> Values:
    """Every net of the page, as it comes and after its temperature.

    Returns:
        `nets`: name -> errors, when it was stopped, temperature, and calibration `as it comes` and `scaled`; `looks`:
        training -> calibration at each look; `answers`: name -> logits of the test images, of four nets, and `labels`.
    """
    images, held_out, tests = target(target_dataset, sizes, seed)
    model = new_net(net, images, seed)
    prepare(device).place(model)
    trainings = {PRETRAINED: pretrained, SCRATCH: scratch, SHORT: short, COMPUTE: compute}
    moments = compared(pretrained, scratch, short, compute)
    wanted = [*moments.values(), *(moment for run in trainings.values() for moment in moments_of(run))]
    answers_of = asked_once(wanted, lambda weights: answers(model, weights, held_out, tests))
    labels = {"held out": held_out.labels.numpy(), "tests": tests.labels.numpy()}
    nets = {name: m.told() | before_and_after(answers_of(m), labels) for name, m in moments.items()}
    return {
        "nets": nets,
        "looks": {name: over_training(moments_of(run), answers_of, labels) for name, run in trainings.items()},
        "answers": {name: answers_of(moments[name])["tests"] for name in SHOWN},
        "temperatures": {name: nets[name]["temperature"] for name in SHOWN},
        "labels": labels["tests"],
    }


def answers(model: nn.Module, weights: Mapping[str, Tensor], held_out: ImageSet, tests: ImageSet) -> Answers:
    """Logits of the held-out and the test images, of a net with these weights, in float64."""
    model.load_state_dict(weights)
    return {
        name: predict(model, of.images).double().cpu().numpy()
        for name, of in (("held out", held_out), ("tests", tests))
    }


def before_and_after(given: Answers, labels: Mapping[str, Labels]) -> Values:
    """Calibration on the test images, and again with the temperature that held-out images ask for."""
    temperature = fit_temperature(given["held out"], labels["held out"], bounds=BOUNDS)
    return {
        "temperature": temperature,
        "as it comes": calibration(given["tests"], labels["tests"]),
        "scaled": calibration(given["tests"], labels["tests"], temperature),
    }


def calibration(logits: Numbers, labels: Labels, temperature: float = 1.0) -> dict[str, float]:
    """Every number about the confidence of answers with logits (N, K), in bins of 100."""
    probabilities = softmax(logits, temperature=temperature)
    confidence, correct = confidence_and_correct(probabilities, labels)
    return {
        "RMS": rms_calibration_error(confidence, correct, bin_size=BIN),
        "MAD": mad_calibration_error(confidence, correct, bin_size=BIN),
        "RMS floor": rms_floor(confidence),
        "MAD floor": calibration_noise_floor(confidence, binning="adaptive", bin_size=BIN, draws=DRAWS),
        "RMS, code": rms_calibration_error(confidence, correct, bin_size=BIN, definition="dropped_bin"),
        "MAD, code": mad_calibration_error(confidence, correct, bin_size=BIN, definition="dropped_bin"),
        "15 equal bins": calibration_error(confidence, correct),
        "confidence minus accuracy": signed_confidence_error(confidence, correct),
        "confidence": float(confidence.mean()),
        "negative log-likelihood": nll_from_logits(logits, labels, temperature=temperature),
        "Brier score": brier(probabilities, labels),
    }


def over_training(
    moments: Sequence[Moment], answers_of: Callable[[Moment], Answers], labels: Mapping[str, Labels]
) -> Values:
    """At each look of a training: the step, the clean error, and RMS error, its floor and its sign, as it comes."""
    logits = [answers_of(moment)["tests"] for moment in moments]
    told = [confidence_and_correct(softmax(of), labels["tests"]) for of in logits]
    return {
        "step": [m.step for m in moments],
        "clean error": [m.test_error for m in moments],
        "RMS": [rms_calibration_error(*of, bin_size=BIN) for of in told],
        "RMS floor": [rms_floor(confidence) for confidence, _ in told],
        "confidence minus accuracy": [signed_confidence_error(*of) for of in told],
    }


def rms_floor(confidence: Numbers, bin_size: int = BIN) -> float:
    """What a perfectly calibrated net with these confidences would score by chance."""
    return calibration_noise_floor(confidence, norm="l2", binning="adaptive", bin_size=bin_size, draws=DRAWS)


def viewed(run: Values, net: str, bin_size: int, temperature: float) -> Values:
    """What the interactive view shows of one net: its reliability diagram, its errors, and what chance leaves."""
    logits, labels = np.asarray(run["answers"][net]), np.asarray(run["labels"])
    confidence, correct = confidence_and_correct(softmax(logits, temperature=temperature), labels)
    curve = reliability_curve(confidence, correct, binning="adaptive", bin_size=bin_size)
    return {
        "confidence": curve.confidence.tolist(),
        "accuracy": curve.accuracy.tolist(),
        "RMS": rms_calibration_error(confidence, correct, bin_size=bin_size),
        "floor": rms_floor(confidence, bin_size),
        "confidence minus accuracy": signed_confidence_error(confidence, correct),
        "fitted temperature": run["temperatures"][net],
    }
