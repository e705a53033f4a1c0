import pytest
import torch
from torch import nn

from lib.models.mlp import mlp


def test_plain_vectors_need_a_scaling():
    with pytest.raises(ValueError, match=r"found \(2,\)"):
        mlp((8,), 2, (2,))
    assert mlp((8,), 2, (2,), inputs=nn.Identity())(torch.randn(5, 2)).shape == (5, 2)


def test_is_the_formula():
    torch.manual_seed(0)
    model = mlp((8,), 3, (2, 2, 2), inputs=nn.Identity())
    first, last = model.layers[0], model.layers[-1]
    x = torch.randn(4, 2, 2, 2)
    torch.testing.assert_close(model(x), last(first(x.reshape(4, 8)).relu()))
