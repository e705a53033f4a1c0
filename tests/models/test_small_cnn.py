import torch

from lib.models.small_cnn import norm_free_cnn, small_cnn


def test_logits_are_an_eighth_of_the_linear_layer_on_the_maximum():
    torch.manual_seed(0)
    model = small_cnn(10).eval()
    images = torch.rand(3, 3, 32, 32)
    features = model.features(model.inputs(images))
    assert features.shape == (3, 96, 4, 4)
    torch.testing.assert_close(model(images), model.head[1](features.flatten(2).max(dim=2).values) / 8)


def test_strides_skip_for_small_images():
    for strides, side in (((1, 2, 1), 8), ((2, 2, 1), 14), ((2, 2, 1), 16), ((2, 2, 2), 32)):
        model = small_cnn(10, in_channels=1, strides=strides)
        assert model.features(torch.rand(2, 1, side, side)).shape == (2, 96, 4, 4)


def test_without_norm_the_convolutions_have_biases():
    names = [name for name, _ in small_cnn(10, batch_norm=False).named_parameters()]
    assert len(names) == 2 * 6


def test_norm_free_is_smooth_and_pools_the_mean():
    torch.manual_seed(0)
    model = norm_free_cnn(10)
    x = torch.rand(2, 3, 16, 16)
    features = model.features(2 * x - 1)
    torch.testing.assert_close(model(x), model.head(features.mean(dim=(2, 3))))
    assert (features < 0).any()
