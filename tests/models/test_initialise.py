import pytest
import torch
from torch import nn

from lib.models.initialise import he_normal


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 9 * 64), ("fan_out", 9 * 256)])
def test_standard_deviation_and_biases(mode, fan: int):
    torch.manual_seed(0)
    conv, hidden, last = nn.Conv2d(64, 256, 3), nn.Linear(400, 900), nn.Linear(900, 500)
    he_normal(nn.Sequential(conv, hidden, last), mode=mode)
    assert conv.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.01)
    assert hidden.weight.std().item() == pytest.approx((2 / (400 if mode == "fan_in" else 900)) ** 0.5, rel=0.01)
    assert last.weight.std().item() == pytest.approx((1 / 900) ** 0.5, rel=0.01)
    assert all(layer.bias is not None and not layer.bias.any() for layer in (conv, hidden, last))
