import torch

from lib.training.history import History


def test_mean_losses_of_full_stretches():
    assert History(torch.tensor([1.0, 3, 5, 7, 9])).mean_losses(2).tolist() == [2, 6]


def test_state_comes_back_into_a_fresh_history():
    history = History(torch.full((4,), float("nan")))
    history.losses[:2] = torch.tensor([3.0, 2.0])
    history.record("error", 2, 0.5)
    history.images, history.seconds, history.stopped = 7, 1.5, True
    fresh = History(torch.full((4,), float("nan")))
    fresh.load_state_dict(history.state_dict(2))
    assert fresh.losses[:2].tolist() == [3, 2] and fresh.losses[2:].isnan().all()
    assert fresh.values == {"error": [(2, 0.5)]} and type(fresh.last("error")) is float
    assert (fresh.images, fresh.seconds, fresh.stopped) == (7, 1.5, True)


def test_speed_and_share():
    history = History(torch.zeros(0), images=300, seconds=2.0, compute_seconds=1.5)
    assert history.images_per_second == 150 and history.compute_share == 0.75
    assert History(torch.zeros(0)).images_per_second == 0
