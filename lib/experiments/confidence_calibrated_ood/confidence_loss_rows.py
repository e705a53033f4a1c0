"""What `2-confidence-loss` derives from the nets' logits: rows of its tables, frames of its figures, what rules ask.

A run is what `confidence_loss.classifier` returns for one seed; `nets` maps the training to the runs of its seeds.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lib.experiments.confidence_calibrated_ood.subjects import SEEN_NOISE
from lib.methods.confidence_loss import energy_score, softmax_score
from lib.metrics.calibration import calibration_error, fit_temperature, signed_confidence_error
from lib.metrics.classification import accuracy, confidence_and_correct, nll_from_logits, softmax
from lib.metrics.detection import auroc, curve, detection_accuracy, fpr_at_tpr, sweep_2018

if TYPE_CHECKING:
    import pandas as pd

Run = dict[str, Any]
Nets = dict[str, list[Run]]
Columns = dict[str, list[float]]
Metric = Callable[[Any, Any], float]  # (in-distribution scores, out-of-distribution scores) -> fraction

TITLES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "svhn": "SVHN",
    "svhn-sample": "SVHN",
    **dict.fromkeys(("tiny-imagenet-pretrain", "tiny-imagenet-32"), "TinyImageNet"),
    "lsun": "LSUN",
    "textures-sample": "textures",
    "mnist": "coloured MNIST",
    "gaussian": "Gaussian noise",
    "uniform": "uniform noise",
    "rademacher": "Rademacher noise",
}
# The set that each training has seen images of.
SEEN = {"KL broad": "broad/", "KL few": "broad/", "KL narrow": "narrow/", "KL noise": f"noise/{SEEN_NOISE}"}
ROLES = {
    "broad set": ("broad/",),
    "near sets": ("near/",),
    "narrow set": ("narrow/",),
    "far sets": ("far/",),
    "Gaussian noise": (f"noise/{SEEN_NOISE}",),
    "other noise": ("noise/uniform", "noise/rademacher", "noise/blobs"),
}
PICTURES_AND_GAUSSIAN = ("broad/", "near/", "narrow/", "far/", f"noise/{SEEN_NOISE}")
PAGE = ("CE", "CEx", "KL broad", "KL few", "KL narrow", "KL noise")  # what the comparisons show


TWO_LENGTHS = ("CE", "KL broad", "KL narrow")  # trained for three quarters of the steps as well


def tnr95(inside: Any, outside: Any) -> float:
    """Share of OOD images that are rejected where 95 % of the in-distribution ones are accepted."""
    return 1 - fpr_at_tpr(inside, outside, positive="id")


METRICS: dict[str, Metric] = {"TNR95": tnr95, "AUROC": auroc, "det. acc.": detection_accuracy}
SWEPT: dict[str, Metric] = {
    "TNR95": lambda inside, outside: sweep_2018(inside, outside).tnr_at_tpr95,
    "AUROC": lambda inside, outside: sweep_2018(inside, outside).auroc,
    "det. acc.": lambda inside, outside: sweep_2018(inside, outside).detection_accuracy,
}


def sets_of(runs: Sequence[Run], *roles: str) -> list[str]:
    """The tested sets in these roles (`near/`, `noise/gaussian`; all of them if none is given), in their order."""
    places = ("broad/", "near/", "narrow/", "far/", "noise/")
    found = [name for place in places for name in runs[0]["logits"] if name.startswith(place)]
    return [name for name in found if not roles or name.startswith(roles)]


def title(name: str) -> str:
    """`near/letters` -> `letters, other half`: how a set is called on the page."""
    role, _, dataset = name.partition("/")
    known = TITLES.get(dataset.removeprefix("fake:"), dataset)
    return f"{known}, {'one' if role == 'broad' else 'other'} half" if dataset == "letters" else known


def detected(
    runs: Sequence[Run], metric: Metric, *roles: str, score: Callable[[Tensor], Tensor] = softmax_score
) -> list[float]:
    """A metric of detection for every seed, its mean over the sets in these roles."""
    names = sets_of(runs, *roles)
    if not names:
        raise ValueError(f"no tested set in the roles {roles}; there are {sets_of(runs)}")
    return [
        float(np.mean([metric(score(run["logits"]["test"]), score(run["logits"][name])) for name in names]))
        for run in runs
    ]


def test_accuracy(runs: Sequence[Run], logits: str = "test") -> list[float]:
    """Accuracy on the test images, or on those that were looked at with batch statistics, one per seed."""
    return [accuracy(run["logits"][logits], run["labels"]["test"][: len(run["logits"][logits])]) for run in runs]


def mean_confidence(runs: Sequence[Run], logits: str) -> list[float]:
    """Mean of the largest probability, one per seed."""
    return [float(softmax(run["logits"][logits]).max(axis=1).mean()) for run in runs]


def table_1(nets: Nets, dataset: str) -> dict[str, Columns]:
    """The paper's table 1: cross-entropy against the confidence loss with the narrow set, both seen and unseen."""
    inside = f"{TITLES.get(dataset, dataset)} in"
    pair = {"CE": nets["CE"], "KL": nets["KL narrow"]}
    rows = {inside: {f"accuracy, {loss}": test_accuracy(runs) for loss, runs in pair.items()}}
    for name in sets_of(nets["CE"], *PICTURES_AND_GAUSSIAN):
        row = f"{inside}, {title(name)}{' (seen)' if name.startswith('narrow/') else ''}"
        rows[row] = {
            f"{column}, {loss}": detected(runs, METRICS[column], name)
            for column in ("TNR95", "det. acc.")
            for loss, runs in pair.items()
        }
    return rows


def by_role(nets: Nets) -> dict[str, Columns]:
    """AUROC by role of the set; what a training has seen is marked and never in a mean with what it has not."""
    rows: dict[str, Columns] = {}
    for training in PAGE:
        runs, seen = nets[training], SEEN.get(training, "none")
        rows[training] = {
            f"{role} (seen)" if places[0].startswith(seen) else role: detected(runs, auroc, *places)
            for role, beginnings in ROLES.items()
            if (places := sets_of(runs, *beginnings))
        }
    return rows


def set_frame(nets: Nets) -> "pd.DataFrame":
    """A tidy frame of the AUROC on pictures and on Gaussian noise: training, set, seed, AUROC, seen."""
    import pandas as pd

    lines = [
        {"training": training, "set": title(name), "seed": seed, "AUROC": value,
         "seen": name.startswith(SEEN.get(training, "none"))}
        for training in PAGE
        for name in sets_of(nets[training], *PICTURES_AND_GAUSSIAN)
        for seed, value in enumerate(detected(nets[training], auroc, name))
    ]  # fmt: skip
    return pd.DataFrame(lines)


def confidence_frame(nets: Nets, bins: int = 20) -> "pd.DataFrame":
    """A tidy frame of histograms of the largest probability, all seeds together: training, set, confidence, share."""
    import pandas as pd

    edges = np.linspace(0, 1, bins + 1)
    lines = []
    for training in ("CE", "KL broad"):
        runs = nets[training]
        places = {"in-distribution": ["test"], "seen kind": sets_of(runs, "broad/")}
        places["unseen, near"] = sets_of(runs, "near/")
        for place, names in places.items():
            largest = np.concatenate([softmax(run["logits"][name]).max(axis=1) for run in runs for name in names])
            shares = np.histogram(largest, edges)[0] / len(largest)
            lines += [
                {"training": training, "set": place, "confidence": float(edge), "share": float(share)}
                for edge, share in zip(edges[:-1] + 0.5 / bins, shares, strict=True)
            ]
    return pd.DataFrame(lines)


def roc_frame(nets: Nets, points: int = 41) -> "pd.DataFrame":
    """A tidy frame of ROC curves on the near sets, the mean over seeds: training, FPR, TPR."""
    import pandas as pd

    grid = np.linspace(0, 1, points)
    lines = []
    for training in PAGE:
        runs = nets[training]
        rates = np.mean([_roc(run, name, grid) for run in runs for name in sets_of(runs, "near/")], axis=0)
        lines += [{"training": training, "FPR": float(f), "TPR": float(t)} for f, t in zip(grid, rates, strict=True)]
    return pd.DataFrame(lines)


def _roc(run: Run, name: str, grid: Any) -> Any:
    tp, fp = curve(*(softmax_score(run["logits"][place]) for place in ("test", name))).accepted("id")
    return np.interp(grid, fp / fp[-1], tp / tp[-1])


def evaluators(runs: Sequence[Run], factors: Sequence[int] = (1, 4, 16)) -> dict[str, Columns]:
    """Exact metrics and the 2018 evaluator on the near sets, for nets as sure of themselves as their logits times k."""
    return {f"logits x {k}": _both_evaluators(runs, k) for k in factors}


def _both_evaluators(runs: Sequence[Run], k: int) -> Columns:
    """The 2018 evaluator is given the largest probability in float32, the exact one a score that cannot saturate."""

    def exact(logits: Tensor) -> Tensor:
        return softmax_score(k * logits.double())

    def largest(logits: Tensor) -> Tensor:
        return (k * logits).softmax(dim=1).amax(dim=1)

    columns: Columns = {}
    for name, metric in METRICS.items():
        columns[f"{name}, exact"] = detected(runs, metric, "near/", score=exact)
        columns[f"{name}, 2018"] = detected(runs, SWEPT[name], "near/", score=largest)
    return columns


def price(nets: Nets) -> dict[str, Columns]:
    """Accuracy and calibration on the in-distribution test images, and after a temperature fitted on validation."""
    rows = {}
    for training in PAGE:
        seeds = [_calibration(run) for run in nets[training]]
        rows[training] = {name: [values[name] for values in seeds] for name in seeds[0]}
    return rows


def _calibration(run: Run) -> dict[str, float]:
    logits, labels = run["logits"]["test"].numpy(), run["labels"]["test"].numpy()
    temperature = fit_temperature(run["logits"]["validation"].numpy(), run["labels"]["validation"].numpy())
    confidence, correct = confidence_and_correct(softmax(logits), labels)
    after, _ = confidence_and_correct(softmax(logits, temperature=temperature), labels)
    return {
        "accuracy": accuracy(logits, labels),
        "confidence - accuracy": signed_confidence_error(confidence, correct),
        "ECE": calibration_error(confidence, correct),
        "ECE after T": calibration_error(after, correct),
        "NLL": nll_from_logits(logits, labels),
        "NLL after T": nll_from_logits(logits, labels, temperature=temperature),
        "T": temperature,
    }


def post_hoc(nets: Nets) -> dict[str, Columns]:
    """AUROC of maximum softmax and of the energy on sets that none of these nets has seen."""
    scores = {"maximum softmax": softmax_score, "energy": energy_score}
    roles = {"near": ("near/",), "far": ("narrow/", "far/"), "noise": ("noise/",)}
    return {
        f"{training}, {name}": {
            role: detected(nets[training], auroc, *places, score=score) for role, places in roles.items()
        }
        for training in ("CE", "CEx", "KL few", "KL broad")
        for name, score in scores.items()
    }


def batch_norm(nets: Nets) -> dict[str, Columns]:
    """What batch norm makes of outliers in the same pass as the data, and in one of their own."""
    return {
        training: {
            "accuracy": test_accuracy(nets[training]),
            "accuracy, statistics of the batch": test_accuracy(nets[training], "test, batch statistics"),
            "mean confidence": mean_confidence(nets[training], "test"),
            "mean confidence, statistics of the batch": mean_confidence(nets[training], "test, batch statistics"),
            "mean confidence on Gaussian noise": mean_confidence(nets[training], f"noise/{SEEN_NOISE}"),
        }
        for training in ("CE", "KL broad", "KL noise", "KL noise, two passes")
    }


def derived(nets: Nets, shorter: Nets, svhn: Nets) -> Columns:
    """The quantities that C1 and C3 to C6 are judged by, one value per seed.

    Args:
        nets: training -> runs, with the main set in-distribution.
        shorter: the same for some trainings of three quarters of the steps.
        svhn: the same with SVHN in-distribution; empty where that is not run.
    """
    values = _finished(nets, shorter) | _accepted(nets) | _transfer(nets) | _accuracies(nets, svhn) | _realism(nets)
    if svhn:
        for name in ("KL broad", "CE", "CEx"):
            values[f"SVHN-in TNR95 with {name}"] = detected(svhn[name], tnr95, "near/")
            values[f"SVHN-in noise TNR95 with {name}"] = detected(svhn[name], tnr95, "noise/")
    return values


def _finished(nets: Nets, shorter: Nets) -> Columns:
    """Accuracy that the last quarter of the steps brought; each length has a whole schedule of its own."""
    return {
        f"gain of {name} in its last quarter": [
            whole - part for whole, part in zip(test_accuracy(nets[name]), test_accuracy(runs), strict=True)
        ]
        for name, runs in shorter.items()
    }


def _accepted(nets: Nets) -> Columns:
    """C1: what nets without outliers accept; to them every set is unseen."""
    roles = {"pictures accepted by {}/near": ("near/",), "pictures accepted by {}/far": ("narrow/", "far/"),
             "noise accepted by {}": ("noise/",)}  # fmt: skip
    return {
        quantity.format(name): [1 - share for share in detected(nets[name], tnr95, *places)]
        for quantity, places in roles.items()
        for name in ("CE", "CEx")
    }


def _transfer(nets: Nets) -> Columns:
    """C4: what outliers of the narrow set bring on that set, and on sets that are not seen."""
    far = sets_of(nets["CE"], "far/")
    values = {
        "seen TNR95 with KL narrow": detected(nets["KL narrow"], tnr95, "narrow/"),
        "far sets beside the seen one": [float(len(far))] * len(nets["CE"]),
    }
    for role in ("near", "noise", *(["far"] if far else [])):
        for name in ("CE", "CEx", "KL narrow"):
            values[f"{role} TNR95 with {name}"] = detected(nets[name], tnr95, f"{role}/")
    return values


def _accuracies(nets: Nets, svhn: Nets) -> Columns:
    """C5: accuracy with and without the KL term, for every kind of outliers."""
    pairs = {"narrow outliers": (nets, "KL narrow"), "broad outliers": (nets, "KL broad")}
    pairs |= {"svhn in": (svhn, "KL broad")} if svhn else {}
    values: Columns = {"lowest accuracy with CE": test_accuracy(nets["CE"])}
    for part, (own, training) in pairs.items():
        values[f"accuracy with the KL term/{part}"] = test_accuracy(own[training])
        values |= {f"accuracy with {name}/{part}": test_accuracy(own[name]) for name in ("CE", "CEx")}
    return values


def _realism(nets: Nets) -> Columns:
    """C6: real images against noise as outliers, on pictures that neither net has seen."""
    values = {"seen AUROC with KL noise": detected(nets["KL noise"], auroc, f"noise/{SEEN_NOISE}")}
    for name in ("KL broad", "KL few", "KL noise"):
        values[f"AUROC with {name}/near"] = detected(nets[name], auroc, "near/")
        values[f"AUROC with {name}/far"] = detected(nets[name], auroc, "narrow/", "far/")
    return values
