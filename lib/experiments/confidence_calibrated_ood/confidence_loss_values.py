"""The quantities that C1 and C3 to C6 are judged by, from the nets of `2-confidence-loss`."""

from lib.experiments.confidence_calibrated_ood.confidence_loss_summary import (
    Columns,
    Nets,
    per_seed,
    sets_of,
    test_accuracy,
    tnr95,
)
from lib.experiments.confidence_calibrated_ood.sets import SEEN_NOISE
from lib.metrics.detection import auroc


def confidence_values(nets: Nets, shorter: Nets, svhn: Nets) -> Columns:
    """The quantities that C1 and C3 to C6 are judged by, one value per seed.

    Args:
        nets: training -> runs, with the main set in-distribution.
        shorter: the same for some trainings of three quarters of the steps.
        svhn: the same with SVHN in-distribution; empty where that is not run.
    """
    values = _finished(nets, shorter) | _accepted(nets) | _transfer(nets) | _accuracies(nets, svhn) | _realism(nets)
    if svhn:
        for name in ("KL broad", "CE", "CEx"):
            values[f"SVHN-in TNR95 with {name}"] = per_seed(svhn[name], tnr95, "near/")
            values[f"SVHN-in noise TNR95 with {name}"] = per_seed(svhn[name], tnr95, "noise/")
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
        quantity.format(name): [1 - share for share in per_seed(nets[name], tnr95, *places)]
        for quantity, places in roles.items()
        for name in ("CE", "CEx")
    }


def _transfer(nets: Nets) -> Columns:
    """C4: what outliers of the narrow set bring on that set, and on sets that are not seen."""
    far = sets_of(nets["CE"], "far/")
    values = {
        "seen TNR95 with KL narrow": per_seed(nets["KL narrow"], tnr95, "narrow/"),
        "far sets beside the seen one": [float(len(far))] * len(nets["CE"]),
    }
    for role in ("near", "noise", *(["far"] if far else [])):
        for name in ("CE", "CEx", "KL narrow"):
            values[f"{role} TNR95 with {name}"] = per_seed(nets[name], tnr95, f"{role}/")
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
    values = {"seen AUROC with KL noise": per_seed(nets["KL noise"], auroc, f"noise/{SEEN_NOISE}")}
    for name in ("KL broad", "KL few", "KL noise"):
        values[f"AUROC with {name}/near"] = per_seed(nets[name], auroc, "near/")
        values[f"AUROC with {name}/far"] = per_seed(nets[name], auroc, "narrow/", "far/")
    return values
