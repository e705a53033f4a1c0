"""Constants that were taken away are found again."""

import pytest
import torch

from lib.methods.class_constants import fit_class_constants


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_missing_constants_and_scale_are_found(scale):
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4000, 4, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    lost = torch.tensor([5.0, -3.0, 0.0, -2.0])
    spoilt = scale * (logits - lost)
    constants, factor = fit_class_constants(spoilt, labels)
    assert factor * scale == pytest.approx(1, rel=0.08)
    assert constants.tolist() == pytest.approx((lost - lost.mean()).tolist(), abs=0.35)
    before = (spoilt.argmax(1) == labels).double().mean()
    after = ((factor * spoilt + constants).argmax(1) == labels).double().mean()
    possible = (logits.argmax(1) == labels).double().mean()
    assert before < possible - 0.2 and after > possible - 0.01
