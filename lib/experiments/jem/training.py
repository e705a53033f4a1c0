"""What the arms of `2-training` train: JEM, its ablation, its classifier twins, the judge of samples, and divergences.

Every arm takes `seed` and returns plain values for that seed. With the seed vary: the labelled images, those of the
judge and those to stop early by (of embedded sets also the test images), the initial weights, the order of the batches,
all noise and all chains. `task` is what the arms share: pooling, sizes of the parts, protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lib.experiments.jem.subjects import Division, Protocol, augmentation, compute_for, divide
from lib.methods.class_constants import fit_class_constants
from lib.methods.jem import Recipe, noisy, passes_per_step
from lib.methods.jem_training import JointRun, Rescue, got_past, train_jointly
from lib.methods.sgld import Langevin
from lib.training.evaluate import answers, error_rate, predict
from lib.training.history import History
from lib.training.hooks import every
from lib.training.hooks import measure as measured
from lib.training.keep_best import KeepBest
from lib.training.loop import Augment, train
from lib.training.optimisers import adam

JOINT, CONDITIONAL = "p(x) p(y|x)", "p(x|y) p(y)"
LOOKS = 15  # at the held-out images, to stop early

KIT = {name: getattr(Protocol, name) for name in ("energy_penalty", "clip_norm", "clamp", "activation")}  # its defaults
UNSTABLE: dict[str, Any] = {"energy_penalty": 0.0, "clip_norm": 0.0, "clamp": False}  # without all that stabilises
RECIPES: dict[str, dict[str, Any]] = {
    "stabilised": KIT,
    "as published": {**UNSTABLE, "activation": "leaky_relu", "precision": "float32"},
}
# Divergence looked for, with the kit and without it (as in the released code but for rate, K and length); and
# provoked, by a sampler too slow to follow the net and by a rate far too high.
TRIALS: dict[str, dict[str, Any]] = {
    "kit on": KIT,
    "kit off": {**UNSTABLE, "activation": "leaky_relu"},
    "slow sampler": {**UNSTABLE, "sgld_step_size": 0.01},
    "high rate": {**UNSTABLE, "learning_rate": 0.05},
}
REMEDIES = {"another seed": 1.0, "another seed, half the rate": 0.5}
Task = dict[str, Any]


def opened(pooled_dataset: str, task: Task, seed: int) -> tuple[Protocol, Division]:
    """The protocol and the images of a task."""
    protocol = Protocol(**task["protocol"])
    return protocol, divide(pooled_dataset, task["pooling"], task["sizes"], seed, protocol.evaluate_on)


def recipe_of(p: Protocol, factorisation: str, pairing: str = "label") -> Recipe:
    """The energy part of a protocol."""
    return Recipe(
        sampler=Langevin(p.sgld_steps, p.sgld_step_size, p.sgld_noise, p.clamp),
        factorisation=factorisation,
        pairing=pairing,
        data_noise=p.data_noise,
        energy_penalty=p.energy_penalty,
        clip_norm=p.clip_norm or None,
        buffer_size=p.buffer_size,
    )


def joint_net(
    seed: int, pooled_dataset: str, task: Task, factorisation: str, device: str, pairing: str = "label",
    checkpoint: Path | None = None,
) -> Task:  # fmt: skip
    """Train by JEM with one of the factorisations of p(x, y), and classify the test images.

    `pairing` says which class a chain of p(x|y) is run for: that of the image beside it, or that of its place.
    """
    p, division = opened(pooled_dataset, task, seed)
    net, recipe = p.build(division, seed), recipe_of(p, factorisation, pairing)
    on_the_way = {three_quarters(p.steps): lambda model: test_accuracy(model, division)}
    run = train_by(p, net, division, recipe, Rescue(), p.steps, seed, device, checkpoint, on_the_way)
    values = accuracies(net, division, p.data_noise, seed)
    return {
        **values,
        "gain of the last quarter": last_quarter(values["accuracy"], run),
        "constants fitted": accuracy_with_constants(net, division),
        "weights": net.state_dict(),
        "chains": run.buffer.images,
        "trace": torch.tensor(run.trace),
        "divergences": run.divergences,
        "steps": run.step,
        "cpu seconds": run.cpu_seconds,
    }


def train_by(
    p: Protocol, net: nn.Module, division: Division, recipe: Recipe, rescue: Rescue, steps: int, seed: int,
    device: str, checkpoint: Path | None = None, measure: Mapping[int, Callable[[nn.Module], float]] | None = None,
) -> JointRun:  # fmt: skip
    """`train_jointly` for the first `steps` steps of a protocol."""
    return train_jointly(
        net,
        division.train.images,
        division.train.labels,
        recipe=recipe,
        steps=steps,
        batch_size=p.batch_size,
        learning_rate=p.learning_rate,
        schedule=p.schedule(p.steps),
        augment=augmentation(division.train),
        rescue=rescue,
        seed=seed,
        compute=compute_for(p, device),
        checkpoint=checkpoint,
        fingerprint=str((division.train.checksum, p, recipe, rescue)),
        measure=measure,
    )


def twin(
    seed: int, pooled_dataset: str, task: Task, compared: str, device: str, checkpoint: Path | None = None
) -> Task:
    """Train the same net by cross-entropy alone: for as many steps, as many passes, or with JEM's noise on the data.

    Beside the end of the run stands the net that was best on held-out images.
    """
    p, division = opened(pooled_dataset, task, seed)
    passes = round(p.steps * passes_per_step(p.sgld_steps) / passes_per_step(0, batches=1))
    steps = {"same steps": p.steps, "same passes": passes, "same data noise": p.steps}[compared]
    sigma = p.data_noise if compared == "same data noise" else 0.0
    net, held_out = p.build(division, seed), division.validation
    best = KeepBest(lambda model: -error_rate(model, held_out.images, held_out.labels))
    looks = [
        every(max(1, steps // LOOKS), best),
        every(three_quarters(steps), measured("accuracy", lambda model: test_accuracy(model, division))),
    ]
    history = classify(
        p, net, division, steps, sigma, seed, device, hooks=looks, checkpoint=checkpoint, stateful={"best": best}
    )
    end = {name: value.clone() for name, value in net.state_dict().items()}
    values = accuracies(net, division, p.data_noise, seed)
    net.load_state_dict(best.weights)
    return {
        **values,
        "gain of the last quarter": values["accuracy"] - history.last("accuracy"),
        "weights": end,
        "early": accuracies(net, division, p.data_noise, seed),
        "early step": best.step,
        "steps": steps,
        "cpu seconds": history.cpu_seconds,
    }


def classify(
    p: Protocol, net: nn.Module, division: Division, steps: int, sigma: float, seed: int, device: str, **options: Any
) -> History:
    """Train by cross-entropy with the optimiser, schedule, clipping and augmentation that JEM has."""
    return train(
        net,
        division.train.images,
        division.train.labels,
        steps=steps,
        batch_size=p.batch_size,
        optimiser=adam(net, p.learning_rate),
        schedule=p.schedule(steps),
        augment=with_noise(augmentation(division.train), sigma),
        drop_last=len(division.train) >= p.batch_size,
        clip_norm=p.clip_norm or None,
        seed=seed,
        compute=compute_for(p, device),
        fingerprint=str((division.train.checksum, p, sigma)),
        **options,
    )


def with_noise(augment: Augment | None, sigma: float) -> Augment | None:
    """The augmentation followed by Gaussian noise of deviation `sigma`, for images in [-1, 1]."""
    if not sigma:
        return augment
    return lambda batch, generator: noisy(augment(batch, generator) if augment else batch, sigma, generator)


def judge_net(seed: int, pooled_dataset: str, task: Task, judge_steps: int, device: str) -> Task:
    """A classifier of its own images alone, which says what it sees in samples."""
    p, division = opened(pooled_dataset, task, seed)
    net, apart = p.build(division, seed + 1), division._replace(train=division.judge)
    history = classify(p, net, apart, judge_steps, p.data_noise, seed, device)
    return {
        "accuracy": 1 - error_rate(net, division.test.images, division.test.labels),
        "weights": net.state_dict(),
        "cpu seconds": history.cpu_seconds,
    }


def provoked(
    seed: int, pooled_dataset: str, task: Task, trial: str, remedy: str, provoked_steps: int, segment: int,
    restarts: int, device: str,
) -> Task:  # fmt: skip
    """Train as one of the `TRIALS` says; detect divergences, roll back, restart with another seed, keep the record."""
    p, division = opened(pooled_dataset, task, seed)
    p = replace(p, **TRIALS[trial])
    net, rescue = p.build(division, seed), Rescue(segment, restarts, REMEDIES[remedy])
    run = train_by(p, net, division, recipe_of(p, JOINT), rescue, provoked_steps, seed, device)
    past = got_past(run, segment)
    return {
        **accuracies(net, division, p.data_noise, seed),
        "trace": torch.tensor(run.trace),
        "divergences": run.divergences,
        "restarts that tell": len(past),
        "restarts that got past": sum(past),
        "steps": run.step,
        "cpu seconds": run.cpu_seconds,
    }


def accuracies(net: nn.Module, division: Division, sigma: float, seed: int) -> dict[str, float]:
    """Accuracy on the test images as they are, and with the noise that the released code evaluates with."""
    blurred = noisy(division.test.images, sigma, torch.Generator().manual_seed(seed))
    return {
        "accuracy": test_accuracy(net, division),
        "accuracy with noise": 1 - error_rate(net, blurred, division.test.labels),
    }


def test_accuracy(net: nn.Module, division: Division) -> float:
    """Share of the test images that are classified rightly."""
    return 1 - error_rate(net, division.test.images, division.test.labels)


def last_quarter(accuracy: float, run: JointRun) -> float:
    """What was gained since three quarters of the steps; all there is to gain where the run was given up before."""
    return accuracy - run.measured[-1][1] if run.measured else 1.0


def three_quarters(steps: int) -> int:
    """The step at which the last quarter of a run begins; what is gained in it tells whether the run was finished."""
    return max(1, 3 * steps // 4)


def accuracy_with_constants(net: nn.Module, division: Division) -> float:
    """Test accuracy after the ten constants that p(x | y) leaves open were fitted to the training labels."""
    device = next(net.parameters()).device
    scores = predict(net, division.train.images).to(device)
    constants, factor = fit_class_constants(scores, division.train.labels.to(device))
    test = predict(net, division.test.images).double() * factor + constants.cpu()
    return (answers(test) == division.test.labels).double().mean().item()
