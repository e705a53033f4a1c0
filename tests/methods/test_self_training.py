"""Labels, choice and loss of Noisy Student, against hand-computed cases; what went wrong for others, as regressions."""

import math
from contextlib import contextmanager

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.methods import self_training
from lib.methods.self_training import (
    WEIGHTINGS,
    ChanceTeacher,
    MissingTeacher,
    balance_as_coded,
    balance_as_published,
    check_teacher,
    confident,
    consistency_loss,
    joint_loss,
    load_teacher,
    noise_on_first,
    pseudo_labels,
)
from lib.models.small_cnn import small_cnn
from lib.models.wide_resnet import wide_resnet
from lib.training.batches import Batch, Batches

CPU = torch.device("cpu")


class Logits(nn.Module):
    """A net whose logits are its pixels: images (N, K, 1, 1). Notes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return self.scale * images.flatten(1)


def pictures(*logits: list[float]) -> Tensor:
    return torch.tensor(logits)[:, :, None, None]


def batch_of(images: Tensor, labels: Tensor) -> Batch:
    return Batch(images, labels, torch.arange(len(images)), 0, torch.Generator().manual_seed(0))


def unchanged(images: Tensor, generator: torch.Generator) -> Tensor:
    return images


def test_soft_and_hard_labels_of_known_logits():
    images = pictures([math.log(3.0), 0.0], [0.0, 0.0])
    assert torch.allclose(pseudo_labels(Logits(), images), torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    warm = pseudo_labels(Logits(), images, temperature=0.5)  # softmax of twice the logits: 9 to 1
    assert torch.allclose(warm[0], torch.tensor([0.9, 0.1]))
    assert pseudo_labels(Logits(), images, "hard").tolist() == [0, 0]
    with pytest.raises(ValueError, match="soft or hard, found 'firm'"):
        pseudo_labels(Logits(), images, "firm")


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="must be above 0"):
        pseudo_labels(Logits(), pictures([1.0, 0.0]), temperature=temperature)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_broken_teacher_labels_nothing(kind):
    with pytest.raises(ValueError, match="NaN for 1 of 2 images"):
        pseudo_labels(Logits(), pictures([1.0, 0.0], [math.nan, 0.0]), kind)


def test_the_teacher_labels_in_eval_mode_whatever_mode_it_was_left_in():
    """Dropout and batch statistics left on would silently be the paper's ablation with a noised teacher."""
    torch.manual_seed(0)
    net = small_cnn(3, (6, 8, 10), in_channels=1, strides=(1, 2, 1), dropout=0.5).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = torch.rand(40, 1, 8, 8)
    first, second = pseudo_labels(net, images), pseudo_labels(net, images.flip(0)).flip(0)
    assert torch.allclose(first, second, atol=1e-6)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.allclose(first, pseudo_labels(net.eval(), images))


@pytest.mark.parametrize("weights", [None, {}])
def test_a_teacher_without_weights_is_refused(weights):
    with pytest.raises(MissingTeacher, match=r"no teacher: found .* train the teacher first"):
        load_teacher(Logits(), weights)


def test_a_teacher_whose_file_is_missing_is_refused_with_its_place(tmp_path):
    with pytest.raises(MissingTeacher, match=r"no teacher found at .*round-1\.safetensors: train it first"):
        load_teacher(Logits(), tmp_path / "round-1.safetensors")


def test_a_teacher_is_loaded_and_the_weights_of_another_net_are_refused(tmp_path):
    torch.manual_seed(0)
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2).train()
    safetensors.torch.save_file(trained.state_dict(), tmp_path / "teacher.safetensors")
    loaded = load_teacher(fresh, tmp_path / "teacher.safetensors")
    assert loaded is fresh and not loaded.training
    assert torch.equal(loaded.weight, trained.weight)
    with pytest.raises(MissingTeacher, match=r"not this teacher.s; build the net"):
        load_teacher(nn.Linear(4, 2), trained.state_dict())


def test_a_teacher_at_chance_is_refused_with_what_was_found():
    """The released code goes on, and its student ends near chance (issues 8 and 9)."""
    labels = torch.arange(10).repeat(5)
    always_3 = F.one_hot(torch.full((50,), 3), 10).float()[:, :, None, None]
    with pytest.raises(
        ChanceTeacher, match=r"right on 10\.0% of 50 .* commonest class makes 10\.0%: .*not loaded.*19% at least"
    ):
        check_teacher(Logits(), always_3, labels)
    right = F.one_hot(labels, 10).float()[:, :, None, None]
    net = Logits()
    assert check_teacher(net, right, labels) is net
    with pytest.raises(MissingTeacher, match="found None"):
        check_teacher(None, right, labels)


def test_a_teacher_of_two_classes_need_not_be_perfect_but_beat_the_commonest():
    labels = torch.tensor([0] * 8 + [1] * 2)
    always_0 = F.one_hot(torch.zeros(10, dtype=torch.int64), 2).float()[:, :, None, None]
    with pytest.raises(ChanceTeacher, match=r"80\.0% of 10 .*commonest class makes 80\.0%.*82% at least"):
        check_teacher(Logits(), always_0, labels)
    nine_right = F.one_hot(torch.tensor([0] * 8 + [0, 1]), 2).float()[:, :, None, None]
    check_teacher(Logits(), nine_right, labels)


def test_fewer_images_than_classes_cannot_tell_a_teacher_at_chance():
    images = F.one_hot(torch.tensor([3, 3]), 10).float()[:, :, None, None]
    check_teacher(Logits(), images, torch.tensor([1, 2]))


def test_the_filter_keeps_what_is_above_the_threshold():
    probabilities = torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.31, 0.23, 0.23, 0.23], [0.9, 0.1, 0.0, 0.0]])
    assert confident(probabilities).tolist() == [1, 2]
    assert confident(probabilities, 0.5).tolist() == [2]


def two_classes(first: list[float], second: list[float]) -> Tensor:
    """Probabilities of three classes: images that are class 0, then class 1, with these confidences; never class 2."""
    rows = [[c, (1 - c) / 2, (1 - c) / 2] for c in first] + [[(1 - c) / 2, c, (1 - c) / 2] for c in second]
    return torch.tensor(rows, dtype=torch.float64)


def test_balancing_as_published_takes_the_most_confident_and_doubles_the_scarce():
    probabilities = two_classes([0.5, 0.9, 0.7, 0.8], [0.6, 0.95])
    chosen = balance_as_published(probabilities, 3, torch.Generator().manual_seed(0)).tolist()
    assert sorted(chosen[:3]) == [1, 2, 3]  # the 0.5 is left out
    assert len(chosen) == 6 and set(chosen[3:]) == {4, 5}  # class 1 has two images and one duplicate; class 2 none


def test_balancing_as_coded_thins_above_a_threshold_of_the_grid_and_repeats_the_scarce():
    frequent = [0.402 + 0.002 * i for i in range(250)]  # 0.402 .. 0.900
    probabilities = two_classes(frequent, [0.5, 0.6, 0.2])
    sizes, lowest = [], []
    for seed in range(40):
        chosen = balance_as_coded(probabilities, 52, torch.Generator().manual_seed(seed))
        own = chosen[chosen < 250]
        assert len(own.unique()) == len(own)
        sizes.append(len(own))
        lowest.append(probabilities[own, 0].min().item())
        scarce = (chosen[chosen >= 250] - 250).bincount(minlength=3).tolist()
        assert scarce == [26, 26, 0]  # 52 / 2 times each; the third image is below 0.3
    # 0.79 leaves 56 images and 0.80 leaves 51, so each of the 56 is kept with probability 52 / 56
    assert min(lowest) >= 0.79
    assert sum(sizes) / 40 == pytest.approx(52, abs=4 * math.sqrt(56 * 52 / 56 * 4 / 56 / 40))


def test_the_grid_of_the_code_goes_up_to_one():
    """A saturated softmax is exactly 1: of 60 images, 50 are, and so are all 40 that are kept."""
    probabilities = two_classes([1.0] * 50 + [0.995] * 10, [])
    for seed in range(10):
        chosen = balance_as_coded(probabilities, 40, torch.Generator().manual_seed(seed))
        assert chosen.max() < 50


def test_balancing_nothing_gives_nothing():
    generator = torch.Generator()
    nothing = torch.empty(0, 3)
    assert len(balance_as_published(nothing, 2, generator)) == len(balance_as_coded(nothing, 2, generator)) == 0


def joint_case(weighting: str, **how: bool) -> tuple[Tensor, Logits]:
    """Two labelled and three unlabelled images of known loss: log 2 each, and log 4 / 3, log 4 and log 2."""
    labelled = pictures([0.0, 0.0], [0.0, 0.0])
    batches = Batches(labelled, torch.tensor([0, 1]), 2, seed=0, device=CPU)
    unlabelled = pictures([math.log(3.0), 0.0], [math.log(3.0), 0.0], [math.log(3.0), 0.0])
    soft = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    net = Logits()
    return joint_loss(batches, unchanged, weighting=weighting, **how)(net, batch_of(unlabelled, soft)), net


def test_another_weighting_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"text, algorithm 1, code, found 'texts'"):
        joint_case("texts")


def test_the_three_weightings_of_the_loss():
    """The text averages over all images, algorithm 1 adds two means, the code weighs the second with the ratio."""
    labelled = math.log(2)
    on_unlabelled = [math.log(4 / 3), math.log(4), (math.log(4 / 3) + math.log(4)) / 2]
    unlabelled = sum(on_unlabelled) / 3
    expected = {
        "text": (2 * labelled + 3 * unlabelled) / 5,
        "algorithm 1": labelled + unlabelled,
        "code": labelled + 3 / 2 * unlabelled,
    }
    assert set(expected) == set(WEIGHTINGS)
    for weighting, value in expected.items():
        assert joint_case(weighting)[0].item() == pytest.approx(value, rel=1e-6)
    assert expected["code"] == pytest.approx(5 / 2 * expected["text"])


def test_labelled_and_unlabelled_images_share_one_forward_pass():
    _, net = joint_case("text")
    assert [len(images) for images in net.seen] == [5]


def test_hard_labels_are_one_hot_soft_labels():
    batches = Batches(pictures([0.3, 0.1]), torch.tensor([0]), 1, seed=0, device=CPU)
    unlabelled = pictures([1.0, 0.0], [0.2, 0.5])
    loss = joint_loss(batches, unchanged)
    hard = loss(Logits(), batch_of(unlabelled, torch.tensor([1, 0])))
    soft = loss(Logits(), batch_of(unlabelled, torch.tensor([[0.0, 1.0], [1.0, 0.0]])))
    assert hard.item() == pytest.approx(soft.item(), rel=1e-6)


@pytest.mark.parametrize("noised", [True, False])
def test_without_noise_only_unlabelled_images_are_spared(noised):
    """The paper's ablation takes the noise from unlabelled images alone."""
    batches = Batches(pictures([0.0, 0.0]), torch.tensor([0]), 1, seed=0, device=CPU)
    net = Logits()
    loss = joint_loss(batches, lambda images, generator: images + 1, noise_on_unlabelled=noised)
    loss(net, batch_of(pictures([5.0, 5.0]), torch.tensor([1])))
    assert net.seen[0][:, 0, 0, 0].tolist() == [1.0, 6.0 if noised else 5.0]


@pytest.mark.parametrize(("noised", "rows"), [(True, 3), (False, 1)])
def test_the_labelled_image_keeps_the_nets_own_noise_in_either_case(noised, rows, monkeypatch):
    """One labelled and two unlabelled images in a batch: dropout acts on all three, or on the first alone."""
    given = []

    @contextmanager
    def noted(model, count):
        given.append(count)
        yield

    monkeypatch.setattr(self_training, "noise_on_first", noted)
    batches = Batches(pictures([0.0, 0.0]), torch.tensor([0]), 1, seed=0, device=CPU)
    loss = joint_loss(batches, lambda images, generator: images, noise_on_unlabelled=noised)
    loss(Logits(), batch_of(pictures([5.0, 5.0], [4.0, 4.0]), torch.tensor([1, 0])))
    assert given == [rows]


@pytest.mark.parametrize("net", [
    small_cnn(3, (6, 8, 10), in_channels=1, strides=(1, 2, 1), dropout=0.5),
    wide_resnet(10, 1, 3, in_channels=1, batch_norm=False, head_dropout=0.5, stochastic_depth=0.5),
], ids=["dropout", "stochastic depth"])  # fmt: skip
def test_model_noise_acts_on_the_first_rows_alone(net):
    torch.manual_seed(0)
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # so that a row's answer does not depend on its batch
    images = torch.rand(30, 1, 8, 8)
    with torch.no_grad():
        with noise_on_first(net, 10):
            once, again = net(images), net(images)
        noised = net(images)
        expected = net.eval()(images)
    assert torch.allclose(once[10:], expected[10:], atol=1e-6)
    assert not torch.allclose(once[:10], again[:10])
    assert not torch.allclose(noised[10:], expected[10:])  # the hooks are gone


def test_consistency_learns_from_sure_answers_on_clean_images_alone():
    batches = Batches(pictures([0.0, 0.0]), torch.tensor([0]), 1, seed=0, device=CPU)
    clean = pictures([math.log(99.0), 0.0], [0.0, 0.1])  # 99 % sure of class 0; not sure
    net = Logits()
    loss = consistency_loss(batches, lambda images, generator: -images)(net, batch_of(clean, torch.zeros(2).long()))
    # noised: the first image is turned round, so its loss under label 0 is log 100; the second does not count
    assert loss.item() == pytest.approx(math.log(2) + math.log(100) / 2, rel=1e-5)
    assert net.seen[0].shape[0] == 5  # one labelled, two noised, two clean, in one pass
    loss.backward()
    # d/ds of log(1 + 99^s) / 2 at s = 1: nothing comes through the clean images
    assert net.scale.grad is not None
    assert net.scale.grad.item() == pytest.approx(0.5 * 0.99 * math.log(99.0), rel=1e-4)
