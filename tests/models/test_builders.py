"""The call that made a net is noted whoever makes it, and makes the same net again."""

import cProfile
import json
import sys

import pytest
import torch
from torch import nn

from lib import models
from lib.models import CentreCrop, Standardise, mlp, norm_free_cnn, parameter_count, small_cnn
from lib.models.builders import BUILDERS, NETS, call_of, made_by, noted_calls

GREY = {"in_channels": 1}
BUILT = {
    "fast_resnet": (lambda: models.fast_resnet(7, 4, stochastic_depth=0.3), (3, 32, 32)),
    "lenet": (lambda: models.lenet(11), (1, 28, 28)),
    "mlp": (lambda: mlp((5, 6), 4, (1, 8, 8), activation="silu", inputs=Standardise(0.1, (0.7,))), (1, 8, 8)),
    "norm_free_cnn": (lambda: norm_free_cnn(4, (5, 6), activation="elu", **GREY), (1, 14, 14)),
    "small_alexnet": (lambda: models.small_alexnet(4, inputs=CentreCrop(28, 28)), (3, 32, 32)),
    "small_resnet": (lambda: models.small_resnet(4, (4, 5, 6), stochastic_depth=0.3), (3, 32, 32)),
    "small_cnn": (lambda: small_cnn(4, (5, 6, 7), 1, pool="mean", logit_scale=0.3), (1, 16, 16)),
    "small_inception": (lambda: models.small_inception(4), (3, 32, 32)),
    "small_lenet": (lambda: models.small_lenet(4), (1, 8, 8)),
    "vgg13": (lambda: models.vgg13(4, dropout=0.2, mean=0.3), (3, 32, 32)),
    "wide_resnet": (lambda: models.wide_resnet(10, 1, 4, batch_norm=False, late_stride=True), (3, 32, 32)),
}


def test_every_net_of_the_room_can_be_kept():
    functions = {name for name in models.__all__ if callable(getattr(models, name)) and name.islower()}
    nets = functions - {"parameter_count", "recorded", "recorded_nets"}
    assert nets == {net.__name__ for net in NETS} == set(BUILT)


@pytest.mark.parametrize("name", BUILT)
def test_the_noted_call_makes_the_same_net_again(name):
    build, shape = BUILT[name]
    with noted_calls() as made:
        net = build()
    call = json.loads(json.dumps(call_of(net, made)))
    assert call["builder"] == name
    again = made_by(call)
    again.load_state_dict(net.state_dict())
    images = torch.rand(2, *shape)
    assert torch.equal(again.eval()(images), net.eval()(images))


def test_a_profiler_around_it_goes_on():
    with cProfile.Profile() as profile:
        with noted_calls() as made:
            net = mlp((3,), 2, (1, 4, 4))
        parameter_count(net)
    assert call_of(net, made)["builder"] == "mlp"
    assert any(code.co_name == "parameter_count" for code in codes(profile))


def codes(profile):
    """The code objects that a profile counted."""
    return [entry.code for entry in profile.getstats() if not isinstance(entry.code, str)]


def test_the_call_holds_every_argument_as_a_plain_value():
    with noted_calls() as made:
        net = mlp((3,), 2, (1, 4, 4), inputs=Standardise(std=0.25))
    inputs = {"builder": "Standardise", "arguments": {"mean": 0.5, "std": 0.25}}
    arguments = {"hidden": [3], "num_classes": 2, "input_shape": [1, 4, 4], "activation": "relu", "dropout": 0.0}
    assert call_of(net, made) == {"builder": "mlp", "arguments": {**arguments, "inputs": inputs}}


def test_of_several_nets_each_has_its_own_call():
    with noted_calls() as made:
        one, other = mlp((3,), 2, (1, 4, 4)), mlp((4,), 2, (1, 4, 4))
    assert [call_of(net, made)["arguments"]["hidden"] for net in (one, other)] == [[3], [4]]


def test_a_net_that_no_builder_made_or_that_was_given_more_than_plain_values_is_refused():
    with noted_calls() as made:
        alone, given = nn.Linear(2, 2), mlp((3,), 2, (4,), inputs=nn.Identity())
    with pytest.raises(ValueError, match="Linear that no call"):
        call_of(alone, made)
    with pytest.raises(ValueError, match="Identity that no call"):
        call_of(given, made)
    with noted_calls() as made:
        net = mlp(iter((3,)), 2, (1, 4, 4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="plain value to be kept, found <"):
        call_of(net, made)


def test_making_a_net_again_draws_from_no_random_numbers_but_its_own():
    before = torch.get_rng_state()
    made_by({"builder": "lenet", "arguments": {"num_classes": 2}})
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_builder_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"no builder 'transformer' here; there are fast_resnet, .*Standardise"):
        made_by({"builder": "transformer", "arguments": {}})
    assert set(BUILDERS) > set(BUILT)


def test_noting_ends_with_the_block_also_after_an_error():
    before = sys.getprofile()
    with pytest.raises(ValueError, match="depth"), noted_calls() as made:
        models.wide_resnet(11, 1, 10)
    assert sys.getprofile() is before
    assert all(isinstance(module, Standardise) for module, _, _ in made), "no net was made"
    done = len(made)
    mlp((3,), 2, (1, 4, 4))
    assert len(made) == done
