import torch

from lib.models.small_alexnet import local_response_norm, small_alexnet


def test_local_response_norm_by_hand():
    x = torch.rand(2, 12, 1, 1, generator=torch.Generator().manual_seed(0)) * 50
    squares = x.square()
    expected = torch.stack(
        [x[:, c] / (1 + 0.001 / 9 * squares[:, max(c - 4, 0) : c + 5].sum(1)) ** 0.75 for c in range(12)],
        dim=1,
    )
    torch.testing.assert_close(local_response_norm()(x), expected)


def test_pools_halve_28_to_14_to_7_with_windows_at_the_near_end():
    model = small_alexnet(10)
    x = torch.arange(28.0).repeat(28, 1)[None, None]
    pooled = model.features[2](x)
    assert pooled.shape[2:] == (14, 14)
    assert pooled[0, 0, 0, :2].tolist() == [2, 4] and pooled[0, 0, 0, -1] == 27
