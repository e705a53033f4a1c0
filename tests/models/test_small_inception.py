import torch
import torch.nn.functional as F

from lib.models.small_inception import Downsample, ShiftBatchNorm, pad_same, small_inception


def test_shift_batch_norm_is_batch_norm_with_scale_one():
    torch.manual_seed(0)
    x = torch.randn(8, 5, 4, 4) * 3 + 1
    ours, reference = ShiftBatchNorm(5), torch.nn.BatchNorm2d(5)
    for norm in (ours, reference):
        torch.nn.init.constant_(norm.bias, 0.7)
    torch.testing.assert_close(ours(x), reference(x))
    torch.testing.assert_close(ours.eval()(x), reference.eval()(x))
    assert [name for name, _ in ours.named_parameters()] == ["bias"]


def test_shift_learns():
    norm = ShiftBatchNorm(5)
    norm(torch.randn(4, 5, 2, 2)).square().sum().backward()
    assert norm.bias.grad is not None and norm.bias.grad.shape == (5,)


def test_same_padding_pads_the_far_end_of_even_sides_and_both_ends_of_odd_ones():
    assert pad_same(torch.ones(1, 1, 4, 3))[0, 0].tolist() == [
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]


def test_downsample_halves_rounding_up_and_concatenates():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 7, 14)
    out = Downsample(3, 5, batch_norm=False)(x)
    assert out.shape == (2, 8, 4, 7)
    torch.testing.assert_close(out[:, 5:], F.max_pool2d(F.pad(x, (0, 1, 1, 1)), 3, 2))


def test_sizes_inside_are_28_14_7():
    sizes = []
    model = small_inception(10)
    for layer in model.features:
        layer.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    model(torch.rand(2, 3, 32, 32))
    assert sizes == [
        *[(96, 28, 28), (64, 28, 28), (80, 28, 28)],
        *[(160, 14, 14), (160, 14, 14), (160, 14, 14), (160, 14, 14), (144, 14, 14)],
        *[(240, 7, 7), (336, 7, 7), (336, 7, 7)],
    ]
