import pytest
import torch
from torch import nn

from lib.models import mlp, small_cnn
from lib.training.evaluate import answers, error_rate, predict


def test_predict_is_the_net_in_eval_mode_whatever_the_batch_size():
    torch.manual_seed(0)
    model = small_cnn(4, dropout=0.5)
    images = torch.rand(7, 3, 32, 32)
    found = [predict(model, images, batch_size) for batch_size in (2, 7, 500)]
    model.eval()
    for logits in found:
        torch.testing.assert_close(logits, model(images), rtol=1e-4, atol=1e-6)
        assert not logits.requires_grad


def test_modes_and_statistics_are_as_before():
    model = small_cnn(4)
    model.train()
    model.features[1].eval()  # a norm that is frozen in eval mode
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    predict(model, torch.rand(3, 3, 32, 32))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_modes_are_restored_after_an_error():
    model = small_cnn(4).train()
    with pytest.raises(ValueError, match="channels"):
        predict(model, torch.rand(3, 5, 32, 32), 2)
    assert all(module.training for module in model.modules())


def test_error_rate_by_hand():
    identity = mlp((), 3, (3,), inputs=nn.Identity())
    last = identity.layers[-1]
    assert isinstance(last, nn.Linear)
    last.weight.data = torch.eye(3)
    logits = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0.5]])
    assert error_rate(identity, logits, torch.tensor([0, 1, 1, 2]), batch_size=3) == 0.5


def test_bad_input():
    model = mlp((), 3, (3,), inputs=nn.Identity())
    with pytest.raises(ValueError, match="no images"):
        predict(model, torch.rand(0, 3))
    with pytest.raises(ValueError, match="found 2 and 3"):
        error_rate(model, torch.rand(3, 3), torch.zeros(2, dtype=torch.int64))


def test_a_broken_net_knows_no_class():
    """`argmax` takes NaN for the largest logit: all labels 0 would be an error of 0."""
    torch.manual_seed(0)
    model = small_cnn(4)
    images, labels = torch.rand(6, 3, 32, 32), torch.zeros(6, dtype=torch.int64)
    next(model.parameters()).data[0] = float("nan")
    with pytest.raises(ValueError, match="NaN for 6 of 6 images"):
        error_rate(model, images, labels)
    with pytest.raises(ValueError, match="NaN for 1 of 2"):
        answers(torch.tensor([[1.0, 2.0], [0.0, float("nan")]]))
    assert answers(torch.tensor([[1.0, 1.0], [0.0, float("inf")]])).tolist() == [0, 1]
