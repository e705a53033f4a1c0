import pytest
import torch

from lib.models.activations import activation_named


@pytest.mark.parametrize(
    ("name", "expected"),
    [("relu", 0.0), ("leaky_relu", -0.2), ("silu", -0.26894142), ("elu", -0.63212056)],
)
def test_value_at_minus_one(name: str, expected: float):
    assert activation_named(name)(torch.tensor(-1.0)).item() == pytest.approx(expected)
    assert activation_named(name) is not activation_named(name)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'swish'.*relu, leaky_relu, silu, elu"):
        activation_named("swish")
