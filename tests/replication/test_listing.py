"""Functions as a page shows them."""

import ast

from lib.experiments.rethinking_generalization import random_labels
from lib.methods.jem import Guard
from lib.methods.sgld import langevin, move
from lib.replication.listing import PAGE_WIDTH, listing


def test_a_long_signature_is_its_names_and_the_body_stays():
    shown = listing(random_labels.follow)
    assert shown.startswith("def follow(learner, images, labels, test_images, test_labels, classes, *, seed, ")
    assert "curve_images: int" not in shown and "Returns:" not in shown
    assert max(map(len, shown.splitlines()[:3])) <= PAGE_WIDTH
    (function,) = ast.parse(shown).body
    assert isinstance(function, ast.FunctionDef) and len(function.body) > 4
    assert function.body[0].lineno <= 4  # the docstring follows at once


def test_defaults_and_what_is_returned_are_shown():
    header = "def langevin(model, images, sampler, generator, classes=None, look=None, gradient=None) -> Tensor:"
    assert listing(langevin).splitlines()[0] == header


def test_a_short_signature_and_a_class_are_shown_as_they_are():
    assert listing(move).startswith("def move(x: Tensor, gradient: Tensor, sampler: Langevin, generator")
    assert listing(Guard).startswith("@dataclass\nclass Guard:")
