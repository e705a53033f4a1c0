"""What every family promises: parameter counts to the digit, shapes, [0, 1] and uint8 inputs, gradients, eval mode."""

import pytest
import torch
from torch import nn

from lib.models import (
    Standardise,
    fast_resnet,
    lenet,
    mlp,
    norm_free_cnn,
    parameter_count,
    small_alexnet,
    small_cnn,
    small_inception,
    vgg13,
    wide_resnet,
)

COUNTS = {
    "small Inception, Zhang table 1": (lambda: small_inception(10), 1_649_402),
    "small Inception without batch norm": (lambda: small_inception(10, batch_norm=False), 1_649_402),
    "small AlexNet, Zhang table 1": (lambda: small_alexnet(10), 1_387_786),
    "MLP 3 x 512, Zhang table 1": (lambda: mlp((512, 512, 512), 10), 1_735_178),
    "MLP 1 x 512, Zhang table 1": (lambda: mlp((512,), 10), 1_209_866),
    "linear model": (lambda: mlp((), 10, (1, 8, 8)), 650),
    "small CNN S": (lambda: small_cnn(10), 158_266),
    "small CNN S / 2": (lambda: small_cnn(10, (12, 24, 48)), 40_258),
    "small CNN S, strides do not matter": (lambda: small_cnn(10, strides=(1, 2, 1)), 158_266),
    "fast residual net": (lambda: fast_resnet(10), 3_620_938),
    "fast residual net for a CPU": (lambda: fast_resnet(10, 16), 227_866),
    "energy CNN": (lambda: norm_free_cnn(10), 148_714),
    "WRN-28-10, 36.5 M": (lambda: wide_resnet(28, 10, 10), 36_479_194),
    "WRN-28-10, 100 classes": (lambda: wide_resnet(28, 10, 100), 36_479_194 + 90 * 641),
    "WRN-40-2, 2.24 M": (lambda: wide_resnet(40, 2, 10), 2_243_546),
    # 7,856 fewer: the norms' pairs go, the convolutions' biases come; the stem's 16 and the shortcuts' are new.
    "WRN-28-10 of JEM": (lambda: wide_resnet(28, 10, 10, batch_norm=False), 36_471_338),
    "VGG-13, 9.94 M": (lambda: vgg13(10), 9_935_434),
    "LeNet of Caffe": (lambda: lenet(10), 431_080),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_and_meta_device(name: str):
    build, expected = COUNTS[name]
    with torch.device("meta"):
        model = build()
    assert {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} == {"meta"} or not list(
        model.buffers()
    )
    assert parameter_count(model) == expected


def test_parameter_count_counts_shared_once_and_frozen_never():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, shared, nn.Linear(3, 2))
    assert parameter_count(model) == 12 + 8
    shared.requires_grad_(False)
    assert parameter_count(model) == 8


# Every family at its working size, small where the size is free.
NETS = {
    "small_inception": (lambda: small_inception(7), (3, 32, 32)),
    "small_inception without norm": (lambda: small_inception(7, batch_norm=False), (3, 28, 28)),
    "small_alexnet": (lambda: small_alexnet(7), (3, 32, 32)),
    "mlp": (lambda: mlp((16, 16), 7, dropout=0.5), (3, 32, 32)),
    "vgg13": (lambda: vgg13(7, batch_norm=True), (3, 32, 32)),
    "lenet": (lambda: lenet(7), (1, 28, 28)),
    "wide_resnet": (lambda: wide_resnet(10, 1, 7, dropout=0.3, stochastic_depth=0.2), (3, 16, 16)),
    "wide_resnet of JEM": (
        lambda: wide_resnet(10, 1, 7, batch_norm=False, activation="leaky_relu", late_stride=True),
        (3, 16, 16),
    ),
    "wide_resnet 64 pixels": (lambda: wide_resnet(10, 1, 7), (3, 64, 64)),
    "small_cnn": (lambda: small_cnn(7, dropout=0.5), (3, 32, 32)),
    "small_cnn digits": (lambda: small_cnn(7, in_channels=1, strides=(1, 2, 1)), (1, 8, 8)),
    "small_cnn digits, default strides": (lambda: small_cnn(7, in_channels=1), (1, 8, 8)),
    "small_cnn 14": (lambda: small_cnn(7, in_channels=1, strides=(2, 2, 1)), (1, 14, 14)),
    "small_cnn 16": (lambda: small_cnn(7, strides=(2, 2, 1), batch_norm=False, pool="mean"), (3, 16, 16)),
    "fast_resnet": (lambda: fast_resnet(7, 8, dropout=0.5, stochastic_depth=0.2), (3, 32, 32)),
    "fast_resnet digits": (lambda: fast_resnet(7, 8, in_channels=1), (1, 8, 8)),
    "norm_free_cnn": (lambda: norm_free_cnn(7, in_channels=1), (1, 14, 14)),
}


@pytest.fixture(params=NETS)
def net_and_bytes(request):
    """A net in eval mode with running statistics that are not the initial ones, and uint8 images for it."""
    build, shape = NETS[request.param]
    torch.manual_seed(0)
    model = build()
    images = torch.randint(0, 256, (6, *shape), dtype=torch.uint8)
    model.train()
    model(images)
    return model.eval(), images


def test_logits_uint8_and_float_agree(net_and_bytes):
    model, images = net_and_bytes
    logits = model(images)
    assert logits.shape == (6, 7) and logits.dtype == torch.float32
    assert logits.std() > 0
    torch.testing.assert_close(model(images / 255), logits, rtol=1e-4, atol=1e-5)


def test_eval_output_does_not_depend_on_the_batch(net_and_bytes):
    model, images = net_and_bytes
    together = model(images)
    alone = torch.cat([model(image[None]) for image in images.flip(0)]).flip(0)
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter_and_the_input(net_and_bytes):
    model, images = net_and_bytes
    inputs = (images / 255).requires_grad_()
    nn.functional.cross_entropy(model(inputs), torch.arange(6)).backward()
    assert inputs.grad is not None and inputs.grad.flatten(1).abs().sum(1).min() > 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_channels_last_gives_the_same_logits(net_and_bytes):
    model, images = net_and_bytes
    expected = model(images)
    model.to(memory_format=torch.channels_last)
    found = model(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_training_changes_no_input(net_and_bytes):
    model, images = net_and_bytes
    floats = images / 255
    kept = floats.clone()
    model.train()
    model(floats)
    assert torch.equal(floats, kept)


@pytest.mark.parametrize(
    "build", [lambda m, s: wide_resnet(10, 1, 3, mean=m, std=s), lambda m, s: small_cnn(3, mean=m, std=s)]
)
def test_input_scaling_is_inside_the_model(build):
    torch.manual_seed(0)
    plain = build(0.0, 1.0).eval()
    torch.manual_seed(0)
    scaled = build((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)).eval()
    images = torch.rand(2, 3, 32, 32)
    by_hand = Standardise((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))(images)
    torch.testing.assert_close(scaled(images), plain(by_hand))
