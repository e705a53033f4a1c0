"""How long the notebooks take at tier `gpu`, from counts: `python -m benchmarks.sizes [TIER]`. Nothing is trained.

Counted: images, and passes (one is forward and backward of a batch; a gradient by the images alone counts as one too).
FLOPs of a pass are three times those of the convolutions and linear layers in the forward pass.

Assumed, to be replaced by what `python -m benchmarks.gpu` measures: a pass launches its kernels one by one and takes
LAUNCH seconds a convolution or linear layer, unless the GPU is kept busy for longer at FLOPS. That is 300 passes a
second of a net of 16 layers. Evaluation is not counted; it is added as a share.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from lib.experiments.confidence_calibrated_ood import subjects as ood
from lib.experiments.confidence_calibrated_ood.confidence_loss import TRAININGS
from lib.experiments.jem import subjects as jem
from lib.experiments.noisy_student import subjects as student
from lib.experiments.pretraining_robustness import subjects as robust
from lib.experiments.rethinking_generalization.subjects import BATCH
from lib.experiments.rethinking_generalization.subjects import NETS as LEARNERS
from lib.replication.notebooks import find_notebook
from lib.replication.parameters import tier_parameters

LAUNCH = 0.2e-3  # seconds a layer and pass, eager, forward and backward and the optimiser's share
REPLAY = 0.05e-3  # the same for what a CUDA graph replays
FLOPS = 150e12  # a second, bfloat16 on an H100, small convolutions
EVALUATION = 0.25  # of the time of training

TREE = Path(__file__).resolve().parents[1]
SHAPE = (3, 32, 32)
Settings = dict[str, Any]


class Row(NamedTuple):
    """One arm: so many passes of batches through a net, all seeds together."""

    arm: str
    net: nn.Module
    batch: int  # images of a pass
    passes: float  # a seed
    replayed: float = 0.0  # of which a CUDA graph could replay


def main(arguments: Sequence[str]) -> int:
    """Print a table for every notebook that has settings for the tier."""
    tier = arguments[0] if arguments else "gpu"
    for (paper, number), rows in NOTEBOOKS.items():
        values = tier_parameters(find_notebook(TREE, paper, number), tier)
        print(f"\n{paper} {number}, {values['seeds']} seeds\n")
        print("| arm | images | passes | PFLOP | seconds | with graphs |\n|---|---|---|---|---|---|")
        totals = [line(row, values["seeds"]) for row in rows(values)]
        seconds, replayed = (sum(column) * (1 + EVALUATION) for column in zip(*totals, strict=True))
        print(f"| all, with evaluation | | | | {seconds:,.0f} | {replayed:,.0f} |")
    print(f"\nAssumed: {LAUNCH * 1e3} ms a layer and pass ({REPLAY * 1e3} ms replayed), or {FLOPS / 1e12:.0f} TFLOP/s.")
    return 0


def line(row: Row, seeds: int) -> tuple[float, float]:
    """Print one row; its seconds plainly and with CUDA graphs."""
    passes, count = seeds * row.passes, launches(row.net)
    work = 3 * forward_flops(row.net) * row.batch  # of a pass
    plain, quick = (max(work / FLOPS, count * each) for each in (LAUNCH, REPLAY))
    replayed = seeds * row.replayed
    seconds, with_graphs = passes * plain, (passes - replayed) * plain + replayed * quick
    cells = (f"{passes * row.batch:,.0f}", f"{passes:,.0f}", f"{passes * work / 1e15:.1f}")
    print(f"| {row.arm} | {' | '.join(cells)} | {seconds:,.0f} | {with_graphs:,.0f} |")
    return seconds, with_graphs


def forward_flops(net: nn.Module) -> float:
    """FLOPs of the layers in a forward pass of one image; a multiplication with its addition counts as two."""
    counts = []

    def count(layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        counts.append(2 * layer.weight[0].numel() * output.numel())

    for layer in layers(net):
        layer.register_forward_hook(count)
    with torch.no_grad():
        net.eval()(torch.rand(1, *SHAPE))
    return float(sum(counts))


def launches(net: nn.Module) -> int:
    """How many convolutions and linear layers there are."""
    return len(layers(net))


def layers(net: nn.Module) -> list[nn.Module]:
    """Those that cost."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def self_training(v: Settings) -> Iterator[Row]:
    """Teacher, control of two lengths, students; a consistency step looks at the unlabelled images twice."""
    small, large = (student.NETS[v[size]].build(SHAPE, 10, dropout=v["dropout"]) for size in ("small_net", "large_net"))
    n, m = v["labelled_batch_images"], v["unlabelled_batch_images"]
    lengths = [v["student_steps"], round(0.75 * v["student_steps"]), *v["length_steps"]]
    yield Row("teacher", small, n + m, v["teacher_steps"])
    yield Row("control", small, n + m, sum(lengths))
    yield Row("student", small, n + m, sum(lengths) + (v["rounds"] - 1) * v["student_steps"])
    others = [name for name in v["students"] if name != "larger"]
    yield Row("other students", small, n + m, len(others) * v["student_steps"])
    if "larger" in v["students"]:
        yield Row("larger student and control", large, n + m, 2 * v["student_steps"] + v["teacher_steps"])
    yield Row("rivals, of equal passes", small, n + m, len(v["rivals"]) * (v["teacher_steps"] + v["student_steps"]))
    yield Row("variants", small, n + m, len(v["variants"]) * v["student_steps"])


def adversarial_robustness(v: Settings) -> Iterator[Row]:
    """A step is a pass for each step of PGD and one for the weights."""
    net = robust.NETS[v["net"]].build(SHAPE, 10)
    wide, narrow = v["batch_images"][0], v["batch_images"][-1]
    source, rates = v["source_steps"] * (v["source_attack_steps"] + 1), len(v["rates"])
    tune = v["tune_steps"] * (v["attack_steps"] + 1)
    hard = len([name for name in v["sources"] if name != "clean"])
    replay, inner = (
        v["source_attack_steps"] / (v["source_attack_steps"] + 1),
        v["attack_steps"] / (v["attack_steps"] + 1),
    )
    yield Row("sources by attack", net, wide, hard * source, hard * source * replay)
    yield Row("source, clean", net, wide, v["source_steps"] * ("clean" in v["sources"]))
    tunings = rates * (len(v["sources"]) + 3)  # of every source, the last layer, from scratch, as published
    yield Row("tuning", net, narrow, tunings * tune, tunings * tune * inner)
    long = v["scratch_steps"] * (v["attack_steps"] + 1) or source * wide / narrow + tune
    yield Row("scratch, long and annealed", net, narrow, 2 * rates * long, 2 * rates * long * inner)
    evaluated = (6 + len(v["sources"]) + 1) * 3 * v["evaluation_steps"] * v["test_images"] / 500
    yield Row("PGD in float32", net, 500, 4 * evaluated)  # float32 has a quarter of the speed
    queries = 3 * v["autoattack_images"] / 500 * v["evaluation_steps"] * (5 * 3 + 250 / 3)
    yield Row("AutoAttack in float32", net, 500, 4 * queries)


def random_labels(v: Settings) -> Iterator[Row]:
    """An epoch is a pass over the images in batches of 128."""
    corruptions = len(v["levels"]) + len(v["inputs"])
    for learner, images, epochs, runs in (
        ("mlp 1x512", v["mlp_images"], v["mlp_epochs"], len(v["levels"])),
        (v["convnet"], v["convnet_images"], v["convnet_epochs"], corruptions),
        ("mlp 1x512", v["control_images"], v["control_epochs"], 5),
    ):
        yield Row(
            f"{learner}, {runs} trainings", LEARNERS[learner].build(SHAPE, 10), BATCH, runs * epochs * images / BATCH
        )


def joint_training(v: Settings) -> Iterator[Row]:
    """A JEM step is a pass of the chains for each of K steps, and one of twice as many images."""
    net = jem.NETS[v["net"]](SHAPE, 10, "silu")
    k, t, sets = v["sgld_steps"], v["training_steps"], len(v["datasets"])
    steps = (sets + 2) * t
    yield Row("JEM: joint, conditional twice", net, 64, steps * (k + 2), steps * k)
    yield Row("divergences, 5 trials", net, 64, 5 * v["provoked_steps"] * (k + 2), 5 * v["provoked_steps"] * k)
    twins = sets * t * (2 + passes_of_twin(k))
    yield Row("twins", net, 64, twins + sets * v["judge_steps"])
    yield Row("fresh chains in float32", net, 500, 4 * 2 * v["fresh_steps"] * v["sample_images"] / 500)


def passes_of_twin(k: int) -> float:
    """Steps of the twin of equal passes for one of JEM."""
    return (2 * k + 6) / 3


def confidence_loss(v: Settings) -> Iterator[Row]:
    """Every training is as long; outliers are added to the batch."""
    net = ood.NETS[v["net"]].build(SHAPE, 10)
    trainings = len(TRAININGS) + 3 * len(v["second_datasets"])
    yield Row(f"{trainings} trainings", net, v["batch_images"] + v["outlier_images"], trainings * v["train_steps"])


def expressivity(v: Settings) -> Iterator[Row]:
    """At most so many steps for each number of images; most stop earlier."""
    for learner in v["learners"]:
        net = LEARNERS[learner].build(SHAPE, 2)
        yield Row(f"{learner}, at most", net, BATCH, len(v["n_images"]) * v["max_steps"])


NOTEBOOKS: dict[tuple[str, int], Callable[[Settings], Iterator[Row]]] = {
    ("noisy-student", 1): self_training,
    ("pretraining-robustness", 1): adversarial_robustness,
    ("rethinking-generalization", 1): random_labels,
    ("rethinking-generalization", 3): expressivity,
    ("JEM", 2): joint_training,
    ("confidence-calibrated-OOD", 2): confidence_loss,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
