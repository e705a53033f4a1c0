"""Round after round: every net of a family of lineages as an artefact, ancestors first."""

from typing import Any

from lib.experiments.noisy_student.lineages import Lineage, title
from lib.experiments.noisy_student.self_training import labelled_by, trained
from lib.replication.artefacts import Artefact
from lib.replication.experiment import Experiment


def run_all(experiment: Experiment, lineages: dict[str, Lineage], **shared: Any) -> dict[str, list[dict[str, Any]]]:
    """name -> `trained` per seed, for every lineage; nets that two lineages have in common are trained once."""
    grown: dict[str, list[Artefact]] = {}
    nets = {name: grow(experiment, lineage, grown, **shared) for name, lineage in lineages.items()}
    return {name: [net.value() for net in per_seed] for name, per_seed in nets.items()}


def grow(experiment: Experiment, lineage: Lineage, grown: dict[str, list[Artefact]], **shared: Any) -> list[Artefact]:
    """The last net of a lineage, one for each seed, after its ancestors; `grown` keeps what is there already."""
    name, ancestors = title(lineage), lineage[:-1]
    labels = f"labels of {title(ancestors)}"
    if ancestors and labels not in grown:
        teachers = grow(experiment, ancestors, grown, **shared)
        grown[labels] = experiment.artefacts(labelled_by, teacher=teachers, plan=ancestors[-1], **shared)
    if name not in grown:
        own = {"name": name, "lineage": lineage, "labels": grown[labels] if ancestors else None}
        grown[name] = experiment.artefacts(trained, **own, **shared)
    return grown[name]
