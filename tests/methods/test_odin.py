"""ODIN by hand on a linear net, and against a version that takes one image and one setting at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.methods import odin
from lib.methods.odin import Setting
from lib.models.small_cnn import small_cnn


def linear(*weights):
    """Logits of two pixels (a, b): one row of weights for each class."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, len(weights), bias=False))
    net[1].weight.data = torch.tensor(weights)
    return net


def pixels(*pairs):
    return torch.tensor(pairs).view(-1, 1, 1, 2)


def test_by_hand():
    net = linear((3.0, -4.0), (0.0, 0.0))
    images = pixels((0.5, 0.1), (0.1, 0.5))  # first logits 1.1 and -1.7: answers 0 and 1
    # Both go up their own answer: the first by (+, -), to 1.1 + 7 eps, the second by (-, +), to -1.7 - 7 eps. Of two
    # logits z and 0 the log odds at T are z / T. Below 0 the first image's second pixel ends, and is not clipped.
    settings = [Setting(1.0, 0.0), Setting(1.0, 0.2), Setting(10.0, 0.2), Setting(10.0, 0.0)]
    found = odin.scores(net, images, settings)
    expected = {settings[0]: [1.1, 1.7], settings[1]: [2.5, 3.1], settings[2]: [0.25, 0.31], settings[3]: [0.11, 0.17]}
    assert list(found) == settings
    for setting, values in expected.items():
        assert found[setting].tolist() == pytest.approx(values, rel=1e-5)


def test_the_direction_depends_on_the_temperature():
    # Logits 2 a, a + b, 0 at (1, 0.5): 2, 1.5, 0, answer 0. d log S_0 / db = -S_1 / T < 0 at every T, while
    # d log S_0 / da = (2 - 2 S_0 - S_1) / T > 0: up in a, down in b.
    net = linear((2.0, 0.0), (1.0, 1.0), (0.0, 0.0))
    assert odin.towards_the_answer(net, pixels((1.0, 0.5)), 1.0).flatten().tolist() == [1, -1]
    # Logits 1, 0.9 and -2 with weights of a 0, 1 and -1.5: d log S_0 / da = -(S_1 - 1.5 S_2) / T. At T = 1 class 1 is
    # thirty times as likely as class 2, so a falls; at T = 100 both have a third, 1 < 1.5, and it rises.
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 3))
    net[1].weight.data = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.5, 0.0]])
    net[1].bias.data = torch.tensor([1.0, 0.9, -2.0])
    assert odin.towards_the_answer(net, pixels((0.0, 0.0)), 1.0)[0, 0, 0, 0] == -1
    assert odin.towards_the_answer(net, pixels((0.0, 0.0)), 100.0)[0, 0, 0, 0] == 1


def naive(net, image, temperature, step):
    """As the released code goes: cross-entropy of the net's own answer, its gradient's sign subtracted, softmax."""
    image = image[None].clone().requires_grad_()
    logits = net(image) / temperature
    F.cross_entropy(logits, logits.argmax(dim=1)).backward()
    with torch.no_grad():
        return (net(image - step * image.grad.sign()).double() / temperature).softmax(dim=1).max()


def test_against_one_image_at_a_time():
    torch.manual_seed(0)
    net = small_cnn(5, (4, 8, 8), in_channels=1, strides=(1, 2, 1), logit_scale=2.0).eval()
    images = torch.rand(12, 1, 8, 8)
    for temperature, step in [(1.0, 0.0), (1.0, 0.02), (10.0, 0.02), (1000.0, 0.0014)]:
        setting = Setting(temperature, step)
        found = odin.scores(net, images, [setting], batch_size=5)[setting].sigmoid()
        expected = torch.stack([naive(net, image, temperature, step) for image in images])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 / temperature)
        assert expected.std() > 1e-4 / temperature  # else the tolerance would hide everything


def test_temperature_one_without_a_step_is_maximum_softmax_and_high_ones_have_no_ties():
    logits = torch.randn(500, 10, generator=torch.Generator().manual_seed(0)) * 3
    ranks = odin.tempered_score(logits, 1.0).argsort()
    assert torch.equal(ranks, logits.double().softmax(dim=1).amax(dim=1).argsort())
    hot = odin.tempered_score(logits, 1000.0)
    assert len(hot.unique()) == 500 > len((logits / 1000).softmax(dim=1).amax(dim=1).unique())


def test_the_net_is_left_as_it_was_and_batches_do_not_matter():
    net = small_cnn(3, (4, 4, 4), in_channels=1, strides=(1, 2, 1)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = (255 * torch.rand(7, 1, 8, 8)).byte()
    setting = Setting(10.0, 0.01)
    whole = odin.scores(net, images, [setting])[setting]
    torch.testing.assert_close(odin.scores(net, images, [setting], batch_size=2)[setting], whole)
    assert net.training and all(p.requires_grad and p.grad is None for p in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    as_floats = odin.scores(net, images.float() / 255, [setting])[setting]
    torch.testing.assert_close(as_floats, whole)


def test_the_best_rate_is_chosen_and_of_equal_ones_the_mildest():
    rates = {Setting(10.0, 0.01): 0.7, Setting(1000.0, 0.0): 0.7, Setting(10.0, 0.0): 0.7, Setting(1.0, 0.0): 0.6}
    assert odin.choose(rates) == Setting(10.0, 0.0)
    assert odin.choose(rates | {Setting(1000.0, 0.01): 0.8}) == Setting(1000.0, 0.01)


@pytest.mark.parametrize("wrong", [Setting(0.0, 0.1), Setting(1.0, -0.1)])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="temperatures are above 0"):
        odin.scores(linear((1.0, 0.0)), pixels((0.0, 0.0)), [wrong])


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="0 images"):
        odin.scores(linear((1.0, 0.0)), pixels((0.0, 0.0))[:0], [odin.AUTHORS])
    with pytest.raises(ValueError, match="0 settings"):
        odin.scores(linear((1.0, 0.0)), pixels((0.0, 0.0)), [])


def test_the_largest_logit():
    assert odin.largest_logit(torch.tensor([[1.0, 3.0], [-1.0, -2.0]])).tolist() == [3, -1]
