"""ODIN (Liang, Li & Srikant 2018): softmax at a high temperature, of an image stepped towards its own answer.

    S_k(x; T) = exp(f_k(x) / T) / sum_j exp(f_j(x) / T)
    x' = x - eps sign(-grad_x log S_y(x; T)),   y = argmax_k f_k(x)
    score(x) = max_k S_k(x'; T)

Both settings, T and eps, have to be chosen on something, and what that is decides what the score is worth: `choose`
gets the measured rates of one kind of outliers and cannot see another.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lib.attacks.guard import attacking, input_gradient
from lib.data.image_set import to_float
from lib.methods.confidence_loss import softmax_score


class Setting(NamedTuple):
    """Temperature (from 1 on) and step, the latter in units of images in [0, 1]."""

    temperature: float
    step: float


AUTHORS = Setting(1000.0, 0.0014)  # the defaults of the released code of ODIN


def tempered_score(logits: Tensor, temperature: float) -> Tensor:
    """Rank of max_k S_k(x; T), (N, K) -> (N,) in float64: logit(S_max), which ranks as S_max does.

    At T = 1000 all S_k are near 1 / K and differ in the fourth digit, which float32 rounds to ties.
    """
    return softmax_score(logits.double() / temperature)  # logit of S_y = exp(f_y / T) / sum_j exp(f_j / T)


def towards_the_answer(model: nn.Module, images: Tensor, temperature: float) -> Tensor:
    """sign(grad_x log S_y(x; T)), (N, C, H, W) of -1, 0 and 1: where the predicted class y grows more likely.

    Args:
        model: images in [0, 1] to logits; in eval mode, see `scores`.
        images: (N, C, H, W) floats.
        temperature: T.
    """

    def log_probability(logits: Tensor) -> Tensor:
        scaled = logits.double() / temperature
        return scaled.log_softmax(dim=1).amax(dim=1)  # log S_y(x; T), y the class of the largest logit

    gradient, _, _ = input_gradient(model, images, log_probability)
    return gradient.sign()


def scores(
    model: nn.Module, images: Tensor, settings: Iterable[Setting], batch_size: int = 500
) -> dict[Setting, Tensor]:
    """ODIN's score at each setting, (N,) each in float64 on the CPU, higher = more in-distribution.

    One gradient serves all steps of a temperature. The stepped image is not clipped to [0, 1], as in the released code.

    Args:
        model: images in [0, 1] to logits; it is left as it was.
        images: (N, C, H, W), uint8 or floats in [0, 1].
        settings: temperatures with steps; a step of 0 is softmax at that temperature.
        batch_size: images at a time.

    Raises:
        ValueError: no images or no settings, a temperature that is not above 0, a step below 0.
    """
    wanted = list(dict.fromkeys(settings))
    if len(images) == 0 or not wanted:
        raise ValueError(f"there is nothing to score: {len(images)} images, {len(wanted)} settings")
    if any(setting.temperature <= 0 or setting.step < 0 for setting in wanted):
        raise ValueError(f"temperatures are above 0 and steps not below it; found {wanted}")
    found: dict[Setting, list[Tensor]] = {setting: [] for setting in wanted}
    device = next(model.parameters()).device
    with attacking(model):
        for batch in images.split(batch_size):
            for setting, values in _batch_scores(model, to_float(batch.to(device)), wanted).items():
                found[setting].append(values.cpu())
    return {setting: torch.cat(parts) for setting, parts in found.items()}


def _batch_scores(model: nn.Module, images: Tensor, settings: list[Setting]) -> dict[Setting, Tensor]:
    plain = model(images)
    found = {}
    for temperature in dict.fromkeys(setting.temperature for setting in settings):
        steps = [setting.step for setting in settings if setting.temperature == temperature]
        sign = towards_the_answer(model, images, temperature) if any(steps) else None
        for step in steps:
            # x' = x + eps sign(grad_x log S_y(x; T))
            logits = plain if sign is None or step == 0 else model(images + step * sign)
            found[Setting(temperature, step)] = tempered_score(logits, temperature)
    return found


def choose(rates: Mapping[Setting, float]) -> Setting:
    """The setting of the highest rate; of equal ones the lowest temperature, then the shortest step.

    >>> choose({Setting(1000, 0.0): 0.5, Setting(1, 0.002): 0.5, Setting(1, 0.001): 0.4})
    Setting(temperature=1, step=0.002)
    """
    return min(rates, key=lambda setting: (-rates[setting], setting))


def largest_logit(logits: Tensor) -> Tensor:
    """max_k f_k of each row (Hendrycks et al. 2022), (N, K) -> (N,): nothing to choose, nothing to differentiate."""
    return logits.amax(dim=1)
