"""What parameters may be called: the declared names are those that the code knows, and all of them are declared."""

from collections.abc import Iterable

import pytest
import torch

from lib.data.catalogue import FACTS
from lib.data.load import load
from lib.data.noise_sets import NOISES as DRAWN_NOISES
from lib.data.randaugment import CONVENTIONS
from lib.experiments.confidence_calibrated_ood import subjects as outlier_subjects
from lib.experiments.jem import subjects, training
from lib.experiments.noisy_student import self_training
from lib.experiments.noisy_student import subjects as student_nets
from lib.experiments.pretraining_robustness import subjects as robust_nets
from lib.experiments.rethinking_generalization import fooled_nets, random_labels
from lib.experiments.rethinking_generalization import subjects as learners
from lib.methods.self_training import WEIGHTINGS
from lib.methods.student_noise import IN_THE_NET
from lib.replication.data_sets import TRAINING_IMAGES
from lib.replication.notebooks import all_notebooks
from lib.replication.parameters import TIERS, ParameterError, check, choices, is_data, read_literals, tier_parameters
from lib.roots import repository

NOTEBOOKS = {f"{n.paper}/{n.number}": n for n in all_notebooks(repository())}
DIGIT = load("digits").images[:1]

KNOWN: dict[tuple[str, str], Iterable[str]] = {
    ("JEM/2", "net"): subjects.NETS,
    ("JEM/2", "recipe"): training.RECIPES,
    ("confidence-calibrated-OOD/2", "net"): outlier_subjects.NETS,
    ("confidence-calibrated-OOD/2", "noises"): DRAWN_NOISES,
    ("confidence-calibrated-OOD/4", "net"): outlier_subjects.NETS,
    ("confidence-calibrated-OOD/5", "net"): outlier_subjects.NETS,
    ("confidence-calibrated-OOD/5", "noises"): DRAWN_NOISES,
    ("noisy-student/1", "noise"): student_nets.NOISES,
    ("noisy-student/1", "small_net"): student_nets.NETS,
    ("noisy-student/1", "large_net"): student_nets.NETS,
    ("noisy-student/2", "convention"): CONVENTIONS,
    ("noisy-student/2", "single_kinds"): IN_THE_NET,
    ("noisy-student/3", "noise"): student_nets.NOISES,
    ("noisy-student/3", "small_net"): student_nets.NETS,
    ("noisy-student/3", "large_net"): student_nets.NETS,
    ("pretraining-robustness/1", "net"): robust_nets.NETS,
    ("rethinking-generalization/1", "convnet"): learners.NETS,
    ("rethinking-generalization/1", "further_learners"): learners.NETS,
    ("rethinking-generalization/1", "inputs"): random_labels.corruptions(DIGIT, torch.Generator()),
    ("rethinking-generalization/3", "learners"): learners.NETS,
    ("rethinking-generalization/5", "net"): fooled_nets.NETS,
    ("rethinking-generalization/5", "other_net"): fooled_nets.NETS,
}
# Names without a dictionary are spelt where they are used: in a cell of the notebook, or in an arm.
SPELT = [
    (name, parameter)
    for name, notebook in NOTEBOOKS.items()
    for parameter in set(choices(notebook)) - {"zero", "empty"}
    if (name, parameter) not in KNOWN
]


@pytest.mark.parametrize("place", KNOWN, ids="/".join)
def test_declared_names_are_the_keys_of_their_dictionary(place):
    notebook, name = place
    assert set(choices(NOTEBOOKS[notebook])[name]) == set(KNOWN[place])


@pytest.mark.parametrize("place", sorted(SPELT), ids="/".join)
def test_declared_names_without_a_dictionary_are_spelt_where_they_are_used(place):
    notebook, name = place
    files = [path.read_text() for path in (repository() / "lib" / "experiments").rglob("*.py")]
    text = "\n".join([*NOTEBOOKS[notebook].code, *files])
    for declared in choices(NOTEBOOKS[notebook])[name]:
        assert f'"{declared}"' in text, declared


def test_names_of_variants_are_those_of_their_dictionaries():
    """A variant is a weighting, or a selection under its name and the word."""
    declared = set(choices(NOTEBOOKS["noisy-student/1"])["variants"])
    selections = {f"{name} selection" for name in self_training.SELECTIONS if name != "all"}  # the student's own
    assert declared == selections | (set(WEIGHTINGS) - {"text"})  # likewise
    assert set(choices(NOTEBOOKS["noisy-student/1"])["rivals"]) == set(self_training.METHODS) - {
        "student",
        "supervised",
    }


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_name_among_the_parameters_is_declared_and_nothing_else_is(name):
    notebook = NOTEBOOKS[name]
    own = read_literals(notebook.parameters_source)
    declared = choices(notebook)
    named = {
        parameter
        for parameter, value in own.items()
        if isinstance(value if not isinstance(value, list) or not value else value[0], str)
        and parameter not in {"tier", "device"}
        and not is_data(parameter)
    }
    special = {"zero", "empty"}
    assert named <= set(declared)
    assert set(declared) - special | {p for key in special for p in declared.get(key, [])} <= set(own)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_tier_passes_the_check(name, tier):
    assert tier_parameters(NOTEBOOKS[name], tier)["tier"] == tier


@pytest.mark.parametrize(
    ("notebook", "name", "value", "message"),
    [
        ("JEM/2", "datasets", ["digts"], r"no 'digts'; did you mean 'digits'\? Allowed are: .*'cifar10'"),
        ("JEM/2", "net", "mpl 2x256", r"no 'mpl 2x256'; did you mean 'mlp 2x256'\? Allowed are: .*'wrn-28-10'"),
        ("JEM/2", "recipe", "stabilized", "did you mean 'stabilised'"),
        ("JEM/2", "learning_rate", 0.0, "allowed are finite numbers above 0"),
        ("confidence-calibrated-OOD/2", "noises", ["gausian"], "did you mean 'gaussian'"),
        ("confidence-calibrated-OOD/2", "batch_images", 1298, "up to 1297, the training images of digits"),
        ("confidence-calibrated-OOD/2", "seen_share", 1.5, "from 0 to 1"),
        ("noisy-student/1", "rivals", ["consistence"], "did you mean 'consistency'"),
        ("noisy-student/1", "labelled_batch_images", 51, "up to 50, labelled_images"),
        ("noisy-student/1", "rounds", 0, "whole numbers from 1 on"),
        ("pretraining-robustness/1", "sources", ["untargetted"], "did you mean 'untargeted'"),
        ("pretraining-robustness/1", "batch_images", [128, 1298], "up to 1297, the training images of digits"),
        ("pretraining-robustness/1", "autoattack_images", -1, "whole numbers from 0 on"),
        ("pretraining-robustness/1", "rates", [], "at least one value"),
        ("rethinking-generalization/1", "convnet", "smal cnn", "did you mean 'small cnn'"),
        ("rethinking-generalization/3", "learners", ["mlp 1x5120"], "did you mean 'mlp 1x512'"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_with_what_is_allowed(notebook, name, value, message):
    own = tier_parameters(NOTEBOOKS[notebook], "reduced")
    with pytest.raises(ParameterError, match=rf"parameter '{name}' .*{message}"):
        check({name: value}, own, NOTEBOOKS[notebook])


def test_what_may_be_zero_or_empty_passes():
    for notebook, changes in (
        ("pretraining-robustness/1", {"autoattack_images": 0, "scratch_steps": 0}),
        ("noisy-student/1", {"rivals": [], "length_steps": []}),
        ("pretraining-robustness/1", {"batch_images": [6240, 1297]}),
    ):
        own = tier_parameters(NOTEBOOKS[notebook], "laptop")
        own |= {"source_dataset": "letters", "target_dataset": "digits"} if "batch_images" in changes else {}
        assert changes.items() <= check(changes, own, NOTEBOOKS[notebook]).items()


def test_data_sets_readable_without_torch_are_those_there_are():
    assert {name: facts.train for name, facts in FACTS.items()} == TRAINING_IMAGES
